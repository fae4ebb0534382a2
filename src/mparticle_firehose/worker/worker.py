"""Delivers what the queues hold: many messages become few partner calls, and failed messages are retried."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.errors import MalformedRequestError, SettingError
from mparticle_firehose.integration import Delivered, Integration, Outcome, Rejected
from mparticle_firehose.integration.offered import offered
from mparticle_firehose.protocol import (
    AnyRequest,
    AudienceMembershipChangeRequest,
    DsrProcessingRequest,
    EventProcessingRequest,
    Serializer,
)
from mparticle_firehose.queues.dead_letters import DeadLetters
from mparticle_firehose.queues.partial_success import store_failed_items
from mparticle_firehose.queues.record import Record
from mparticle_firehose.queues.visibility import VisibilityTimeouts
from mparticle_firehose.services import EventStore, PartnerApi, SuspensionRegister, Telemetry
from mparticle_firehose.tables.ledger import Ledger
from mparticle_firehose.worker.backoff import Backoff
from mparticle_firehose.worker.batch import Batch
from mparticle_firehose.worker.batch_state import BatchState
from mparticle_firehose.worker.dead_lettering import DeadLettering
from mparticle_firehose.worker.memberships import Memberships

BEHIND_ANOTHER = "behind_another"
"""The reason why a message is retried that did not fail itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """Delivers batches of queued messages.

    Attributes:
        max_attempts: how often the delivery of one message is tried before it is dead-lettered.
        clock: seconds since the epoch.
    """

    serializer: Serializer
    integration: Integration
    partner: PartnerApi
    events: EventStore
    dead_letters: DeadLetters
    suspensions: SuspensionRegister
    ledger: Ledger
    visibility: VisibilityTimeouts
    backoff: Backoff
    max_attempts: int
    telemetry: Telemetry
    clock: Callable[[], float] = time.time

    def deliver(self, records: Sequence[Record], deadline: Deadline) -> list[str]:
        """Deliver a batch and return the ids of the messages that must be delivered again, in the batch's order.

        What can never be delivered is dead-lettered with its reason and counts as done: a whole message, or one change
        of a membership request. A message that fails holds back only its own group, and waits longer with each attempt.

        Args:
            records: the batch, in the order in which SQS handed it over.
            deadline: when to stop; what is not delivered by then is delivered again at once.
        """
        batch = Batch(
            state=BatchState(records),
            partner=self.partner,
            suspensions=self.suspensions,
            telemetry=self.telemetry,
            deadline=deadline,
            clock=self.clock,
        )
        dead_lettering = DeadLettering(
            batch=batch, dead_letters=self.dead_letters, ledger=self.ledger, max_attempts=self.max_attempts
        )
        _Delivery(self, batch, dead_lettering).run()
        return self._finish(batch, dead_lettering)

    def _finish(self, batch: Batch, dead_lettering: DeadLettering) -> list[str]:
        """Dead-letter what has failed too often, delay the other failed messages, and return their ids."""
        state = batch.state
        for record, failure in list(state.failures.items()):
            if failure.tried:
                batch.guard([record], partial(dead_lettering.count_attempt, record, failure))
        unfinished = state.unfinished()
        self.visibility.set(state.waits(self.backoff))
        self.telemetry.count("Retried", len(unfinished))
        for record in unfinished:
            if record not in state.failures:
                batch.log("retried later", record, reason=BEHIND_ANOTHER)
        return [record.message_id for record in unfinished]


class _Delivery:
    """Reads the messages of one batch and delivers what they hold."""

    def __init__(self, worker: Worker, batch: Batch, dead_lettering: DeadLettering) -> None:
        self._worker = worker
        self._batch = batch
        self._dead_lettering = dead_lettering
        audiences = worker.integration.audiences
        self._memberships = (
            Memberships(batch=batch, audiences=audiences, dead_lettering=dead_lettering, ledger=worker.ledger)
            if audiences
            else None
        )

    def run(self) -> None:
        """Deliver event requests and erasures one by one, then all membership changes together."""
        state = self._batch.state
        self._batch.guard(state.records, self._dead_lettering.look_up_order_tracked)
        for record in state.records:
            if not state.is_held(record):
                self._batch.guard([record], partial(self._deliver, record))
        if self._memberships:
            self._memberships.drop_superseded()
            self._memberships.deliver()

    def _deliver(self, record: Record) -> None:
        try:
            self._dispatch(record, self._worker.serializer.parse(record.body))
        except (MalformedRequestError, SettingError) as error:
            self._dead_lettering.put(record, str(error))

    def _dispatch(self, record: Record, request: AnyRequest) -> None:
        requests = self._batch.state.requests
        match request:
            case AudienceMembershipChangeRequest():
                requests[record] = request
                offered(self._memberships).gather(record, request)
            case EventProcessingRequest():
                requests[record] = request
                self._deliver_events(record, request)
            case DsrProcessingRequest():
                requests[record] = request
                call = offered(self._worker.integration.erasures)(request)
                self._settle(self._batch.send(call.part_of(request)), record)
            case _:
                raise MalformedRequestError(("type", "is never queued"))

    def _deliver_events(self, record: Record, request: EventProcessingRequest) -> None:
        call = offered(self._worker.integration.events)(request)
        if call is None:
            return
        outcome = self._batch.send(call.part_of(request))
        if isinstance(outcome, Delivered):
            store_failed_items(outcome, call, request, self._worker, self._batch.deadline)
        self._settle(outcome, record)

    def _settle(self, outcome: Outcome, record: Record) -> None:
        if isinstance(outcome, Rejected):
            self._dead_lettering.put(record, outcome.reason)
        else:
            self._batch.settle(outcome, [record])
