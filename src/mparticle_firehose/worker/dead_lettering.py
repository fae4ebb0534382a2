"""Dead-letters what can never be delivered, and remembers which groups have lost their order by that."""

from dataclasses import dataclass, field

from mparticle_firehose.integration import UndeliverableChange
from mparticle_firehose.queues.dead_letters import Cause, DeadLetters, letter_id
from mparticle_firehose.queues.membership_queue import single_change
from mparticle_firehose.queues.record import Record
from mparticle_firehose.tables.ledger import Ledger
from mparticle_firehose.worker.batch import Batch
from mparticle_firehose.worker.batch_state import Failure
from mparticle_firehose.worker.last_write_wins import QueuePosition

NEARLY_MOVED = 900
"""Receives after which SQS will soon dead-letter a message by itself: maxReceiveCount is 1,000, its maximum."""

MAX_AGE_SECONDS = 10 * 86_400
"""The maximum age of a message, whatever it waits for: SQS deletes it silently after fourteen days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLettering:
    """Dead-letters messages of one batch, or single changes of them.

    Attributes:
        max_attempts: how often the delivery of one message is tried before it is dead-lettered.
        order_tracked: groups whose order is tracked, because one of their changes has left the queue.
    """

    batch: Batch
    dead_letters: DeadLetters
    ledger: Ledger
    max_attempts: int
    order_tracked: set[str] = field(default_factory=set)

    def look_up_order_tracked(self) -> None:
        """Read which groups of the batch are order-tracked, and track those of messages that SQS will soon move."""
        records = self.batch.state.records
        if groups := {record.group_id for record in records if record.group_id}:
            self.order_tracked.update(self.ledger.order_tracked(groups))
        for group in {record.group_id for record in records if record.receive_count >= NEARLY_MOVED}:
            if group and group not in self.order_tracked:
                self._track_order(group)

    def put(self, record: Record, reason: str, attempts: int | None = None) -> None:
        """Dead-letter a whole message.

        Raises:
            DeliveryError: it is not stored.
        """
        self._put(record, record.body, reason, attempts=attempts)

    def put_change(self, record: Record, change: UndeliverableChange) -> None:
        """Dead-letter one change of a membership request.

        Raises:
            DeliveryError: it is not stored.
        """
        body = single_change(self.batch.state.requests[record].source, change.profile, change.audience)
        self._put(record, body, change.reason, inside=(change.profile, change.audience))

    def count_attempt(self, record: Record, failure: Failure) -> None:
        """Count a failed attempt, and dead-letter the message if it was tried too often or has become too old."""
        age = self.batch.clock() - record.sent_at_ms / 1000
        attempts = self.ledger.count_attempt(record.message_id) if failure.counts else None
        if (attempts or 0) >= self.max_attempts or age > MAX_AGE_SECONDS:
            self.put(record, failure.reason, attempts)
            self.batch.state.drop(record)

    def _put(
        self,
        record: Record,
        body: str,
        reason: str,
        *,
        attempts: int | None = None,
        inside: tuple[int, int] = (0, 0),
    ) -> None:
        """Dead-letter something once. From then on the order of its group is tracked."""
        letter = letter_id(record, body)
        if self.ledger.is_dead_lettered(letter):
            return
        if record.group_id:
            self._track_order(record.group_id)
        cause = Cause(
            reason=reason,
            attempts=attempts or self.ledger.count_attempt(record.message_id),
            request=self.batch.state.requests.get(record),
            queue_position=str(QueuePosition.of(record).inside(*inside)),
        )
        self.dead_letters.put(record, body, cause, self.batch.deadline)
        self.ledger.note_dead_lettered(letter)
        self.batch.telemetry.count("DeadLettered")
        self.batch.log("dead-lettered", record, reason=reason)

    def _track_order(self, group_id: str) -> None:
        self.ledger.track_order(group_id)
        self.order_tracked.add(group_id)
