"""Accounts whose credentials the partner refuses."""

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import batched
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.protocol import Account

if TYPE_CHECKING:  # stubs that do not ship
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef, KeysAndAttributesTypeDef

SUSPENDED_SECONDS = 900
"""How long a refusal is remembered unless it is seen again.

mParticle stops sending to a suspended account until the customer presses Resume. A request that comes later than this
is worth a call: the customer may have repaired the account at the partner without changing a setting here.
"""

_CACHE_SECONDS = 30.0

_QUEUEING_SECONDS = 0.05
"""What queueing needs of a request's time. With less left, the table is not read: a queued change is not lost."""

_PAUSE_SECONDS = 5.0
"""How long the table is not read after a failure. Each attempt would take the time of a request."""

_MAX_KEYS = 100
"""DynamoDB's limit for a BatchGetItem."""


class Suspensions:
    """The suspended accounts: a table that all environments share. Threads may share an instance.

    An entry is for an account *and* its settings: other settings are another key, so a new key works at once.

    What an instance has read is kept for 30 seconds only if the account is not suspended. It costs no change then that
    another environment suspends the account meanwhile: the changes are queued. Whoever is told that an account is
    suspended stores nothing, so that is read anew each time.
    """

    def __init__(self, dynamodb: "DynamoDBClient", table: str, clock: Callable[[], float] = time.time) -> None:
        """Take the table's name and a clock of seconds since the epoch."""
        self._dynamodb = dynamodb
        self._table = table
        self._clock = clock
        self._absent_until: dict[str, float] = {}
        self._readable_at = 0.0
        self._lock = threading.Lock()

    def forget(self) -> None:
        """Empty the cache."""
        with self._lock:
            self._absent_until.clear()
            self._readable_at = 0.0

    def is_suspended(self, account: Account, deadline: Deadline) -> bool:
        """Return whether the partner refuses this account with these settings.

        False if the table cannot be read, could not a moment ago, or not without taking the time that queueing needs:
        the changes are queued then.
        """
        key, now = suspension_key(account), self._clock()
        if max(self._absent_until.get(key, 0.0), self._readable_at) > now or deadline.remaining() < _QUEUEING_SECONDS:
            return False
        suspended = self._read(key)
        if suspended is None:
            self._readable_at = now + _PAUSE_SECONDS
            return False
        if not suspended:
            self._remember_absent(key)
        return suspended

    def suspend(self, account: Account, reason: str) -> None:
        """Record the refusal.

        If the table cannot be written, the partner's next refusal is recorded instead.
        """
        key = suspension_key(account)
        now = int(self._clock())
        item: dict[str, AttributeValueTypeDef] = {
            "account": {"S": key},
            "account_id": {"N": str(account.account_id)},
            "reason": {"S": reason},
            "suspended_at": {"N": str(now)},
            "expires_at": {"N": str(now + SUSPENDED_SECONDS)},
        }
        with self._lock:
            self._absent_until.pop(key, None)
        with suppress(BotoCoreError, ClientError):
            self._dynamodb.put_item(TableName=self._table, Item=item)

    def lift(self, accounts: Iterable[Account]) -> None:
        """Delete the records of accounts, if there are any: the partner has just accepted their credentials.

        Any environment may have written one since the last delivery, so the table is read each time: once for all
        accounts of a batch. If it cannot be used, the next delivery deletes the records instead.
        """
        # the messages of a batch are of few accounts, and a key takes longer to make than to compare what it is made of
        different = {(each.account_id, *sorted(each.account_settings.items())): each for each in accounts}
        for keys in batched(sorted(map(suspension_key, different.values())), _MAX_KEYS, strict=False):
            with suppress(BotoCoreError, ClientError):
                for key in self._existing(keys):
                    self._dynamodb.delete_item(TableName=self._table, Key={"account": {"S": key}})

    def _read(self, key: str) -> bool | None:
        """Return whether an account is suspended; None if the table cannot be read."""
        try:
            answer = self._dynamodb.get_item(TableName=self._table, Key={"account": {"S": key}}, ConsistentRead=True)
        except (BotoCoreError, ClientError):
            return None
        item = answer.get("Item")
        return item is not None and float(item["expires_at"]["N"]) > self._clock()

    def _existing(self, keys: Iterable[str]) -> list[str]:
        """Return which keys have a record, or may have one: DynamoDB may leave keys unread."""
        wanted: KeysAndAttributesTypeDef = {
            "Keys": [{"account": {"S": key}} for key in keys],
            "ConsistentRead": True,
            "ProjectionExpression": "account",
        }
        answer = self._dynamodb.batch_get_item(RequestItems={self._table: wanted})
        unread = answer.get("UnprocessedKeys", {}).get(self._table, {"Keys": []})["Keys"]
        return [str(found["account"]["S"]) for found in [*answer["Responses"].get(self._table, []), *unread]]

    def _remember_absent(self, key: str) -> None:
        now = self._clock()
        with self._lock:
            self._absent_until = {known: until for known, until in self._absent_until.items() if until > now}
            self._absent_until[key] = now + _CACHE_SECONDS


def suspension_key(account: Account) -> str:
    """Return the table's key for an account and its settings: the settings are secrets, so the key holds their hash."""
    settings = json.dumps(sorted(account.account_settings.items()))
    return f"{account.account_id}#{hashlib.sha256(settings.encode()).hexdigest()[:32]}"
