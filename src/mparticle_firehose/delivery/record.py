"""One message as SQS hands it to the worker."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One message of an SQS batch.

    Attributes:
        message_id: what SQS calls it.
        body: the request's JSON. Never shown.
        group_id: on a FIFO queue, what is delivered in order.
    """

    message_id: str
    body: str = field(repr=False)
    group_id: str | None = None

    @classmethod
    def from_event(cls, entry: Mapping[str, Any]) -> Self:
        """Read one entry of ``Records`` in the event that Lambda's SQS event source mapping sends."""
        group_id = entry.get("attributes", {}).get("MessageGroupId")
        return cls(message_id=entry["messageId"], body=entry["body"], group_id=group_id)

    @property
    def sequence(self) -> str:
        """What is delivered in order: the message group, or on a standard queue the message by itself."""
        return self.group_id or self.message_id
