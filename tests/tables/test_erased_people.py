"""Erased people are recognised by their identities, of which the table holds none."""

from typing import Any

import pytest
from botocore.exceptions import ClientError
from mypy_boto3_dynamodb import DynamoDBClient

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.errors import DeliveryError
from mparticle_firehose.repeating import Repeating
from mparticle_firehose.tables.erased_people import PAUSE_SECONDS, ErasedPeople, ErasureKey
from tests.conftest import Clock

NOW = 1_760_000_000.0
KEY = b"canary-secret-of-the-deployment-0"
EMAIL = ("email", "canary-pii-jane@example.com")
CUSTOMER = ("customer_id", "canary-pii-31")
DENIED = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "canary-message"}}, "Any")


class Table:
    """A table that counts calls, and refuses those that it is told to."""

    def __init__(self, dynamodb: DynamoDBClient, *refused: str) -> None:
        self._dynamodb = dynamodb
        self.refused = set(refused)
        self.called: list[str] = []

    def __getattr__(self, operation: str) -> Any:
        def call(**arguments: Any) -> Any:
            self.called.append(operation)
            if operation in self.refused:
                raise DENIED
            return getattr(self._dynamodb, operation)(**arguments)

        return call


class OneAtATime(Table):
    """Stores one entry of a batch, and leaves the others undone."""

    def batch_write_item(self, *, RequestItems: Any) -> Any:  # noqa: N803  as boto3
        first, *left = RequestItems["ledger"]
        self._dynamodb.batch_write_item(RequestItems={"ledger": [first]})
        return {"UnprocessedItems": {"ledger": left} if left else {}}


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


def people(dynamodb: Any, clock: Clock | None = None, key: bytes = KEY) -> ErasedPeople:
    return ErasedPeople(dynamodb, "ledger", lambda: key, clock or Clock(NOW), Repeating(sleep=lambda _: None))


def soon() -> Deadline:
    return Deadline.after(5)


def is_erased(known: ErasedPeople, *identities: tuple[str, str], account_id: int = 42) -> bool:
    return known.among({"x": (account_id, identities)}, soon()) == {"x"}


def test_a_person_is_recognised_by_any_identity_in_every_environment(dynamodb: DynamoDBClient) -> None:
    people(dynamodb).note(42, [EMAIL, CUSTOMER], soon())
    other = people(dynamodb)

    assert is_erased(other, EMAIL)
    assert is_erased(other, ("customer_id", "somebody-else"), CUSTOMER)


@pytest.mark.parametrize(
    ("account_id", "identity"),
    [
        (43, EMAIL),
        (42, ("customer_id", EMAIL[1])),
        (42, ("email", "canary-pii-john@example.com")),
        (42, (CUSTOMER[0], CUSTOMER[1].upper())),
    ],
    ids=["account", "field", "value", "case"],
)
def test_nobody_else_is(account_id: int, identity: tuple[str, str], dynamodb: DynamoDBClient) -> None:
    people(dynamodb).note(42, [EMAIL, CUSTOMER], soon())

    assert not is_erased(people(dynamodb), identity, account_id=account_id)


@pytest.mark.parametrize(
    ("noted", "asked"),
    [
        (EMAIL, ("email", " Canary-PII-Jane@Example.com\n")),
        (("ios_advertising_id", "7D9F4A3C-0D5E"), ("ios_advertising_id", "7d9f4a3c-0d5e")),
        (("mobile_number", "+49 171 / 555"), ("mobile_number", "49171555")),
        (("phone_number_2", "ext. x"), ("phone_number_2", " ext. x")),
        (CUSTOMER, (CUSTOMER[0], f" {CUSTOMER[1]} ")),
        (("other_id_2", "lone \ud800"), ("other_id_2", "lone \ud800")),
    ],
)
def test_spellings_of_one_identity_are_the_same(
    noted: tuple[str, str], asked: tuple[str, str], dynamodb: DynamoDBClient
) -> None:
    people(dynamodb).note(42, [noted], soon())

    assert is_erased(people(dynamodb), asked)


def test_telephone_numbers_without_digits_are_not_all_the_same(dynamodb: DynamoDBClient) -> None:
    people(dynamodb).note(42, [("mobile_number", "unknown")], soon())

    assert not is_erased(people(dynamodb), ("mobile_number", "none"))


def test_the_table_holds_no_identity_and_no_account(dynamodb: DynamoDBClient) -> None:
    people(dynamodb).note(4242, [EMAIL, CUSTOMER], soon())

    items = dynamodb.scan(TableName="ledger")["Items"]
    assert [set(item) for item in items] == [{"key", "expires_at"}] * 2
    assert all(item["key"]["S"].startswith("erased#") for item in items)
    assert not [word for word in ("canary", "jane", "4242#") if word in str(items)]


def test_the_hash_cannot_be_made_without_the_key(dynamodb: DynamoDBClient) -> None:
    people(dynamodb).note(42, [EMAIL], soon())

    assert not is_erased(people(dynamodb, key=b"x" * 32), EMAIL)


def test_an_erasure_that_comes_again_is_stored_once_and_lasts_longer(dynamodb: DynamoDBClient, clock: Clock) -> None:
    for _ in range(2):
        people(dynamodb, clock).note(42, [EMAIL, EMAIL], soon())
        clock.now += 86_400

    (item,) = dynamodb.scan(TableName="ledger")["Items"]
    assert int(item["expires_at"]["N"]) == NOW + 71 * 86_400


