"""One message as SQS hands it to the worker."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

FIRST_AT = "first_at"
"""The message attribute of a dead letter that says when it was first queued, in milliseconds since the epoch."""

QUEUE_POSITION = "place"
"""The message attribute of a dead letter that holds its position in the order of its group."""

REDRIVEN_AT = "redriven_at"
"""The message attribute that says when a dead letter was sent back, in milliseconds since the epoch."""

SETTLED = "settled"
"""The message attribute that says which items of the request need nothing more, see `tables.progress`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One message of an SQS batch.

    Attributes:
        message_id: what SQS calls it.
        body: the request's JSON. Never shown.
        receipt_handle: identifies this receive when its visibility timeout is changed.
        group_id: on a FIFO queue, what is delivered in order.
        receive_count: how often it was received, this time included. It also counts receives in which it only waited
            behind a failing message of its group.
        sent_at_ms: when it was queued, in milliseconds since the epoch.
        sequence_number: on a FIFO queue, grows from message to message of a group.
        queue_position: if it was redriven, its position in the order of its group before it was dead-lettered.
        first_at: if it was redriven, when it was first queued.
        redriven_at: when it was redriven from the dead-letter queue. Its present position says nothing then.
        settled: the items that were settled before it was queued.
    """

    message_id: str
    body: str = field(repr=False)
    receipt_handle: str = ""
    group_id: str | None = None
    receive_count: int = 1
    sent_at_ms: int = 0
    sequence_number: int = 0
    queue_position: str | None = None
    first_at: str | None = None
    redriven_at: str | None = None
    settled: str = ""

    @classmethod
    def from_event(cls, entry: Mapping[str, Any]) -> Self:
        """Read one entry of ``Records`` in the event that Lambda's SQS event source mapping sends."""
        attributes = entry.get("attributes", {})
        told = entry.get("messageAttributes", {})
        return cls(
            message_id=entry["messageId"],
            body=entry["body"],
            receipt_handle=entry["receiptHandle"],
            group_id=attributes.get("MessageGroupId"),
            receive_count=int(attributes.get("ApproximateReceiveCount", 1)),
            sent_at_ms=int(attributes.get("SentTimestamp", 0)),
            sequence_number=int(attributes.get("SequenceNumber", 0)),
            queue_position=told.get(QUEUE_POSITION, {}).get("stringValue"),
            first_at=told.get(FIRST_AT, {}).get("stringValue"),
            redriven_at=told.get(REDRIVEN_AT, {}).get("stringValue"),
            settled=told.get(SETTLED, {}).get("stringValue", ""),
        )

    def __hash__(self) -> int:
        return hash(self.message_id)

    @property
    def sequence(self) -> str:
        """Identifies what is delivered in order: the message group, or on a standard queue the message alone."""
        return self.group_id or self.message_id
