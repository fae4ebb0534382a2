"""A warm handler from outside and from inside, for each message, under AWS's runtime client and emulator.

From outside: the time from request to answer, against a bare handler that gets the same bytes in turn. From inside: how
much the handler adds to the sum of its network calls; where it writes to SQS, also what a bare handler adds that makes
the same call of boto3 with the same messages. SQS, DynamoDB, Secrets Manager and the partner are `bench.loopback`.
"""

import json
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from bench.benchmark import Benchmark, Table, Verdict
from bench.charts import Bars
from bench.environments import BARE, BARE_SEND, HANDLER, Artefact, artefact
from bench.harness import Figures, interleaved, percentiles, ratios, wall_seconds, with_quartiles
from bench.inputs import Json, encoded, memberships_of, message, over_https
from bench.loopback import TOKEN, Loopback
from bench.nowhere import services
from local.cloud.runtime import LambdaRuntime, is_error
from local.isolation import LocalCloudError
from mparticle_firehose.deadline import Deadline
from mparticle_firehose.processors import process
from mparticle_firehose.protocol import Serializer

MESSAGES = {
    "registration": "module_registration_request",
    "keep-alive": "event_processing_keep_alive",
    "events to the partner": "event_processing_request",
    "audience to the partner": "audience_subscription_add",
    "memberships to SQS": "audience_membership_change_request",
    "erasure to SQS": "dsr_processing_request",
}
OVER_HTTPS = {
    "keep-alive over HTTPS": "event_processing_keep_alive",
    "events over HTTPS to the partner": "event_processing_request",
}
_MANY_MEMBERSHIPS = "100 memberships to SQS"
_OURS, _BARE, _BOTO3 = "ours", "bare", "boto3"
MOST_ADDED_MS = 2.0

_QUEUE_URL = "http://127.0.0.1/000000000000/queue"  # what is called is AWS_ENDPOINT_URL


def measure(quick: bool) -> Figures:
    rounds, block = (2, 3) if quick else (50, 100)
    with artefact() as built, Loopback() as loopback, tempfile.TemporaryDirectory() as place:
        functions = _functions(built, loopback, Path(place))
        with ExitStack() as running:
            for function in functions.values():
                running.enter_context(function.environment)
            return {title: _of_message(functions, *given, rounds, block) for title, given in _payloads().items()}


@dataclass(frozen=True, slots=True)
class _Function:
    """One of those that take turns, and where it writes down what happened inside."""

    environment: LambdaRuntime
    record: Path


def _functions(built: Artefact, loopback: Loopback, place: Path) -> dict[str, _Function]:
    def timed(name: str, handler: str) -> _Function:
        return _Function(built.timed(handler, loopback.variables, place / name), place / name)

    bare = _Function(built.runtime(BARE, {}), place / _BARE)
    return {_OURS: timed(_OURS, HANDLER), _BARE: bare, _BOTO3: timed(_BOTO3, BARE_SEND)}


def _payloads() -> dict[str, tuple[bytes, bytes | None]]:
    """Return by title the message, and the call of boto3 that sends what the handler would send."""
    messages = {title: message(name) for title, name in MESSAGES.items()}
    messages[_MANY_MEMBERSHIPS] = memberships_of(100)
    over_http = {
        title: encoded(over_https("/events", encoded(message(name)), TOKEN)) for title, name in OVER_HTTPS.items()
    }
    return {
        **{title: (encoded(content), sqs_call(content)) for title, content in messages.items()},
        **{title: (payload, None) for title, payload in over_http.items()},
    }


@dataclass(frozen=True, slots=True)
class _Sqs:
    """Stands in for the client, and keeps what it should send."""

    batches: list[Json] = field(default_factory=list)

    def send_message_batch(self, **batch: Any) -> Json:
        self.batches.append(batch)
        return {}


def sqs_call(content: Json) -> bytes | None:
    """Return as JSON the arguments of the one SendMessageBatch that a message leads to, if any."""
    sqs = _Sqs()
    process(Serializer().parse(content), services(encodes=True, sqs=sqs), Deadline.after(5))
    if len(sqs.batches) > 1:
        raise LocalCloudError("the baseline sends one batch, and the handler sends more")
    return encoded({**sqs.batches[0], "QueueUrl": _QUEUE_URL}) if sqs.batches else None


