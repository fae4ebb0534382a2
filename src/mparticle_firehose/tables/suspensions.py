"""Accounts whose credentials the partner refuses, until a human has mended them."""

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
"""How long a refusal is believed without being seen again.

mParticle stops sending when it is told to, until the customer presses Resume. Whatever it sends later than this is
worth trying: the customer may have mended the account at the partner without changing a setting here.
"""

_CACHE_SECONDS = 30.0


class Suspensions:
    """The suspended accounts: a table that all environments share, behind a short memory of this one.

    An entry is for an account *and* its settings: new settings are a new key, so a mended configuration works at once.
    """

    def __init__(self, dynamodb: "DynamoDBClient", table: str, clock: Callable[[], float] = time.time) -> None:
        """Take the table's name and a clock of seconds since the epoch."""
        self._dynamodb = dynamodb
        self._table = table
        self._clock = clock
        self._known: dict[str, tuple[float, bool]] = {}

    def forget(self) -> None:
        """Ask the table again about every account."""
        self._known.clear()

    def is_suspended(self, account: Account) -> bool:
        """Return whether the partner refuses this account with these settings.

        A table that cannot be read means no: the changes are queued and nothing is lost.
        """
        key = suspension_key(account)
        known_until, suspended = self._known.get(key, (0.0, False))
        if known_until <= self._clock():
            suspended = self._read(key)
            self._remember(key, suspended=suspended)
        return suspended

    def suspend(self, account: Account, reason: str) -> None:
        """Record the refusal.

        A table that cannot be written costs nothing but time: the partner's next refusal is recorded again.
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
        """Forget the refusal, if there was one: the partner has just accepted the credentials."""
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
    """Return the table's key for an account and its settings: the settings are secrets, so only their hash shows."""
    settings = json.dumps(sorted(account.account_settings.items()))
    return f"{account.account_id}#{hashlib.sha256(settings.encode()).hexdigest()[:32]}"
