"""Delivers the membership changes of a batch, merged into as few calls as keep each user's order."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from mparticle_firehose.integration import (
    Audiences,
    Delivered,
    MembershipChange,
    MembershipTarget,
    Outcome,
    Rejected,
    UndeliverableChange,
)
from mparticle_firehose.protocol import AudienceMembershipChangeRequest
from mparticle_firehose.queues.membership_queue import user_key
from mparticle_firehose.queues.record import Record
from mparticle_firehose.tables.ledger import Ledger
from mparticle_firehose.worker.batch import Batch
from mparticle_firehose.worker.batching import PendingChange, merged_calls
from mparticle_firehose.worker.dead_lettering import DeadLettering
from mparticle_firehose.worker.last_write_wins import QueuePosition, keys_read, keys_written, without_stale_parts


@dataclass(slots=True, kw_only=True)
class Memberships:
    """The membership changes of one batch.

    Attributes:
        pending: the changes that wait to be delivered, in the order of their messages.
        calls: how many calls have been made.
    """

    batch: Batch
    audiences: Audiences
    dead_lettering: DeadLettering
    ledger: Ledger
    pending: list[PendingChange] = field(default_factory=list)
    calls: int = 0

    def gather(self, record: Record, request: AudienceMembershipChangeRequest) -> None:
        """Take the changes of a message, and dead-letter those that can never be delivered."""
        for change in self.audiences.membership_changes(request):
            if isinstance(change, MembershipChange):
                self.pending.append(PendingChange(record, user_key(request.user_profiles[change.profile]), change))
            else:
                self.dead_lettering.put_change(record, change)

    def drop_superseded(self) -> None:
        """Leave out, of redriven changes, what newer changes have written."""
        redriven = [pending for pending in self.pending if pending.record.redriven_at]
        if redriven:
            self.batch.guard([pending.record for pending in redriven], partial(self._drop_superseded, redriven))

    def deliver(self) -> None:
        """Send the changes."""
        for target, changes in merged_calls(self.pending, self.audiences.max_changes_per_call):
            self.batch.guard(dict.fromkeys(pending.record for pending in changes), partial(self._send, target, changes))

    def _drop_superseded(self, redriven: Sequence[PendingChange]) -> None:
        newest = self.ledger.newest(key for pending in redriven for key in keys_read(pending))
        kept = []
        for pending in self.pending:
            version = self._version(pending)
            remaining = self._remaining(pending, version, newest)
            if remaining is None:
                self.batch.log("superseded", pending.record)
                self.batch.telemetry.count("Superseded")
                continue
            kept.append(remaining)
            newest |= {key: max(version, newest.get(key, "")) for key in keys_written(remaining)}
        self.pending = kept

    def _remaining(self, pending: PendingChange, version: str, newest: dict[str, str]) -> PendingChange | None:
        if not pending.record.redriven_at:
            return pending
        return without_stale_parts(pending, version, newest, self.audiences.without_attributes)

    def _send(self, target: MembershipTarget, changes: Sequence[PendingChange]) -> None:
        """Send changes in one call. If the partner refuses the call, halve it until the refused change is alone."""
        state = self.batch.state
        due = [pending for pending in changes if not state.is_held(pending.record)]
        if not due:
            return
        call = self.audiences.members_call(target, [pending.change.item for pending in due])
        call = call.part_of(*(state.requests[pending.record] for pending in due)).in_attempt(self._attempt(due))
        outcome = self.batch.send(call)
        if isinstance(outcome, Rejected) and len(due) > 1:
            self._send(target, due[: len(due) // 2])
            self._send(target, due[len(due) // 2 :])
            return
        failures = outcome.failures if isinstance(outcome, Delivered) else {}
        self._settle(outcome, [pending for index, pending in enumerate(due) if index not in failures])
        for index, failure in failures.items():
            self._settle(failure, due[index : index + 1])

    def _attempt(self, changes: Sequence[PendingChange]) -> str:
        """Name this attempt: the number of the call, the messages, and how often they have been received."""
        self.calls += 1
        records = dict.fromkeys(pending.record for pending in changes)
        return " ".join([str(self.calls), *(f"{record.message_id}#{record.receive_count}" for record in records)])

    def _settle(self, outcome: Outcome, changes: Sequence[PendingChange]) -> None:
        if isinstance(outcome, Rejected):
            for pending in changes:
                refused = UndeliverableChange(pending.change.profile, pending.change.audience, outcome.reason)
                self.batch.guard([pending.record], partial(self.dead_lettering.put_change, pending.record, refused))
            return
        if isinstance(outcome, Delivered):
            self._store_versions(changes)
        self.batch.settle(outcome, [pending.record for pending in changes])

    def _store_versions(self, changes: Sequence[PendingChange]) -> None:
        """Store the versions of delivered changes in groups of which an older change may be redriven."""
        tracked = [pending for pending in changes if pending.record.group_id in self.dead_lettering.order_tracked]
        if tracked:
            self.ledger.note_delivered({key: self._version(each) for each in tracked for key in keys_written(each)})

    def _version(self, pending: PendingChange) -> str:
        position = QueuePosition.of(pending.record).inside(pending.change.profile, pending.change.audience)
        return position.version(self.batch.state.requests[pending.record].timestamp_ms)
