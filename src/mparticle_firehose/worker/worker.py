"""Delivers what the queues hold: many messages become few partner calls, and failed messages are retried."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.delivery.asking import Asking
from mparticle_firehose.delivery.gates import Gates
from mparticle_firehose.delivery.merging import merged
from mparticle_firehose.delivery.plan import Planner
from mparticle_firehose.delivery.sending import Delivery
from mparticle_firehose.integration import Delivered
from mparticle_firehose.protocol import (
    Serializer,
)
from mparticle_firehose.queues.backoff import Backoff
from mparticle_firehose.queues.dead_letters import DeadLetters
from mparticle_firehose.queues.delays import Delays
from mparticle_firehose.queues.large_bodies import LargeBodies
from mparticle_firehose.queues.record import Record
from mparticle_firehose.queues.visibility import VisibilityTimeouts
from mparticle_firehose.services import (
    Breaker,
    PartnerApi,
    RateLimits,
    SuspensionRegister,
    Telemetry,
    Verdicts,
)
from mparticle_firehose.tables.erased_people import ErasedPeople
from mparticle_firehose.tables.ledger import Ledger
from mparticle_firehose.worker.batch import Batch, Message, told_progress
from mparticle_firehose.worker.dead_lettering import DeadLettering
from mparticle_firehose.worker.erasure_notes import note_erasures
from mparticle_firehose.worker.forwarding import BulkForwarding
from mparticle_firehose.worker.order_tracking import OrderTracking
from mparticle_firehose.worker.planning import Planning
from mparticle_firehose.worker.reading import Reading
from mparticle_firehose.worker.rescheduling import Rescheduling
from mparticle_firehose.worker.settling import Settling

CALL_SECONDS = 10.0
"""The maximum time of one partner call: mParticle does not wait for the worker."""

MIN_CALL_SECONDS = 1.0
"""With less time left than this no new call is made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """Delivers batches of queued messages.

    Attributes:
        max_attempts: how often the delivery of one message is tried before it is dead-lettered.
        erased_people: where it is noted whom erasures are about; None if there is no feed, which needs to know it.
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
    forwarding: BulkForwarding
    backoff: Backoff
    max_attempts: int
    telemetry: Telemetry
    erased_people: ErasedPeople | None = None
    executor: Executor | None = None
    clock: Callable[[], float] = time.time

    def deliver(self, records: Sequence[Record], deadline: Deadline) -> list[str]:
        """Deliver a batch and return the ids of the messages that must be delivered again, in the batch's order.

        What can never be delivered is dead-lettered with its reason and counts as done: a whole message, or some of its
        items. A message that fails waits longer with each attempt. On a FIFO queue it holds back what is of the same
        user and lane, and nothing else. On a standard queue one that waits long is sent again, and counts as done. So
        does a message of the membership queue that is forwarded to the bulk queue.

        Args:
            records: the batch, in the order in which SQS handed it over.
            deadline: when to stop; what is not delivered by then is delivered again at once. What has come of the rest
                is stored soon after it, see `time_limits`.
        """
        batch = Batch([Message(record) for record in records], self.telemetry, self.clock)
        left = self.forwarding.forward(batch, deadline)
        return _Delivery(self, replace(batch, messages=left), deadline).run() if left else []


class _Delivery:
    """One batch on its way."""

    def __init__(self, worker: Worker, batch: Batch, deadline: Deadline) -> None:
        self._worker = worker
        self._batch = batch
        self._deadline = deadline
        self._knows_progress = False
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
        self._reading = Reading(
            batch=batch,
            serializer=worker.serializer,
            planner=worker.planner,
            large_bodies=worker.large_bodies,
            dead_lettering=self._dead_lettering,
            deadline=deadline,
        )
        self._planning = Planning(
            batch=batch,
            planner=worker.planner,
            serializer=worker.serializer,
            ledger=worker.ledger,
            tracking=self._tracking,
            dead_lettering=self._dead_lettering,
            deadline=deadline,
        )
        self._rescheduling = Rescheduling(
            batch=batch,
            dead_lettering=self._dead_lettering,
            ledger=worker.ledger,
            visibility=worker.visibility,
            delays=worker.delays,
            backoff=worker.backoff,
            deadline=deadline,
        )

    def run(self) -> list[str]:
        messages = self._batch.messages
        for message in messages:
            self._begin(message)
        self._batch.guard(messages, self._recall)
        self._reading.read()
        if self._worker.erased_people:
            note_erasures(self._batch, self._worker.erased_people, self._deadline)
        self._dead_lettering.track_those_nearly_moved(self._deadline)
        self._planning.plan()
        sent = [message for message in messages if message.plan and message.retry_reason is None]
        self._send(sent)
        self._settle(sent)
        self._lift_suspensions()
        again = self._rescheduling.schedule(knows_progress=self._knows_progress)
        return [message.id for message in again]

    def _begin(self, message: Message) -> None:
        """Take what the message itself says: what is settled of it, and whether it waits still."""
        message.progress = told_progress(message.record)
        self._rescheduling.hold_back(message)

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

    def _settle(self, sent: Sequence[Message]) -> None:
        """Decide what becomes of the messages, and store it."""
        for message in sent:
            if message.plan:
                self._batch.guard([message], partial(self._settling.settle, message, message.plan))
        for message in self._batch.messages:
            if message.counts:
                self._batch.guard([message], partial(self._settling.count_attempt, message))
            self._batch.guard([message], partial(self._settling.give_up_old, message))
        self._settling.store(sent, self._deadline)
