from typing import Any

import pytest
from botocore.exceptions import ClientError
from mypy_boto3_dynamodb import DynamoDBClient

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.protocol import Account
from mparticle_firehose.tables.suspensions import SUSPENDED_SECONDS, Suspensions, suspension_key
from tests.conftest import Clock

ACCOUNT = Account(account_id=4242, account_settings={"token": "canary-secret-old"})
MENDED = Account(account_id=4242, account_settings={"token": "canary-secret-new"})
PLENTY = Deadline(0.15, clock=lambda: 0.0)
TOO_LITTLE = Deadline(0.15, clock=lambda: 0.12)


class BrokenTable:
    """Fails every call."""

    def __init__(self) -> None:
        self.calls = 0

    def _fail(self, **_: object) -> None:
        self.calls += 1
        raise ClientError({"Error": {"Code": "Throttled", "Message": ""}}, "Any")

    get_item = put_item = delete_item = batch_get_item = _fail


class CountingTable:
    """A table that says how often which operation was called."""

    def __init__(self, dynamodb: DynamoDBClient) -> None:
        self._dynamodb = dynamodb
        self.called: list[str] = []
        self.consistent: list[object] = []

    def __getattr__(self, operation: str) -> Any:
        def call(**arguments: Any) -> Any:
            self.called.append(operation)
            if operation.endswith("get_item"):
                asked = arguments.get("RequestItems", {"suspensions": arguments})["suspensions"]
                self.consistent.append(asked.get("ConsistentRead"))
            return getattr(self._dynamodb, operation)(**arguments)

        return call


class ThrottledReads:
    """Reads no key of a batch, as DynamoDB may when it throttles."""

    def __init__(self, dynamodb: DynamoDBClient) -> None:
        self._dynamodb = dynamodb

    def batch_get_item(self, *, RequestItems: Any) -> Any:  # noqa: N803  as boto3
        return {"Responses": {}, "UnprocessedKeys": RequestItems}

    def __getattr__(self, operation: str) -> Any:
        return getattr(self._dynamodb, operation)


@pytest.fixture
def clock() -> Clock:
    return Clock(1_760_000_000.0)


def suspensions(dynamodb: Any, clock: Clock) -> Suspensions:
    return Suspensions(dynamodb, "suspensions", clock)


def test_a_suspended_account_is_known_to_every_environment(dynamodb: DynamoDBClient, clock: Clock) -> None:
    suspensions(dynamodb, clock).suspend(ACCOUNT, "http_401")

    assert suspensions(dynamodb, clock).is_suspended(ACCOUNT, PLENTY)


def test_an_account_that_nobody_suspended_is_not(dynamodb: DynamoDBClient, clock: Clock) -> None:
    assert not suspensions(dynamodb, clock).is_suspended(ACCOUNT, PLENTY)


def test_new_settings_work_at_once(dynamodb: DynamoDBClient, clock: Clock) -> None:
    known = suspensions(dynamodb, clock)
    known.suspend(ACCOUNT, "http_401")

    assert not known.is_suspended(MENDED, PLENTY)


def test_a_success_ends_the_suspension_for_every_environment(dynamodb: DynamoDBClient, clock: Clock) -> None:
    here = suspensions(dynamodb, clock)
    here.suspend(ACCOUNT, "http_401")

    here.lift([ACCOUNT])

    assert not here.is_suspended(ACCOUNT, PLENTY)
    assert not suspensions(dynamodb, clock).is_suspended(ACCOUNT, PLENTY)


def test_a_success_of_an_account_in_good_standing_costs_one_read_and_writes_nothing(
    dynamodb: DynamoDBClient, clock: Clock
) -> None:
    table = CountingTable(dynamodb)

    suspensions(table, clock).lift([ACCOUNT] * 10)

    assert (table.called, table.consistent) == (["batch_get_item"], [True])


def test_a_success_ends_a_suspension_that_another_environment_has_recorded_meanwhile(
    dynamodb: DynamoDBClient, clock: Clock
) -> None:
    here, there, handler = (suspensions(dynamodb, clock) for _ in range(3))
    before = here.is_suspended(ACCOUNT, PLENTY)
    here.lift([ACCOUNT])
    there.suspend(ACCOUNT, "http_401")

    here.lift([ACCOUNT, MENDED])

    assert (before, handler.is_suspended(ACCOUNT, PLENTY), there.is_suspended(ACCOUNT, PLENTY)) == (False, False, False)
    assert dynamodb.scan(TableName="suspensions")["Items"] == []


def test_a_success_of_one_account_ends_the_suspension_of_no_other(dynamodb: DynamoDBClient, clock: Clock) -> None:
    here = suspensions(dynamodb, clock)
    here.suspend(ACCOUNT, "http_401")

    here.lift([MENDED])

    assert here.is_suspended(ACCOUNT, PLENTY)


