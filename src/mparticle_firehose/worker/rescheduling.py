"""Schedules the next delivery of messages that are not done: by sending them again, or by their visibility timeout."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.integration.outcomes import MAX_WAIT_SECONDS
from mparticle_firehose.queues.backoff import Backoff
from mparticle_firehose.queues.delays import NOT_DUE, Delays, Waiting, wait_left
from mparticle_firehose.queues.event_queue import site_tenant, tenant
from mparticle_firehose.queues.record import Record
from mparticle_firehose.queues.time_limits import DELAY_SECONDS, REMEMBER_SECONDS, VISIBILITY_SECONDS
from mparticle_firehose.queues.visibility import VisibilityTimeouts
from mparticle_firehose.services import CIRCUIT_OPEN
from mparticle_firehose.tables.ledger import Ledger
from mparticle_firehose.worker.batch import Batch, Message
from mparticle_firehose.worker.dead_lettering import DeadLettering


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescheduling:
    """Schedules the next delivery of the messages of one batch.

    Attributes:
        deadline: of the delivery.
    """

    batch: Batch
    dead_lettering: DeadLettering
    ledger: Ledger
    visibility: VisibilityTimeouts
    delays: Delays
    backoff: Backoff
    deadline: Deadline

    def hold_back(self, message: Message) -> None:
        """Hold a message back until its wait is over: it may be longer than SQS delays a message."""
        if left := wait_left(message.record, self.batch.clock()):
            message.fail(NOT_DUE, counts=False, wait=left)

    def schedule(self, *, knows_progress: bool) -> list[Message]:
        """Store the progress of unfinished messages, set when they are delivered again, and return those to keep.

        Lambda deletes the others, also those that were sent again.

        Args:
            knows_progress: whether the earlier progress could be read of messages that come again. Otherwise it would
                be overwritten, or get lost.
        """
        self._delay(knows_progress=knows_progress)
        if knows_progress:
            self._remember()
        again = self._again
        self.visibility.set(self._waits(again), self.deadline.later(VISIBILITY_SECONDS))
        delayed = [message for message in self.batch.messages if message.is_delayed]
        self._report_waiting([*delayed, *again])
        return again

    def _report_waiting(self, waiting: Sequence[Message]) -> None:
        """Count and log what comes again. SQS measures the age of a message that was sent again anew; this does not."""
        self.batch.telemetry.count("Retried", len(waiting))
        if waiting:
            oldest = min(message.record.sent_at_ms for message in waiting)
            self.batch.telemetry.measure("WaitingAge", max(0, int(self.batch.clock() * 1000) - oldest))
        for message in waiting:
            self.batch.log("retried later", message, reason=message.retry_reason or "")

    @property
    def _again(self) -> list[Message]:
        return [it for it in self.batch.messages if it.retry_reason is not None and not it.is_delayed]

    def _delay(self, *, knows_progress: bool) -> None:
        """Send again what waits long in a standard queue. What is known of it travels with it, and needs no entry.

        What is refused and in no letter yet does not travel.
        """
        known = [message for message in self._again if knows_progress or message.record.receive_count == 1]
        waiting = [
            Waiting(
                record=self._left(message),
                seconds=self._wait(message),
                tenant=_tenant(message),
                known=message.known,
            )
            for message in known
            if message.record.group_id is None and not message.progress.refused
        ]
        delayed = self.delays.delay(waiting, self.deadline.later(DELAY_SECONDS))
        for message in known:
            message.is_delayed = message.id in delayed

    def _left(self, message: Message) -> Record:
        """Return a message without what could not be read of it, if that is in letters."""
        if message.readable is None or message in self.dead_lettering.failures:
            return message.record
        return replace(message.record, body=message.readable())

    def _remember(self) -> None:
        """Store how far the messages have come that come again.

        If it is not stored of a message, all messages of its group come again. What it has delivered is then sent once
        more, and the later changes of the same users must follow it once more too.
        """
        again = self._again
        progress = {message.id: message.progress for message in again}
        missing = self.ledger.remember(progress, self.deadline.later(REMEMBER_SECONDS)) if progress else {}
        groups = {message.record.group_id: missing[message.id] for message in again if message.id in missing}
        for message in self.batch.messages:
            if message.record.group_id and message.record.group_id in groups:
                message.fail(groups[message.record.group_id], counts=False)

    def _waits(self, again: Sequence[Message]) -> dict[Record, int]:
        """Return the whole seconds for which each message is invisible.

        A group waits as long as its longest wait. Its first message alone does so: SQS hands out nothing of a group
        while one of its messages is invisible. The others are visible again, so that they are not in flight.
        """
        longest: dict[str, int] = {}
        for message in again:
            seconds = ceil(self._wait(message))
            sequence = message.record.sequence
            longest[sequence] = max(seconds, longest.get(sequence, 0))
        return {message.record: longest.pop(message.record.sequence, 0) for message in again}

    def _wait(self, message: Message) -> float:
        """Return the seconds that a message waits, the same each time."""
        if message.wait is None:
            message.wait = self.backoff.seconds(message.record.receives)
        return min(message.wait, MAX_WAIT_SECONDS)


def _tenant(message: Message) -> str | None:
    """Return whose a message is while it waits: the site's that is down, else its customer's."""
    if message.retry_reason == NOT_DUE:
        return message.record.tenant
    if message.retry_reason == CIRCUIT_OPEN and message.plan:
        return site_tenant(message.plan.unsettled[0].item.target.site)
    return tenant(message.record.correlation.get("account_id"))
