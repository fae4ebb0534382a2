"""Queued events: what the worker delivers of requests of one event, each in a message of its own and of another user.

In the first table the partner answers at once: how fast is the worker? In the second one the partner takes a while: how
long does a batch take? SQS, DynamoDB and the partner are `bench.loopback`; the time of SQS itself is in no figure.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import batched, cycle, islice
from typing import Any

from bench.benchmark import Benchmark, Figures, Target
from bench.calls import OWN, name_of, of_users, one_change, one_event
from bench.harness import growth, percentiles
from bench.in_process import RecordingSqs, answer, deployed, offline
from bench.inputs import BATCH, Json, encoded, sqs_event
from bench.loopback import PARTNER, Loopback
from bench.worker_throughput import deliver, rate_target, throughput
from local.rooms import Room
from mparticle_firehose.integration import Integration

MERGING = "examples/braze"
"""The room of a partner that takes events of several requests in one call."""

WINDOW = 100
"""Messages of a batch if EventBatchWindowSeconds is above zero."""

SIZES = (BATCH, WINDOW, 1_000)
"""Messages of a batch. The last one, which Lambda never hands over, shows how the time grows."""

MIN_PER_SECOND = 3_000
MAX_GROWTH = 1.1
PARTNER_SECONDS = 0.04

TABLE = "Queued requests of one event, by messages of a batch"
TAIL = "A batch of the worker, in ms: p50 / p95 / p99 / p99.9"


@dataclass(frozen=True, slots=True)
class Subject:
    """Messages of one partner.

    Attributes:
        kind: of the messages.
        integration: of the partner.
        request: what each message holds, but for the user.
        size: messages of a batch.
    """

    kind: str
    integration: Integration
    request: Json
    size: int

    @property
    def title(self) -> str:
        return f"{name_of(self.integration)}, {self.size:,} {self.kind}"

    def batches(self, count: int) -> list[Json]:
        """Return so many batches, as Lambda hands them to the worker."""
        sqs = RecordingSqs()
        services = offline(self.integration, sqs=sqs, EVENT_MODE="queue")
        for each in of_users(self.request, self.size * count):
            answer(encoded(each), services)
        entries = [entry for batch in sqs.batches for entry in batch["Entries"]]
        return [sqs_event(some) for some in batched(entries, self.size, strict=False)]


def events(folder: str, sizes: Sequence[int]) -> Iterator[Subject]:
    """Yield the events of a room in batches of these sizes; nothing if it takes none."""
    room = Room.of(folder)
    integration = room.integration()
    if request := one_event(room, integration):
        yield from (Subject("events", integration, request, size) for size in sizes)


def memberships(folder: str) -> Iterator[Subject]:
    """Yield the memberships of a room in batches of ten; nothing if it takes none."""
    room = Room.of(folder)
    integration = room.integration()
    if request := one_change(room, integration):
        yield Subject("memberships", integration, request, BATCH)


def measure(quick: bool) -> Figures:
    with Loopback() as loopback:
        fast = [*events(MERGING, SIZES[:2] if quick else SIZES), *events(OWN, SIZES[:1])]
        speed = {subject.title: _speed(subject, loopback, quick=quick) for subject in fast}
    with Loopback(PARTNER_SECONDS) as loopback:
        slow = [*events(MERGING, SIZES[1:2]), *events(OWN, SIZES[:1]), *memberships(OWN)]
        tail = {subject.title: _tail(subject, loopback, batches=2 if quick else 300) for subject in slow}
    return {TABLE: speed, TAIL: tail}


def _speed(subject: Subject, loopback: Loopback, *, quick: bool) -> Json:
    messages, rounds = (SIZES[1], 2) if quick else (SIZES[-1], 15)
    batches = subject.batches(messages // subject.size)
    with deployed(loopback.variables, subject.integration) as firehose:
        return throughput(firehose, loopback, batches, work=messages, rounds=rounds)


def _tail(subject: Subject, loopback: Loopback, *, batches: int) -> dict[str, Any]:
    some = subject.batches(min(batches, 20))
    clock, cpu = [], []
    with deployed(loopback.variables, subject.integration) as firehose:
        deliver(firehose, some[:1])
        loopback.taken()
        for batch in islice(cycle(some), batches):
            started, used = time.perf_counter(), time.process_time()
            deliver(firehose, [batch])
            clock.append(time.perf_counter() - started)
            cpu.append(time.process_time() - used)
    return {
        "batches": batches,
        "partner calls": loopback.taken()[PARTNER] / batches,
        f"partner takes {PARTNER_SECONDS * 1e3:.0f} ms": percentiles(clock, 1e3),
        "CPU": percentiles(cpu, 1e3),
    }


def exponent(figures: Figures) -> float:
    """Return how the time of a batch grows with its messages, for the partner whose requests share calls."""
    merging = [(subject.size, figures[TABLE].get(subject.title)) for subject in events(MERGING, SIZES)]
    measured = [(size, size / row["worker / CPU s"]["median"]) for size, row in merging if row]
    return growth(*zip(*measured, strict=True))


def targets(figures: Figures) -> list[Target]:
    grown = exponent(figures)
    [subject] = events(MERGING, [WINDOW])
    text = f"Worker, queued requests of one event, {subject.title}: ≥ {MIN_PER_SECOND:,}/s"
    return [
        rate_target(text, figures[TABLE][subject.title], MIN_PER_SECOND),
        Target("Time of a batch grows linearly with its messages", f"exponent {grown:.2f}", grown <= MAX_GROWTH),
    ]


BENCHMARK = Benchmark(title="Queued events", measure=measure, targets=targets)
