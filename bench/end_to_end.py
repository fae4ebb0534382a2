"""A warm handler from outside and from inside, for each request, under AWS's runtime client and emulator.

From outside: the time from request to response, against a bare handler that gets the same bytes in turn. From inside:
how much the handler adds to the sum of its network calls; where it writes to SQS, also what a bare handler adds that
makes the same call of boto3 with the same messages. SQS, DynamoDB, Secrets Manager and the partner are
`bench.loopback`.
"""

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from bench.bars import Bars
from bench.benchmark import Benchmark, Figures, Target
from bench.environments import BARE, BARE_SEND, HANDLER, artefact, invoke
from bench.harness import interleaved, percentiles, ratios, seconds_per_call
from bench.in_process import sqs_batches
from bench.inputs import encoded, memberships_of, over_https, requests
from bench.loopback import TOKEN, Loopback
from local.cloud.runtime import LambdaRuntime
from local.isolation import LocalCloudError

TABLE = "Warm, in ms: p50 / p95 / p99 / p99.9"
_HANDLER, _BARE, _BOTO3 = "handler", "bare", "boto3"
MAX_ADDED_MS: Mapping[str, float] = {"events": 2.5, "events over HTTPS": 3.5}
MAX_OTHERWISE_ADDED_MS = 2.0
"""The call to the partner is made in a thread, which can be abandoned; that to SQS is not."""

_QUEUE_URL = "http://127.0.0.1/000000000000/queue"  # what is called is AWS_ENDPOINT_URL


def measure(quick: bool) -> Figures:
    rounds, block = (2, 3) if quick else (50, 100)
    with _functions() as functions:
        return {
            TABLE: {
                title: _of_request(functions, payload, call, rounds=rounds, block=block)
                for title, (payload, call) in _payloads().items()
            }
        }


@dataclass(frozen=True, slots=True)
class _Function:
    """One of those that take turns, and the file with what each of its invocations took inside."""

    environment: LambdaRuntime
    record: Path


@contextmanager
def _functions() -> Iterator[dict[str, _Function]]:
    with artefact() as built, Loopback() as loopback, tempfile.TemporaryDirectory() as place, ExitStack() as running:
        records = {name: Path(place, name) for name in (_HANDLER, _BARE, _BOTO3)}
        environments = {
            _HANDLER: built.timed(HANDLER, loopback.variables, records[_HANDLER]),
            _BARE: built.runtime(BARE, {}),
            _BOTO3: built.timed(BARE_SEND, loopback.variables, records[_BOTO3]),
        }
        yield {
            name: _Function(running.enter_context(environment), records[name])
            for name, environment in environments.items()
        }


def _payloads() -> dict[str, tuple[bytes, bytes | None]]:
    """Return by title the request, and the call of boto3 that sends what the handler would send."""
    direct = {title: encoded(request) for title, request in requests().items()}
    if "memberships" in direct:
        direct["100 memberships"] = encoded(memberships_of(100))
    return {
        **{title: (payload, sqs_call(payload)) for title, payload in direct.items()},
        **{
            f"{title} over HTTPS": (encoded(over_https("/events", direct[title], TOKEN)), None)
            for title in ("keep-alive", "events")
            if title in direct
        },
    }


def sqs_call(payload: bytes) -> bytes | None:
    """Return as JSON the arguments of the one SendMessageBatch that a request leads to, if any."""
    batches = sqs_batches(payload)
    if len(batches) > 1:
        raise LocalCloudError("the baseline sends one batch, and the handler sends more")
    return encoded({**batches[0], "QueueUrl": _QUEUE_URL}) if batches else None


def _of_request(
    functions: Mapping[str, _Function], payload: bytes, call: bytes | None, *, rounds: int, block: int
) -> dict[str, Any]:
    payloads = {_HANDLER: payload, _BARE: payload, **({_BOTO3: call} if call else {})}
    collected: dict[str, list[float]] = {name: [] for name in payloads}
    blocks = {
        name: partial(_block, functions[name].environment, payloads[name], collected[name], block) for name in payloads
    }
    for name, warm_up in blocks.items():
        warm_up()
        collected[name].clear()
        functions[name].record.write_text("")
    medians = interleaved(blocks, rounds)
    none = dict.fromkeys(("adds", "CPU"))
    inside = _inside(functions[_HANDLER].record)
    boto3 = _inside(functions[_BOTO3].record) if call else none
    return {
        "invocations": rounds * block,
        "from outside": percentiles(collected[_HANDLER], 1e3),
        "bare handler": percentiles(collected[_BARE], 1e3),
        "× bare": ratios(medians[_HANDLER], medians[_BARE]),
        **inside,
        **{f"boto3 alone {name}": boto3[name] for name in none},
    }


def _block(environment: LambdaRuntime, payload: bytes, collected: list[float], block: int) -> float:
    """Invoke so many times in a row, collect the seconds of each, and return their median."""
    responses: list[bytes] = []
    seconds = [seconds_per_call(lambda: responses.append(invoke(environment, payload))) for _ in range(block)]
    if any(json.loads(response).get("statusCode", 200) != 200 for response in responses):  # noqa: PLR2004  HTTP's own
        raise LocalCloudError("a request over HTTPS failed")
    collected += seconds
    return median(seconds)


def _inside(record: Path) -> dict[str, Any]:
    """Return what `bench/baselines/timed.py` has written into a file."""
    lines = [[int(number) for number in line.split()] for line in record.read_text().splitlines()]
    return {
        "network calls": round(median(calls for *_, calls in lines)),
        "network": percentiles([network for _, _, network, _ in lines], 1e-6),
        "adds": percentiles([total - network for total, _, network, _ in lines], 1e-6),
        "CPU": percentiles([used for _, used, _, _ in lines], 1e-6),
    }


def targets(figures: Figures) -> list[Target]:
    """Compare what the handler adds, without boto3's part, which is that of a function that makes the same call."""
    return [_target(title, found) for title, found in figures[TABLE].items()]


def _target(title: str, found: Mapping[str, Any]) -> Target:
    added, limit = found["adds"]["p99"], MAX_ADDED_MS.get(title, MAX_OTHERWISE_ADDED_MS)
    without = ""
    if boto3 := found["boto3 alone adds"]:
        added -= boto3["p50"]
        without = f" without boto3's {boto3['p50']:.2f}"
    measured = f"{added:.2f} ms{without} (CPU {found['CPU']['p99']:.2f})"
    return Target(f"Handler adds ≤ {limit:g} ms at p99: {title}", measured, added <= limit)


def chart(figures: Figures) -> Bars:
    values = {title: [found["adds"][point] for point in ("p50", "p99")] for title, found in figures[TABLE].items()}
    return Bars("What a warm handler adds to the time of its network calls: median / p99, in ms", values, digits=1)


BENCHMARK = Benchmark(title="Warm end to end", measure=measure, targets=targets, chart=chart)
