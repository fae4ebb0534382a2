"""One batch of messages: what each holds, what becomes of it, and what is logged of it."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from mparticle_firehose.delivery.plan import Plan
from mparticle_firehose.errors import DeliveryError, described
from mparticle_firehose.protocol import QueuedRequest, correlation
from mparticle_firehose.queues.record import Record
from mparticle_firehose.queues.resending import Known
from mparticle_firehose.queues.time_limits import is_too_old
from mparticle_firehose.services import Telemetry
from mparticle_firehose.tables.progress import Progress


@dataclass(slots=True, eq=False)
class Message:
    """One message of a batch.

    Attributes:
        record: as SQS handed it over.
        body: what it holds, from S3 if it is kept there and could be read. Never shown.
        progress: what is remembered of it.
        request: what it holds, if it could be read.
        plan: its items, if the mapping has made them.
        retry_reason: why it must be delivered again; None if it need not.
        wait: seconds until then; None leaves it to the backoff.
        is_delayed: whether it was sent to its queue again, so that it must be deleted.
        counts: whether this invocation was an attempt to deliver it.
        attempts: how often its delivery was tried, this invocation included, once that is known.
        is_given_up: whether what has failed in this invocation is not tried again.
        readable: returns its request's JSON without what cannot be read, which is to be dead-lettered; None if all can
            be read.
    """

    record: Record
    body: str = field(default="", repr=False)
    progress: Progress = field(default_factory=Progress)
    request: QueuedRequest | None = None
    plan: Plan | None = None
    retry_reason: str | None = None
    wait: float | None = None
    is_delayed: bool = False
    counts: bool = False
    attempts: int = 0
    is_given_up: bool = False
    readable: Callable[[], str] | None = None

    def __post_init__(self) -> None:
        self.body = self.body or self.record.body

    @property
    def id(self) -> str:
        """What SQS calls it."""
        return self.record.message_id

    @property
    def known(self) -> Known:
        """What travels with the message if it is sent to a queue again.

        What is refused and in no letter yet does not travel: it is asked again.
        """
        return Known(
            attempts=self.progress.attempts,
            settled=self.progress.settled_text() if self.progress.fingerprint else "",
            unwritten=self.progress.unwritten_text(),
            limits=self.progress.limits_text(),
        )

    def fail(self, reason: str, *, counts: bool, wait: float | None = None) -> None:
        """Have the message delivered again. The first reason stays."""
        if self.retry_reason is None:
            self.retry_reason, self.counts, self.wait = reason, counts, wait


def told_progress(record: Record) -> Progress:
    """Return what a message itself says of its delivery."""
    history = record.history
    return Progress.from_text(record.settled, history.limits, history.attempts, unwritten=history.unwritten)


@dataclass(frozen=True, slots=True)
class Batch:
    """The messages of one invocation, all of one queue.

    Attributes:
        messages: in the order in which SQS handed them over.
        telemetry: counts and logs.
        clock: seconds since the epoch.
    """

    messages: Sequence[Message]
    telemetry: Telemetry
    clock: Callable[[], float] = time.time

    @property
    def in_order(self) -> bool:
        """Whether they come from a FIFO queue."""
        return any(message.record.group_id for message in self.messages)

    def is_too_old(self, message: Message) -> bool:
        """Return whether a message must not come again."""
        return is_too_old(message.record.sent_at_ms, self.clock())

    def guard(self, messages: Iterable[Message], step: Callable[[], None]) -> None:
        """Take a step for these messages. If it raises, they are delivered again, and no other message is."""
        try:
            step()
        except DeliveryError as error:
            for message in messages:
                message.fail(str(error), counts=False)
        except Exception as error:  # noqa: BLE001  an integration may raise anything
            for message in messages:
                message.fail(described(error), counts=True)

    def log(self, event: str, message: Message, request: QueuedRequest | None = None, **facts: str | int) -> None:
        """Log what became of a message, with mParticle's request id, so that one query finds all lines of a request."""
        self.telemetry.note(event, self._facts(message, request, facts))

    def warn(self, event: str, message: Message, request: QueuedRequest | None = None, **facts: str | int) -> None:
        """Log it as `log`, as what an operator should look at."""
        self.telemetry.warn(event, self._facts(message, request, facts))

    @staticmethod
    def _facts(
        message: Message, request: QueuedRequest | None, facts: Mapping[str, str | int]
    ) -> Mapping[str, str | int]:
        request = request or message.request
        return {
            **(correlation(request) if request else message.record.correlation),
            "message_id": message.id,
            "receive_count": message.record.receive_count,
            **facts,
        }