def test_many_accounts_are_read_in_as_few_calls_as_dynamodb_allows(dynamodb: DynamoDBClient, clock: Clock) -> None:
    table = CountingTable(dynamodb)
    accounts = [Account(account_id=number, account_settings={}) for number in range(101)]
    suspensions(dynamodb, clock).suspend(accounts[100], "http_401")

    suspensions(table, clock).lift(accounts)

    assert table.called.count("batch_get_item") == 2
    assert dynamodb.scan(TableName="suspensions")["Items"] == []


def test_a_key_that_dynamodb_leaves_unread_is_deleted_unseen(dynamodb: DynamoDBClient, clock: Clock) -> None:
    here = suspensions(ThrottledReads(dynamodb), clock)
    here.suspend(ACCOUNT, "http_401")

    here.lift([ACCOUNT])

    assert not here.is_suspended(ACCOUNT, PLENTY)


def test_a_suspension_ends_although_the_tables_own_expiry_is_late(dynamodb: DynamoDBClient, clock: Clock) -> None:
    suspensions(dynamodb, clock).suspend(ACCOUNT, "http_401")
    clock.now += SUSPENDED_SECONDS

    assert not suspensions(dynamodb, clock).is_suspended(ACCOUNT, PLENTY)


def test_that_an_account_is_not_suspended_is_remembered_for_half_a_minute(
    dynamodb: DynamoDBClient, clock: Clock
) -> None:
    here = suspensions(dynamodb, clock)
    answers = [here.is_suspended(ACCOUNT, PLENTY)]
    suspensions(dynamodb, clock).suspend(ACCOUNT, "http_401")
    for _ in range(2):
        answers.append(here.is_suspended(ACCOUNT, PLENTY))
        clock.now += 30

    assert [*answers, here.is_suspended(ACCOUNT, PLENTY)] == [False, False, True, True]


def test_that_an_account_is_suspended_is_read_anew_each_time_strongly_consistent(
    dynamodb: DynamoDBClient, clock: Clock
) -> None:
    table = CountingTable(dynamodb)
    here, there = suspensions(table, clock), suspensions(dynamodb, clock)
    here.suspend(ACCOUNT, "http_401")
    before = [here.is_suspended(ACCOUNT, PLENTY), here.is_suspended(ACCOUNT, PLENTY)]

    there.lift([ACCOUNT])

    assert (before, here.is_suspended(ACCOUNT, PLENTY)) == ([True, True], False)
    assert table.consistent == [True, True, True]


def test_what_an_environment_suspends_itself_it_knows_at_once(dynamodb: DynamoDBClient, clock: Clock) -> None:
    here = suspensions(dynamodb, clock)
    before = here.is_suspended(ACCOUNT, PLENTY)
    here.suspend(ACCOUNT, "http_401")

    assert (before, here.is_suspended(ACCOUNT, PLENTY)) == (False, True)


def test_a_table_that_fails_suspends_nobody_and_stops_nothing(clock: Clock) -> None:
    table: Any = BrokenTable()
    known = suspensions(table, clock)

    known.suspend(ACCOUNT, "http_401")
    known.lift([ACCOUNT])

    assert not known.is_suspended(ACCOUNT, PLENTY)
    assert table.calls == 3


def test_after_a_failure_the_table_is_not_read_for_five_seconds_whatever_the_account(clock: Clock) -> None:
    table: Any = BrokenTable()
    known = suspensions(table, clock)
    calls = []
    for account, seconds in ((ACCOUNT, 0), (MENDED, 4.9), (MENDED, 0.2)):
        clock.now += seconds
        known.is_suspended(account, PLENTY)
        calls.append(table.calls)

    assert calls == [1, 1, 2]


def test_a_restored_environment_reads_the_table_at_once(clock: Clock) -> None:
    table: Any = BrokenTable()
    known = suspensions(table, clock)
    known.is_suspended(ACCOUNT, PLENTY)

    known.forget()
    known.is_suspended(ACCOUNT, PLENTY)

    assert table.calls == 2


def test_the_table_is_not_read_when_queueing_needs_the_time(dynamodb: DynamoDBClient, clock: Clock) -> None:
    table = CountingTable(dynamodb)
    known = suspensions(table, clock)
    known.suspend(ACCOUNT, "http_401")

    assert not known.is_suspended(ACCOUNT, TOO_LITTLE)
    assert table.called == ["put_item"]
    assert known.is_suspended(ACCOUNT, PLENTY)


def test_the_entry_explains_itself_without_the_settings(dynamodb: DynamoDBClient, clock: Clock) -> None:
    suspensions(dynamodb, clock).suspend(ACCOUNT, "http_403")

    (item,) = dynamodb.scan(TableName="suspensions")["Items"]
    assert item == {
        "account": {"S": suspension_key(ACCOUNT)},
        "account_id": {"N": "4242"},
        "reason": {"S": "http_403"},
        "suspended_at": {"N": "1760000000"},
        "expires_at": {"N": str(1760000000 + SUSPENDED_SECONDS)},
    }
    assert "canary" not in str(item)
