"""Puts what can never be delivered on the dead-letter queues, with the reason."""

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Self

from mparticle_firehose.config import Resources
from mparticle_firehose.deadline import Deadline
from mparticle_firehose.protocol import DsrProcessingRequest, EventProcessingRequest, QueuedRequest, correlation
from mparticle_firehose.protocol.enums import MessageType
from mparticle_firehose.protocol.partial_reading import joined
from mparticle_firehose.protocol.wire.model import Unreadable
from mparticle_firehose.queues.record import FIRST_AT, QUEUE_POSITION, REDRIVEN_AT, SETTLED, Record
from mparticle_firehose.queues.sender import QueueMessage, QueueSender, RefusedMessagesError, batches
from mparticle_firehose.queues.splitting import Json, PartEncoder, encode
from mparticle_firehose.services import OUT_OF_TIME, Remainder

_HTTP = "http_"
_MAX_REASON_LENGTH = 256  # characters
_NO_REASON = "unnamed"  # SQS refuses an attribute without a value

MEMBERSHIP, EVENT, ERASURE, FEED = "membership", "event", "erasure", "feed"
"""The queues that have dead-letter queues, by the names that the operators' commands and the log give them."""

MAX_REPEATED_BYTES = 262_144
"""Of a request, around its elements that cannot be read. If it has more, these are one letter, whatever their reasons.

The handler has little time: each letter has the whole request around its elements, and goes to S3 by itself.
"""


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


@dataclass(frozen=True, kw_only=True)
class Letter:
    """What is put on a dead-letter queue: a queued message, or the part of it that cannot be delivered.

    Attributes:
        record: the message.
        body: what cannot be delivered: a text, or a JSON object. Never shown. An object becomes a text when the letter
            is sent: the many letters of a large request share its elements, and their texts would not fit in memory.
        cause: why.
        encode: makes the text of an object: that of `splitting.encode`.
    """

    record: Record
    body: str | Json = field(repr=False)
    cause: Cause
    encode: Callable[[Json], str] = field(default=encode, repr=False)

    @cached_property
    def id(self) -> str:
        """The letter's identity."""
        return self._id_of(self._text())

    @property
    def queue(self) -> str:
        """The queue in whose dead-letter queue it is put."""
        return letter_queue(_correlation(self), self.record.group_id)

    def text(self) -> str:
        """Return the body as text. The identity, which needs the text, is known afterwards."""
        text = self._text()
        if "id" not in self.__dict__:
            self.__dict__["id"] = self._id_of(text)  # where cached_property keeps it
        return text

    def _text(self) -> str:
        return self.body if isinstance(self.body, str) else self.encode(self.body)

    def _id_of(self, text: str) -> str:
        return letter_id(self.record, text, self.cause.settled)


