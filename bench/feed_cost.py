"""What a million feed events cost on AWS, item by item.

The processor time of making, checking and encoding the batches is measured. What is not measured is assumed below, and
in `bench.cost_model`.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import batched
from math import ceil
from typing import Any

from bench.benchmark import Figures
from bench.cost_model import ASSUMED, log_bytes
from bench.harness import cpu_seconds, spread
from bench.in_process import log_lines
from bench.prices import MEMORY_GB, SQS_CHUNK_BYTES, Usage, itemised
from mparticle_firehose.feed import (
    CustomEvent,
    CustomEventType,
    Environment,
    FeedEvent,
    UserIdentities,
    checked,
    encode,
)
from mparticle_firehose.feed.encoding import MAX_BATCHES, EncodedBatch, array, pack
from mparticle_firehose.reporting import reported, telemetry

COSTS = "Calculated for AWS: an invocation of the feed's function, and US$ for a million feed events"
SQS_ENTRIES = 10
"""Messages of one request to SQS at most: to send, to receive and to delete."""

ITEMS = ("lambda_requests", "lambda_gb_seconds", "sqs_standard", "dynamodb_reads", "logs")
KEYS = 100
"""Of one BatchGetItem at most."""

_READ_UNIT = 0.5  # eventually consistent, of an entry of up to 4 KB
_NOW_MS = 1_800_000_000_000
_QUEUE_AGE_MS = 1_000


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What is not measured.

    Attributes:
        event_bytes: of one event as the partner writes it.
        call_ms: of a request to mParticle.
        identities: of an event, each looked up among those of erased people.
        per_second: batches that one environment may send with a key pair at the full rate.
    """

    event_bytes: int = 500
    call_ms: float = 100.0
    identities: int = 2
    per_second: float = 120.0


FEED_ASSUMED = Assumptions()


@dataclass(frozen=True, slots=True)
class Load:
    """What one invocation gets.

    Attributes:
        messages: of the queue.
        events: of each message.
        waits: whether it waits for the pace of one key pair, as in a burst of one customer.
    """

    messages: int
    events: int = 1
    waits: bool = False

    @property
    def all_events(self) -> int:
        return self.messages * self.events


LOADS = {
    "1 message of 1 event, as in quiet times": Load(1),
    "100 messages of 1 event": Load(100),
    "100 messages of 1 event, waiting for the pace": Load(100, waits=True),
    "100 messages of 10 events": Load(100, 10),
    "100 messages of 10 events, waiting for the pace": Load(100, 10, waits=True),
}


def costs(quick: bool) -> Figures:
    cpu_ms = measured_cpu_ms(rounds=1 if quick else 15, calls=1 if quick else 5)
    return {
        COSTS: {name: cost(load, cpu_ms) for name, load in LOADS.items()},
        "Assumptions of the feed": {"assumed": asdict(FEED_ASSUMED)},
    }


def measured_cpu_ms(*, rounds: int, calls: int) -> float:
    """Return the processor time of one event, with its part of a request of 100."""
    act = partial(bodies, events(MAX_BATCHES))
    act()  # the first time, more is loaded than ever after
    return spread([cpu_seconds(act, calls=calls) for _ in range(rounds)], 1e3)["median"] / MAX_BATCHES


def events(count: int) -> list[FeedEvent]:
    return [
        FeedEvent(
            event_id=f"open-{number}",
            user=f"user-{number}",
            event=CustomEvent(
                timestamp_unixtime_ms=_NOW_MS,
                event_name="Email Opened",
                custom_event_type=CustomEventType.OTHER,
                custom_attributes={"campaign_id": number, "template": "spring", "is_first": True},
            ),
            user_identities=UserIdentities(customer_id=f"user-{number}", email=f"user-{number}@example.com"),
        )
        for number in range(count)
    ]


def bodies(of: Sequence[FeedEvent]) -> list[bytes]:
    """Return the requests to mParticle for some events."""
    encoded: list[EncodedBatch] = []
    for event in of:
        batch = event.batch("Our Feed", 42, Environment.DEVELOPMENT)
        encoded.append(encode(checked(batch, now_ms=_NOW_MS, partner_feed=True)))
    return [array(encoded[each.start : each.stop]) for each in pack(encoded)]


def cost(load: Load, cpu_ms: float) -> dict[str, Any]:
    """Return how long an invocation takes, and US$ for a million events.

    Args:
        load: of one invocation.
        cpu_ms: processor time of one event.
    """
    milliseconds = invocation_ms(load, cpu_ms)
    usd = itemised(usage(load, milliseconds))
    return {
        "CPU ms": cpu_ms * load.all_events,
        "invocation ms": milliseconds,
        **{f"US$ {item.replace('_', ' ')}": usd[item] for item in ITEMS},
        "US$": sum(usd.values()),
    }


def invocation_ms(load: Load, cpu_ms: float) -> float:
    requests, reads = ceil(load.all_events / MAX_BATCHES), ceil(load.all_events * FEED_ASSUMED.identities / KEYS)
    waited = load.all_events / FEED_ASSUMED.per_second * 1e3 if load.waits else 0.0
    busy = load.all_events * cpu_ms * ASSUMED.slower + requests * FEED_ASSUMED.call_ms + reads * ASSUMED.dynamodb_ms
    return max(busy, waited)


def usage(load: Load, milliseconds: float) -> Usage:
    """Return what one event uses, as its part of an invocation."""
    return Usage(
        lambda_requests=1 / load.all_events,
        lambda_gb_seconds=milliseconds / 1e3 * MEMORY_GB / load.all_events,
        sqs_standard=sqs_requests(load) / load.all_events,
        dynamodb_reads=FEED_ASSUMED.identities * _READ_UNIT,
        log_bytes=log_bytes(log_lines(partial(_report, load))) / load.all_events,
    )


def _report(load: Load) -> None:
    """Write the line of an invocation that has delivered everything, as the feed's worker does."""
    with reported("delivered") as report:
        report.facts.update(message_type="feed", messages=load.messages, failed=0)
        telemetry.count("Delivered", load.all_events)
        for _ in range(load.messages):
            telemetry.measure("QueueAge", _QUEUE_AGE_MS)


def sqs_requests(load: Load) -> int:
    """Return how many requests are charged: to send and to receive, by started 64 KB, and to delete."""
    size = load.events * FEED_ASSUMED.event_bytes
    requests = [
        ceil(len(entries) * size / SQS_CHUNK_BYTES)
        for entries in batched(range(load.messages), SQS_ENTRIES, strict=False)
    ]
    return 2 * sum(requests) + len(requests)
