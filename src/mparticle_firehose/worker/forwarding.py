"""Forwards the messages of accounts with a backlog from the membership queue to the bulk queue: see `backlogs`.

A message is sent before the received one is deleted. If the environment dies in between, or if SQS refuses a message,
it and all behind it of its group are received and sent again. Some of them are then in the bulk queue twice, and a
message may be delivered there before an earlier one of its group. All of them follow once more in their order, and each
sets a state, so the last one decides as before.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.queues.record import QUEUE_POSITION, Record
from mparticle_firehose.queues.resending import resent_attributes
from mparticle_firehose.queues.sender import QueueMessage, QueueSender
from mparticle_firehose.queues.source_queues import queue_name
from mparticle_firehose.tables.forwarding import Phase
from mparticle_firehose.tables.ledger import Ledger
from mparticle_firehose.worker.backlogs import Backlogs, account_of
from mparticle_firehose.worker.batch import Batch, Message, told_progress
from mparticle_firehose.worker.last_write_wins import QueuePosition

HELD_BACK = "backlog_held_back"
"""The reason of a message whose account is opening or closing."""

HELD_BACK_SECONDS = 5
"""How long such a message waits at least, and one that could not be forwarded.

It waits a second longer with each receive. If phases cannot be changed for hours, SQS would otherwise move it to the
dead-letter queue by itself.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkForwarding:
    """Forwards messages, or holds them back.

    Attributes:
        backlogs: knows the phases of accounts.
        sender: puts messages on the bulk queue. Its client must repeat no call by itself.
        bulk_url: of the bulk queue.
        ledger: has the progress of messages that come again.
    """

    backlogs: Backlogs
    sender: QueueSender
    bulk_url: str
    ledger: Ledger

    def forward(self, batch: Batch, deadline: Deadline) -> list[Message]:
        """Forward messages of the membership queue, or have them delivered again later. Return those that are left.

        What is forwarded must now be deleted. What is held back, or could not be forwarded, is among those that are
        left, and has its reason.
        """
        queued = [message for message in batch.messages if self._is_in_membership_queue(message.record)]
        forwarded: set[Message] = set()
        if queued:
            batch.guard(queued, lambda: forwarded.update(self._forward(batch, queued, deadline)))
        return [message for message in batch.messages if message not in forwarded]

    def _is_in_membership_queue(self, record: Record) -> bool:
        return record.group_id is not None and record.queue != queue_name(self.bulk_url)

    def _forward(self, batch: Batch, queued: Sequence[Message], deadline: Deadline) -> set[Message]:
        """Do with each message as the phase of its account says. Return those that were forwarded."""
        phases = self.backlogs.phases([message.record for message in queued])
        due: list[Message] = []
        for message in queued if phases else ():
            match phases.get(account_of(message.record.group_id or "")):
                case Phase.OPEN:
                    due.append(message)
                case Phase():
                    message.fail(HELD_BACK, counts=False, wait=_wait(message.record))
        return self._send(batch, due, deadline) if due else set()

    def _send(self, batch: Batch, due: Sequence[Message], deadline: Deadline) -> set[Message]:
        self._recall(due, deadline)
        messages = [_bulk_message(message) for message in due]
        unsent, failure = self.sender.send_in_order(self.bulk_url, messages, deadline)
        missing = set(map(id, unsent))
        forwarded = {message for message, sent in zip(due, messages, strict=True) if id(sent) not in missing}
        for message in due:
            if message not in forwarded:
                message.fail(failure, counts=False, wait=_wait(message.record))
        batch.telemetry.count("Forwarded", len(forwarded))
        if missing:
            batch.telemetry.count("ForwardFailed", len(missing))
        return forwarded

    def _recall(self, due: Sequence[Message], deadline: Deadline) -> None:
        """Set the progress of messages, which travels with them. The ledger has that of those received before."""
        again = [message.id for message in due if message.record.receive_count > 1]
        known = self.ledger.recall(again, (), deadline)[0] if again else {}
        for message in due:
            told = told_progress(message.record)
            message.progress = known[message.id].also(told) if message.id in known else told


def _bulk_message(message: Message) -> QueueMessage:
    """Return a message for the bulk queue. Its position in the membership queue stays its position everywhere."""
    record = message.record
    return QueueMessage(
        body=record.body,
        attributes={
            **resent_attributes(record, message.known),
            QUEUE_POSITION: str(QueuePosition.of(record)),
        },
        group_id=record.group_id,
        deduplication_id=f"{record.message_id}.{record.receive_count}",  # another one each time
    )


def _wait(record: Record) -> float:
    return HELD_BACK_SECONDS + record.receive_count
