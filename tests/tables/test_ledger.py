from typing import Any

import pytest
from botocore.exceptions import ClientError
from mypy_boto3_dynamodb import DynamoDBClient

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.errors import DeliveryError
from mparticle_firehose.tables.ledger import (
    COMES_BACK_SECONDS,
    KEPT_SECONDS,
    VERSION_KEPT_SECONDS,
    Ledger,
    TrackedGroup,
)
from mparticle_firehose.tables.progress import Progress

NOW = 1_760_000_000.0
LATER = int(NOW) + COMES_BACK_SECONDS
SOON = Deadline(at=float("inf"))
PROGRESS = Progress(
    fingerprint="f1",
    settled=frozenset({0, 700}),
    limits={1: 250, 2: 250, 9: 1},
    attempts=3,
    unwritten=frozenset({700}),
    refused={"http_422": frozenset({2, 9})},
)


@pytest.fixture
def ledger(dynamodb: DynamoDBClient) -> Ledger:
    return Ledger(dynamodb, "ledger", lambda: NOW)


class BrokenTable:
    """Fails every call."""

    def _fail(self, **_: object) -> None:
        raise ClientError({"Error": {"Code": "Denied", "Message": "canary-secret"}}, "Any")

    batch_get_item = batch_write_item = _fail


def test_nothing_is_remembered_of_a_message_that_was_never_tried(ledger: Ledger) -> None:
    assert ledger.recall(["m1"], ["g1"], SOON) == ({}, {})


def test_how_far_each_message_has_come_is_remembered(ledger: Ledger) -> None:
    known = {"m1": PROGRESS, "m2": Progress(attempts=1)}
    ledger.remember(known, SOON)

    assert ledger.recall(["m1", "m2", "m3", "m1"], [], SOON) == (known, {})


