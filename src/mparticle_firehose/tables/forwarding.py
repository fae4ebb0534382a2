"""The accounts whose messages are forwarded to the bulk queue: one entry of the ledger's table, shared by all.

What the phases mean, and why they keep the order, is in `worker.backlogs`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from mparticle_firehose.errors import DeliveryError

if TYPE_CHECKING:  # stubs that do not ship
    from mypy_boto3_dynamodb import DynamoDBClient

_KEY = "forwarding"


class Phase(StrEnum):
    """What is done with an account's messages in the membership queue. Those of other accounts are delivered."""

    OPENING = "opening"
    """They are held back, until no environment delivers one."""

    OPEN = "open"
    """They are forwarded to the bulk queue."""

    CLOSING = "closing"
    """They are held back, until the bulk queue is known to be empty."""


@dataclass(frozen=True, slots=True)
class Forwarding:
    """An account's phase.

    Attributes:
        phase: of the account.
        since: the version of the entry in which the account got into it. Two are the same only if this is.
    """

    phase: Phase
    since: int


@dataclass(frozen=True, slots=True)
class ForwardedAccounts:
    """The accounts that have a phase, by account.

    Attributes:
        version: grows with each change.
        accounts: by account id, as message groups begin with it.
    """

    version: int = 0
    accounts: Mapping[str, Forwarding] = field(default_factory=dict)

    @property
    def phases(self) -> Mapping[str, Phase]:
        """The phase of each account that has one."""
        return {account: known.phase for account, known in self.accounts.items()}

    def changed(self, phases: Mapping[str, Phase]) -> "ForwardedAccounts":
        """Return the next version, in which accounts have these phases. The others have none."""
        version = self.version + 1
        accounts = {
            account: known
            if (known := self.accounts.get(account)) and known.phase == phase
            else Forwarding(phase, version)
            for account, phase in phases.items()
        }
        return ForwardedAccounts(version, accounts)


class ForwardingTable:
    """The entry. It has no expiry: without it messages would be delivered before those that are in the bulk queue."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        """Take the table's name."""
        self._dynamodb = dynamodb
        self._table = table

    def read(self) -> ForwardedAccounts:
        """Return the entry, strongly consistent.

        Raises:
            DeliveryError: it could not be read, or says what this release does not know.
        """
        try:
            item = self._dynamodb.get_item(TableName=self._table, Key={"key": {"S": _KEY}}, ConsistentRead=True)
            return _read(item.get("Item"))
        except (BotoCoreError, ClientError) as error:
            raise _unusable(error) from error
        except (KeyError, ValueError) as error:
            raise DeliveryError("the entry of forwarded accounts cannot be read") from error

    def replace(self, seen: ForwardedAccounts, new: ForwardedAccounts) -> bool:
        """Store the next version, if the present one is still the seen one. Return whether it was stored.

        Raises:
            DeliveryError: that is not known.
        """
        item: dict[str, Any] = {
            "key": {"S": _KEY},
            "version": {"N": str(new.version)},
            "accounts": {"M": {account: _written(known) for account, known in new.accounts.items()}},
        }
        try:
            self._dynamodb.put_item(TableName=self._table, Item=item, **_is_seen(seen))
        except ClientError as error:
            if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                return False
            raise _unusable(error) from error
        except BotoCoreError as error:
            raise _unusable(error) from error
        return True


def _read(item: Any) -> ForwardedAccounts:
    if item is None:
        return ForwardedAccounts()
    accounts = {
        account: Forwarding(Phase(told["M"]["phase"]["S"]), int(told["M"]["since"]["N"]))
        for account, told in item["accounts"]["M"].items()
    }
    return ForwardedAccounts(int(item["version"]["N"]), accounts)


def _written(known: Forwarding) -> dict[str, Any]:
    return {"M": {"phase": {"S": str(known.phase)}, "since": {"N": str(known.since)}}}


def _is_seen(seen: ForwardedAccounts) -> dict[str, Any]:
    names = {"#version": "version"}
    if not seen.version:
        return {"ConditionExpression": "attribute_not_exists(#version)", "ExpressionAttributeNames": names}
    return {
        "ConditionExpression": "#version = :seen",
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": {":seen": {"N": str(seen.version)}},
    }


def _unusable(error: Exception) -> DeliveryError:
    return DeliveryError(f"the forwarded accounts are not known: {type(error).__name__}")
