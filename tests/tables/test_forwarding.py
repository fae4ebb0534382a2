from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from mypy_boto3_dynamodb import DynamoDBClient

from mparticle_firehose.errors import DeliveryError
from mparticle_firehose.tables.forwarding import ForwardedAccounts, Forwarding, ForwardingTable, Phase
from mparticle_firehose.worker.backlogs import PhaseStore
from tests.worker.forwarding_world import MemoryPhases

NONE = ForwardedAccounts()
FIRST = NONE.changed({"4242": Phase.OPENING})
SECOND = FIRST.changed({"4242": Phase.OPEN, "7": Phase.OPENING})


@pytest.fixture(params=["table", "memory"])
def store(request: pytest.FixtureRequest) -> PhaseStore:
    """Return the table, and the store that stands in for it in simulations and tests."""
    if request.param == "memory":
        return MemoryPhases()
    return ForwardingTable(request.getfixturevalue("dynamodb"), "ledger")


def test_before_the_first_account_there_is_nothing(store: PhaseStore) -> None:
    assert store.read() == NONE


def test_each_version_is_read_as_it_was_stored(store: PhaseStore) -> None:
    for seen, new in ((NONE, FIRST), (FIRST, SECOND), (SECOND, SECOND.changed({}))):
        assert store.replace(seen, new)
        assert store.read() == new


def test_of_two_environments_that_change_the_same_version_one_wins(store: PhaseStore) -> None:
    other = NONE.changed({"7": Phase.OPENING})

    assert [store.replace(NONE, FIRST), store.replace(NONE, other)] == [True, False]
    assert [store.replace(FIRST, SECOND), store.replace(FIRST, FIRST.changed({}))] == [True, False]
    assert store.read() == SECOND


def test_a_phase_begins_with_the_version_that_changes_it() -> None:
    third = SECOND.changed({"4242": Phase.OPEN, "7": Phase.OPEN})

    assert third.accounts == {"4242": Forwarding(Phase.OPEN, 2), "7": Forwarding(Phase.OPEN, 3)}


def test_the_entry_never_expires(dynamodb: DynamoDBClient) -> None:
    """Without it, messages would be delivered before earlier ones that are in the bulk queue."""
    ForwardingTable(dynamodb, "ledger").replace(NONE, FIRST)

    (item,) = dynamodb.scan(TableName="ledger")["Items"]
    assert set(item) == {"key", "version", "accounts"}


class BrokenTable:
    """Fails every call."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def get_item(self, **_: object) -> None:
        raise self.error

    put_item = get_item


@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "Throttled", "Message": "canary-secret"}}, "Any"),
        ReadTimeoutError(endpoint_url="https://canary-secret"),
    ],
    ids=["refused", "silent"],
)
def test_what_cannot_be_read_or_written_is_not_known(error: Exception) -> None:
    client: Any = BrokenTable(error)
    table = ForwardingTable(client, "ledger")

    with pytest.raises(DeliveryError) as read:
        table.read()
    with pytest.raises(DeliveryError) as written:
        table.replace(NONE, FIRST)

    assert "canary" not in f"{read.value}{written.value}"


def test_a_phase_of_a_later_release_is_not_taken_for_none(dynamodb: DynamoDBClient) -> None:
    told: Any = {"M": {"7": {"M": {"phase": {"S": "half-open"}, "since": {"N": "1"}}}}}
    dynamodb.put_item(TableName="ledger", Item={"key": {"S": "forwarding"}, "version": {"N": "1"}, "accounts": told})

    with pytest.raises(DeliveryError, match="cannot be read"):
        ForwardingTable(dynamodb, "ledger").read()
