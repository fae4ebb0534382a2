"""Dead-letters what can never be delivered, and remembers which groups have lost their order by that."""

from dataclasses import dataclass, field

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.queues.dead_letters import Cause, DeadLetters, letter_id
from mparticle_firehose.queues.splitting import encode
from mparticle_firehose.services import Remainder
from mparticle_firehose.tables.ledger import Ledger
from mparticle_firehose.worker.batch import Batch, Message
from mparticle_firehose.worker.last_write_wins import QueuePosition

NEARLY_MOVED = 900
"""Receives after which SQS will soon dead-letter a message by itself: maxReceiveCount is 1,000, its maximum."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLettering:
    """Dead-letters messages of one batch, or parts of them.

    Attributes:
        batch: the messages.
        dead_letters: the dead-letter queues.
        ledger: remembers letters and groups.
        deadline: when to stop.
        order_tracked: groups whose order is tracked, because one of their changes has left the queue.
    """

    batch: Batch
    dead_letters: DeadLetters
    ledger: Ledger
    deadline: Deadline
    order_tracked: set[str] = field(default_factory=set)

    def track_those_nearly_moved(self) -> None:
        """Track the order of the groups of messages that SQS will soon move by itself."""
        records = [message.record for message in self.batch.messages]
        for group in {record.group_id for record in records if record.receive_count >= NEARLY_MOVED}:
            self.track_order(group)

    def track_order(self, group_id: str | None) -> None:
        """Track the order of a group from now on, before a change of it leaves the queue."""
        if group_id and group_id not in self.order_tracked:
            self.ledger.track_order(group_id)
            self.order_tracked.add(group_id)

    def put_whole(self, message: Message, reason: str) -> None:
        """Dead-letter a whole message that cannot be read or mapped.

        Raises:
            DeliveryError: it is not stored.
        """
        settled = message.progress.settled_text() if message.progress.settled else ""
        self._put(message, message.body, settled, reason)

    def put(self, message: Message, rest: Remainder, reason: str) -> None:
        """Dead-letter what a message holds, or a part of it.

        Raises:
            DeliveryError: it is not stored.
        """
        self._put(message, encode(rest.source), rest.settled, reason)

    def _put(self, message: Message, body: str, settled: str, reason: str) -> None:
        """Dead-letter something once. From then on the order of its group is tracked."""
        record = message.record
        letter = letter_id(record, body, settled)
        if record.receive_count > 1 and self.ledger.is_dead_lettered(letter):
            return
        self.track_order(record.group_id)
        cause = Cause(
            reason=reason,
            attempts=message.attempts or message.progress.attempts + 1,
            request=message.request,
            queue_position=str(QueuePosition.of(record)),
            settled=settled,
        )
        self.dead_letters.put(record, body, cause, self.deadline)
        self.ledger.note_dead_lettered(letter)
        self.batch.telemetry.count("DeadLettered")
        self.batch.log("dead-lettered", message, reason=reason)
