"""Memberships: from the request to SQS, and from SQS's messages to the partner.

Handler and worker are the real ones, with their AWS and HTTP clients, logs and metrics; SQS, DynamoDB and the partner
are `bench.loopback`. The benchmark hands the worker ten messages at a time, as Lambda does for a FIFO queue. The time
that SQS itself takes is in no figure.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import batched
from typing import Any

from bench.bars import Bars
from bench.benchmark import Benchmark, Table, Target
from bench.harness import Figures, growth, interleaved, ratios, seconds_per_call, spread
from bench.in_process import CONTEXT, deployed, sqs_batches
from bench.inputs import BATCH, Json, encoded, largest, memberships_of, requests, sqs_event
from bench.loopback import PARTNER, Loopback
from local.isolation import LocalCloudError
from mparticle_firehose.firehose import Firehose

SIZES = (1, 10, 100, 1000)
LARGEST_BYTES = 6_000_000
MIN_PER_SECOND = 5_000
MAX_PARTNER_CALLS = 2
MAX_TIMES_LOADS = 10
MAX_GROWTH = 1.1

_SEND = "AmazonSQS.SendMessageBatch"


def measure(quick: bool) -> Figures:
    if "memberships" not in requests():
        return {}
    rounds, count = (2, 2) if quick else (15, 100)
    with Loopback() as loopback, deployed(loopback.variables) as firehose:
        return {
            "by_profiles": {
                str(size): {
                    "handler": _handler(firehose, loopback, size, rounds),
                    "worker": _worker(firehose, loopback, size, rounds=rounds, count=max(2, count // size)),
                }
                for size in (SIZES[:2] if quick else SIZES)
            },
            "largest": _largest(firehose, loopback, 100_000 if quick else LARGEST_BYTES, rounds=2 if quick else 7),
        }


def _handler(firehose: Firehose, loopback: Loopback, profiles: int, rounds: int) -> Figures:
    payload, times = encoded(memberships_of(profiles)), max(1, 50 // profiles)
    subjects = {
        "handler": partial(seconds_per_call, partial(_request, firehose, payload), calls=times),
        "json": partial(seconds_per_call, partial(_reencode, [payload]), calls=times),
    }
    samples, calls = _counted(subjects, "handler", loopback, rounds)
    return {
        "ms": spread(samples["handler"], 1e3),
        "times_json": ratios(samples["handler"], samples["json"]),
        "sqs_calls_per_1000": calls[_SEND] / times * 1000 / profiles,
    }


def _counted(
    subjects: Mapping[str, Callable[[], float]], first: str, loopback: Loopback, rounds: int
) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Measure after a first call of one subject; return the samples, and how often a round called each operation."""
    subjects[first]()
    loopback.taken()
    samples = interleaved(subjects, rounds)
    return samples, {PARTNER: 0, _SEND: 0, **{name: calls / rounds for name, calls in loopback.taken().items()}}


def _request(firehose: Firehose, payload: bytes) -> None:
    json.dumps(firehose.handler(json.loads(payload), CONTEXT))


def _reencode(payloads: Sequence[bytes | str]) -> None:
    for payload in payloads:
        json.dumps(json.loads(payload))


def _worker(firehose: Firehose, loopback: Loopback, profiles: int, *, rounds: int, count: int) -> Figures:
    batches, memberships = worker_batches(profiles, count), profiles * count
    deliver = partial(_deliver, firehose, batches)
    bodies = [record["body"] for batch in batches for record in batch["Records"]]
    subjects = {
        "worker": partial(seconds_per_call, deliver),
        "cpu": partial(seconds_per_call, deliver, clock=time.process_time),
        "json": partial(seconds_per_call, partial(_reencode, bodies)),
    }
    samples, calls = _counted(subjects, "worker", loopback, rounds)
    return {
        "per_second": spread([memberships / seconds for seconds in samples["worker"]]),
        "per_cpu_second": spread([memberships / seconds for seconds in samples["cpu"]]),
        "times_json": ratios(samples["worker"], samples["json"]),
        "partner_calls_per_1000": calls[PARTNER] / 2 * 1000 / memberships,
    }


def worker_batches(profiles: int, count: int) -> list[Json]:
    """Return what the worker is handed for so many requests of so many users each."""
    payloads = (encoded(memberships_of(profiles, first=number * profiles)) for number in range(count))
    entries = [entry for payload in payloads for batch in sqs_batches(payload) for entry in batch["Entries"]]
    return [sqs_event(some) for some in batched(entries, BATCH, strict=False)]


