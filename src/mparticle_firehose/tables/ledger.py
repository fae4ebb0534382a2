"""What is remembered of deliveries beyond one invocation: attempts, and the versions of the newest changes.

SQS counts how often a message was received, also when it only waited behind a failing one; how often its own delivery
was tried, and which of its items are settled, must be remembered here. And a FIFO queue keeps order only for messages
that stay in it. Once a change of a group has gone to the dead-letter queue, the *order of the group is tracked*: the
version of the newest delivered change of each of its users and audiences is stored, so that an old change that is
redriven does not undo a newer one.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import batched
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from mparticle_firehose.errors import DeliveryError
from mparticle_firehose.tables.progress import Progress

if TYPE_CHECKING:  # stubs that do not ship
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

KEPT_SECONDS = 40 * 86_400
"""Longer than any message lives: at most ten days queued, fourteen dead-lettered, and ten more after a redrive."""

_MAX_READS = 100
_MAX_WRITES = 25
_MAX_TRIES = 5  # DynamoDB may leave a part of a batch undone when it is busy


class Ledger:
    """The DynamoDB table of attempts and versions, shared by all execution environments.

    Every method raises DeliveryError when the table cannot be used. The messages concerned must then be retried.
    """

    def __init__(self, dynamodb: "DynamoDBClient", table: str, clock: Callable[[], float] = time.time) -> None:
        """Take the table's name and a clock of seconds since the epoch."""
        self._dynamodb = dynamodb
        self._table = table
        self._clock = clock

    def recall(self, message_ids: Iterable[str], group_ids: Iterable[str]) -> tuple[dict[str, Progress], set[str]]:
        """Return what is remembered of these messages, and which of these groups are order-tracked.

        A group's order is tracked if one of its changes may be redriven.
        """
        messages, groups = set(message_ids), set(group_ids)
        found = self._read([*map(_message, messages), *map(_tracked, groups)])
        known = {name: _progress(found[_message(name)]) for name in messages if _message(name) in found}
        return known, {name for name in groups if _tracked(name) in found}

    def remember(self, messages: Mapping[str, Progress]) -> None:
        """Store how far the delivery of each of these messages has come, by message id."""
        self._write(
            {
                **_key(_message(name)),
                "attempts": {"N": str(progress.attempts)},
                "settled": {"S": progress.settled_text()},
                "limits": {"S": progress.limits_text()},
                "expires_at": self._expiry(),
            }
            for name, progress in messages.items()
        )

    def track_order(self, group_id: str) -> None:
        """Track the order of this group from now on. Call it before a change of the group leaves the queue."""
        self._write([{**_key(_tracked(group_id)), "expires_at": self._expiry()}])

    def is_dead_lettered(self, letter: str) -> bool:
        """Return whether this part of a message is on the dead-letter queue already."""
        return bool(self._read([f"letter#{letter}"]))

    def note_dead_lettered(self, letter: str) -> None:
        """Remember that this part of a message is dead-lettered, so that a retry of the message does not repeat it."""
        self._write([{**_key(f"letter#{letter}"), "expires_at": self._expiry()}])

    def newest(self, keys: Iterable[str]) -> dict[str, str]:
        """Return the version of the newest delivered change of each key, for keys that are known."""
        return {key: item["made_at"]["S"] for key, item in self._read(set(keys)).items()}

    def note_delivered(self, versions: Mapping[str, str]) -> None:
        """Store the version of the delivered change of each key."""
        self._write(
            {**_key(key), "made_at": {"S": version}, "expires_at": self._expiry()} for key, version in versions.items()
        )

    def _expiry(self) -> "AttributeValueTypeDef":
        return {"N": str(int(self._clock()) + KEPT_SECONDS)}

    def _read(self, keys: Iterable[str]) -> "dict[str, dict[str, AttributeValueTypeDef]]":
        """Read entries by key, strongly consistent; what does not exist is left out."""
        found: dict[str, dict[str, AttributeValueTypeDef]] = {}
        for some in batched(keys, _MAX_READS, strict=False):
            left: Any = [_key(key) for key in some]
            for _ in range(_MAX_TRIES):
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
        for some in batched(items, _MAX_WRITES, strict=False):
            left: Any = [{"PutRequest": {"Item": item}} for item in some]
            for _ in range(_MAX_TRIES):
                with _as_delivery_error():
                    answer = self._dynamodb.batch_write_item(RequestItems={self._table: left})
                left = answer["UnprocessedItems"].get(self._table)
                if not left:
                    break
            else:
                raise DeliveryError("the ledger is overloaded")


def _message(message_id: str) -> str:
    return f"attempts#{message_id}"  # the name that entries of earlier releases have


def _progress(entry: "Mapping[str, AttributeValueTypeDef]") -> Progress:
    """Read an entry; one of an earlier release has attempts only."""
    settled, limits = (entry.get(name, {}).get("S", "") for name in ("settled", "limits"))
    return Progress.from_text(settled, limits, attempts=int(entry["attempts"]["N"]))


def _tracked(group_id: str) -> str:
    return f"contested#{group_id}"  # the name that entries of earlier releases have


def _key(key: str) -> "dict[str, AttributeValueTypeDef]":
    return {"key": {"S": key}}


@contextmanager
def _as_delivery_error() -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise DeliveryError(f"the ledger cannot be used: {type(error).__name__}") from error
