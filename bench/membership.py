"""Memberships on their way: from the request to SQS, and from SQS's messages to the partner.

The handler and the worker are the real ones, with their AWS and HTTP clients, logs and metrics; SQS, DynamoDB and the
partner are `bench.loopback`. Between the two functions the benchmark plays SQS: it hands the worker ten messages at a
time, as a FIFO queue does. The time that SQS itself takes is in no figure.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import batched
from typing import Any

from bench.benchmark import Benchmark, Table, Verdict
from bench.charts import Lines
from bench.functions import CONTEXT, deployed
from bench.harness import Figures, Spread, growth, interleaved, ratios, wall_seconds
from bench.inputs import BATCH, Json, encoded, membership_bodies, memberships_of, memberships_of_bytes, sqs_event
from bench.loopback import Loopback
from local.isolation import LocalCloudError

SIZES = (1, 10, 100, 1000)
LARGEST_BYTES = 6_000_000
LEAST_PER_SECOND = 5_000
MOST_CALLS = 2
MOST_TIMES_LOADS = 10
MOST_GROWTH = 1.1

_SEND, _MEMBERS = "AmazonSQS.SendMessageBatch", "POST /v1/audiences/members"


def measure(quick: bool) -> Figures:
    rounds, requests = (2, 2) if quick else (15, 100)
    sizes = SIZES[:2] if quick else SIZES
    with Loopback() as loopback, deployed(loopback.variables) as app:
        return {
            "by_profiles": {
                str(size): {
                    "handler": _handler(app, loopback, memberships_of(size), rounds=rounds, profiles=size),
                    "worker": _worker(app, loopback, size, rounds=rounds, requests=max(2, requests // size)),
                }
                for size in sizes
            },
            "largest": _largest(app, loopback, 100_000 if quick else LARGEST_BYTES, rounds=2 if quick else 7),
        }


def _handler(app: Any, loopback: Loopback, request: Json, *, rounds: int, profiles: int) -> Figures:
    payload, times = encoded(request), max(1, 50 // profiles)
    subjects = {"handler": partial(_ask, app, payload, times), "json": partial(_reencode, [payload], times)}
    subjects["handler"]()
    loopback.taken()
    samples = interleaved(subjects, rounds)
    calls = loopback.taken()[_SEND] / (times * rounds)
    return {
        "ms": Spread.of(samples["handler"]).scaled(1e3).figures(),
        "times_json": ratios(samples["handler"], samples["json"]).figures(),
        "sqs_calls_per_1000": calls * 1000 / profiles,
    }


def _ask(app: Any, payload: bytes, times: int) -> float:
    """Return the seconds of one request, as the mean of several."""
    started = time.perf_counter()
    for _ in range(times):
        json.dumps(app.handler(json.loads(payload), CONTEXT))
    return (time.perf_counter() - started) / times


def _reencode(payloads: Sequence[bytes | str], times: int = 1) -> float:
    started = time.perf_counter()
    for _ in range(times):
        for payload in payloads:
            json.dumps(json.loads(payload))
    return (time.perf_counter() - started) / times


def _worker(app: Any, loopback: Loopback, profiles: int, *, rounds: int, requests: int) -> Figures:
    batches = worker_batches(profiles, requests)
    bodies = [record["body"] for batch in batches for record in batch["Records"]]
    subjects = {
        "worker": partial(_deliver, app, batches, time.perf_counter),
        "cpu": partial(_deliver, app, batches, time.process_time),
        "json": partial(_reencode, bodies),
    }
    subjects["worker"]()
    loopback.taken()
    samples = interleaved(subjects, rounds)
    memberships = profiles * requests
    calls = loopback.taken()[_MEMBERS] / (2 * rounds)
    return {
        "per_second": Spread.of([memberships / seconds for seconds in samples["worker"]]).figures(),
        "per_cpu_second": Spread.of([memberships / seconds for seconds in samples["cpu"]]).figures(),
        "times_json": ratios(samples["worker"], samples["json"]).figures(),
        "partner_calls_per_1000": calls * 1000 / memberships,
    }


def worker_batches(profiles: int, requests: int) -> list[Json]:
    """Return what the worker is handed for requests of so many users each."""
    asked = (memberships_of(profiles, first=number * profiles) for number in range(requests))
    found = [letter for request in asked for letter in membership_bodies(request)]
    return [sqs_event(list(batch)) for batch in batched(found, BATCH, strict=False)]


def _deliver(app: Any, batches: Sequence[Json], clock: Callable[[], float]) -> float:
    started = clock()
    answers = [app.worker(batch, CONTEXT) for batch in batches]
    seconds = clock() - started
    if any(answer["batchItemFailures"] for answer in answers):
        raise LocalCloudError("the worker did not deliver everything")
    return seconds


def _largest(app: Any, loopback: Loopback, size: int, *, rounds: int) -> Figures:
    payload = encoded(request := memberships_of_bytes(size))
    subjects = {"handler": partial(_ask, app, payload, 1), "loads": partial(wall_seconds, lambda: json.loads(payload))}
    subjects["handler"]()
    loopback.taken()
    samples = interleaved(subjects, rounds)
    return {
        "bytes": len(payload),
        "profiles": len(request["user_profiles"]),
        "ms": Spread.of(samples["handler"]).scaled(1e3).figures(),
        "loads_ms": Spread.of(samples["loads"]).scaled(1e3).figures(),
        "times_loads": ratios(samples["handler"], samples["loads"]).figures(),
        "sqs_calls": loopback.taken()[_SEND] / rounds,
    }


def exponent(figures: Mapping[str, Any]) -> float:
    """Return how the handler's time grows with the profiles, from where a request's fixed cost no longer hides it."""
    by_profiles = {int(size): found["handler"]["ms"]["median"] for size, found in figures["by_profiles"].items()}
    by_profiles[figures["largest"]["profiles"]] = figures["largest"]["ms"]["median"]
    sizes = sorted(by_profiles)[-3:]
    return growth(sizes, [by_profiles[size] for size in sizes])


def tables(figures: Mapping[str, Any]) -> list[Table]:
    header = ["profiles", "handler ms", "× json", "SQS calls / 1000", "worker / s", "/ CPU s", "× json", "calls / 1000"]
    rows = [_row(size, found["handler"], found["worker"]) for size, found in figures["by_profiles"].items()]
    title = f"Memberships by profiles of a request: time grows with exponent {exponent(figures):.2f}"
    return [Table(f"{title}. {_largest_told(figures['largest'])}", header, rows)]


def _largest_told(largest: Mapping[str, Any]) -> str:
    ms, loads, times = (largest[name]["median"] for name in ("ms", "loads_ms", "times_loads"))
    return (
        f"The largest request, {largest['profiles']:,} profiles in {largest['bytes'] / 1e6:.1f} MB: {ms:.0f} ms,"
        f" {times:.1f} × its json.loads of {loads:.0f} ms, in {largest['sqs_calls']:.0f} calls of SQS."
    )


def _row(size: str, handler: Mapping[str, Any], worker: Mapping[str, Any]) -> list[str]:
    return [
        size,
        f"{handler['ms']['median']:.2f}",
        f"{handler['times_json']['median']:.1f}",
        f"{handler['sqs_calls_per_1000']:.0f}",
        f"{worker['per_second']['median']:,.0f}",
        f"{worker['per_cpu_second']['median']:,.0f}",
        f"{worker['times_json']['median']:.1f}",
        f"{worker['partner_calls_per_1000']:.1f}",
    ]


def charts(figures: Mapping[str, Any]) -> list[Lines]:
    found = figures["by_profiles"].items()
    series = {
        "handler": [(float(size), entry["handler"]["ms"]["median"]) for size, entry in found],
        "worker": [(float(size), int(size) * 1e3 / entry["worker"]["per_second"]["median"]) for size, entry in found],
    }
    title = "Time for the memberships of one request"
    return [Lines(name="membership", title=title, across="profiles", up="ms", series=series, logarithmic=True)]


def verdicts(figures: Mapping[str, Any]) -> list[Verdict]:
    size = max(figures["by_profiles"], key=int)
    worker, who = figures["by_profiles"][size]["worker"], f"Worker, requests of {size} profiles"
    rate, calls = worker["per_second"]["median"], worker["partner_calls_per_1000"]
    times, grown = figures["largest"]["times_loads"]["median"], exponent(figures)
    return [
        Verdict(f"{who}: ≥ {LEAST_PER_SECOND:,} memberships/s", f"{rate:,.0f}/s", rate >= LEAST_PER_SECOND),
        Verdict(f"{who}: ≤ {MOST_CALLS} partner calls per 1,000", f"{calls:.1f}", calls <= MOST_CALLS),
        Verdict(
            f"6 MB request queued in < {MOST_TIMES_LOADS} × json.loads", f"{times:.1f} ×", times < MOST_TIMES_LOADS
        ),
        Verdict("Time grows linearly with the profiles", f"exponent {grown:.2f}", grown <= MOST_GROWTH),
    ]


BENCHMARK = Benchmark(
    name="membership", title="Memberships", measure=measure, tables=tables, charts=charts, verdicts=verdicts
)
