from typing import Any

import pytest
from botocore.exceptions import ClientError
from mypy_boto3_dynamodb import DynamoDBClient

from bench.outage import MemoryStore
from mparticle_firehose.errors import DeliveryError
from mparticle_firehose.services import Outage, OutageStore, Reports
from mparticle_firehose.tables.outages import KEPT_SECONDS, Outages
from tests.conftest import Clock

NOW = 1_760_000_000.0
OPEN = Outage(since=NOW, share=0.0, began=NOW - 0.5, probe_at=NOW + 10.123_456)
PROBED = Outage(since=NOW, share=0.0, began=NOW - 0.5, probe_at=NOW + 20.25)
RAMP = Outage(since=NOW + 11, share=0.05, began=NOW - 0.5)


class BrokenTable:
    """Fails every call."""

    def _fail(self, **_: object) -> None:
        raise ClientError({"Error": {"Code": "Throttled", "Message": "canary-secret"}}, "Any")

    get_item = put_item = update_item = _fail


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def table(dynamodb: DynamoDBClient, clock: Clock) -> Outages:
    return Outages(dynamodb, "ledger", clock)


@pytest.fixture(params=["table", "memory"])
def outages(request: pytest.FixtureRequest) -> OutageStore:
    """Return the table, and the store that stands in for it in simulations and tests."""
    return MemoryStore() if request.param == "memory" else request.getfixturevalue("table")


def test_a_site_without_an_outage_has_no_entry(outages: OutageStore) -> None:
    assert outages.read("eu") is None


def test_an_entry_is_read_as_it_was_stored_by_every_environment(
    table: OutageStore, dynamodb: DynamoDBClient, clock: Clock
) -> None:
    assert table.replace("eu", None, OPEN)

    assert Outages(dynamodb, "ledger", clock).read("eu") == OPEN


def test_each_site_has_an_entry_of_its_own(outages: OutageStore) -> None:
    outages.replace("eu", None, OPEN)

    assert outages.read("") is None
    assert outages.replace("", None, RAMP)
    assert outages.read("eu") == OPEN


def test_of_two_that_make_an_entry_one_wins(outages: OutageStore) -> None:
    assert [outages.replace("eu", None, OPEN), outages.replace("eu", None, RAMP)] == [True, False]
    assert outages.read("eu") == OPEN


def test_of_two_that_want_to_probe_one_wins(outages: OutageStore) -> None:
    outages.replace("eu", None, OPEN)

    assert [outages.replace("eu", OPEN, PROBED), outages.replace("eu", OPEN, PROBED)] == [True, False]


def test_an_entry_that_has_changed_meanwhile_is_not_replaced(outages: OutageStore) -> None:
    outages.replace("eu", None, OPEN)
    outages.replace("eu", OPEN, RAMP)

    assert not outages.replace("eu", OPEN, PROBED)
    assert outages.read("eu") == RAMP


def test_an_entry_that_is_gone_is_not_replaced(outages: OutageStore) -> None:
    assert not outages.replace("eu", OPEN, PROBED)
    assert outages.read("eu") is None


def test_reports_add_up_by_slice_and_change_nothing_else(outages: OutageStore) -> None:
    outages.replace("eu", None, RAMP)

    outages.report("eu", RAMP, slice_number=0, failed_percent=100)
    outages.report("eu", RAMP, slice_number=0, failed_percent=33)
    reported = outages.report("eu", RAMP, slice_number=12, failed_percent=0)

    expected = Outage(since=NOW + 11, share=0.05, began=NOW - 0.5, reports={0: Reports(2, 133), 12: Reports(1, 0)})
    assert reported == outages.read("eu") == expected
    assert outages.replace("eu", RAMP, OPEN)
    assert outages.read("eu") == OPEN


def test_a_report_of_what_has_changed_meanwhile_is_dropped(outages: OutageStore) -> None:
    outages.replace("eu", None, OPEN)

    assert outages.report("eu", RAMP, slice_number=0, failed_percent=100) is None
    assert outages.report("us", RAMP, slice_number=0, failed_percent=100) is None
    assert (outages.read("eu"), outages.read("us")) == (OPEN, None)


def test_an_entry_expires_unless_it_is_written_to(table: OutageStore, dynamodb: DynamoDBClient, clock: Clock) -> None:
    table.replace("eu", None, OPEN)
    (item,) = dynamodb.scan(TableName="ledger")["Items"]
    assert item["expires_at"] == {"N": str(int(NOW) + KEPT_SECONDS)}

    clock.now += KEPT_SECONDS - 1
    assert table.read("eu") == OPEN
    clock.now += 1
    assert table.read("eu") is None
    assert table.replace("eu", None, PROBED)  # although DynamoDB deletes it only later


def test_a_report_keeps_an_entry_from_expiring(table: OutageStore, clock: Clock) -> None:
    table.replace("eu", None, RAMP)
    clock.now += KEPT_SECONDS - 1
    table.report("eu", RAMP, slice_number=0, failed_percent=0)
    clock.now += KEPT_SECONDS - 1

    assert table.read("eu") is not None


def test_a_table_that_fails_is_a_delivery_error_without_its_text() -> None:
    broken: Any = BrokenTable()
    outages = Outages(broken, "ledger")

    for use in (
        lambda: outages.read("eu"),
        lambda: outages.replace("eu", None, OPEN),
        lambda: outages.report("eu", RAMP, slice_number=0, failed_percent=0),
    ):
        with pytest.raises(DeliveryError, match=r"^the table of outages cannot be used: ClientError$"):
            use()
