from typing import Any

import pytest
from botocore.exceptions import ClientError
from mypy_boto3_dynamodb import DynamoDBClient

from mparticle_firehose.errors import DeliveryError
from mparticle_firehose.tables.ledger import KEPT_SECONDS, Ledger
from mparticle_firehose.tables.progress import Progress

NOW = 1_760_000_000.0


@pytest.fixture
def ledger(dynamodb: DynamoDBClient) -> Ledger:
    return Ledger(dynamodb, "ledger", lambda: NOW)


class BusyTable:
    """Leaves a part of every batch undone, a number of times."""

    def __init__(self, dynamodb: DynamoDBClient, times: int) -> None:
        self._dynamodb = dynamodb
        self._times = times

    def batch_get_item(self, RequestItems: dict[str, Any]) -> Any:  # noqa: N803  boto3's names
        if self._times > 0:
            self._times -= 1
            return {"Responses": {}, "UnprocessedKeys": RequestItems}
        return self._dynamodb.batch_get_item(RequestItems=RequestItems)

    def batch_write_item(self, RequestItems: dict[str, Any]) -> Any:  # noqa: N803  as above
        if self._times > 0:
            self._times -= 1
            return {"UnprocessedItems": RequestItems}
        return self._dynamodb.batch_write_item(RequestItems=RequestItems)


class BrokenTable:
    """Fails every call."""

    def _fail(self, **_: object) -> None:
        raise ClientError({"Error": {"Code": "Throttled", "Message": "canary-secret"}}, "Any")

    batch_get_item = batch_write_item = _fail


PROGRESS = Progress(fingerprint="f1", settled=frozenset({0, 700}), limits={1: 250, 2: 250, 9: 1}, attempts=3)


def test_nothing_is_remembered_of_a_message_that_was_never_tried(ledger: Ledger) -> None:
    assert ledger.recall(["m1"], ["g1"]) == ({}, set())


def test_how_far_each_message_has_come_is_remembered(ledger: Ledger) -> None:
    known = {"m1": PROGRESS, "m2": Progress(attempts=1)}
    ledger.remember(known)

    assert ledger.recall(["m1", "m2", "m3", "m1"], []) == (known, set())


def test_what_is_remembered_later_takes_the_place_of_the_earlier(ledger: Ledger) -> None:
    ledger.remember({"m1": PROGRESS})
    ledger.remember({"m1": Progress(attempts=1)})

    assert ledger.recall(["m1"], []) == ({"m1": Progress(attempts=1)}, set())


def test_an_entry_of_an_earlier_release_has_attempts_only(ledger: Ledger, dynamodb: DynamoDBClient) -> None:
    dynamodb.put_item(TableName="ledger", Item={"key": {"S": "attempts#m1"}, "attempts": {"N": "4"}})

    assert ledger.recall(["m1"], []) == ({"m1": Progress(attempts=4)}, set())


def test_a_groups_order_is_tracked_once_something_of_it_was_dead_lettered(ledger: Ledger) -> None:
    ledger.track_order("g1")

    assert ledger.recall([], ["g1", "g2", "g1"]) == ({}, {"g1"})


def test_a_message_and_a_group_of_one_name_are_not_the_same(ledger: Ledger) -> None:
    ledger.remember({"one": PROGRESS})
    ledger.track_order("two")

    assert ledger.recall(["one", "two"], ["one", "two"]) == ({"one": PROGRESS}, {"two"})


def test_messages_and_groups_are_recalled_for_as_many_as_are_asked(ledger: Ledger) -> None:
    messages = {f"m{number}": Progress(attempts=number) for number in range(130)}
    ledger.remember(messages)

    assert ledger.recall(messages, [f"g{number}" for number in range(130)]) == (messages, set())


def test_what_was_dead_lettered_is_known(ledger: Ledger) -> None:
    ledger.note_dead_lettered("l1")

    assert [ledger.is_dead_lettered(letter) for letter in ("l1", "l2")] == [True, False]


def test_the_newest_change_is_known_for_as_many_as_are_asked(ledger: Ledger) -> None:
    made = {f"change#{number}": str(number) for number in range(230)}
    ledger.note_delivered(made)

    assert ledger.newest([*made, "change#unknown"]) == made


def test_a_later_delivery_takes_the_place_of_the_earlier(ledger: Ledger) -> None:
    ledger.note_delivered({"change#1": "1"})
    ledger.note_delivered({"change#1": "2"})

    assert ledger.newest(["change#1"]) == {"change#1": "2"}


def test_every_entry_expires_after_all_messages_have(ledger: Ledger, dynamodb: DynamoDBClient) -> None:
    ledger.remember({"m1": PROGRESS})
    ledger.track_order("g1")
    ledger.note_delivered({"change#1": "1"})

    expiries = {item["expires_at"]["N"] for item in dynamodb.scan(TableName="ledger")["Items"]}
    assert expiries == {str(int(NOW) + KEPT_SECONDS)}


def test_what_a_busy_table_leaves_undone_is_done_again(dynamodb: DynamoDBClient) -> None:
    Ledger(BusyTable(dynamodb, 3), "ledger").note_delivered({"change#1": "1"})  # type: ignore[arg-type]  # what is used

    assert Ledger(BusyTable(dynamodb, 3), "ledger").newest(["change#1"]) == {"change#1": "1"}  # type: ignore[arg-type]  # as above


@pytest.mark.parametrize("times", [99])
def test_a_table_that_stays_busy_is_a_delivery_error(dynamodb: DynamoDBClient, times: int) -> None:
    busy = Ledger(BusyTable(dynamodb, times), "ledger")  # type: ignore[arg-type]  # as above

    with pytest.raises(DeliveryError, match="overloaded"):
        busy.note_delivered({"change#1": "1"})
    with pytest.raises(DeliveryError, match="overloaded"):
        busy.newest(["change#1"])


def test_a_table_that_fails_is_a_delivery_error_without_its_text() -> None:
    broken = Ledger(BrokenTable(), "ledger")  # type: ignore[arg-type]  # as above

    for use in (
        lambda: broken.recall(["m1"], []),
        lambda: broken.remember({"m1": PROGRESS}),
        lambda: broken.track_order("g1"),
        lambda: broken.is_dead_lettered("l1"),
        lambda: broken.note_dead_lettered("l1"),
        lambda: broken.note_delivered({"change#1": "1"}),
        lambda: broken.newest(["change#1"]),
    ):
        with pytest.raises(DeliveryError, match=r"^the ledger cannot be used: ClientError$"):
            use()
