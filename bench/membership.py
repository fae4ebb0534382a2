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
from bench.benchmark import Benchmark, Figures, Target
from bench.harness import growth, interleaved, ratios, seconds_per_call, spread
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

TABLE, LARGEST = "Memberships by profiles of a request", "The largest request of memberships"
_SEND = "AmazonSQS.SendMessageBatch"


def measure(quick: bool) -> Figures:
    if "memberships" not in requests():
        return {}
    rounds, count = (2, 2) if quick else (15, 100)
    with Loopback() as loopback, deployed(loopback.variables) as firehose:
        return {
            TABLE: {
                str(size): {
                    **_handler(firehose, loopback, size, rounds),
                    **_worker(firehose, loopback, size, rounds=rounds, count=max(2, count // size)),
                }
                for size in (SIZES[:2] if quick else SIZES)
            },
            LARGEST: _largest(firehose, loopback, 100_000 if quick else LARGEST_BYTES, rounds=2 if quick else 7),
        }


def _handler(firehose: Firehose, loopback: Loopback, profiles: int, rounds: int) -> dict[str, Any]:
    payload, times = encoded(memberships_of(profiles)), max(1, 50 // profiles)
    subjects = {
        "handler": partial(seconds_per_call, partial(_request, firehose, payload), calls=times),
        "json": partial(seconds_per_call, partial(_reencode, [payload]), calls=times),
    }
    samples, calls = _counted(subjects, "handler", loopback, rounds)
    return {
        "handler ms": spread(samples["handler"], 1e3),
        "handler × json": ratios(samples["handler"], samples["json"]),
        "SQS calls / 1000": calls[_SEND] / times * 1000 / profiles,
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


def _worker(firehose: Firehose, loopback: Loopback, profiles: int, *, rounds: int, count: int) -> dict[str, Any]:
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
        "worker / s": spread([memberships / seconds for seconds in samples["worker"]]),
        "worker / CPU s": spread([memberships / seconds for seconds in samples["cpu"]]),
        "worker × json": ratios(samples["worker"], samples["json"]),
        "partner calls / 1000": calls[PARTNER] / 2 * 1000 / memberships,
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


def _largest(firehose: Firehose, loopback: Loopback, size: int, *, rounds: int) -> dict[str, dict[str, Any]]:
    request: Any = largest(size)
    payload = encoded(request)
    subjects = {
        "handler": partial(seconds_per_call, partial(_request, firehose, payload)),
        "loads": partial(seconds_per_call, partial(json.loads, payload)),
    }
    samples, calls = _counted(subjects, "handler", loopback, rounds)
    return {
        f"{len(request['user_profiles'])}": {
            "MB": len(payload) / 1e6,
            "handler ms": spread(samples["handler"], 1e3),
            "json.loads ms": spread(samples["loads"], 1e3),
            "handler × json.loads": ratios(samples["handler"], samples["loads"]),
            "SQS calls": calls[_SEND],
        }
    }


def exponent(figures: Figures) -> float:
    """Return how the handler's time grows with the profiles, from where a request's fixed cost no longer hides it."""
    rows = {**figures[TABLE], **figures[LARGEST]}
    by_profiles = sorted((int(profiles), row["handler ms"]["median"]) for profiles, row in rows.items())[-3:]
    return growth(*zip(*by_profiles, strict=True))


def targets(figures: Figures) -> list[Target]:
    if not figures:
        return []
    size, worker = list(figures[TABLE].items())[-1]
    [largest] = figures[LARGEST].values()
    subject, rate, calls = f"Worker, requests of {size} profiles", worker["worker / s"], worker["partner calls / 1000"]
    times, grown = largest["handler × json.loads"]["median"], exponent(figures)
    return [
        Target(
            f"{subject}: ≥ {MIN_PER_SECOND:,} memberships/s",
            f"{rate['median']:,.0f}/s",
            rate["median"] >= MIN_PER_SECOND,
        ),
        Target(f"{subject}: ≤ {MAX_PARTNER_CALLS} partner calls per 1,000", f"{calls:.1f}", calls <= MAX_PARTNER_CALLS),
        Target(f"6 MB request queued in < {MAX_TIMES_LOADS} × json.loads", f"{times:.1f} ×", times < MAX_TIMES_LOADS),
        Target("Time grows linearly with the profiles", f"exponent {grown:.2f}", grown <= MAX_GROWTH),
    ]


def chart(figures: Figures) -> Bars | None:
    if not figures:
        return None
    values = {f"{size} profiles a request": [row["worker / s"]["median"]] for size, row in figures[TABLE].items()}
    return Bars("Memberships a second that one worker delivers", values)


BENCHMARK = Benchmark(title="Memberships", measure=measure, targets=targets, chart=chart)
