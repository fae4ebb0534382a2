"""Delivers what the queues hold: many messages become few partner calls, and failed messages are retried."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from math import ceil

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.delivery.asking import Asking
from mparticle_firehose.delivery.gates import Gates
from mparticle_firehose.delivery.merging import merged
from mparticle_firehose.delivery.plan import Plan, Planner
from mparticle_firehose.delivery.sending import BEHIND_ANOTHER, Delivery
from mparticle_firehose.errors import MalformedRequestError, SettingError, UnsupportedMessageError
from mparticle_firehose.integration import Delivered, Origin, changes
from mparticle_firehose.integration.outcomes import MAX_WAIT_SECONDS
from mparticle_firehose.protocol import (
    AnyRequest,
    AudienceMembershipChangeRequest,
    DsrProcessingRequest,
    EventProcessingRequest,
    QueuedRequest,
    Serializer,
)
from mparticle_firehose.queues.dead_letters import DeadLetters
from mparticle_firehose.queues.delays import Delays, Waiting
from mparticle_firehose.queues.event_queue import site_tenant, tenant
from mparticle_firehose.queues.large_bodies import LargeBodies, is_reference
from mparticle_firehose.queues.record import Record
from mparticle_firehose.queues.visibility import VisibilityTimeouts
from mparticle_firehose.services import (
    CIRCUIT_OPEN,
    Breaker,
    PartnerApi,
    RateLimits,
    SuspensionRegister,
    Telemetry,
    Verdicts,
)
from mparticle_firehose.tables.ledger import Ledger
from mparticle_firehose.tables.progress import STATE_SETTLED, Progress
from mparticle_firehose.worker.backoff import Backoff
from mparticle_firehose.worker.batch import Batch, Message
from mparticle_firehose.worker.dead_lettering import DeadLettering
from mparticle_firehose.worker.last_write_wins import (
    QueuePosition,
    Stale,
    keys_read,
    stale_parts,
    state_key,
    state_keys,
    tracked_keys,
    versions_written,
    without,
)
from mparticle_firehose.worker.order_tracking import OrderTracking
from mparticle_firehose.worker.settling import Settling

CALL_SECONDS = 10.0
"""The maximum time of one partner call: mParticle does not wait for the worker."""

MIN_CALL_SECONDS = 1.0
"""With less time left than this no new call is made."""

MAX_LARGE_BYTES = 12_000_000
"""Bytes of large bodies that one invocation reads, at least one body: a hundred of them would not fit in its memory."""

TOO_MANY_LARGE = "too many large bodies in one batch"
"""Why a message comes again at once."""

NOT_DUE = "not_due"
"""The reason of a message whose wait is longer than SQS delays a message, and not over."""

MIN_SECONDS_LEFT = 1.0
"""With less left a wait is over: the clocks of two environments differ."""

STORE_SECONDS, REMEMBER_SECONDS = 3.0, 4.5
"""After the deadline: until when what was delivered and refused may be stored, and how far messages have come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """Delivers batches of queued messages.

    Attributes:
        max_attempts: how often the delivery of one message is tried before it is dead-lettered.
        executor: makes independent calls side by side; None makes them one after another.
        clock: seconds since the epoch.
    """

    serializer: Serializer
    planner: Planner
    partner: PartnerApi
    verdicts: Verdicts
    breaker: Breaker
    rate_limits: RateLimits
    dead_letters: DeadLetters
    large_bodies: LargeBodies
    suspensions: SuspensionRegister
    ledger: Ledger
    visibility: VisibilityTimeouts
    delays: Delays
    backoff: Backoff
    max_attempts: int
    telemetry: Telemetry
    executor: Executor | None = None
    clock: Callable[[], float] = time.time

    def deliver(self, records: Sequence[Record], deadline: Deadline) -> list[str]:
        """Deliver a batch and return the ids of the messages that must be delivered again, in the batch's order.

        What can never be delivered is dead-lettered with its reason and counts as done: a whole message, or some of its
        items. A message that fails waits longer with each attempt. On a FIFO queue it holds back what is of the same
        user and lane, and nothing else. On a standard queue one that waits long is sent again, and counts as done.

        Args:
            records: the batch, in the order in which SQS handed it over.
            deadline: when to stop; what is not delivered by then is delivered again at once. What has come of the rest
                is stored in the five seconds after it.
        """
        batch = Batch([Message(record) for record in records], self.telemetry, self.clock)
        return _Delivery(self, batch, deadline).run()


