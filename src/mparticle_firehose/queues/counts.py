"""How many messages a queue has, as SQS counts them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from mparticle_firehose.errors import DeliveryError

if TYPE_CHECKING:  # stubs that do not ship
    from mypy_boto3_sqs import SQSClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """The messages of a queue at a moment.

    Attributes:
        visible: messages that SQS may hand out, and those behind messages of their group that are in flight.
        in_flight: messages that were handed out and are not deleted.
        delayed: messages that SQS keeps back.
        created_at: when the queue was created, in seconds since the epoch.
    """

    visible: int = 0
    in_flight: int = 0
    delayed: int = 0
    created_at: float = 0.0

    @property
    def is_empty(self) -> bool:
        """Whether the queue has no message at all."""
        return not (self.visible or self.in_flight or self.delayed)


type Counted = Callable[[], Counts]
"""Counts the messages of one queue. A DeliveryError means that SQS does not say."""


def counter(sqs: "SQSClient", url: str) -> Counted:
    """Return what counts the messages of a queue."""

    def count() -> Counts:
        try:
            told = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
            return Counts(
                visible=int(told["ApproximateNumberOfMessages"]),
                in_flight=int(told["ApproximateNumberOfMessagesNotVisible"]),
                delayed=int(told["ApproximateNumberOfMessagesDelayed"]),
                created_at=float(told["CreatedTimestamp"]),
            )
        except (BotoCoreError, ClientError, KeyError, ValueError) as error:
            raise DeliveryError(f"the queue cannot be counted: {type(error).__name__}") from error

    return count
