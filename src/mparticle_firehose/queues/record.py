"""One message as SQS hands it to the worker."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

FIRST_AT = "first_at"
"""The message attribute of a dead letter that says when it was first queued, in milliseconds since the epoch."""

PLACE = "place"
"""The message attribute of a dead letter that says where it stood in the order of its group."""

REDRIVEN_AT = "redriven_at"
"""The message attribute that says when a dead letter was sent back, in milliseconds since the epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One message of an SQS batch.

    Attributes:
        message_id: what SQS calls it.
        body: the request's JSON. Never shown.
        receipt_handle: what SQS wants to hear when its visibility changes.
        group_id: on a FIFO queue, what is delivered in order.
        receive_count: how often it was handed out, this time included. It also counts the times in which it merely
            stood behind a failing message of its group.
        sent_at_ms: when it was queued, in milliseconds since the epoch.
        sequence_number: on a FIFO queue, grows from message to message of a group.
        place: where it stood in the order of its group before it was put aside, if it came back from there.
        first_at: when it was first queued, before it was put aside, if it came back from there.
        redriven_at: when it came back from the dead-letter queue, if it did; its place in order is lost then.
    """

    message_id: str
    body: str = field(repr=False)
    receipt_handle: str = ""
    group_id: str | None = None
    receive_count: int = 1
    sent_at_ms: int = 0
    sequence_number: int = 0
    place: str | None = None
    first_at: str | None = None
    redriven_at: str | None = None

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
            place=told.get(PLACE, {}).get("stringValue"),
            first_at=told.get(FIRST_AT, {}).get("stringValue"),
            redriven_at=told.get(REDRIVEN_AT, {}).get("stringValue"),
        )

    @property
    def sequence(self) -> str:
        """What is delivered in order: the message group, or on a standard queue the message by itself."""
        return self.group_id or self.message_id
