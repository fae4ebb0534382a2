"""Delays failed messages of a standard queue by sending them to it again, so that none of them is in flight.

A message that waits by its visibility timeout is in flight. With about 120,000 messages in flight, SQS hands out no
more of a queue. A message that is sent with ``DelaySeconds`` is not in flight. To SQS it is a new message, so its
history travels in an attribute.
"""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.queues.record import Record
from mparticle_firehose.queues.resending import Known, resent_attributes
from mparticle_firehose.queues.sender import QueueMessage, QueueSender, RefusedMessagesError, batches
from mparticle_firehose.queues.source_queues import Queues
from mparticle_firehose.services import OUT_OF_TIME, Telemetry

MIN_DELAY_SECONDS = 10
"""A message that waits less is not sent again: it waits in flight, which costs no request."""

MAX_DELAY_SECONDS = 900
"""The longest delay of SQS. A longer wait takes several."""

MAX_HOPS = 1_000
"""How often a message is sent again. After that it waits in flight: nothing else would end a loop."""

NOT_DUE = "not_due"
"""The reason of a message whose wait is longer than SQS delays a message, and not over."""

MIN_SECONDS_LEFT = 1.0
"""With less left a wait is over: the clocks of two environments differ."""


def wait_left(record: Record, now: float) -> float:
    """Return the seconds that are left of a wait which is longer than SQS delays a message; 0 if there are none.

    Args:
        record: as it was received.
        now: in seconds since the epoch.
    """
    left = record.history.due_at_ms / 1000 - now
    return left if left >= MIN_SECONDS_LEFT else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A message that must wait.

    Attributes:
        record: as it was received.
        seconds: how long.
        tenant: whose it is then, for SQS's fair queues.
        known: what is known of its delivery.
    """

    record: Record
    seconds: float
    tenant: str | None = None
    known: Known = field(default_factory=Known)


class Delays:
    """Sends messages to the standard queue that they came from again."""

    def __init__(
        self,
        sender: QueueSender,
        telemetry: Telemetry,
        queues: Queues,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take the sender, the queues that the messages come from, and a clock of seconds since the epoch."""
        self._sender = sender
        self._telemetry = telemetry
        self._queues = queues
        self._clock = clock

    def delay(self, messages: Iterable[Waiting], deadline: Deadline) -> set[str]:
        """Send those that can wait in this way again, and return their ids: they must now be deleted.

        The others must wait by their visibility timeout: those of a FIFO queue, those that wait less than
        MIN_DELAY_SECONDS or were sent again MAX_HOPS times, and those that SQS does not take or that are left at the
        deadline.

        A message is sent before the received one is deleted. If the environment dies in between, there are two of it,
        and what it asks for is asked twice: with the same ``Idempotency-Key`` where a call carries items of one
        request only.

        Args:
            messages: all of one queue. Their bodies are sent as they are.
            deadline: after it none is sent.
        """
        due = [(waiting.record, self._message(waiting)) for waiting in messages if _is_delayed(waiting)]
        delayed: set[str] = set()
        left = iter(due)
        for batch in batches(message for _, message in due):
            sent = list(islice(left, len(batch)))
            unsent = set(map(id, self._unsent(sent[0][0], batch, deadline)))
            delayed |= {record.message_id for record, message in sent if id(message) not in unsent}
        return delayed

    def _unsent(self, record: Record, batch: Sequence[QueueMessage], deadline: Deadline) -> Sequence[QueueMessage]:
        """Send one batch to the queue of the record, unless the time is up. Return what SQS has not taken."""
        unsent, failure = batch, OUT_OF_TIME
        if deadline.remaining() > 0:
            try:
                self._sender.send(self._queues.url_of(record), batch, deadline)
            except RefusedMessagesError as error:
                unsent, failure = error.refused, str(error)
            else:
                return ()
        self._telemetry.count("DelayFailed", len(unsent))
        self._telemetry.note("not delayed", {"reason": failure})
        return unsent

    def _message(self, waiting: Waiting) -> QueueMessage:
        record = waiting.record
        due_at_ms = int((self._clock() + waiting.seconds) * 1000) if waiting.seconds > MAX_DELAY_SECONDS else 0
        return QueueMessage(
            body=record.body,
            attributes=resent_attributes(record, waiting.known, due_at_ms=due_at_ms),
            tenant=waiting.tenant,
            delay_seconds=min(math.ceil(waiting.seconds), MAX_DELAY_SECONDS),
        )


def _is_delayed(waiting: Waiting) -> bool:
    record = waiting.record
    return record.group_id is None and waiting.seconds >= MIN_DELAY_SECONDS and record.history.hops < MAX_HOPS
