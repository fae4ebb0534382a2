"""Sites that are down: one entry of the ledger's table for each, shared by all execution environments."""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from mparticle_firehose.errors import DeliveryError
from mparticle_firehose.services import Outage, Reports

if TYPE_CHECKING:  # stubs that do not ship
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

KEPT_SECONDS = 3_600
"""How long an entry is kept that nobody has written to. An open circuit is written to with every probe."""

_COUNT, _FAILED = "reports_", "failed_"
_COUNTED = re.compile(rf"{_COUNT}(\d+)")


class Outages:
    """The entries, as an `OutageStore`.

    Each write is conditional on the entry that the writer has seen, so of two environments that want to change it, one
    wins. Two entries are the same if ``since`` and ``probe_at`` are: every change but a report changes one of them.
    """

    def __init__(self, dynamodb: "DynamoDBClient", table: str, clock: Callable[[], float] = time.time) -> None:
        """Take the table's name and a clock of seconds since the epoch."""
        self._dynamodb = dynamodb
        self._table = table
        self._clock = clock

    def read(self, site: str) -> Outage | None:
        """Return the entry of a site, strongly consistent, if there is one that has not expired."""
        with _as_delivery_error():
            item = self._dynamodb.get_item(TableName=self._table, Key=_key(site), ConsistentRead=True).get("Item")
        if item is None or float(item["expires_at"]["N"]) <= self._clock():
            return None
        return _outage(item)

    def replace(self, site: str, seen: Outage | None, new: Outage) -> bool:
        """Store the entry without reports, if it is still the seen one. Return whether it was stored."""
        item = {
            **_key(site),
            **{name: _number(getattr(new, name)) for name in ("since", "share", "began", "probe_at")},
            "expires_at": self._expiry(),
        }
        condition = _is_seen(seen) if seen else self._is_none()
        with _as_delivery_error():
            return _written(lambda: self._dynamodb.put_item(TableName=self._table, Item=item, **condition)) is not None

    def report(self, site: str, seen: Outage, *, slice_number: int, failed_percent: int) -> Outage | None:
        """Add a report to the entry and return all of it; None if it is not the seen one any more."""
        condition = _is_seen(seen)
        condition["ExpressionAttributeValues"] |= {
            ":one": {"N": "1"},
            ":failed": {"N": str(failed_percent)},
            ":end": self._expiry(),
        }
        with _as_delivery_error():
            written = _written(
                lambda: self._dynamodb.update_item(
                    TableName=self._table,
                    Key=_key(site),
                    UpdateExpression=f"ADD {_COUNT}{slice_number} :one, {_FAILED}{slice_number} :failed"
                    " SET expires_at = :end",
                    ReturnValues="ALL_NEW",
                    **condition,
                )
            )
        return None if written is None else _outage(written["Attributes"])

    def _is_none(self) -> dict[str, Any]:
        return {
            "ConditionExpression": "attribute_not_exists(#key) OR expires_at <= :now",
            "ExpressionAttributeNames": {"#key": "key"},
            "ExpressionAttributeValues": {":now": _number(self._clock())},
        }

    def _expiry(self) -> "AttributeValueTypeDef":
        return {"N": str(int(self._clock()) + KEPT_SECONDS)}


def _is_seen(seen: Outage) -> dict[str, Any]:
    return {
        "ConditionExpression": "#since = :since AND probe_at = :probe_at",
        "ExpressionAttributeNames": {"#since": "since"},
        "ExpressionAttributeValues": {":since": _number(seen.since), ":probe_at": _number(seen.probe_at)},
    }


def _outage(item: "Mapping[str, AttributeValueTypeDef]") -> Outage:
    numbers = {name: float(item[name]["N"]) for name in ("since", "share", "began", "probe_at")}
    slices = [found[1] for name in item if (found := _COUNTED.fullmatch(name))]
    reports = {
        int(number): Reports(int(item[_COUNT + number]["N"]), int(item[_FAILED + number]["N"])) for number in slices
    }
    return Outage(**numbers, reports=reports)


def _key(site: str) -> "dict[str, AttributeValueTypeDef]":
    return {"key": {"S": f"outage#{site}"}}


def _number(value: float) -> "AttributeValueTypeDef":
    return {"N": str(value)}  # exactly, because conditions compare them


def _written[T](write: Callable[[], T]) -> T | None:
    """Write and return the answer; None if the condition did not hold."""
    try:
        return write()
    except ClientError as error:
        if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
            return None
        raise


@contextmanager
def _as_delivery_error() -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise DeliveryError(f"the table of outages cannot be used: {type(error).__name__}") from error
