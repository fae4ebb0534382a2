"""Memberships: from the request to SQS, and from SQS's messages to the partner.

Handler and worker are the real ones, with their AWS and HTTP clients, logs and metrics; SQS, DynamoDB and the partner
are `bench.loopback`. The benchmark hands the worker ten messages at a time, as Lambda does for a FIFO queue. The time
that SQS itself takes is in no figure.
"""

import json
from collections.abc import Mapping
from functools import partial
from itertools import batched
from typing import Any

from bench.bars import Bars
from bench.benchmark import Benchmark, Figures, Target
from bench.harness import growth, ratios, seconds_per_call, spread
from bench.in_process import CONTEXT, deployed, sqs_batches
from bench.inputs import BATCH, Json, encoded, largest, memberships_of, requests, sqs_event
from bench.loopback import Loopback
from bench.worker_throughput import SEND, counted, rate_target, reencode, throughput
from mparticle_firehose.firehose import Firehose

SIZES = (1, 10, 100, 1000)
LARGEST_BYTES = 6_000_000
MIN_PER_SECOND = {1: 3_500, 1000: 5_000}
"""Memberships a second, by the profiles of a request."""
MAX_PARTNER_CALLS = 2
MAX_TIMES_LOADS = 10
MAX_GROWTH = 1.1

TABLE, LARGEST = "Memberships by profiles of a request", "The largest request of memberships"


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
        "json": partial(seconds_per_call, partial(reencode, [payload]), calls=times),
    }
    samples, calls = counted(subjects, "handler", loopback, rounds)
    return {
        "handler ms": spread(samples["handler"], 1e3),
        "handler × json": ratios(samples["handler"], samples["json"]),
        "SQS calls / 1000": calls[SEND] / times * 1000 / profiles,
    }


def _request(firehose: Firehose, payload: bytes) -> None:
    json.dumps(firehose.handler(json.loads(payload), CONTEXT))


def _worker(firehose: Firehose, loopback: Loopback, profiles: int, *, rounds: int, count: int) -> dict[str, Any]:
    batches = worker_batches(profiles, count)
    return throughput(firehose, loopback, batches, work=profiles * count, rounds=rounds)


def worker_batches(profiles: int, count: int) -> list[Json]:
    """Return what the worker is handed for so many requests of so many users each."""
    payloads = (encoded(memberships_of(profiles, first=number * profiles)) for number in range(count))
    entries = [entry for payload in payloads for batch in sqs_batches(payload) for entry in batch["Entries"]]
    return [sqs_event(some) for some in batched(entries, BATCH, strict=False)]


def _largest(firehose: Firehose, loopback: Loopback, size: int, *, rounds: int) -> dict[str, dict[str, Any]]:
    request: Any = largest(size)
    payload = encoded(request)
    subjects = {
        "handler": partial(seconds_per_call, partial(_request, firehose, payload)),
        "loads": partial(seconds_per_call, partial(json.loads, payload)),
    }
    samples, calls = counted(subjects, "handler", loopback, rounds)
    return {
        f"{len(request['user_profiles'])}": {
            "MB": len(payload) / 1e6,
            "handler ms": spread(samples["handler"], 1e3),
            "json.loads ms": spread(samples["loads"], 1e3),
            "handler × json.loads": ratios(samples["handler"], samples["loads"]),
            "SQS calls": calls[SEND],
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
    rows, [largest] = figures[TABLE], figures[LARGEST].values()
    size, worker = list(rows.items())[-1]
    calls, times = worker["partner calls / 1000"], largest["handler × json.loads"]["median"]
    grown = exponent(figures)
    return [
        *(_rate(profiles, rows[str(profiles)]) for profiles in MIN_PER_SECOND if str(profiles) in rows),
        Target(
            f"Worker, requests of {size} profiles: ≤ {MAX_PARTNER_CALLS} partner calls per 1,000",
            f"{calls:.1f}",
            calls <= MAX_PARTNER_CALLS,
        ),
        Target(f"6 MB request queued in < {MAX_TIMES_LOADS} × json.loads", f"{times:.1f} ×", times < MAX_TIMES_LOADS),
        Target("Time grows linearly with the profiles", f"exponent {grown:.2f}", grown <= MAX_GROWTH),
    ]


def _rate(profiles: int, row: Mapping[str, Any]) -> Target:
    text = f"Worker, requests of {profiles} profile{'s' if profiles > 1 else ''}"
    return rate_target(f"{text}: ≥ {MIN_PER_SECOND[profiles]:,} memberships/s", row, MIN_PER_SECOND[profiles])


def chart(figures: Figures) -> Bars | None:
    if not figures:
        return None
    values = {f"{size} profiles a request": [row["worker / s"]["median"]] for size, row in figures[TABLE].items()}
    return Bars("Memberships a second that one worker delivers", values)


BENCHMARK = Benchmark(title="Memberships", measure=measure, targets=targets, chart=chart)
