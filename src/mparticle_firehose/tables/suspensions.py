"""Accounts whose credentials the partner refuses."""

import hashlib
import json
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from mparticle_firehose.protocol import Account

if TYPE_CHECKING:  # stubs that do not ship
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

SUSPENDED_SECONDS = 900
"""How long a refusal is remembered unless it is seen again.

mParticle stops sending to a suspended account until the customer presses Resume. A request that comes later than this
is worth a call: the customer may have repaired the account at the partner without changing a setting here.
"""

_CACHE_SECONDS = 30.0


class Suspensions:
    """The suspended accounts: a table that all environments share, with a cache of 30 seconds in each.

    An entry is for an account *and* its settings: other settings are another key, so a new key works at once.
    """

    def __init__(self, dynamodb: "DynamoDBClient", table: str, clock: Callable[[], float] = time.time) -> None:
        """Take the table's name and a clock of seconds since the epoch."""
        self._dynamodb = dynamodb
        self._table = table
        self._clock = clock
        self._known: dict[str, tuple[float, bool]] = {}

    def forget(self) -> None:
        """Empty the cache."""
        self._known.clear()

    def is_suspended(self, account: Account) -> bool:
        """Return whether the partner refuses this account with these settings.

        False if the table cannot be read: the changes are queued then.
        """
        key = suspension_key(account)
        known_until, suspended = self._known.get(key, (0.0, False))
        if known_until <= self._clock():
            suspended = self._read(key)
            self._remember(key, suspended=suspended)
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
        self._remember(key, suspended=True)
        with suppress(BotoCoreError, ClientError):
            self._dynamodb.put_item(TableName=self._table, Item=item)

    def lift(self, account: Account) -> None:
        """Delete the record, if there is one: the partner has just accepted the credentials."""
        if not self.is_suspended(account):
            return
        key = suspension_key(account)
        self._remember(key, suspended=False)
        with suppress(BotoCoreError, ClientError):
            self._dynamodb.delete_item(TableName=self._table, Key={"account": {"S": key}})

    def _read(self, key: str) -> bool:
        try:
            item = self._dynamodb.get_item(TableName=self._table, Key={"account": {"S": key}}).get("Item")
        except (BotoCoreError, ClientError):
            return False
        return item is not None and float(item["expires_at"]["N"]) > self._clock()

    def _remember(self, key: str, *, suspended: bool) -> None:
        now = self._clock()
        self._known = {known: entry for known, entry in self._known.items() if entry[0] > now}
        self._known[key] = (now + _CACHE_SECONDS, suspended)


def suspension_key(account: Account) -> str:
    """Return the table's key for an account and its settings: the settings are secrets, so the key holds their hash."""
    settings = json.dumps(sorted(account.account_settings.items()))
    return f"{account.account_id}#{hashlib.sha256(settings.encode()).hexdigest()[:32]}"
