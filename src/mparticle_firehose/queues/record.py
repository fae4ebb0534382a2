"""One message as SQS hands it to the worker."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

FIRST_AT = "first_at"
"""The message attribute of a dead letter that says when it was first queued, in milliseconds since the epoch."""

QUEUE_POSITION = "place"
"""The message attribute of a dead letter, or of a forwarded message, with its position in the order of its group."""

REDRIVEN_AT = "redriven_at"
"""The message attribute that says when a dead letter was sent back, in milliseconds since the epoch."""

SETTLED = "settled"
"""The message attribute that says which items of the request need nothing more, see `tables.progress`."""


RESENT = "resent"
"""The message attribute that holds the `History` of a message that was sent to a queue again."""

_FIFO = ".fifo"
_MAX_MOMENT_DIGITS = 16

CORRELATION = ("message_type", "account_id", "request_id")
"""The message attributes that say what a message is and whose, see `protocol.correlation`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """How a message was delivered before it was sent to a queue again. To SQS it is a new message then.

    Attributes:
        queued_at_ms: when it was queued first, in milliseconds since the epoch.
        hops: how often it was sent again.
        receives: how often it was received until it was sent again last.
        attempts: how often its delivery was tried.
        due_at_ms: when its wait is over, if that is longer than SQS delays a message.
        limits: how large its calls may be, see `tables.progress`.
        unwritten: which of its settled items have versions that are still to be stored, see `tables.progress`.
    """

    queued_at_ms: int = 0
    hops: int = 0
    receives: int = 0
    attempts: int = 0
    due_at_ms: int = 0
    limits: str = ""
    unwritten: str = ""

    def to_text(self) -> str:
        """Return it as text for a message attribute."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str | None) -> Self:
        """Read what `to_text` has written; what cannot be read is nothing, and the message begins anew."""
        if not text:
            return cls()
        try:
            told = json.loads(text)
            numbers = {name: min(int(told[name]), _MAX_NUMBER) for name in _NUMBERS if name in told}
            return cls(**numbers, limits=str(told.get("limits", "")), unwritten=str(told.get("unwritten", "")))
        except (ValueError, TypeError, AttributeError, OverflowError):
            return cls()


_MAX_NUMBER = 2**53
_NUMBERS = ("queued_at_ms", "hops", "receives", "attempts", "due_at_ms")


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One message of an SQS batch.

    Attributes:
        message_id: what SQS calls it.
        body: the request's JSON. Never shown.
        receipt_handle: identifies this receive when its visibility timeout is changed.
        queue: the name of the queue that it came from; nothing if Lambda does not say.
        group_id: on a FIFO queue, what is delivered in order; None on a standard queue.
        tenant: on a standard queue, whose it is, for SQS's fair queues. It implies no order.
        receive_count: how often it was received, this time included. It also counts receives in which it only waited
            behind a failing message of its group.
        sent_at_ms: when it was queued, in milliseconds since the epoch; if it was sent again, when it was queued first.
        sequence_number: on a FIFO queue, grows from message to message of a group.
        queue_position: if it was redriven, its position in the order of its group before it was dead-lettered; if it
            was forwarded to the bulk queue, its position in the membership queue.
        first_at: if it was redriven, when it was first queued.
        redriven_at: when it was redriven from the dead-letter queue. Its present position says nothing then.
        settled: the items that were settled before it was queued.
        correlation: its type, account and request id, as its attributes say them.
        history: how it was delivered before, if it was sent to a queue again.
    """

    message_id: str
    body: str = field(repr=False)
    receipt_handle: str = ""
    queue: str = ""
    group_id: str | None = None
    tenant: str | None = None
    receive_count: int = 1
    sent_at_ms: int = 0
    sequence_number: int = 0
    queue_position: str | None = None
    first_at: str | None = None
    redriven_at: str | None = None
    settled: str = ""
    correlation: Mapping[str, str] = field(default_factory=dict)
    history: History = field(default_factory=History)

    @classmethod
    def from_event(cls, entry: Mapping[str, Any]) -> Self:
        """Read one entry of ``Records`` in the event that Lambda's SQS event source mapping sends.

        Both kinds of queues have a ``MessageGroupId``. That of a standard queue names a tenant.
        """
        attributes = entry.get("attributes", {})
        told = _texts(entry.get("messageAttributes", {}))
        queue = entry.get("eventSourceARN", "").rpartition(":")[2]
        group = attributes.get("MessageGroupId")
        history = History.from_text(told.get(RESENT))
        is_fifo = queue.endswith(_FIFO) or "SequenceNumber" in attributes
        return cls(
            message_id=entry["messageId"],
            body=entry["body"],
            receipt_handle=entry["receiptHandle"],
            queue=queue,
            group_id=group if is_fifo else None,
            tenant=None if is_fifo else group,
            receive_count=int(attributes.get("ApproximateReceiveCount", 1)),
            sent_at_ms=history.queued_at_ms or int(attributes.get("SentTimestamp", 0)),
            sequence_number=int(attributes.get("SequenceNumber", 0)),
            queue_position=told.get(QUEUE_POSITION),
            first_at=_moment(told.get(FIRST_AT)),
            redriven_at=_moment(told.get(REDRIVEN_AT)),
            settled=told.get(SETTLED, ""),
            correlation={name: told[name] for name in CORRELATION if name in told},
            history=history,
        )

    def __hash__(self) -> int:
        return hash(self.message_id)

    @property
    def receives(self) -> int:
        """How often it was received, also before it was sent again."""
        return self.history.receives + self.receive_count

    @property
    def sequence(self) -> str:
        """Identifies what is delivered in order: the message group, or on a standard queue the message alone."""
        return self.group_id or self.message_id


def _moment(text: str | None) -> str | None:
    """Return a time in milliseconds; None if it is none: it would go on into other attributes."""
    return text if text and text.isdecimal() and len(text) <= _MAX_MOMENT_DIGITS else None


def _texts(attributes: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    return {name: each["stringValue"] for name, each in attributes.items() if each.get("stringValue")}
