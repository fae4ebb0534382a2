"""What must be remembered of deliveries beyond one invocation: attempts, and which changes are the newest.

SQS counts how often a message was received, also when it merely stood behind a failing one; how often its own delivery
was tried only we can count. And a FIFO queue keeps order only for what never leaves it: once a change of a group has
gone to the dead-letter queue, the group is *contested*, and the newest change of each of its users and audiences is
written down, so that the old one, should it come back, does not undo it.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import batched
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from mparticle_firehose.errors import DeliveryError

if TYPE_CHECKING:  # stubs that do not ship
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

KEPT_SECONDS = 40 * 86_400
"""Longer than any message lives: ten days in the queue at most, fourteen put aside, and ten more when it came back."""

_MOST_READS = 100
_MOST_WRITES = 25
_MOST_TRIES = 5  # DynamoDB may leave a part of a batch undone when it is busy


class Ledger:
    """Memory of deliveries that all environments share.

    Every method raises DeliveryError when the table cannot be used; then the work it was asked for must come again.
    """

    def __init__(self, dynamodb: "DynamoDBClient", table: str, clock: Callable[[], float] = time.time) -> None:
        """Take the table's name and a clock of seconds since the epoch."""
        self._dynamodb = dynamodb
        self._table = table
        self._clock = clock

    def count_attempt(self, message_id: str) -> int:
        """Count one more attempt to deliver a message and return how many there have been."""
        with _as_delivery_error():
            answer = self._dynamodb.update_item(
                TableName=self._table,
                Key=_key(f"attempts#{message_id}"),
                UpdateExpression="ADD attempts :one SET expires_at = :end",
                ExpressionAttributeValues={":one": {"N": "1"}, ":end": self._expiry()},
                ReturnValues="UPDATED_NEW",
            )
        return int(answer["Attributes"]["attempts"]["N"])

    def contest(self, group_id: str) -> None:
        """Note that a change of this group has left the queue, before it does."""
        self._write([{**_key(_contested(group_id)), "expires_at": self._expiry()}])

    def contested(self, group_ids: Iterable[str]) -> set[str]:
        """Return the groups of which a change has left the queue and might come back."""
        found = self._read(map(_contested, names := set(group_ids)))
        return {name for name in names if _contested(name) in found}

    def is_put_aside(self, letter: str) -> bool:
        """Return whether this part of a message is on the dead-letter queue already."""
        return bool(self._read([f"letter#{letter}"]))

    def note_put_aside(self, letter: str) -> None:
        """Note that it is, so that its message, should it come again for another reason, leaves it there."""
        self._write([{**_key(f"letter#{letter}"), "expires_at": self._expiry()}])

    def newest(self, keys: Iterable[str]) -> dict[str, str]:
        """Return when the newest delivered change of each key was made, for those that are known."""
        return {key: item["made_at"]["S"] for key, item in self._read(set(keys)).items()}

    def note_delivered(self, changes: Mapping[str, str]) -> None:
        """Write down when the delivered change of each key was made."""
        self._write(
            {**_key(key), "made_at": {"S": made_at}, "expires_at": self._expiry()} for key, made_at in changes.items()
        )

    def _expiry(self) -> "AttributeValueTypeDef":
        return {"N": str(int(self._clock()) + KEPT_SECONDS)}

    def _read(self, keys: Iterable[str]) -> "dict[str, dict[str, AttributeValueTypeDef]]":
        """Read entries by key, strongly consistent; what does not exist is left out."""
        found: dict[str, dict[str, AttributeValueTypeDef]] = {}
        for some in batched(keys, _MOST_READS, strict=False):
            left: Any = [_key(key) for key in some]
            for _ in range(_MOST_TRIES):
                with _as_delivery_error():
                    answer = self._dynamodb.batch_get_item(
                        RequestItems={self._table: {"Keys": left, "ConsistentRead": True}}
                    )
                found |= {item["key"]["S"]: item for item in answer["Responses"].get(self._table, [])}
                unread = answer["UnprocessedKeys"].get(self._table)
                if not unread:
                    break
                left = unread["Keys"]
            else:
                raise DeliveryError("the ledger is overloaded")
        return found

    def _write(self, items: "Iterable[dict[str, AttributeValueTypeDef]]") -> None:
        for some in batched(items, _MOST_WRITES, strict=False):
            left: Any = [{"PutRequest": {"Item": item}} for item in some]
            for _ in range(_MOST_TRIES):
                with _as_delivery_error():
                    answer = self._dynamodb.batch_write_item(RequestItems={self._table: left})
                left = answer["UnprocessedItems"].get(self._table)
                if not left:
                    break
            else:
                raise DeliveryError("the ledger is overloaded")


def _contested(group_id: str) -> str:
    return f"contested#{group_id}"


def _key(key: str) -> "dict[str, AttributeValueTypeDef]":
    return {"key": {"S": key}}


@contextmanager
def _as_delivery_error() -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise DeliveryError(f"the ledger cannot be used: {type(error).__name__}") from error