class CountingTable:
    """Keeps the bytes of each entry that is written, as DynamoDB counts them: names and values."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def batch_write_item(self, *, RequestItems: Any) -> Any:  # noqa: N803  boto3's name
        items = [request["PutRequest"]["Item"] for request in RequestItems["ledger"]]
        self.sizes += [sum(len(name) + len(next(iter(value.values()))) for name, value in it.items()) for it in items]
        return {"UnprocessedItems": {}}


@pytest.mark.parametrize(
    "changes",
    [
        {"limits": {number: 250 if number % 2 else 50 for number in range(30_000)}},
        {"refused": {f"reason {number}": frozenset({29_000 + number}) for number in range(100)}},
        {"refused": {"ü" * 60_000: frozenset({1})}},
    ],
    ids=["limits", "refused", "reasons"],
)
def test_an_entry_is_within_what_dynamodb_takes_whatever_there_is_to_remember(changes: dict[str, Any]) -> None:
    table: Any = CountingTable()
    positions = frozenset(range(0, 200_000, 2))
    progress = Progress(fingerprint="f1", settled=positions, unwritten=positions, attempts=3, **changes)

    assert Ledger(table, "ledger").remember({"m1": progress}, SOON) == {}

    assert max(table.sizes) < 400 * 1_000


def test_what_is_remembered_later_takes_the_place_of_the_earlier(ledger: Ledger) -> None:
    ledger.remember({"m1": PROGRESS}, SOON)
    ledger.remember({"m1": Progress(attempts=1)}, SOON)

    assert ledger.recall(["m1"], [], SOON) == ({"m1": Progress(attempts=1)}, {})


def test_an_entry_of_an_earlier_release_has_attempts_only(ledger: Ledger, dynamodb: DynamoDBClient) -> None:
    dynamodb.put_item(TableName="ledger", Item={"key": {"S": "attempts#m1"}, "attempts": {"N": "4"}})

    assert ledger.recall(["m1"], [], SOON) == ({"m1": Progress(attempts=4)}, {})


def test_what_is_tracked_of_a_group_is_known_and_which_of_its_keys(ledger: Ledger) -> None:
    tracked = TrackedGroup(keys=LATER, states=LATER + 1, everything=LATER + 2)
    not_stored = ledger.track({"g1": tracked}, {"change#1": LATER}, SOON)

    assert not_stored == ({}, {})
    assert ledger.recall([], ["g1", "g2", "g1"], SOON) == ({}, {"g1": tracked})
    assert ledger.tracked(["change#1", "change#2"], SOON) == {"change#1": LATER}


def test_a_groups_entry_of_an_earlier_release_is_about_all_of_it(ledger: Ledger, dynamodb: DynamoDBClient) -> None:
    dynamodb.put_item(TableName="ledger", Item={"key": {"S": "contested#g1"}, "expires_at": {"N": "1760000005"}})

    assert ledger.recall([], ["g1"], SOON) == ({}, {"g1": TrackedGroup(everything=1_760_000_005)})


def test_a_message_and_a_group_of_one_name_are_not_the_same(ledger: Ledger) -> None:
    tracked = TrackedGroup(everything=LATER)
    ledger.remember({"one": PROGRESS}, SOON)
    ledger.track({"two": tracked}, {}, SOON)

    assert ledger.recall(["one", "two"], ["one", "two"], SOON) == ({"one": PROGRESS}, {"two": tracked})


def test_messages_and_groups_are_recalled_for_as_many_as_are_asked(ledger: Ledger) -> None:
    messages = {f"m{number}": Progress(attempts=number) for number in range(130)}
    ledger.remember(messages, SOON)

    assert ledger.recall(messages, [f"g{number}" for number in range(130)], SOON) == (messages, {})


def test_what_was_dead_lettered_is_known(ledger: Ledger) -> None:
    ledger.note_dead_lettered(["l1", "l3"], SOON)

    assert ledger.dead_lettered(["l1", "l2", "l3"], SOON) == {"l1", "l3"}


def test_the_newest_change_is_known_for_as_many_as_are_asked(ledger: Ledger) -> None:
    made = {f"change#{number}": str(number) for number in range(230)}
    ledger.note_delivered(made, SOON)

    assert ledger.newest([*made, "change#unknown"], SOON) == made


@pytest.mark.parametrize("versions", [("1", "2"), ("2", "1")], ids=["in-order", "late"])
def test_of_two_deliveries_the_version_of_the_newer_change_is_kept(ledger: Ledger, versions: tuple[str, str]) -> None:
    for version in versions:
        ledger.note_delivered({"change#1": version, f"change#{version}9": version}, SOON)

    assert ledger.newest(["change#1", "change#19"], SOON) == {"change#1": "2", "change#19": "1"}


def test_entries_expire_after_all_that_they_are_compared_with(ledger: Ledger, dynamodb: DynamoDBClient) -> None:
    ledger.remember({"m1": PROGRESS}, SOON)
    ledger.track({"g1": TrackedGroup(keys=LATER, states=LATER + 9)}, {"change#1": LATER}, SOON)
    ledger.note_delivered({"change#1": "1"}, SOON)

    expiries = {item["key"]["S"]: item["expires_at"]["N"] for item in dynamodb.scan(TableName="ledger")["Items"]}
    assert expiries == {
        "attempts#m1": str(int(NOW) + KEPT_SECONDS),
        "contested#g1": str(LATER + 9),
        "tracked#change#1": str(LATER),
        "change#1": str(int(NOW) + VERSION_KEPT_SECONDS),
    }


def test_a_table_that_cannot_be_read_is_a_delivery_error_without_its_text() -> None:
    broken: Any = BrokenTable()
    ledger = Ledger(broken, "ledger")

    for use in (
        lambda: ledger.recall(["m1"], [], SOON),
        lambda: ledger.tracked(["change#1"], SOON),
        lambda: ledger.dead_lettered(["l1"], SOON),
        lambda: ledger.newest(["change#1"], SOON),
    ):
        with pytest.raises(DeliveryError, match=r"^the ledger cannot be used: ClientError$"):
            use()


def test_what_is_not_stored_is_named_with_the_reason() -> None:
    broken: Any = BrokenTable()
    ledger, reason = Ledger(broken, "ledger"), "the ledger cannot be used: ClientError"

    assert ledger.remember({"m1": PROGRESS}, SOON) == {"m1": reason}
    assert ledger.track({"g1": TrackedGroup()}, {"change#1": 1}, SOON) == ({"g1": reason}, {"change#1": reason})
    assert ledger.note_dead_lettered(["l1"], SOON) == {"l1": reason}
    assert ledger.note_delivered({"change#1": "1"}, SOON) == {"change#1": reason}
