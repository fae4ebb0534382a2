"""Delivers what the queues hold: many messages in, few partner calls out, and a list of what must come again."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from mparticle_firehose.delivery.dead_letters import DeadLetters
from mparticle_firehose.delivery.deadline import Deadline
from mparticle_firehose.delivery.fan_in import Share, merged_calls
from mparticle_firehose.delivery.interfaces import PartnerGateway, QueueMappings, SuspensionRegister, Telemetry
from mparticle_firehose.delivery.membership_queue import user_key
from mparticle_firehose.delivery.outcome import Delivered, Outcome, Rejected, Retry, Suspend
from mparticle_firehose.delivery.partner_call import (
    MembershipChange,
    MembershipTarget,
    PartnerCall,
    UndeliverableChange,
)
from mparticle_firehose.delivery.queue_sender import QueuedRequest, correlation
from mparticle_firehose.delivery.record import Record
from mparticle_firehose.errors import DeliveryError, MalformedRequestError, SettingError, described
from mparticle_firehose.protocol import (
    AudienceMembershipChangeRequest,
    DsrProcessingRequest,
    EventProcessingRequest,
    Serializer,
)

CALL_SECONDS = 10.0
"""How long the partner may take for one call; nobody waits for a worker's answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """Delivers batches of queued requests."""

    serializer: Serializer
    partner: PartnerGateway
    mappings: QueueMappings
    dead_letters: DeadLetters
    suspensions: SuspensionRegister
    telemetry: Telemetry

    def deliver(self, records: Sequence[Record], deadline: Deadline) -> list[str]:
        """Deliver a batch and return the ids of the messages that must come again, in the batch's order.

        A message that can never be delivered is put on the dead-letter queue with its reason and counts as done; of a
        membership request that is the change in question alone. A message that fails holds back only its own group.

        Args:
            records: the batch, in the order in which SQS handed it over.
            deadline: when to stop; what is not delivered by then comes again.
        """
        batch = _Batch(worker=self, records=records, deadline=deadline)
        for number in range(len(records)):
            batch.attempt(number)
        batch.deliver_changes()
        return batch.unfinished()


