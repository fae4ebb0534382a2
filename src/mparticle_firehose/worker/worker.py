"""Delivers what the queues hold: many messages in, few partner calls out, and a list of what must come again."""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import inf

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.errors import DeliveryError, MalformedRequestError, SettingError, described
from mparticle_firehose.integration.calls import (
    MembershipChange,
    MembershipTarget,
    PartnerCall,
    UndeliverableChange,
)
from mparticle_firehose.integration.outcomes import Delivered, Outcome, Rejected, Retry, Suspend
from mparticle_firehose.partner_api.retry_policy import judge_items
from mparticle_firehose.protocol import (
    AnyRequest,
    AudienceMembershipChangeRequest,
    DsrProcessingRequest,
    EventProcessingRequest,
    Serializer,
)
from mparticle_firehose.protocol.correlation import QueuedRequest, correlation
from mparticle_firehose.queues.dead_letters import Cause, DeadLetters, letter_id
from mparticle_firehose.queues.membership_queue import single_change, user_key
from mparticle_firehose.queues.partial_success import settle_items
from mparticle_firehose.queues.record import Record
from mparticle_firehose.queues.visibility import Backoff, Redelivery
from mparticle_firehose.services import (
    EventStore,
    PartnerGateway,
    QueueMappings,
    SuspensionRegister,
    Telemetry,
)
from mparticle_firehose.tables.ledger import Ledger
from mparticle_firehose.worker.batch_state import Failure, Standing
from mparticle_firehose.worker.batching import Share, merged_calls
from mparticle_firehose.worker.last_write_wins import Place, asked, settled, what_remains

CALL_SECONDS = 10.0
"""How long the partner may take for one call; nobody waits for a worker's answer."""

SHORTEST_CALL_SECONDS = 1.0
"""With less than this left no new call is begun."""

NEARLY_MOVED = 900
"""Receives after which SQS itself will soon put a message aside: maxReceiveCount is 1,000, the most there can be."""

BEHIND_ANOTHER = "behind_another"
"""The reason why a message comes again that did not fail itself."""

OUT_OF_TIME = "out_of_time"
"""The reason of a Retry for which there was no time to ask the partner."""

