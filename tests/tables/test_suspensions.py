import pytest
from botocore.exceptions import ClientError
from mypy_boto3_dynamodb import DynamoDBClient

from mparticle_firehose.protocol import Account
from mparticle_firehose.tables.suspensions import SUSPENDED_SECONDS, Suspensions, suspension_key
from tests.conftest import Clock

ACCOUNT = Account(account_id=4242, account_settings={"token": "canary-secret-old"})
MENDED = Account(account_id=4242, account_settings={"token": "canary-secret-new"})


class BrokenTable:
    """Fails every call."""

    def __init__(self) -> None:
        self.calls = 0

    def _fail(self, **_: object) -> None:
        self.calls += 1
        raise ClientError({"Error": {"Code": "Throttled", "Message": ""}}, "Any")

    get_item = put_item = delete_item = _fail


@pytest.fixture
def clock() -> Clock:
    return Clock(1_760_000_000.0)


def suspensions(dynamodb: DynamoDBClient, clock: Clock) -> Suspensions:
    return Suspensions(dynamodb, "suspensions", clock)


def test_a_suspended_account_is_known_to_every_environment(dynamodb: DynamoDBClient, clock: Clock) -> None:
    suspensions(dynamodb, clock).suspend(ACCOUNT, "http_401")

    assert suspensions(dynamodb, clock).is_suspended(ACCOUNT)


def test_an_account_that_nobody_suspended_is_not(dynamodb: DynamoDBClient, clock: Clock) -> None:
    assert not suspensions(dynamodb, clock).is_suspended(ACCOUNT)


def test_new_settings_work_at_once(dynamodb: DynamoDBClient, clock: Clock) -> None:
    known = suspensions(dynamodb, clock)
    known.suspend(ACCOUNT, "http_401")

    assert not known.is_suspended(MENDED)


def test_a_success_ends_the_suspension_for_every_environment(dynamodb: DynamoDBClient, clock: Clock) -> None:
    here = suspensions(dynamodb, clock)
    here.suspend(ACCOUNT, "http_401")

    here.lift(ACCOUNT)

    assert not here.is_suspended(ACCOUNT)
    assert not suspensions(dynamodb, clock).is_suspended(ACCOUNT)


def test_a_success_of_an_account_in_good_standing_writes_nothing(clock: Clock) -> None:
    table = BrokenTable()

    Suspensions(table, "suspensions", clock).lift(ACCOUNT)  # type: ignore[arg-type]  # the methods that are used

    assert table.calls == 1


def test_a_suspension_ends_although_the_tables_own_expiry_is_late(dynamodb: DynamoDBClient, clock: Clock) -> None:
    suspensions(dynamodb, clock).suspend(ACCOUNT, "http_401")
    clock.now += SUSPENDED_SECONDS

    assert not suspensions(dynamodb, clock).is_suspended(ACCOUNT)


def test_an_answer_is_remembered_for_half_a_minute(dynamodb: DynamoDBClient, clock: Clock) -> None:
    here = suspensions(dynamodb, clock)
    answers = [here.is_suspended(ACCOUNT)]
    suspensions(dynamodb, clock).suspend(ACCOUNT, "http_401")
    for _ in range(2):
        answers.append(here.is_suspended(ACCOUNT))
        clock.now += 30

    assert [*answers, here.is_suspended(ACCOUNT)] == [False, False, True, True]


def test_a_table_that_fails_suspends_nobody_and_stops_nothing(clock: Clock) -> None:
    table = BrokenTable()
    known = Suspensions(table, "suspensions", clock)  # type: ignore[arg-type]  # the two methods that are used

    assert not known.is_suspended(ACCOUNT)
    known.suspend(ACCOUNT, "http_401")

    assert known.is_suspended(ACCOUNT)
    assert table.calls == 2


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
