"""What traffic needs of AWS: environments at a time, by Little's law, and money, item by item, from measured durations.

Measured here is the processor time of the real functions, AWS clients and logs included. What the network and the
services add on AWS cannot be measured on one machine: those are the assumptions below, in one place.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from math import ceil
from typing import Any

from bench.benchmark import Benchmark, Table
from bench.charts import Lines
from bench.functions import CONTEXT, deployed
from bench.harness import Figures, Measure, Spread, cpu_seconds, interleaved
from bench.inputs import BATCH, SHARDS, Json, encoded, membership_bodies, memberships_of, message, sqs_event
from bench.loopback import Loopback
from bench.prices import MEMORY_GB, PRICES, SQS_CHUNK_BYTES, Usage, itemised
from bench.simulation import Burst, Consumers, Drained, Handled, Scaling, drained, handled
from mparticle_firehose.services import EventMode

RATES = (2_000, 10_000)
"""Requests a second: on average, and at the peak."""


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What is not measured.

    Attributes:
        slower: how much longer processor time takes with 1,024 MB, which is 0.58 of a processor.
        partner_ms: the partner's answer, with the network.
        sqs_ms: of a SendMessageBatch.
        dynamodb_ms: of a read.
        log_bytes: of an invocation, with its metrics and Lambda's own lines.
        starting_ms: of an environment that starts from its snapshot.
        membership_share: of all requests; the others carry events.
        accounts: of customers, over which the memberships are spread.
    """

    slower: float = 1.73
    partner_ms: float = 40.0
    sqs_ms: float = 8.0
    dynamodb_ms: float = 4.0
    log_bytes: float = 1_200.0
    starting_ms: float = 600.0
    membership_share: float = 0.1
    accounts: int = 20


ASSUMED = Assumptions()
_FEW = "memberships, 5 profiles"
MEMBERSHIP_BATCHES, EVENT_BATCHES = 50, 500  # at a time, with EventMode=queue


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of request, and what it does on its way.

    Attributes:
        waits_ms: for the network, in the handler.
        messages: on a queue.
        worker_waits_ms: for the network, in the worker, for a batch.
        fifo: whether the queue is the membership queue.
        event_mode: of the deployment that it is measured in.
    """

    name: str
    content: Json
    waits_ms: float = 0.0
    messages: int = 0
    worker_waits_ms: float = 0.0
    fifo: bool = False
    event_mode: EventMode = "forward"


def kinds() -> list[Kind]:
    few, many = message("audience_membership_change_request"), memberships_of(100)
    events, erasure = message("event_processing_request"), message("dsr_processing_request")
    to_queue, to_partner = ASSUMED.sqs_ms, ASSUMED.partner_ms
    members = to_partner + ASSUMED.dynamodb_ms
    return [
        Kind("registration", message("module_registration_request")),
        Kind("audience", message("audience_subscription_add"), to_partner),
        Kind("events, forwarded", events, to_partner),
        Kind("events, queued", events, to_queue, 1, BATCH * to_partner, event_mode="queue"),
        Kind(_FEW, few, to_queue, len(membership_bodies(few)), 3 * members, fifo=True),
        Kind("memberships, 100 profiles", many, to_queue, len(membership_bodies(many)), members, fifo=True),
        Kind("erasure", erasure, to_queue, 1, BATCH * to_partner),
    ]


def measure(quick: bool) -> Figures:
    rounds, calls = (1, 2) if quick else (15, 20)
    with Loopback() as loopback:
        measured = {kind.name: _durations(loopback, kind, rounds=rounds, calls=calls) for kind in kinds()}
    return {
        "assumed": asdict(ASSUMED),
        "kinds": {kind.name: {**measured[kind.name], **_consequences(kind, measured[kind.name])} for kind in kinds()},
        "simulated": simulated(measured, one_in=200 if quick else 1),
    }


def _durations(loopback: Loopback, kind: Kind, *, rounds: int, calls: int) -> dict[str, float]:
    """Return milliseconds on AWS: processor time as measured, made slower, and what is waited for."""
    with deployed({**loopback.variables, "EVENT_MODE": kind.event_mode}) as app:
        samples = interleaved(_functions(app, kind, calls), rounds)
    found = {name: Spread.of(values).median * 1e3 for name, values in samples.items()}
    return {
        "handler_cpu_ms": found["handler"],
        "handler_ms": found["handler"] * ASSUMED.slower + kind.waits_ms,
        "worker_cpu_ms": found.get("worker", 0.0),
        "worker_batch_ms": found["worker"] * ASSUMED.slower + kind.worker_waits_ms if kind.messages else 0.0,
    }


def _functions(app: Any, kind: Kind, calls: int) -> dict[str, Measure]:
    payload, batch = encoded(kind.content), sqs_event(_batch(kind)) if kind.messages else None
    cpu: dict[str, Measure] = {
        "handler": partial(cpu_seconds, lambda: json.dumps(app.handler(json.loads(payload), CONTEXT)), calls=calls)
    }
    if batch:
        cpu["worker"] = partial(cpu_seconds, lambda: app.worker(batch, CONTEXT), calls=max(1, calls // 4))
    return cpu


def _batch(kind: Kind) -> list[tuple[str, str]]:
    """Return a full batch of the kind's messages."""
    return (_bodies(kind) * BATCH)[:BATCH]