def _of_message(
    functions: Mapping[str, _Function], payload: bytes, call: bytes | None, rounds: int, block: int
) -> Figures:
    payloads = {_OURS: payload, _BARE: payload, **({_BOTO3: call} if call else {})}
    taking_part = {name: functions[name] for name in payloads}
    for name, function in taking_part.items():
        _times(function.environment, payloads[name], [], block)
        function.record.write_text("")
    collected: dict[str, list[float]] = {name: [] for name in payloads}
    medians = interleaved(
        {
            name: partial(_times, function.environment, payloads[name], collected[name], block)
            for name, function in taking_part.items()
        },
        rounds,
    )
    return {
        "ours_ms": _milliseconds(collected[_OURS], 1e3),
        "bare_ms": _milliseconds(collected[_BARE], 1e3),
        "times_bare": ratios(medians[_OURS], medians[_BARE]).figures(),
        **_inside(functions[_OURS].record),
        "boto3": _inside(functions[_BOTO3].record) if call else None,
    }


def _inside(record: Path) -> Figures:
    """Return what `bench/baselines/timed.py` has written down."""
    lines = [[int(number) for number in line.split()] for line in record.read_text().splitlines()]
    return {
        "invocations": len(lines),
        "network_calls": median(calls for *_, calls in lines),
        "handler_ms": _milliseconds([total for total, *_ in lines], 1e-6),
        "cpu_ms": _milliseconds([used for _, used, _, _ in lines], 1e-6),
        "network_ms": _milliseconds([network for _, _, network, _ in lines], 1e-6),
        "added_ms": _milliseconds([total - network for total, _, network, _ in lines], 1e-6),
    }


def _times(environment: LambdaRuntime, payload: bytes, collected: list[float], block: int) -> float:
    """Invoke so many times in a row, collect the seconds of each, and return their median."""
    answers: list[bytes] = []
    seconds = [wall_seconds(lambda: answers.append(environment.invoke(payload))) for _ in range(block)]
    if any(map(_failed, answers)):
        raise LocalCloudError("the function failed")
    collected += seconds
    return median(seconds)


def _failed(answer: bytes) -> bool:
    return is_error(answer) or json.loads(answer).get("statusCode", 200) != 200  # noqa: PLR2004  HTTP's own


def _milliseconds(values: list[float] | list[int], factor: float) -> dict[str, float]:
    return {name: round(value * factor, 4) for name, value in percentiles(values).items()}


def tables(figures: Mapping[str, Any]) -> list[Table]:
    rows = [
        [
            title,
            _points(found["ours_ms"]),
            _points(found["bare_ms"]),
            with_quartiles(found["times_bare"]),
            f"{found['network_calls']:.0f}",
            f"{found['network_ms']['p50']:.2f}",
            _points(found["added_ms"]),
            _points(found["cpu_ms"]),
            _points(found["boto3"]["added_ms"]) if found["boto3"] else "-",
            _points(found["boto3"]["cpu_ms"]) if found["boto3"] else "-",
        ]
        for title, found in figures.items()
    ]
    header = [
        "message",
        "from outside",
        "bare handler",
        "× bare, p50",
        "calls",
        "network p50",
        "handler adds",
        "its CPU",
        "boto3 alone adds",
        "its CPU",
    ]
    invocations = min(found["invocations"] for found in figures.values())
    return [Table(f"Warm, in ms: p50 / p95 / p99 / p99.9 of {invocations:,} invocations each", header, rows)]


def _points(found: Mapping[str, float]) -> str:
    return " / ".join(f"{milliseconds:.1f}" for milliseconds in found.values())


def charts(figures: Mapping[str, Any]) -> list[Bars]:
    values = {
        title: (found["added_ms"]["p99"], found["added_ms"]["p50"], found["added_ms"]["p99.9"])
        for title, found in figures.items()
    }
    title = "What the handler adds to its network calls: p99 (whiskers p50 and p99.9)"
    return [Bars(name="end_to_end", title=title, unit="ms", values=values, limit=MOST_ADDED_MS)]


def verdicts(figures: Mapping[str, Any]) -> list[Verdict]:
    """Judge all that the handler adds, boto3's part too, and say beside it what is left without that part's median."""
    return [_verdict(title, found) for title, found in figures.items()]


def _verdict(title: str, found: Mapping[str, Any]) -> Verdict:
    added, cpu = found["added_ms"]["p99"], found["cpu_ms"]["p99"]
    measured = f"{added:.2f} ms (CPU {cpu:.2f})"
    if found["boto3"]:
        boto3 = found["boto3"]["added_ms"]["p50"]
        measured += f"; {added - boto3:.2f} without boto3's {boto3:.2f}"
    return Verdict(f"Handler adds ≤ {MOST_ADDED_MS:.0f} ms at p99: {title}", measured, added <= MOST_ADDED_MS)


BENCHMARK = Benchmark(
    name="end_to_end", title="Warm end to end", measure=measure, tables=tables, charts=charts, verdicts=verdicts
)
