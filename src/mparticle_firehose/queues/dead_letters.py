"""Puts what can never be delivered on the dead-letter queues, with the reason."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.protocol import EventProcessingRequest, QueuedRequest, correlation
from mparticle_firehose.protocol.enums import MessageType
from mparticle_firehose.queues.event_queue import request_message
from mparticle_firehose.queues.record import FIRST_AT, QUEUE_POSITION, REDRIVEN_AT, SETTLED, Record
from mparticle_firehose.queues.sender import QueueMessage, QueueSender
from mparticle_firehose.services import Remainder

_HTTP = "http_"
_MAX_REASON_LENGTH = 256  # characters
_NO_REASON = "unnamed"  # SQS refuses an attribute without a value


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why a queued message is dead-lettered.

    Attributes:
        reason: the retry policy's name, or the rule that is broken.
        attempts: how often its delivery was tried.
        request: what the message holds, if it could be read.
        queue_position: on the FIFO queue, its position in the order of its group.
        settled: the items of the letter that need nothing more.
    """

    reason: str
    attempts: int
    request: QueuedRequest | None = None
    queue_position: str = "0.0.0"
    settled: str = ""


class DeadLetters:
    """Puts messages on the dead-letter queue that belongs to their queue.

    Every method raises DeliveryError when SQS does not take the message. The work must then not count as done.
    """

    def __init__(
        self,
        sender: QueueSender,
        *,
        membership_url: str,
        event_url: str,
        erasure_url: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take the URLs of the dead-letter queues, that of memberships being FIFO, and a clock since the epoch."""
        self._sender = sender
        self._membership_url = membership_url
        self._event_url = event_url
        self._erasure_url = erasure_url
        self._clock = clock

    def put_events(
        self, request: EventProcessingRequest, reason: str, deadline: Deadline, rest: Remainder | None = None
    ) -> None:
        """Store an event request, or a part of it, that the partner refused in the call."""
        now = self._now()
        attributes = {**correlation(request), **_explanation(reason, attempts=1, first_at=now, last_at=now)}
        self._sender.send(self._event_url, [request_message(request, attributes, rest)], deadline)

    def put(self, record: Record, body: str, cause: Cause, deadline: Deadline) -> None:
        """Store a queued message, or the part of it that cannot be delivered.

        On the FIFO dead-letter queue each letter has a group of its own. SQS locks a group while one of its messages is
        received, so that letters of one group could not be listed together. The original group is an attribute.
        """
        attributes = {
            **(correlation(cause.request) if cause.request else record.correlation),
            **_explanation(
                cause.reason,
                attempts=cause.attempts,
                first_at=record.first_at or str(record.sent_at_ms),
                last_at=self._now(),
            ),
            **({REDRIVEN_AT: record.redriven_at} if record.redriven_at else {}),
            **({SETTLED: cause.settled} if cause.settled else {}),
        }
        if record.group_id is None:
            is_erasure = attributes.get("message_type") == MessageType.DSR_PROCESSING_REQUEST
            url = self._erasure_url if is_erasure else self._event_url  # earlier releases queued erasures with events
            self._sender.send(url, [QueueMessage(body=body, attributes=attributes)], deadline)
            return
        for name in ("message_type", "status"):  # the body and the reason say it, and SQS takes ten attributes
            attributes.pop(name, None)
        identity = letter_id(record, body, cause.settled)
        message = QueueMessage(
            body=body,
            attributes={**attributes, "group_id": record.group_id, QUEUE_POSITION: cause.queue_position},
            group_id=identity,
            deduplication_id=identity,
        )
        self._sender.send(self._membership_url, [message], deadline)

    def _now(self) -> str:
        return str(int(self._clock() * 1000))


def letter_id(record: Record, body: str, settled: str = "") -> str:
    """Return the letter's identity: a digest of the message id, of the body, and of what is settled in it."""
    return hashlib.sha256(f"{record.message_id}\n{settled}\n{body}".encode()).hexdigest()


def _explanation(reason: str, *, attempts: int, first_at: str, last_at: str) -> dict[str, str]:
    """Return the attributes that explain a letter, in characters that SQS takes: a rule may name a customer's field."""
    status = {"status": reason[len(_HTTP) :][:3]} if reason.startswith(_HTTP) else {}
    return {
        "reason": reason.encode("unicode_escape").decode("ascii")[:_MAX_REASON_LENGTH] or _NO_REASON,
        "attempts": str(attempts),
        FIRST_AT: first_at,
        "last_at": last_at,
        **status,
    }