def _consequences(kind: Kind, measured: Mapping[str, float]) -> Figures:
    seconds = measured["handler_ms"] / 1e3
    usd = itemised(usage(kind, measured))
    return {
        "environments": {str(rate): concurrent(rate, seconds) for rate in RATES},
        "usd_per_million": {**usd, "total": sum(usd.values())},
    }


def concurrent(rate: float, seconds: float) -> int:
    """Return how many requests are being answered at a time, by Little's law."""
    return ceil(rate * seconds)


def usage(kind: Kind, measured: Mapping[str, float]) -> Usage:
    """Return what one request uses, when the worker's batches are full."""
    batches = kind.messages / BATCH
    calls = _sqs_calls(kind, batches) if kind.messages else 0
    return Usage(
        lambda_requests=1 + batches,
        lambda_gb_seconds=(measured["handler_ms"] + batches * measured["worker_batch_ms"]) / 1e3 * MEMORY_GB,
        sqs_standard=0 if kind.fifo else calls,
        sqs_fifo=calls if kind.fifo else 0,
        dynamodb_reads=0.5 + kind.messages if kind.fifo else 0,  # is it suspended?, and each group's contest
        log_bytes=ASSUMED.log_bytes * (1 + batches),
    )


def _sqs_calls(kind: Kind, batches: float) -> float:
    """Return how many calls are charged: to send, to receive and to delete, the first two by started 64 KB."""
    size = sum(len(body) for _, body in _bodies(kind))
    sent, received = ceil(size / SQS_CHUNK_BYTES), ceil(size / kind.messages * BATCH / SQS_CHUNK_BYTES)
    return sent + batches * received + batches


def _bodies(kind: Kind) -> list[tuple[str, str]]:
    """Return what the request leaves on its queue: groups and bodies."""
    return membership_bodies(kind.content) if kind.fifo else [("", encoded(kind.content).decode())]


