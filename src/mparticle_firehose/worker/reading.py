"""Reads what the messages of a batch hold. What cannot be read of them is to be dead-lettered."""

from dataclasses import dataclass
from functools import partial

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.delivery.plan import Planner
from mparticle_firehose.errors import MalformedRequestError, UnsupportedMessageError
from mparticle_firehose.integration import changes
from mparticle_firehose.protocol import (
    AnyRequest,
    AudienceMembershipChangeRequest,
    DsrProcessingRequest,
    EventProcessingRequest,
    QueuedRequest,
    Serializer,
)
from mparticle_firehose.queues.large_bodies import LargeBodies, is_reference
from mparticle_firehose.services import OUT_OF_TIME
from mparticle_firehose.tables.progress import STATE_SETTLED
from mparticle_firehose.worker.batch import Batch, Message
from mparticle_firehose.worker.dead_lettering import DeadLettering

MAX_LARGE_BYTES = 12_000_000
"""Bytes of large bodies that one invocation reads, at least one body: a hundred of them would not fit in its memory."""

TOO_MANY_LARGE = "too many large bodies in one batch"
"""Why a message comes again at once."""


@dataclass(slots=True, kw_only=True)
class Reading:
    """Reads the messages of one batch.

    Attributes:
        deadline: when to stop asking S3.
    """

    batch: Batch
    serializer: Serializer
    planner: Planner
    large_bodies: LargeBodies
    dead_lettering: DeadLettering
    deadline: Deadline
    _large_bytes: int = 0

    def read(self) -> None:
        """Set the request of each message that can be read now."""
        for message in self.batch.messages:
            if message.retry_reason is None:
                self.batch.guard([message], partial(self._read, message))

    def _read(self, message: Message) -> None:
        try:
            if is_reference(message.body) and (missing := self._load(message)):
                message.fail(missing, counts=False, wait=0)
                return
            request = message.request = queued(self.serializer.parse(message.body))
            if not self.planner.offers(request):
                raise UnsupportedMessageError(("type", "is not offered by this integration"))
        except MalformedRequestError as error:
            self.dead_lettering.put_whole(message, str(error))
            message.request = None
            return
        if request.unreadable:
            self._put_unreadable(message, request)

    def _put_unreadable(self, message: Message, request: QueuedRequest) -> None:
        """Dead-letter what cannot be read. The user's state is delivered with the rest, or dead-lettered with it."""
        has_rest = _has_elements(request)
        progress = message.progress
        known = progress.settled_text() if progress.fingerprint else ""
        settled = STATE_SETTLED if has_rest else known
        self.dead_lettering.put_unreadable(message, request, settled, has_rest=has_rest)
        if not has_rest:
            message.request = None

    def _load(self, message: Message) -> str:
        """Read a body from S3. Return why not, if this invocation has no time or has read enough."""
        if self.deadline.remaining() <= 0:
            return OUT_OF_TIME
        if self._large_bytes >= MAX_LARGE_BYTES:
            return TOO_MANY_LARGE
        stored = self.large_bodies.open(message.body)
        fits = not self._large_bytes or self._large_bytes + stored.size <= MAX_LARGE_BYTES
        self._large_bytes += stored.size
        if not fits:
            stored.close()
            return TOO_MANY_LARGE
        message.body = stored.read()
        return ""


def queued(request: AnyRequest) -> QueuedRequest:
    """Return a request that the queues may hold.

    Raises:
        MalformedRequestError: it is of another type.
    """
    if isinstance(request, AudienceMembershipChangeRequest | EventProcessingRequest | DsrProcessingRequest):
        return request
    raise MalformedRequestError(("type", "is never queued"))


def _has_elements(request: QueuedRequest) -> bool:
    match request:
        case AudienceMembershipChangeRequest():
            return any(changes(request))
        case EventProcessingRequest():
            return bool(request.events or request.system_notifications)
        case _:
            return not request.is_unreadable