class _Delivery:
    """One batch on its way."""

    def __init__(self, worker: Worker, batch: Batch, deadline: Deadline) -> None:
        self._worker = worker
        self._batch = batch
        self._deadline = deadline
        self._newest: dict[str, str] = {}
        self._knows_progress = False
        self._large_bytes = 0
        self._tracking = OrderTracking(worker.ledger, worker.clock)
        self._dead_lettering = DeadLettering(
            batch=batch, dead_letters=worker.dead_letters, ledger=worker.ledger, tracking=self._tracking
        )
        self._settling = Settling(
            batch=batch,
            planner=worker.planner,
            parse=worker.serializer.parse,
            dead_lettering=self._dead_lettering,
            tracking=self._tracking,
            ledger=worker.ledger,
            backoff=worker.backoff,
            max_attempts=worker.max_attempts,
        )

    def run(self) -> list[str]:
        messages = self._batch.messages
        for message in messages:
            self._begin(message)
        self._batch.guard(messages, self._recall)
        self._read_all()
        self._dead_lettering.track_those_nearly_moved(self._deadline)
        self._batch.guard(self._redriven, self._look_up_newest)
        self._plan_all()
        self._look_up_tracked()
        sent = [message for message in messages if message.plan and message.retry_reason is None]
        self._send(sent)
        self._settle(sent)
        self._lift_suspensions()
        return self._finish()

    # --- what the messages hold --------------------------------------------------------------------------------------

    def _begin(self, message: Message) -> None:
        """Take what the message itself says: what is settled of it, and whether it waits still."""
        record = message.record
        message.progress = Progress.from_text(record.settled, record.history.limits, record.history.attempts)
        left = record.history.due_at_ms / 1000 - self._worker.clock()
        if left >= MIN_SECONDS_LEFT:
            message.fail(NOT_DUE, counts=False, wait=left)

    def _recall(self) -> None:
        """Read what is remembered of messages that come again, and which groups are order-tracked."""
        records = [message.record for message in self._batch.messages]
        again = [record.message_id for record in records if record.receive_count > 1]
        groups = [record.group_id for record in records if record.group_id]
        if again or groups:
            known, tracked = self._worker.ledger.recall(again, groups, self._deadline)
            self._tracking.recall(tracked)
        else:
            known = {}
        for message in self._batch.messages:
            if message.id in known:
                message.progress = known[message.id].also(message.progress)
        self._knows_progress = True

    def _read_all(self) -> None:
        for message in self._batch.messages:
            if message.retry_reason is None:
                self._batch.guard([message], partial(self._read, message))

    def _read(self, message: Message) -> None:
        try:
            if is_reference(message.body) and not self._load(message):
                message.fail(TOO_MANY_LARGE, counts=False, wait=0)
                return
            request = message.request = _queued(self._worker.serializer.parse(message.body))
            if not self._worker.planner.offers(request):
                raise UnsupportedMessageError(("type", "is not offered by this integration"))
        except MalformedRequestError as error:
            self._dead_lettering.put_whole(message, str(error))
            message.request = None
            return
        if request.unreadable:
            self._put_unreadable(message, request)

    def _put_unreadable(self, message: Message, request: QueuedRequest) -> None:
        """Dead-letter what cannot be read. The user's state is delivered with the rest, or dead-lettered with it."""
        has_rest = _has_elements(request)
        settled = STATE_SETTLED if has_rest else message.record.settled
        self._dead_lettering.put_unreadable(message, request, settled, has_rest=has_rest)
        if not has_rest:
            message.request = None

    def _load(self, message: Message) -> bool:
        """Read a body from S3, unless this invocation has read enough; return whether it has."""
        if self._large_bytes >= MAX_LARGE_BYTES:
            return False
        stored = self._worker.large_bodies.open(message.body)
        fits = not self._large_bytes or self._large_bytes + stored.size <= MAX_LARGE_BYTES
        self._large_bytes += stored.size
        if fits:
            message.body = stored.read()
        else:
            stored.close()
        return fits

    # --- last write wins ---------------------------------------------------------------------------------------------

    @property
    def _redriven(self) -> list[Message]:
        return [message for message in self._batch.messages if message.record.redriven_at and message.record.group_id]

    def _look_up_newest(self) -> None:
        requests = [message.request for message in self._redriven if message.request]
        keys = [key for request in requests for key in keys_read(request)]
        self._newest = self._worker.ledger.newest(keys, self._deadline)

    def _look_up_tracked(self) -> None:
        """Read which deliveries must be written down, in groups of which only some must be."""
        planned = [message for message in self._batch.messages if message.plan and message.retry_reason is None]
        some = [message for message in planned if self._tracking.of_keys(message.record.group_id)]
        keys = [key for message in some if message.plan for key in _may_be_tracked(message.plan)]
        if keys:
            self._batch.guard(some, partial(self._tracking.look_up, keys, self._deadline))

    def _stale(self, message: Message, request: QueuedRequest) -> Stale:
        """Return what newer changes have written of a redriven message, also those of the same batch."""
        if not self._redriven:
            return {}
        position = QueuePosition.of(message.record)
        stale = stale_parts(request, position, self._newest) if message.record.redriven_at else {}
        self._note_newest(versions_written(request, position, left_out=_gone(stale)))
        return stale

    def _note_newest(self, versions: Mapping[str, str]) -> None:
        for key, version in versions.items():
            self._newest[key] = max(version, self._newest.get(key, ""))

    # --- delivery ----------------------------------------------------------------------------------------------------

    def _plan_all(self) -> None:
        failed_groups: set[str] = set()
        for message in self._batch.messages:
            group = message.record.group_id
            if group in failed_groups:
                message.fail(BEHIND_ANOTHER, counts=False, wait=0)
            elif message.retry_reason is None and message.request:
                self._batch.guard([message], partial(self._plan, message, message.request))
            if message.retry_reason and group:
                failed_groups.add(group)  # whose users it is about is not known

    def _plan(self, message: Message, request: QueuedRequest) -> None:
        stale = self._stale(message, request)
        try:
            message.plan = self._planned(message, request, stale)
        except SettingError as error:
            self._dead_lettering.put_whole(message, str(error))
            return
        if stale:
            self._batch.log("superseded", message)
            self._batch.telemetry.count("Superseded")
        if self._redriven and message.record.group_id:
            self._leave_old_state_out(message, message.plan)

    def _planned(self, message: Message, request: QueuedRequest, stale: Stale) -> Plan:
        """Return a message's plan without what is stale.

        Items of stale changes are left out of the plan of the whole, so that its positions stay what they are. Changes
        are cut off before the mapping only if one item covers them and others.
        """
        gone = _gone(stale)
        plan = self._plan_of(message, self._cut(request, {each: stale[each] for each in stale.keys() - gone}))
        over = [position for position, each in enumerate(plan.planned) if gone.intersection(each.covers)]
        if not gone.issuperset(origin for position in over for origin in plan.planned[position].covers):
            return self._plan_of(message, self._cut(request, stale))
        if over:
            plan.leave_out(over)
        return plan

    def _plan_of(self, message: Message, request: QueuedRequest) -> Plan:
        record = message.record
        message.request = request
        attempt = f"{record.message_id}#{record.receive_count}"
        return self._worker.planner.plan(request, source=record.message_id, attempt=attempt, progress=message.progress)

    def _cut(self, request: QueuedRequest, stale: Stale) -> QueuedRequest:
        return _queued(self._worker.serializer.parse(without(request.source, stale))) if stale else request

    def _leave_old_state_out(self, message: Message, plan: Plan) -> None:
        """Leave out a redriven state that a newer one has replaced, also one of the same batch."""
        states = {state_key(pending): pending.position for pending in plan.pending if not pending.item.covers}
        version = QueuePosition.of(message.record).version(plan.request.timestamp_ms)
        if states and message.record.redriven_at:
            self._note_newest(self._worker.ledger.newest(states, self._deadline))
            old = [position for key, position in states.items() if self._newest.get(key, "") > version]
            if old:
                plan.leave_out(old)
                self._batch.telemetry.count("Superseded")
        self._note_newest(dict.fromkeys(states, version))

    def _send(self, messages: Sequence[Message]) -> None:
        worker = self._worker
        calls = merged(pending for message in messages if message.plan for pending in message.plan.waiting)
        asking = Asking(
            partner=worker.partner,
            verdicts=worker.verdicts,
            gates=Gates(
                breaker=worker.breaker,
                rate_limits=worker.rate_limits,
                suspend=lambda envelope, reason: worker.suspensions.suspend(envelope.request.account, reason),
            ),
            telemetry=worker.telemetry,
            deadline=self._deadline,
            call_seconds=CALL_SECONDS,
            min_call_seconds=MIN_CALL_SECONDS,
        )
        Delivery(asking, in_order=self._batch.in_order).deliver(calls, worker.executor)

    def _lift_suspensions(self) -> None:
        """End the suspensions of accounts for which the partner has taken something."""
        plans = [message.plan for message in self._batch.messages if message.plan]
        self._worker.suspensions.lift(
            plan.request.account
            for plan in plans
            if any(isinstance(pending.outcome, Delivered) for pending in plan.pending)
        )

    # --- the end -----------------------------------------------------------------------------------------------------

    def _settle(self, sent: Sequence[Message]) -> None:
        """Decide what becomes of the messages, and store it."""
        for message in sent:
            if message.plan:
                self._batch.guard([message], partial(self._settling.settle, message, message.plan))
        for message in self._batch.messages:
            if message.counts:
                self._batch.guard([message], partial(self._settling.count_attempt, message))
        self._settling.store(sent, self._deadline.later(STORE_SECONDS))

    def _finish(self) -> list[str]:
        """Store how far the messages have come, delay those that come again, and return their ids."""
        self._delay()
        self._remember()
        again = self._again
        self._worker.visibility.set(self._waits(again))
        delayed = [message for message in self._batch.messages if message.is_delayed]
        self._report_waiting([*delayed, *again])
        return [message.id for message in again]

    def _report_waiting(self, waiting: Sequence[Message]) -> None:
        """Count and log what comes again. SQS measures the age of a message that was sent again anew; this does not."""
        self._worker.telemetry.count("Retried", len(waiting))
        if waiting:
            oldest = min(message.record.sent_at_ms for message in waiting)
            self._worker.telemetry.measure("WaitingAge", max(0, int(self._worker.clock() * 1000) - oldest))
        for message in waiting:
            self._batch.log("retried later", message, reason=message.retry_reason or "")

    @property
    def _again(self) -> list[Message]:
        return [it for it in self._batch.messages if it.retry_reason is not None and not it.is_delayed]

    def _delay(self) -> None:
        """Send again what waits long in a standard queue. What is known of it travels with it, and needs no entry.

        If the earlier progress of a message that comes again could not be read, it would get lost. What is refused and
        in no letter yet does not travel.
        """
        known = [message for message in self._again if self._knows_progress or message.record.receive_count == 1]
        waiting = [
            Waiting(
                record=self._left(message),
                seconds=self._wait(message),
                tenant=_tenant(message),
                attempts=message.progress.attempts,
                settled=message.progress.settled_text() if message.progress.fingerprint else "",
                limits=message.progress.limits_text(),
            )
            for message in known
            if message.record.group_id is None and not message.progress.refused
        ]
        delayed = self._worker.delays.delay(waiting, self._deadline)
        for message in known:
            message.is_delayed = message.id in delayed

    def _left(self, message: Message) -> Record:
        """Return a message without what could not be read of it, if that is in letters."""
        if message.readable is None or message in self._dead_lettering.failures:
            return message.record
        return replace(message.record, body=message.readable)

    def _remember(self) -> None:
        """Store how far the messages have come that come again.

        Nothing is stored if the earlier progress could not be read: that would overwrite it.

        If storing fails, all messages of these groups come again. What a message has delivered is then sent once more,
        and the later changes of the same users must follow it once more too.
        """
        if not self._knows_progress:
            return
        groups = {message.record.group_id for message in self._again} - {None}
        of_groups = [message for message in self._batch.messages if message.record.group_id in groups]
        progress = {message.id: message.progress for message in self._again}
        deadline = self._deadline.later(REMEMBER_SECONDS)
        self._batch.guard(of_groups, partial(self._worker.ledger.remember, progress, deadline))

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
            message.wait = self._worker.backoff.seconds(message.record.receives)
        return min(message.wait, MAX_WAIT_SECONDS)


def _tenant(message: Message) -> str | None:
    """Return whose a message is while it waits: the site's that is down, else its customer's."""
    if message.retry_reason == NOT_DUE:
        return message.record.tenant
    if message.retry_reason == CIRCUIT_OPEN and message.plan:
        return site_tenant(message.plan.unsettled[0].item.target.site)
    return tenant(message.record.correlation.get("account_id"))


def _has_elements(request: QueuedRequest) -> bool:
    match request:
        case AudienceMembershipChangeRequest():
            return any(changes(request))
        case EventProcessingRequest():
            return bool(request.events or request.system_notifications)
        case _:
            return not request.is_unreadable


def _gone(stale: Stale) -> frozenset[Origin]:
    return frozenset(origin for origin, attributes in stale.items() if attributes is None)


def _may_be_tracked(plan: Plan) -> Iterator[str]:
    yield from tracked_keys(plan.request)
    yield from state_keys(plan)


def _queued(request: AnyRequest) -> QueuedRequest:
    if isinstance(request, AudienceMembershipChangeRequest | EventProcessingRequest | DsrProcessingRequest):
        return request
    raise MalformedRequestError(("type", "is never queued"))
