"""What traffic needs of AWS, from measured durations: busy environments, concurrency, and money by item.

Busy environments are Little's law. The concurrency that Lambda asks for is at least a tenth of the requests a second.

Measured here are the processor time of the real functions, AWS clients and logs included, the number of their calls and
the size of their logs. How long the network and the services take on AWS cannot be measured on one machine: those are
the assumptions below, in one place.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain
from math import ceil
from typing import Any
from uuid import UUID

from bench.bars import Bars
from bench.benchmark import Benchmark, Figures
from bench.harness import Measure, cpu_seconds, interleaved, spread
from bench.in_process import CONTEXT, deployed, log_lines, sqs_batches
from bench.inputs import BATCH, SHARDS, Json, encoded, memberships_of, requests, sqs_event, with_other_users
from bench.loopback import PARTNER, Loopback
from bench.prices import MEMORY_GB, PRICES, SQS_CHUNK_BYTES, Usage, itemised
from bench.simulation import Burst, Consumers, Scaling, drained, handled
from mparticle_firehose.delivery.side_by_side import CALLS_AT_A_TIME
from mparticle_firehose.firehose import Firehose
from mparticle_firehose.queues.splitting import utf8_length
from mparticle_firehose.services import EventMode
from ops.capacity.planning import busy, concurrency

RATES = (2_000, 10_000)
"""Requests a second: on average, and at the peak."""

MEMBERSHIP_BATCHES, EVENT_BATCHES = 50, 500  # at a time: the default, and EventConcurrency for the peak rate


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What is not measured.

    Attributes:
        slower: how much longer processor time takes with 1,024 MB, which is 0.58 of a processor.
        partner_ms: the partner's response, with the network.
        sqs_ms: of a SendMessageBatch.
        dynamodb_ms: of a read.
        line_bytes: of each line of the log besides its text, as PutLogEvents counts it. AWS does not say whether it is
            charged. Lambda itself logs nothing for an invocation that succeeds.
        starting_ms: of an environment that starts from its snapshot.
        membership_share: of all requests; the others carry events.
        accounts: of customers, over which the memberships are spread.
    """

    slower: float = 1.73
    partner_ms: float = 40.0
    sqs_ms: float = 8.0
    dynamodb_ms: float = 4.0
    line_bytes: int = 26
    starting_ms: float = 600.0
    membership_share: float = 0.1
    accounts: int = 20


ASSUMED = Assumptions()
MEMORY_MB = (512, 1_024, 1_769)
"""Sizes that are compared. Processor time is proportional to them, and the last is one processor."""

