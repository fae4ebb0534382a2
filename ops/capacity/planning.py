"""What a load needs: parameters of the template, and the account's limit of concurrency.

It is arithmetic, which docs/operating.md explains: nothing is measured, read or called. What is assumed are the
constants below.
"""

from dataclasses import dataclass
from enum import StrEnum
from math import ceil

from local.build.deployment_settings import DEFAULTS, ERASURE_CONCURRENCY, INVOCATIONS_PER_POLLER
from mparticle_firehose.delivery.side_by_side import CALLS_AT_A_TIME
from ops.verify.capacity import REQUESTS_PER_UNIT, REQUIRED

BATCH_SECONDS, MESSAGE_SECONDS = 0.08, 0.002
"""What a batch takes besides its calls, and each of its messages: 0.1 s for ten. An assumption, for 1,024 MB."""

FORWARD_SECONDS = 0.2
"""Of a forwarded request while the partner's API is slow: HandlerDeadlineMs, and then SQS."""

MAX_FORWARDED_CALL_MS = 148
"""What is left for a call of HandlerDeadlineMs, 150."""

BATCH, COLLECTED_BATCH = 10, 100
"""Messages of a batch: of the FIFO queue and without a window; and with EventBatchWindowSeconds."""

CATCH_UP = 2
"""How many times as fast as they come messages are delivered, so that an outage is caught up in the time it took."""

FIRST_POLLERS = 5
"""With so many Lambda begins to read a standard queue; each collects a batch of its own."""

MIN_CONCURRENCY, MAX_CONCURRENCY = 2, 1_000
"""Of a queue, by Lambda."""

MAX_WINDOW_SECONDS = 300
DEFAULT_SHARDS, MAX_SHARDS = 10, 1_000
ALARM_PERCENT = 80


class Mode(StrEnum):
    """How events are delivered."""

    FORWARD = "forward"
    QUEUE = "queue"
    IN_ORDER = "in-order"


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What comes, and what the partner's API is like.

    Attributes:
        requests: event requests a second, at the peak, of all customers.
        memberships: messages of membership changes a second: a request is one for each message group of its users.
        call_ms: milliseconds of a call to the API, with the network.
        requests_per_call: that one call carries, where the integration merges requests.
        mode: how events are delivered.
        busiest_percent: of the load is of the customer with the most.
    """

    requests: int
    memberships: int = 0
    call_ms: int = 40
    requests_per_call: int = 1
    mode: Mode = Mode.FORWARD
    busiest_percent: int = 100

    @property
    def can_be_forwarded(self) -> bool:
        """Whether the API answers while the handler waits."""
        return self.call_ms < MAX_FORWARDED_CALL_MS

    @property
    def collects(self) -> bool:
        """Whether queued events are worth waiting for others."""
        return self.mode is Mode.QUEUE and self.requests_per_call > 1

    @property
    def event_batch(self) -> int:
        """Messages of a batch of the event queue."""
        return COLLECTED_BATCH if self.collects else BATCH

    def batch_seconds(self, messages: int) -> float:
        """Return how long the worker takes for a batch of so many messages."""
        calls = ceil(messages / self.requests_per_call)
        return ceil(calls / CALLS_AT_A_TIME) * self.call_ms / 1000 + BATCH_SECONDS + MESSAGE_SECONDS * messages


def concurrency(per_second: float, seconds: float) -> int:
    """Return how many concurrent executions synchronous requests need, by their rate and their duration.

    It is the number that is busy at a time, and at least a tenth of the rate: Lambda takes ten requests a second for
    each unit of concurrency, however short they are.
    """
    return max(busy(per_second, seconds), ceil(round(per_second / REQUESTS_PER_UNIT, 6)))


def busy(per_second: float, seconds: float) -> int:
    """Return how many requests are being answered at a time, by Little's law."""
    return ceil(round(per_second * seconds, 6))


def batches_at_a_time(per_second: float, seconds: float, messages: int) -> int:
    """Return how many batches are delivered at a time, by the rate of messages and the duration of a batch of them."""
    return busy(per_second / messages, seconds)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a load needs."""

    load: Load

    @property
    def window_seconds(self) -> int:
        """EventBatchWindowSeconds: until each poller has the messages of a call."""
        if not self.load.collects:
            return 0
        return min(MAX_WINDOW_SECONDS, ceil(FIRST_POLLERS * self.load.requests_per_call / self.load.requests))

    @property
    def events_at_a_time(self) -> int:
        """Batches of queued events at a time."""
        load = self.load
        if load.mode is Mode.IN_ORDER:
            return MIN_CONCURRENCY
        factor = CATCH_UP if load.mode is Mode.QUEUE else 1
        seconds = load.batch_seconds(load.event_batch)
        return max(MIN_CONCURRENCY, batches_at_a_time(factor * load.requests, seconds, load.event_batch))

    @property
    def max_pollers(self) -> int:
        """EventMaximumPollers, where EventConcurrency is not enough; otherwise 0."""
        at_a_time = self.events_at_a_time
        return ceil(at_a_time / INVOCATIONS_PER_POLLER) if at_a_time > MAX_CONCURRENCY else 0

    @property
    def fifo_messages(self) -> int:
        """Messages a second on the FIFO queue."""
        return self.load.memberships + (self.load.requests if self.load.mode is Mode.IN_ORDER else 0)

    @property
    def memberships_at_a_time(self) -> int:
        """MembershipConcurrency."""
        if not self.fifo_messages:
            return DEFAULTS["MembershipConcurrency"]
        needed = batches_at_a_time(CATCH_UP * self.fifo_messages, self.load.batch_seconds(BATCH), BATCH)
        return min(MAX_CONCURRENCY, max(MIN_CONCURRENCY, needed))

    @property
    def fifo_capacity(self) -> int:
        """Messages a second that the FIFO queue's batches deliver."""
        return int(self.memberships_at_a_time * BATCH / self.load.batch_seconds(BATCH))

    @property
    def shards(self) -> int:
        """MembershipShards: groups of the busiest customer, each of which is one batch at a time."""
        needed = ceil(self.memberships_at_a_time * self.load.busiest_percent / 100) if self.fifo_messages else 0
        return min(MAX_SHARDS, max(DEFAULT_SHARDS, needed))

    @property
    def worker(self) -> int:
        """Concurrent executions of the worker at most."""
        pollers = self.max_pollers * INVOCATIONS_PER_POLLER
        fifo = self.memberships_at_a_time + DEFAULTS["BulkConcurrency"]
        return fifo + (pollers or self.events_at_a_time) + ERASURE_CONCURRENCY

    @property
    def handler(self) -> int:
        """Concurrent executions of the handler."""
        events = concurrency(self.load.requests, FORWARD_SECONDS if self.load.mode is Mode.FORWARD else 0.0)
        return events + concurrency(self.load.memberships, 0.0)

    @property
    def account(self) -> int:
        """The limit to request."""
        return max(REQUIRED, self.handler + self.worker)

    @property
    def alarm_threshold(self) -> int:
        """ConcurrencyAlarmThreshold."""
        return self.account * ALARM_PERCENT // 100

    @property
    def forwarded_calls(self) -> int:
        """Calls to the API at a time that forwarded requests make."""
        return busy(self.load.requests, self.load.call_ms / 1000) if self.load.mode is Mode.FORWARD else 0

    @property
    def calls(self) -> int:
        """Calls to the API at a time at most."""
        return self.forwarded_calls + CALLS_AT_A_TIME * self.worker