LONGEST_WAIT_SECONDS = 10 * 86_400
"""How old a message may become, however patiently it waits: SQS drops one silently after fourteen days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """Delivers batches of queued messages.

    Attributes:
        most_attempts: how often the delivery of one message is tried before it is put aside.
        clock: seconds since the epoch.
    """

    serializer: Serializer
    partner: PartnerGateway
    mappings: QueueMappings
    events: EventStore
    dead_letters: DeadLetters
    suspensions: SuspensionRegister
    ledger: Ledger
    redelivery: Redelivery
    backoff: Backoff
    most_attempts: int
    telemetry: Telemetry
    clock: Callable[[], float] = time.time

    def deliver(self, records: Sequence[Record], deadline: Deadline) -> list[str]:
        """Deliver a batch and return the ids of the messages that must come again, in the batch's order.

        A message that can never be delivered is put on the dead-letter queue with its reason and counts as done; of a
        membership request that is the change in question alone. A message that fails holds back only its own group, and
        comes again after a wait that grows with its attempts.

        Args:
            records: the batch, in the order in which SQS handed it over.
            deadline: when to stop; what is not delivered by then comes again at once.
        """
        batch = _Batch(worker=self, records=records, deadline=deadline)
        batch.read()
        batch.deliver_changes()
        return batch.settle()


@dataclass(slots=True, kw_only=True)
class _Batch:
    """One batch on its way. A message is known by its number, which is its place in the batch.

    Attributes:
        standing: which messages must come again.
        requests: what the messages hold, as far as they have been read.
        shares: the membership changes among it, gathered to be merged into calls.
        contested: groups of which a change has left the queue, so that the newest changes must be written down.
        calls: how many calls for memberships have been made.
    """

    worker: Worker
    records: Sequence[Record]
    deadline: Deadline
    standing: Standing = field(init=False)
    requests: dict[int, QueuedRequest] = field(default_factory=dict)
    shares: list[Share] = field(default_factory=list)
    contested: set[str] = field(default_factory=set)
    calls: int = 0

    def __post_init__(self) -> None:
        self.standing = Standing(self.records)

    # --- reading ------------------------------------------------------------------------------------------------------

    def read(self) -> None:
        """Deliver event requests and erasures; of membership requests, gather the changes."""
        self._guarded(range(len(self.records)), self._look_up_contested)
        for number in range(len(self.records)):
            if not self.standing.is_held(number):
                self._guarded([number], partial(self._take, number))
        if redriven := [share.record for share in self.shares if self.records[share.record].redriven_at]:
            self._guarded(redriven, self._drop_superseded)

    def _guarded(self, numbers: Collection[int], step: Callable[[], None]) -> None:
        """Take a step for these messages; what goes wrong lets them come again, and no other message."""
        try:
            step()
        except DeliveryError as error:
            self._fail(numbers, Failure(str(error), tried=False))
        except Exception as error:  # noqa: BLE001  the partner room may raise anything
            self._fail(numbers, Failure(described(error)))

    def _look_up_contested(self) -> None:
        if groups := {record.group_id for record in self.records if record.group_id}:
            self.contested = self.worker.ledger.contested(groups)
        for group in {record.group_id for record in self.records if record.receive_count >= NEARLY_MOVED}:
            if group and group not in self.contested:
                self._contest(group)

    def _take(self, number: int) -> None:
        try:
            self._sort(number, self.worker.serializer.parse(self.records[number].body))
        except (MalformedRequestError, SettingError) as error:
            self._dead_letter(number, str(error))

    def _sort(self, number: int, request: AnyRequest) -> None:
        match request:
            case AudienceMembershipChangeRequest():
                self.requests[number] = request
                self._gather(number, request)
            case EventProcessingRequest():
                self.requests[number] = request
                self._deliver_events(number, request)
            case DsrProcessingRequest():
                self.requests[number] = request
                self._settle(self._send(self.worker.mappings.erasure(request).part_of(request)), number)
            case _:
                raise MalformedRequestError(("type", "is never queued"))

    def _gather(self, number: int, request: AudienceMembershipChangeRequest) -> None:
        for change in self.worker.mappings.membership_changes(request):
            if isinstance(change, MembershipChange):
                self.shares.append(Share(number, user_key(request.user_profiles[change.profile]), change))
            else:
                self._dead_letter_change(number, change)

    def _drop_superseded(self) -> None:
        """Leave out, of changes that came back from the dead-letter queue, what newer changes have settled."""
        redriven = filter(self._is_redriven, self.shares)
        newest = self.worker.ledger.newest(key for share in redriven for key in asked(share))
        kept = []
        for share in self.shares:
            made_at = self._made_at(share)
            remaining = (
                what_remains(share, made_at, newest, self.worker.mappings) if self._is_redriven(share) else share
            )
            if remaining is None:
                self._say("superseded", share.record)
                self.worker.telemetry.count("Superseded")
                continue
            kept.append(remaining)
            newest |= {key: max(made_at, newest.get(key, "")) for key in settled(remaining)}
        self.shares = kept

    def _made_at(self, share: Share) -> str:
        place = Place.of(self.records[share.record]).inside(share.change.profile, share.change.audience)
        return place.made_at(self.requests[share.record].timestamp_ms)

    def _is_redriven(self, share: Share) -> bool:
        return self.records[share.record].redriven_at is not None

    # --- delivering ---------------------------------------------------------------------------------------------------

    def _deliver_events(self, number: int, request: EventProcessingRequest) -> None:
        call = self.worker.mappings.events(request)
        if call is None:
            return
        outcome = self._send(call.part_of(request))
        if isinstance(outcome, Delivered):
            settle_items(outcome, call, request, self.worker, self.deadline)
        self._settle(outcome, number)

    def _settle(self, outcome: Outcome, number: int) -> None:
        if isinstance(outcome, Rejected):
            self._dead_letter(number, outcome.reason)
        else:
            self._note(outcome, [number])

    def deliver_changes(self) -> None:
        """Send the gathered changes, merged into as few calls as keep each user's order."""
        for target, shares in merged_calls(self.shares, self.worker.mappings.most_changes):
            self._guarded({share.record for share in shares}, partial(self._send_changes, target, shares))

    def _send_changes(self, target: MembershipTarget, shares: Sequence[Share]) -> None:
        """Send changes in one call. If the partner refuses it, halve it until the change that is at fault is alone."""
        due = [share for share in shares if not self.standing.is_held(share.record)]
        if not due:
            return
        call = self.worker.mappings.members_call(target, [share.change.item for share in due])
        call = call.part_of(*(self.requests[share.record] for share in due)).in_attempt(self._attempt(due))
        outcome = self._send(call)
        if isinstance(outcome, Rejected) and len(due) > 1:
            self._send_changes(target, due[: len(due) // 2])
            self._send_changes(target, due[len(due) // 2 :])
            return
        others = judge_items(outcome) if isinstance(outcome, Delivered) else {}
        self._settle_changes(outcome, [share for index, share in enumerate(due) if index not in others])
        for index, other in others.items():
            self._settle_changes(other, due[index : index + 1])

    def _attempt(self, shares: Sequence[Share]) -> str:
        """Name this attempt: which messages, how often they had been received, and which call of the batch it is."""
        self.calls += 1
        records = dict.fromkeys(self.records[share.record] for share in shares)
        return " ".join([str(self.calls), *(f"{record.message_id}#{record.receive_count}" for record in records)])

    def _settle_changes(self, outcome: Outcome, shares: Sequence[Share]) -> None:
        if isinstance(outcome, Rejected):
            for share in shares:
                change = UndeliverableChange(share.change.profile, share.change.audience, outcome.reason)
                self._guarded([share.record], partial(self._dead_letter_change, share.record, change))
            return
        if isinstance(outcome, Delivered):
            self._write_down(shares)
        self._note(outcome, [share.record for share in shares])

    def _write_down(self, shares: Sequence[Share]) -> None:
        """Keep in mind which change was the newest where an older one might come back."""
        contested = [share for share in shares if self.records[share.record].group_id in self.contested]
        if contested:
            self.worker.ledger.note_delivered(
                {key: self._made_at(share) for share in contested for key in settled(share)}
            )

    def _send(self, call: PartnerCall) -> Outcome:
        if self.deadline.remaining() < SHORTEST_CALL_SECONDS:
            return Retry(OUT_OF_TIME)
        return self.worker.partner.send(call, self.deadline.within(CALL_SECONDS))

    def _note(self, outcome: Delivered | Retry | Suspend, numbers: Sequence[int]) -> None:
        """Record what became of a call for each change, known by its message's number, that took part in it."""
        if not numbers:
            return
        account = self.requests[numbers[0]].account
        match outcome:
            case Delivered():
                self.worker.suspensions.lift(account)
                self.worker.telemetry.count("Delivered", len(numbers))
                for number in dict.fromkeys(numbers):
                    age_ms = max(0, int(self.worker.clock() * 1000) - self.records[number].sent_at_ms)
                    self.worker.telemetry.measure("QueueAge", age_ms)
                    self._say("delivered", number, changes=numbers.count(number))
            case Suspend(reason):
                self.worker.suspensions.suspend(account, reason)
                self.worker.telemetry.count("Suspended")
                self._fail(numbers, Failure(reason, after=inf, counts=False))
            case Retry(reason) if reason == OUT_OF_TIME:
                self._fail(numbers, Failure(reason, after=0, tried=False))
            case Retry(reason, after):
                self._fail(numbers, Failure(reason, after))

    # --- what cannot be delivered -------------------------------------------------------------------------------------

    def settle(self) -> list[str]:
        """Give up what has failed too often, tell SQS when the rest is to come again, and return its ids."""
        for number, failure in list(self.standing.failures.items()):
            if failure.tried:
                self._guarded([number], partial(self._count_attempt, number, failure))
        unfinished = self.standing.unfinished()
        self.worker.redelivery.schedule(self.standing.waits(self.worker.backoff))
        self.worker.telemetry.count("Retried", len(unfinished))
        for number in unfinished:
            if number not in self.standing.failures:
                self._say("comes again", number, reason=BEHIND_ANOTHER)
        return [self.records[number].message_id for number in unfinished]

    def _count_attempt(self, number: int, failure: Failure) -> None:
        record = self.records[number]
        age = self.worker.clock() - record.sent_at_ms / 1000
        attempts = self.worker.ledger.count_attempt(record.message_id) if failure.counts else None
        if (attempts or 0) >= self.worker.most_attempts or age > LONGEST_WAIT_SECONDS:
            self._dead_letter(number, failure.reason, attempts)
            self.standing.give_up(number)

    def _dead_letter(self, number: int, reason: str, attempts: int | None = None) -> None:
        """Put a whole message aside."""
        self._put_aside(number, self.records[number].body, reason, attempts=attempts)

    def _dead_letter_change(self, number: int, change: UndeliverableChange) -> None:
        """Put one change of a membership request aside."""
        body = single_change(self.requests[number].source, change.profile, change.audience)
        self._put_aside(number, body, change.reason, inside=(change.profile, change.audience))

    def _put_aside(
        self, number: int, body: str, reason: str, *, attempts: int | None = None, inside: tuple[int, int] = (0, 0)
    ) -> None:
        """Put something aside, once. From then on the newest changes of its group must be written down.

        Raises:
            DeliveryError: it is not put aside.
        """
        record, ledger = self.records[number], self.worker.ledger
        letter = letter_id(record, body)
        if ledger.is_put_aside(letter):
            return
        if record.group_id:
            self._contest(record.group_id)
        cause = Cause(
            reason=reason,
            attempts=attempts or ledger.count_attempt(record.message_id),
            request=self.requests.get(number),
            place=str(Place.of(record).inside(*inside)),
        )
        self.worker.dead_letters.put(record, body, cause, self.deadline)
        ledger.note_put_aside(letter)
        self.worker.telemetry.count("DeadLettered")
        self._say("dead-lettered", number, reason=reason)

    def _contest(self, group_id: str) -> None:
        self.worker.ledger.contest(group_id)
        self.contested.add(group_id)

    def _fail(self, numbers: Collection[int], failure: Failure) -> None:
        self.standing.fail(numbers, failure)
        for number in dict.fromkeys(numbers):
            self._say("comes again", number, reason=failure.reason)

    def _say(self, what: str, number: int, **facts: str | int) -> None:
        """Log what became of a message, so that one query by mParticle's request id tells the whole story."""
        record, request = self.records[number], self.requests.get(number)
        self.worker.telemetry.note(
            what,
            {
                **(correlation(request) if request else {}),
                "message_id": record.message_id,
                "receive_count": record.receive_count,
                **facts,
            },
        )