@dataclass(slots=True, kw_only=True)
class _Batch:
    """One batch on its way. A message is known by its number, which is its place in the batch.

    Attributes:
        requests: what the messages hold, as far as they have been read.
        shares: the membership changes among it, gathered to be merged into calls.
        failed_from: for each group, the first message that must come again; the later ones of the group follow it.
    """

    worker: Worker
    records: Sequence[Record]
    deadline: Deadline
    requests: dict[int, QueuedRequest] = field(default_factory=dict)
    shares: list[Share] = field(default_factory=list)
    failed_from: dict[str, int] = field(default_factory=dict)

    def attempt(self, number: int) -> None:
        """Deliver an event request or an erasure; of a membership request, gather the changes."""
        try:
            self._take(number)
        except (MalformedRequestError, SettingError) as error:
            self._dead_letter(number, str(error))
        except Exception as error:  # noqa: BLE001  a fault in the partner room costs its own message an attempt only
            self._log("message failed", described(error), number)
            self._fail(number)

    def deliver_changes(self) -> None:
        """Send the gathered changes, merged into as few calls as keep each user's order."""
        for target, shares in merged_calls(self.shares, self.worker.mappings.most_changes):
            try:
                self._send_changes(target, shares)
            except Exception as error:  # noqa: BLE001  as above, for a call that several messages share
                self._log("call failed", described(error), shares[0].record)
                self._fail(*(share.record for share in shares))

    def unfinished(self) -> list[str]:
        """Return the ids of the messages that must come again."""
        return [record.message_id for number, record in enumerate(self.records) if self._is_held(number)]

    def _take(self, number: int) -> None:
        request = self.worker.serializer.parse(self.records[number].body)
        match request:
            case AudienceMembershipChangeRequest():
                self.requests[number] = request
                self._gather(number, request)
            case EventProcessingRequest():
                self.requests[number] = request
                self._deliver(number, self.worker.mappings.events(request).part_of(request))
            case DsrProcessingRequest():
                self.requests[number] = request
                self._deliver(number, self.worker.mappings.erasure(request).part_of(request))
            case _:
                raise MalformedRequestError(("type", "is never queued"))

    def _gather(self, number: int, request: AudienceMembershipChangeRequest) -> None:
        for change in self.worker.mappings.membership_changes(request):
            if isinstance(change, MembershipChange):
                self.shares.append(Share(number, user_key(request.user_profiles[change.profile]), change))
            else:
                self._dead_letter_change(number, change)

    def _deliver(self, number: int, call: PartnerCall) -> None:
        outcome = self._send(call)
        if isinstance(outcome, Rejected):
            self._dead_letter(number, outcome.reason)
        else:
            self._note(outcome, [number])

    def _send_changes(self, target: MembershipTarget, shares: Sequence[Share]) -> None:
        """Send changes in one call. If the partner refuses it, halve it until the change that is at fault is alone."""
        due = [share for share in shares if not self._is_held(share.record)]
        if not due:
            return
        call = self.worker.mappings.members_call(target, [share.change.item for share in due])
        outcome = self._send(call.part_of(*(self.requests[share.record] for share in due)))
        if not isinstance(outcome, Rejected):
            self._note(outcome, [share.record for share in due])
        elif len(due) == 1:
            change = due[0].change
            self._dead_letter_change(
                due[0].record, UndeliverableChange(change.profile, change.audience, outcome.reason)
            )
        else:
            self._send_changes(target, due[: len(due) // 2])
            self._send_changes(target, due[len(due) // 2 :])

    def _send(self, call: PartnerCall) -> Outcome:
        return self.worker.partner.send(call, self.deadline.within(CALL_SECONDS))

    def _note(self, outcome: Delivered | Retry | Suspend, numbers: Sequence[int]) -> None:
        """Record what became of a call for the messages that took part in it."""
        if isinstance(outcome, Delivered):
            self.worker.telemetry.count("Delivered", len(numbers))
            return
        if isinstance(outcome, Suspend):
            self.worker.suspensions.suspend(self.requests[numbers[0]].account, outcome.reason)
        self.worker.telemetry.count("Retried", len(numbers))
        self._log("partner call failed", outcome.reason, numbers[0])
        self._fail(*numbers)

    def _dead_letter(self, number: int, reason: str) -> None:
        """Put a whole message aside."""
        record, request = self.records[number], self.requests.get(number)
        attributes = correlation(request) if request else {}
        try:
            self.worker.dead_letters.put_record(record, reason, attributes, self.deadline)
        except DeliveryError as error:
            self._keep(number, error)
        else:
            self._put_aside(number, reason)

    def _dead_letter_change(self, number: int, change: UndeliverableChange) -> None:
        """Put one change of a membership request aside."""
        record, request = self.records[number], self.requests[number]
        try:
            self.worker.dead_letters.put_change(record, request, change, self.deadline)
        except DeliveryError as error:
            self._keep(number, error)
        else:
            self._put_aside(number, change.reason)

    def _put_aside(self, number: int, reason: str) -> None:
        self.worker.telemetry.count("DeadLettered")
        self._log("dead-lettered", reason, number)

    def _keep(self, number: int, error: DeliveryError) -> None:
        """Let a message come again because the dead-letter queue did not take what had to be put aside."""
        self._log("dead-letter queue failed", str(error), number)
        self._fail(number)

    def _log(self, event: str, reason: str, number: int) -> None:
        request = self.requests.get(number)
        facts = {"message_id": self.records[number].message_id, "reason": reason}
        self.worker.telemetry.warn(event, {**facts, **(correlation(request) if request else {})})

    def _fail(self, *numbers: int) -> None:
        for number in numbers:
            group = self.records[number].sequence
            self.failed_from[group] = min(number, self.failed_from.get(group, number))

    def _is_held(self, number: int) -> bool:
        return number >= self.failed_from.get(self.records[number].sequence, len(self.records))