def simulated(measured: Mapping[str, Mapping[str, float]], *, one_in: int = 1) -> Figures:
    """Simulate a minute of the peak between minutes of the average.

    Args:
        measured: durations by kind.
        one_in: simulate one in so many requests, and of the environments.
    """
    burst = Burst(RATES[0] / one_in, RATES[1] / one_in, begins=30, lasts=60)
    share = ASSUMED.membership_share
    few = next(kind for kind in kinds() if kind.name == _FEW)
    memberships = Burst(
        burst.steady * share * few.messages, burst.peak * share * few.messages, burst.begins, burst.lasts
    )
    events_s, members_s = (measured[name]["worker_batch_ms"] / 1e3 / BATCH for name in ("events, queued", few.name))
    consumers = Consumers(most=max(1, MEMBERSHIP_BATCHES // one_in))
    scaling = Consumers(most=max(1, EVENT_BATCHES // one_in), at_first=max(1, 5 // one_in), per_second=5 / one_in)
    groups = max(1, ASSUMED.accounts * SHARDS // one_in)
    return {
        "handler": {f"limit {limit:,}": _told(_handled(burst, measured, limit, one_in)) for limit in (1_000, 2_000)},
        "queues": {
            "memberships": _emptied(drained(memberships, lambda n: members_s * n, consumers, until=240, groups=groups)),
            "all events queued": _emptied(drained(burst, lambda n: events_s * n, scaling, until=240)),
        },
    }


def _handled(burst: Burst, measured: Mapping[str, Mapping[str, float]], limit: int, one_in: int) -> Handled:
    seconds = measured["events, forwarded"]["handler_ms"] / 1e3
    scaling = Scaling(
        limit=limit // one_in, at_once=1_000 / one_in, per_second=100 / one_in, starting=ASSUMED.starting_ms / 1e3
    )
    return handled(burst, lambda: seconds, scaling, until=120, warm=concurrent(burst.steady, seconds))


def _told(done: Handled) -> Figures:
    return {
        "throttled": done.throttled, "environments": done.environments,
        "concurrency": done.concurrency, "refused": done.refused,
    }  # fmt: skip


def _emptied(done: Drained) -> Figures:
    return {
        "most_waiting": max(waiting for _, waiting in done.backlog), "oldest_s": max(age for _, age in done.age),
        "left": done.backlog[-1][1], "backlog": done.backlog, "age": done.age,
    }  # fmt: skip


def tables(figures: Mapping[str, Any]) -> list[Table]:
    return [_needs(figures["kinds"]), _prices(), _burst(figures["simulated"])]


def _needs(found: Mapping[str, Any]) -> Table:
    header = ["request", "CPU ms", "handler ms", "batch ms", *(f"at {rate:,}/s" for rate in RATES), *_ITEMS, "US$"]
    rows = [
        [name, f"{kind['handler_cpu_ms']:.2f}", f"{kind['handler_ms']:.1f}", f"{kind['worker_batch_ms']:.0f}"]
        + [str(kind["environments"][str(rate)]) for rate in RATES]
        + [f"{sum(kind['usd_per_million'][part] for part in parts):.2f}" for parts in _ITEMS.values()]
        + [f"{kind['usd_per_million']['total']:.2f}"]
        for name, kind in found.items()
    ]
    return Table("Durations calculated for AWS, environments at a time, and US$ for a million requests", header, rows)


_ITEMS = {
    "requests": ["lambda_requests"],
    "time": ["lambda_gb_seconds"],
    "SQS": ["sqs_standard", "sqs_fifo"],
    "DynamoDB": ["dynamodb_reads", "dynamodb_writes"],
    "logs": ["logs"],
}


def _prices() -> Table:
    listed = ", ".join(f"{name.replace('_', ' ')} {price:g}" for name, price in PRICES["per_million"].items())
    http_api = PRICES["per_million"]["http_api"]
    return Table(
        f"List prices of {PRICES['as_of']:%B %Y} in US$ for a million, to be checked: {listed}."
        f" Over HTTPS a million requests cost {http_api:.2f} more with an HTTP API, nothing more with a function URL."
    )


def _burst(found: Mapping[str, Any]) -> Table:
    rows = [
        [f"handler, account {name}", f"{one['environments']:,} environments", f"{one['throttled']:,} throttled"]
        for name, one in found["handler"].items()
    ] + [
        [
            f"queue: {name}",
            f"{one['most_waiting']:,} waiting at most, {one['left']:,} in the end",
            f"{one['oldest_s']:.0f} s",
        ]
        for name, one in found["queues"].items()
    ]
    header = ["where", "most", "throttled requests, or age of the oldest message"]
    return Table("Simulated: half a minute of 2,000 requests a second, one of 10,000, then 2,000", header, rows)


def charts(figures: Mapping[str, Any]) -> list[Lines]:
    handlers, queues = figures["simulated"]["handler"], figures["simulated"]["queues"]
    return [
        Lines(name="burst_handler", title="A minute of 10,000 requests a second: handler", across="s", up="number",
              series={f"{what}, {name}": one[key] for name, one in handlers.items()
                      for what, key in (("busy", "concurrency"), ("throttled so far", "refused"))}),
        Lines(name="burst_backlog", title="The same minute: messages waiting", across="s", up="messages",
              series={name: one["backlog"] for name, one in queues.items()}),
        Lines(name="burst_age", title="The same minute: age of the oldest message", across="s", up="s",
              series={name: one["age"] for name, one in queues.items()}),
    ]  # fmt: skip


BENCHMARK = Benchmark(
    name="cost_model", title="Concurrency and cost model", measure=measure, tables=tables, charts=charts
)