def test_a_person_is_forgotten_after_70_days_although_the_tables_own_expiry_is_late(
    dynamodb: DynamoDBClient, clock: Clock
) -> None:
    known = people(dynamodb, clock)
    known.note(42, [EMAIL], soon())
    clock.now += 70 * 86_400 - 1
    before = is_erased(known, EMAIL)
    clock.now += 1

    assert (before, is_erased(known, EMAIL)) == (True, False)


def test_a_hundred_people_take_one_call_and_only_the_erased_are_named(dynamodb: DynamoDBClient) -> None:
    people(dynamodb).note(42, [("customer_id", "7"), ("customer_id", "77")], soon())
    table = Table(dynamodb)

    found = people(table).among({n: (42, [("customer_id", str(n))]) for n in range(100)}, soon())

    assert (found, table.called) == ({7, 77}, ["batch_get_item"])


def test_people_without_identities_ask_nobody(dynamodb: DynamoDBClient) -> None:
    def no_key() -> bytes:
        raise AssertionError

    table: Any = Table(dynamodb)
    known = ErasedPeople(table, "ledger", no_key)
    known.note(42, [], soon())

    assert (known.among({"x": (42, [])}, soon()), known.among({}, soon()), table.called) == (set(), set(), [])


def test_a_table_that_cannot_be_read_is_an_error(dynamodb: DynamoDBClient) -> None:
    known = people(Table(dynamodb, "batch_get_item"))

    with pytest.raises(DeliveryError, match=r"^the ledger cannot be used: ClientError$"):
        is_erased(known, EMAIL)


@pytest.mark.parametrize("kind", [Table, OneAtATime])
def test_identities_that_are_not_all_stored_are_an_error(kind: type[Table], dynamodb: DynamoDBClient) -> None:
    refused = ("batch_write_item",) if kind is Table else ()
    known = people(kind(dynamodb, *refused))

    with pytest.raises(DeliveryError, match=r"^the ledger "):
        known.note(42, [("customer_id", str(n)) for n in range(20)], soon())


@pytest.mark.parametrize("method", ["note", "among"])
def test_with_the_time_up_it_is_an_error(method: str, dynamodb: DynamoDBClient) -> None:
    known = people(dynamodb)
    arguments: tuple[Any, ...] = (42, [EMAIL]) if method == "note" else ({"x": (42, [EMAIL])},)

    with pytest.raises(DeliveryError, match=r"^out_of_time$"):
        getattr(known, method)(*arguments, Deadline.after(0))


class Source:
    """Secrets Manager and SSM with one secret."""

    def __init__(self, text: str = "canary-secret-of-the-deployment-0\n") -> None:
        self.text = text
        self.error: Exception | None = None
        self.reads: list[str] = []

    def get_secret_value(self, *, SecretId: str) -> dict[str, str]:  # noqa: N803  as boto3
        return {"SecretString": self._read(SecretId)}

    def get_parameter(self, *, Name: str, WithDecryption: bool) -> dict[str, dict[str, str]]:  # noqa: N803  as boto3
        return {"Parameter": {"Value": self._read(Name)}}

    def _read(self, name: str) -> str:
        self.reads.append(name)
        if self.error:
            raise self.error
        return self.text


def problem(key: ErasureKey) -> str:
    with pytest.raises(DeliveryError) as caught:
        key()
    return str(caught.value)


@pytest.mark.parametrize("name", ["arn:aws:secretsmanager:us-east-1:1:secret:x", "/feed/erasures"])
def test_the_key_is_read_once_without_the_blanks_around_it(name: str, clock: Clock) -> None:
    source = Source()
    key = ErasureKey(source, name, clock)
    keys = [key()]
    clock.now += 86_400
    keys.append(key())

    assert (keys, source.reads) == ([KEY, KEY], [name])
    assert "canary" not in repr(key)


@pytest.mark.parametrize("text", ["", "x" * 31, f" {'x' * 31}\n"], ids=["empty", "short", "blanks"])
def test_a_short_key_is_refused(text: str, clock: Clock) -> None:
    assert problem(ErasureKey(Source(text), "/x", clock)) == (
        "FEED_ERASURE_KEY_SOURCE: the secret must have at least 32 characters"
    )


def test_a_key_that_cannot_be_read_is_read_again_after_a_pause(clock: Clock) -> None:
    source = Source()
    source.error = DENIED
    key = ErasureKey(source, "/x", clock)
    problems = [problem(key), problem(key)]
    source.error = None
    clock.now += PAUSE_SECONDS

    assert problems == ["FEED_ERASURE_KEY_SOURCE: the source answers AccessDeniedException"] * 2
    assert (key(), len(source.reads)) == (KEY, 2)


@pytest.mark.parametrize("method", ["note", "among"])
def test_without_a_key_nothing_is_read_or_written(method: str, dynamodb: DynamoDBClient, clock: Clock) -> None:
    source, table = Source(""), Table(dynamodb)
    untyped: Any = table
    known = ErasedPeople(untyped, "ledger", ErasureKey(source, "/x", clock))
    arguments: tuple[Any, ...] = (42, [EMAIL]) if method == "note" else ({"x": (42, [EMAIL])},)

    with pytest.raises(DeliveryError, match="FEED_ERASURE_KEY_SOURCE"):
        getattr(known, method)(*arguments, soon())
    assert table.called == []