class DeadLetters:
    """Puts messages on the dead-letter queue that belongs to their queue.

    What SQS does not take must not count as done.
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
        self._urls = {MEMBERSHIP: membership_url, EVENT: event_url, ERASURE: erasure_url}
        self._clock = clock

    @classmethod
    def of(cls, sender: QueueSender, resources: Resources) -> Self:
        """Return the dead-letter queues of a deployment."""
        return cls(
            sender,
            membership_url=resources.membership_dlq_url,
            event_url=resources.event_dlq_url,
            erasure_url=resources.erasure_dlq_url,
        )

    def put_events(
        self,
        request: EventProcessingRequest | DsrProcessingRequest,
        parts: Mapping[str, Remainder],
        deadline: Deadline,
    ) -> None:
        """Store parts of a request that were refused in the call, by the reason.

        Raises:
            DeliveryError: they are not all stored.
        """
        self._send_parts(
            request, ((reason, encode(part.source), part.settled) for reason, part in parts.items()), deadline
        )

    def put_unreadable(
        self, request: EventProcessingRequest | DsrProcessingRequest, settled: str, deadline: Deadline
    ) -> Sequence[Unreadable]:
        """Store what cannot be read of a request, by the reason, or together: see MAX_REPEATED_BYTES.

        Args:
            request: what mParticle sent.
            settled: what needs nothing more of a letter when it is redriven.
            deadline: when to stop.

        Returns:
            What is in each letter.

        Raises:
            DeliveryError: it is not all stored.
        """
        unreadable, encoder = request.unreadable, PartEncoder()
        write: Callable[[Json], str] = encode
        if len(unreadable) > 1:
            write = encoder.encode
            if encoder.shared_bytes(unreadable[0].source) > MAX_REPEATED_BYTES:
                unreadable = (joined(request),)
        self._send_parts(request, ((each.reason, write(each.source), settled) for each in unreadable), deadline)
        return unreadable

    def _send_parts(
        self,
        request: EventProcessingRequest | DsrProcessingRequest,
        parts: Iterable[tuple[str, str, str]],
        deadline: Deadline,
    ) -> None:
        """Send a letter for each reason, body and text of what is settled. Each is made when those before are sent."""
        now, known = self._now(), correlation(request)
        url = self._urls[letter_queue(known)]
        messages = (
            QueueMessage(
                body=body,
                attributes={
                    **known,
                    **_explanation(reason, attempts=1, first_at=now, last_at=now),
                    **({SETTLED: settled} if settled else {}),
                },
            )
            for reason, body, settled in parts
        )
        for batch in batches(messages):
            self._sender.send(url, batch, deadline)

    def put(self, letters: Sequence[Letter], deadline: Deadline) -> dict[str, str]:
        """Store letters, in as few calls as SQS allows. Return the ids of those that are not stored.

        With the ids are the reasons. A call that fails costs its own letters only. After the deadline none is begun.

        On the FIFO dead-letter queue each letter has a group of its own. SQS locks a group while one of its messages is
        received, so that letters of one group could not be listed together. The original group is an attribute.
        """
        queues: dict[str, list[Letter]] = {}
        for letter in letters:
            queues.setdefault(self._urls[letter.queue], []).append(letter)
        missing: dict[str, str] = {}
        for url, its in queues.items():
            left = iter(its)
            for batch in batches(map(self._message, its)):  # made when they are sent
                sent = zip(batch, islice(left, len(batch)), strict=True)
                ids = {id(message): letter.id for message, letter in sent}
                unsent, failure = self._sent(url, batch, deadline)
                missing |= {ids[id(message)]: failure for message in unsent}
        return missing

    def _sent(self, url: str, batch: Sequence[QueueMessage], deadline: Deadline) -> tuple[Sequence[QueueMessage], str]:
        """Send one batch. Return what is not stored, and why."""
        if deadline.remaining() <= 0:
            return batch, OUT_OF_TIME
        try:
            self._sender.send(url, batch, deadline)
        except RefusedMessagesError as error:
            return error.refused, str(error)
        return (), ""

    def _message(self, letter: Letter) -> QueueMessage:
        record, cause = letter.record, letter.cause
        attributes = {
            **_correlation(letter),
            **_explanation(
                cause.reason,
                attempts=cause.attempts,
                first_at=record.first_at or str(record.sent_at_ms),
                last_at=self._now(),
            ),
            **({REDRIVEN_AT: record.redriven_at} if record.redriven_at else {}),
            **({SETTLED: cause.settled} if cause.settled else {}),
        }
        body = letter.text()
        if record.group_id is None:
            return QueueMessage(body=body, attributes=attributes)
        for name in ("message_type", "status"):  # the body and the reason say it, and SQS takes ten attributes
            attributes.pop(name, None)
        return QueueMessage(
            body=body,
            attributes={**attributes, "group_id": record.group_id, QUEUE_POSITION: cause.queue_position},
            group_id=letter.id,
            deduplication_id=letter.id,
        )

    def _now(self) -> str:
        return str(int(self._clock() * 1000))


def _correlation(letter: Letter) -> Mapping[str, str]:
    return correlation(letter.cause.request) if letter.cause.request else letter.record.correlation


def letter_queue(attributes: Mapping[str, str], group_id: str | None = None) -> str:
    """Return the queue in whose dead-letter queue a letter is put. Earlier releases queued erasures with events.

    Args:
        attributes: of its message.
        group_id: of its message, if that was in the FIFO queue.
    """
    if group_id is not None:
        return MEMBERSHIP
    return ERASURE if attributes.get("message_type") == MessageType.DSR_PROCESSING_REQUEST else EVENT


def reason_text(reason: str) -> str:
    """Return a reason as an attribute and the log have it: in characters that SQS takes."""
    return reason.encode("unicode_escape").decode("ascii")[:_MAX_REASON_LENGTH] or _NO_REASON


def letter_id(record: Record, body: str, settled: str = "") -> str:
    """Return the letter's identity: a digest of the message id, of the body, and of what is settled in it."""
    return hashlib.sha256(f"{record.message_id}\n{settled}\n{body}".encode()).hexdigest()


def _explanation(reason: str, *, attempts: int, first_at: str, last_at: str) -> dict[str, str]:
    """Return the attributes that explain a letter, in characters that SQS takes."""
    status = {"status": reason[len(_HTTP) :][:3]} if reason.startswith(_HTTP) else {}
    return {
        "reason": reason_text(reason),
        "attempts": str(attempts),
        FIRST_AT: first_at,
        "last_at": last_at,
        **status,
    }
