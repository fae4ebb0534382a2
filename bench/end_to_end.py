"""A warm handler from outside and from inside, for each message, under AWS's runtime client and emulator.

From outside: the time from request to answer, against a bare handler that gets the same bytes in turn. From inside: how
much the handler adds to the sum of its network calls. SQS, DynamoDB and the partner are `bench.loopback`.
"""

import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from bench.benchmark import Benchmark, Table, Verdict
from bench.charts import Bars
from bench.environments import BARE, TIMED, artefact
from bench.harness import Figures, interleaved, percentiles, ratios, wall_seconds
from bench.inputs import encoded, memberships_of, message
from bench.loopback import Loopback
from local.isolation import LocalCloudError
from local.runtime import LambdaRuntime, is_error

MESSAGES = {
    "registration": "module_registration_request",
    "keep-alive": "event_processing_keep_alive",
    "events to the partner": "event_processing_request",
    "audience to the partner": "audience_subscription_add",
    "memberships to SQS": "audience_membership_change_request",
    "erasure to SQS": "dsr_processing_request",
}
_MANY_MEMBERSHIPS = "100 memberships to SQS"
MOST_ADDED_MS = 2.0

type Samples = dict[str, list[list[float]]]


def measure(quick: bool) -> Figures:
    rounds, block = (2, 3) if quick else (50, 100)
    payloads = {title: encoded(message(name)) for title, name in MESSAGES.items()}
    payloads[_MANY_MEMBERSHIPS] = encoded(memberships_of(100))
    with artefact() as built, Loopback() as loopback, tempfile.TemporaryDirectory() as place:
        record = Path(place, "timings")
        variables = {**loopback.variables, "BENCH_TIMINGS": str(record)}
        with built.runtime(BARE, {}) as bare, built.runtime(TIMED, variables) as ours:
            return {
                title: _of_message(ours, bare, payload, record, rounds=rounds, block=block)
                for title, payload in payloads.items()
            }


def _of_message(
    ours: LambdaRuntime, bare: LambdaRuntime, payload: bytes, record: Path, *, rounds: int, block: int
) -> Figures:
    for environment in (ours, bare):
        _times(environment, payload, [], block)
    record.write_text("")
    collected: dict[str, list[float]] = {"ours": [], "bare": []}
    medians = interleaved(
        {
            "ours": partial(_times, ours, payload, collected["ours"], block),
            "bare": partial(_times, bare, payload, collected["bare"], block),
        },
        rounds,
    )
    inside = [[int(number) for number in line.split()] for line in record.read_text().splitlines()]
    return {
        "invocations": len(inside),
        "network_calls": median(calls for *_, calls in inside),
        "ours_ms": _milliseconds(collected["ours"], 1e3),
        "bare_ms": _milliseconds(collected["bare"], 1e3),
        "times_bare": ratios(medians["ours"], medians["bare"]).figures(),
        "handler_ms": _milliseconds([total for total, *_ in inside], 1e-6),
        "cpu_ms": _milliseconds([used for _, used, _, _ in inside], 1e-6),
        "network_ms": _milliseconds([network for _, _, network, _ in inside], 1e-6),
        "added_ms": _milliseconds([total - network for total, _, network, _ in inside], 1e-6),
    }


def _times(environment: LambdaRuntime, payload: bytes, collected: list[float], block: int) -> float:
    """Invoke so many times in a row, collect the seconds of each, and return their median."""
    answers: list[bytes] = []
    seconds = [wall_seconds(lambda: answers.append(environment.invoke(payload))) for _ in range(block)]
    if any(map(is_error, answers)):
        raise LocalCloudError("the function failed")
    collected += seconds
    return median(seconds)


def _milliseconds(values: list[float] | list[int], factor: float) -> dict[str, float]:
    return {name: round(value * factor, 4) for name, value in percentiles(values).items()}


def tables(figures: Mapping[str, Any]) -> list[Table]:
    rows = [
        [
            title,
            _points(found["ours_ms"]),
            _points(found["bare_ms"]),
            _ratio(found),
            f"{found['network_calls']:.0f}",
            f"{found['network_ms']['p50']:.2f}",
            _points(found["added_ms"]),
            _points(found["cpu_ms"]),
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
    ]
    invocations = min(found["invocations"] for found in figures.values())
    return [Table(f"Warm, in ms: p50 / p95 / p99 / p99.9 of {invocations:,} invocations each", header, rows)]


def _points(found: Mapping[str, float]) -> str:
    return " / ".join(f"{milliseconds:.1f}" for milliseconds in found.values())


def _ratio(found: Mapping[str, Any]) -> str:
    times = found["times_bare"]
    return f"{times['median']:.2f} ({times['lower']:.2f}-{times['upper']:.2f})"


def charts(figures: Mapping[str, Any]) -> list[Bars]:
    values = {
        title: (found["added_ms"]["p99"], found["added_ms"]["p50"], found["added_ms"]["p99.9"])
        for title, found in figures.items()
    }
    title = "What the handler adds to its network calls: p99 (whiskers p50 and p99.9)"
    return [Bars(name="end_to_end", title=title, unit="ms", values=values, limit=MOST_ADDED_MS)]


def verdicts(figures: Mapping[str, Any]) -> list[Verdict]:
    return [
        Verdict(
            f"Handler adds ≤ {MOST_ADDED_MS:.0f} ms at p99: {title}",
            f"{added:.2f} ms (CPU {cpu:.2f})",
            added <= MOST_ADDED_MS,
        )
        for title, found in figures.items()
        for added, cpu in [(found["added_ms"]["p99"], found["cpu_ms"]["p99"])]
    ]


BENCHMARK = Benchmark(
    name="end_to_end", title="Warm end to end", measure=measure, tables=tables, charts=charts, verdicts=verdicts
)