def _deliver(firehose: Firehose, batches: Sequence[Json]) -> None:
    responses = [firehose.worker(batch, CONTEXT) for batch in batches]
    if any(response["batchItemFailures"] for response in responses):
        raise LocalCloudError("the worker did not deliver everything")


def _largest(firehose: Firehose, loopback: Loopback, size: int, *, rounds: int) -> Figures:
    request: Any = largest(size)
    payload = encoded(request)
    subjects = {
        "handler": partial(seconds_per_call, partial(_request, firehose, payload)),
        "loads": partial(seconds_per_call, partial(json.loads, payload)),
    }
    samples, calls = _counted(subjects, "handler", loopback, rounds)
    return {
        "bytes": len(payload),
        "profiles": len(request["user_profiles"]),
        "ms": spread(samples["handler"], 1e3),
        "loads_ms": spread(samples["loads"], 1e3),
        "times_loads": ratios(samples["handler"], samples["loads"]),
        "sqs_calls": calls[_SEND],
    }


def exponent(figures: Figures) -> float:
    """Return how the handler's time grows with the profiles, from where a request's fixed cost no longer hides it."""
    by_profiles = {int(size): found["handler"]["ms"]["median"] for size, found in figures["by_profiles"].items()}
    by_profiles[figures["largest"]["profiles"]] = figures["largest"]["ms"]["median"]
    sizes = sorted(by_profiles)[-3:]
    return growth(sizes, [by_profiles[size] for size in sizes])


def tables(figures: Figures) -> list[Table]:
    if not figures:
        return [Table("The integration takes no memberships.")]
    largest = figures["largest"]
    ms, loads, times = (largest[name]["median"] for name in ("ms", "loads_ms", "times_loads"))
    title = (
        f"Memberships by profiles of a request: time grows with exponent {exponent(figures):.2f}."
        f" The largest request, {largest['profiles']:,} profiles in {largest['bytes'] / 1e6:.1f} MB: {ms:.0f} ms,"
        f" {times:.1f} × its json.loads of {loads:.0f} ms, in {largest['sqs_calls']:.0f} calls of SQS."
    )
    rows = [_row(size, found["handler"], found["worker"]) for size, found in figures["by_profiles"].items()]
    return [Table(title, rows)]


def _row(size: str, handler: Mapping[str, Any], worker: Mapping[str, Any]) -> dict[str, str]:
    return {
        "profiles": size,
        "handler ms": f"{handler['ms']['median']:.2f}",
        "handler × json": f"{handler['times_json']['median']:.1f}",
        "SQS calls / 1000": f"{handler['sqs_calls_per_1000']:.0f}",
        "worker / s": f"{worker['per_second']['median']:,.0f}",
        "worker / CPU s": f"{worker['per_cpu_second']['median']:,.0f}",
        "worker × json": f"{worker['times_json']['median']:.1f}",
        "partner calls / 1000": f"{worker['partner_calls_per_1000']:.1f}",
    }


def targets(figures: Figures) -> list[Target]:
    if not figures:
        return []
    size = max(figures["by_profiles"], key=int)
    worker, subject = figures["by_profiles"][size]["worker"], f"Worker, requests of {size} profiles"
    rate, calls = worker["per_second"]["median"], worker["partner_calls_per_1000"]
    times, grown = figures["largest"]["times_loads"]["median"], exponent(figures)
    return [
        Target(f"{subject}: ≥ {MIN_PER_SECOND:,} memberships/s", f"{rate:,.0f}/s", rate >= MIN_PER_SECOND),
        Target(f"{subject}: ≤ {MAX_PARTNER_CALLS} partner calls per 1,000", f"{calls:.1f}", calls <= MAX_PARTNER_CALLS),
        Target(f"6 MB request queued in < {MAX_TIMES_LOADS} × json.loads", f"{times:.1f} ×", times < MAX_TIMES_LOADS),
        Target("Time grows linearly with the profiles", f"exponent {grown:.2f}", grown <= MAX_GROWTH),
    ]


def chart(figures: Figures) -> Bars | None:
    if not figures:
        return None
    values = {
        f"{size} profiles a request": [found["worker"]["per_second"]["median"]]
        for size, found in figures["by_profiles"].items()
    }
    return Bars("Memberships a second that one worker delivers", values)


BENCHMARK = Benchmark(title="Memberships", measure=measure, tables=tables, targets=targets, chart=chart)