_TABLE = "Durations calculated for AWS, busy environments, the concurrency to have, and US$ for a million requests"
_BY_MEMORY = "By MemorySize: milliseconds of the handler, and US$ for a million requests"
_FORWARDED, _QUEUED, _MEMBERSHIPS = "events, forwarded", "events, queued", "memberships"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of request, and what the handler puts on a queue for it.

    Attributes:
        content: the request.
        queued: entries of SendMessageBatch.
        batch: entries of several such requests, of different ids and users, as many as the worker gets at a time.
        event_mode: of the deployment that it is measured in.
    """

    content: Json
    queued: Sequence[Json] = ()
    batch: Sequence[Json] = ()
    event_mode: EventMode = "forward"

    @property
    def fifo(self) -> bool:
        """Whether the queue is the membership queue."""
        return any("MessageDeduplicationId" in entry for entry in self.queued)


def kinds() -> dict[str, Kind]:
    found = requests()
    events = found.pop("events", None)
    found.pop("keep-alive", None)
    kinds = {name: _kind(request) for name, request in found.items()}
    if events:
        kinds |= {_FORWARDED: _kind(events), _QUEUED: _kind(events, "queue")}
    if _MEMBERSHIPS in found:
        kinds[f"{_MEMBERSHIPS}, 100 profiles"] = _kind(memberships_of(100))
    return kinds


def _kind(content: Json, event_mode: EventMode = "forward") -> Kind:
    several = ({**with_other_users(content, number), "id": str(UUID(int=number + 1))} for number in range(BATCH))
    queued, *others = (_queued(each, event_mode) for each in several)
    return Kind(content, queued, [*queued, *chain(*others)][:BATCH], event_mode)


def _queued(content: Json, event_mode: EventMode) -> list[Json]:
    batches = sqs_batches(encoded(content), EVENT_MODE=event_mode)
    return [entry for batch in batches for entry in batch["Entries"]]


def measure(quick: bool) -> Figures:
    rounds, calls = (1, 2) if quick else (15, 20)
    found = kinds()
    with Loopback() as loopback:
        measured = {name: _durations(loopback, kind, rounds=rounds, calls=calls) for name, kind in found.items()}
    return {
        _TABLE: {name: {**durations, **_needed(found[name], durations)} for name, durations in measured.items()},
        _BY_MEMORY: {name: by_memory(found[name], durations) for name, durations in measured.items()},
        **simulated(measured, minute=1 if quick else 60),
        f"List prices in US$ for a million, to be checked: {PRICES['as_of']:%B %Y}": {
            "US$": {name.replace("_", " "): f"{price:g}" for name, price in PRICES["per_million"].items()}
        },
        "Assumptions": {"assumed": asdict(ASSUMED)},
    }


def _needed(kind: Kind, durations: Mapping[str, float]) -> dict[str, float]:
    usd = itemised(usage(kind, durations))
    return {
        **{f"busy at {rate:,}/s": busy(rate, durations["handler ms"] / 1e3) for rate in RATES},
        **{f"concurrency at {rate:,}/s": concurrency(rate, durations["handler ms"] / 1e3) for rate in RATES},
        **{f"US$ {item.replace('_', ' ')}": price for item, price in usd.items()},
        "US$": sum(usd.values()),
    }


def by_memory(kind: Kind, measured: Mapping[str, float]) -> dict[str, float]:
    """Return what a kind of request takes and costs with each size of memory, the same for handler and worker."""
    found = {megabytes: with_memory(measured, megabytes) for megabytes in MEMORY_MB}
    usd = {
        megabytes: sum(itemised(usage(kind, durations, megabytes / 1_024)).values())
        for megabytes, durations in found.items()
    }
    return {
        **{f"{megabytes:,} MB ms": durations["handler ms"] for megabytes, durations in found.items()},
        **{f"{megabytes:,} MB US$": price for megabytes, price in usd.items()},
    }


def with_memory(measured: Mapping[str, float], megabytes: int) -> dict[str, float]:
    """Return durations as they are with another size of memory. What is waited for stays as it is."""
    more = ASSUMED.slower * (1_024 / megabytes - 1)
    return {
        **measured,
        "handler ms": measured["handler ms"] + measured["CPU ms"] * more,
        "batch ms": measured["batch ms"] + measured["batch CPU ms"] * more,
    }


def _durations(loopback: Loopback, kind: Kind, *, rounds: int, calls: int) -> dict[str, float]:
    """Return milliseconds on AWS: processor time as measured, made slower, and what is waited for; and bytes logged."""
    with deployed({**loopback.variables, "EVENT_MODE": kind.event_mode}) as firehose:
        functions = _functions(firehose, kind)
        waits = {name: _waited_ms(loopback, act) for name, act in functions.items()}
        logged = {name: log_bytes(log_lines(act)) for name, act in functions.items()}
        cpu: dict[str, Measure] = {name: partial(cpu_seconds, act, calls=calls) for name, act in functions.items()}
        samples = interleaved(cpu, rounds)
    cpu_ms = {name: spread(samples[name], 1e3)["median"] for name in samples}
    total = {name: cpu_ms[name] * ASSUMED.slower + waits[name] for name in samples}
    return {
        "CPU ms": cpu_ms["handler"],
        "handler ms": total["handler"],
        "batch CPU ms": cpu_ms.get("worker", 0.0),
        "batch ms": total.get("worker", 0.0),
        "messages": len(kind.queued),
        "log bytes": logged["handler"] + len(kind.queued) / BATCH * logged.get("worker", 0),
    }


def log_bytes(lines: Sequence[bytes]) -> int:
    """Return what is charged for lines of the log."""
    return sum(len(line) + ASSUMED.line_bytes for line in lines)


def _functions(firehose: Firehose, kind: Kind) -> dict[str, Callable[[], object]]:
    """Return the work of the handler, and of the worker with a full batch, where there is any."""
    payload, batch = encoded(kind.content), sqs_event(kind.batch)
    functions: dict[str, Callable[[], object]] = {
        "handler": lambda: json.dumps(firehose.handler(json.loads(payload), CONTEXT))
    }
    return {**functions, "worker": lambda: firehose.worker(batch, CONTEXT)} if batch["Records"] else functions


def _waited_ms(loopback: Loopback, act: Callable[[], object]) -> float:
    """Return how long the network calls take by the assumptions; the first time, more is asked than ever after."""
    act()
    loopback.taken()
    act()
    return sum(waited_ms(operation, count) for operation, count in loopback.taken().items())


def waited_ms(operation: str, count: int) -> float:
    """Return how long so many calls take: those to the partner several at a time, the others one after another."""
    if operation == PARTNER:
        return ceil(count / CALLS_AT_A_TIME) * ASSUMED.partner_ms
    return count * (ASSUMED.sqs_ms if operation.startswith("AmazonSQS") else ASSUMED.dynamodb_ms)


def usage(kind: Kind, measured: Mapping[str, float], memory_gb: float = MEMORY_GB) -> Usage:
    """Return what one request uses, when the worker's batches are full.

    Args:
        kind: of the request.
        measured: durations, and the bytes that handler and worker log for it.
        memory_gb: of both functions.
    """
    batches = len(kind.queued) / BATCH
    calls = _sqs_calls(kind, batches) if kind.queued else 0
    return Usage(
        lambda_requests=1 + batches,
        lambda_gb_seconds=(measured["handler ms"] + batches * measured["batch ms"]) / 1e3 * memory_gb,
        sqs_standard=0 if kind.fifo else calls,
        sqs_fifo=calls if kind.fifo else 0,
        # the suspensions of a batch's accounts; for memberships also the account's own, and each group's last writes
        dynamodb_reads=batches + (1 + len(kind.queued) if kind.fifo else 0),
        log_bytes=measured["log bytes"],
    )


def _sqs_calls(kind: Kind, batches: float) -> float:
    """Return how many calls are charged: to send, to receive and to delete, the first two by started 64 KB."""
    size = sum(utf8_length(entry["MessageBody"]) for entry in kind.queued)
    sent, received = ceil(size / SQS_CHUNK_BYTES), ceil(size / len(kind.queued) * BATCH / SQS_CHUNK_BYTES)
    return sent + batches * received + batches


def simulated(measured: Mapping[str, Mapping[str, float]], *, minute: float = 60) -> Figures:
    """Simulate the peak for a minute, after half a minute of the average and before some more of it.

    Args:
        measured: durations and messages by kind.
        minute: how many seconds it lasts.
    """
    burst = Burst(*RATES, begins=minute / 2, lasts=minute)
    handlers, queues = {}, {}
    if _FORWARDED in measured:
        handlers = {
            f"handler, account limit {limit:,}": _handled(burst, measured[_FORWARDED], limit, until=2 * minute)
            for limit in (1_000, 2_000)
        }
    if _MEMBERSHIPS in measured:
        share = ASSUMED.membership_share * measured[_MEMBERSHIPS]["messages"]
        messages = Burst(burst.steady * share, burst.peak * share, burst.begins, burst.lasts)
        consumers, groups = Consumers(maximum=MEMBERSHIP_BATCHES), ASSUMED.accounts * SHARDS
        queues["memberships"] = _drained(messages, measured[_MEMBERSHIPS], consumers, 4 * minute, groups)
    if _QUEUED in measured:
        consumers = Consumers(maximum=EVENT_BATCHES, at_first=5, per_second=5)
        queues["all events queued"] = _drained(burst, measured[_QUEUED], consumers, 4 * minute)
    average, peak = (f"{rate:,}" for rate in RATES)
    title = f"Simulated: half a minute of {average} requests a second, a minute of {peak}, then {average}"
    return {f"{title}: the handler": handlers, f"{title}: the queues": queues}


def _handled(burst: Burst, measured: Mapping[str, float], limit: int, *, until: float) -> dict[str, Any]:
    seconds = measured["handler ms"] / 1e3
    scaling = Scaling(limit=limit, starting=ASSUMED.starting_ms / 1e3)
    done = handled(burst, lambda: seconds, scaling, until=until, warm=busy(burst.steady, seconds))
    return {"environments": done.environments, "requests throttled": done.throttled}


def _drained(
    burst: Burst, measured: Mapping[str, float], consumers: Consumers, until: float, groups: int = 0
) -> dict[str, Any]:
    each = measured["batch ms"] / 1e3 / BATCH
    done = drained(burst, lambda size: each * size, consumers, until=until, groups=groups)
    return {"maximum waiting": max(done.backlog), "left": done.backlog[-1], "oldest message, s": max(done.age)}


def chart(figures: Figures) -> Bars:
    values = {name: [found["US$"]] for name, found in figures[_TABLE].items()}
    return Bars("What AWS charges for a million requests, in US$", values, digits=2)


BENCHMARK = Benchmark(title="Concurrency and cost model", measure=measure, chart=chart)
