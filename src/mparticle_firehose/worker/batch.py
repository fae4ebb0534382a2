"""One batch of messages on its way to the partner: its calls, their outcomes, and what is logged of each message."""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from math import inf

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.errors import DeliveryError, described
from mparticle_firehose.integration import Delivered, Outcome, PartnerCall, Retry, Suspend
from mparticle_firehose.protocol import correlation
from mparticle_firehose.queues.record import Record
from mparticle_firehose.services import PartnerApi, SuspensionRegister, Telemetry
from mparticle_firehose.worker.batch_state import BatchState, Failure

CALL_SECONDS = 10.0
"""The maximum time of one partner call: mParticle does not wait for the worker."""

MIN_CALL_SECONDS = 1.0
"""With less time left than this no new call is made."""

OUT_OF_TIME = "out_of_time"
"""The reason of a Retry without a call, because there was no time left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One batch of messages, and what is needed to deliver any of them.

    Attributes:
        state: the messages and what became of them.
        deadline: when to stop.
        clock: seconds since the epoch.
    """

    state: BatchState
    partner: PartnerApi
    suspensions: SuspensionRegister
    telemetry: Telemetry
    deadline: Deadline
    clock: Callable[[], float] = time.time

    def guard(self, records: Collection[Record], step: Callable[[], None]) -> None:
        """Take a step for these messages. If it raises, they are delivered again, and no other message is."""
        try:
            step()
        except DeliveryError as error:
            self.fail(records, Failure(str(error), tried=False))
        except Exception as error:  # noqa: BLE001  an integration may raise anything
            self.fail(records, Failure(described(error)))

    def send(self, call: PartnerCall) -> Outcome:
        """Make a call, unless too little time is left."""
        if self.deadline.remaining() < MIN_CALL_SECONDS:
            return Retry(OUT_OF_TIME)
        return self.partner.send(call, self.deadline.within(CALL_SECONDS))

    def settle(self, outcome: Delivered | Retry | Suspend, records: Sequence[Record]) -> None:
        """Record the outcome of a call.

        Args:
            outcome: of the call.
            records: the messages that the call carried, all of one account; one entry for each change.
        """
        if not records:
            return
        account = self.state.requests[records[0]].account
        match outcome:
            case Delivered():
                self.suspensions.lift(account)
                self._count_delivered(records)
            case Suspend(reason):
                self.suspensions.suspend(account, reason)
                self.telemetry.count("Suspended")
                self.fail(records, Failure(reason, after=inf, counts=False))
            case Retry(reason) if reason == OUT_OF_TIME:
                self.fail(records, Failure(reason, after=0, tried=False))
            case Retry(reason, after):
                self.fail(records, Failure(reason, after))

    def fail(self, records: Collection[Record], failure: Failure) -> None:
        """Mark messages to be delivered again, and log why."""
        self.state.fail(records, failure)
        for record in dict.fromkeys(records):
            self.log("retried later", record, reason=failure.reason)

    def log(self, event: str, record: Record, **facts: str | int) -> None:
        """Log what became of a message, with mParticle's request id, so that one query finds all lines of a request."""
        request = self.state.requests.get(record)
        self.telemetry.note(
            event,
            {
                **(correlation(request) if request else {}),
                "message_id": record.message_id,
                "receive_count": record.receive_count,
                **facts,
            },
        )

    def _count_delivered(self, records: Sequence[Record]) -> None:
        self.telemetry.count("Delivered", len(records))
        for record in dict.fromkeys(records):
            self.telemetry.measure("QueueAge", max(0, int(self.clock() * 1000) - record.sent_at_ms))
            self.log("delivered", record, changes=records.count(record))
