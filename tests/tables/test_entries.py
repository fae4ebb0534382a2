"""A batch that DynamoDB does not do at once is repeated with growing waits, a few times and within the deadline."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, ReadTimeoutError

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.errors import DeliveryError
from mparticle_firehose.tables.entries import MAX_TRIES, REPEATING, Entries
from tests.conftest import Clock

OVERLOADED = "the ledger is overloaded"
THROTTLED = ClientError({"Error": {"Code": "ThrottlingException"}}, "Any")
FAILED = ClientError({"ResponseMetadata": {"HTTPStatusCode": 503}}, "Any")  # type: ignore[typeddict-item]
REFUSED = ClientError({"Error": {"Code": "ValidationException"}}, "Any")
DENIED = ClientError({"Error": {"Code": "AccessDeniedException"}}, "Any")
NO_ANSWER = ReadTimeoutError(endpoint_url="")


class Table:
    """Does what it is told to with each call: all of it, nothing of it, one entry of it, or it fails."""

    def __init__(self, *turns: str | Exception) -> None:
        self.turns = list(turns)
        self.stored: dict[str, Any] = {}
        self.sizes: list[int] = []

    def batch_get_item(self, *, RequestItems: Any) -> Any:  # noqa: N803  boto3's names
        ((name, request),) = RequestItems.items()
        done, left = self._turn(request["Keys"])
        found = [self.stored[key["key"]["S"]] for key in done if key["key"]["S"] in self.stored]
        return {"Responses": {name: found}, "UnprocessedKeys": {name: {"Keys": left}} if left else {}}

    def batch_write_item(self, *, RequestItems: Any) -> Any:  # noqa: N803  as above
        ((name, requests),) = RequestItems.items()
        done, left = self._turn(requests)
        self.stored |= {each["PutRequest"]["Item"]["key"]["S"]: each["PutRequest"]["Item"] for each in done}
        return {"UnprocessedItems": {name: left} if left else {}}

    def _turn(self, work: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
        self.sizes.append(len(work))
        turn = self.turns.pop(0) if self.turns else "all"
        if isinstance(turn, Exception):
            raise turn
        done = {"all": len(work), "nothing": 0, "one": 1}[turn]
        return work[:done], work[done:]


class Waiting:
    """Entries whose waits are the longest that may be, on a clock of their own."""

    def __init__(self, table: Table) -> None:
        dynamodb: Any = table
        self.clock, self.waits = Clock(), list[float]()
        repeating = replace(REPEATING, sleep=self._sleep, jitter=lambda most: most)
        self.entries = Entries(dynamodb, "ledger", repeating)

    def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.clock.now += seconds

    def deadline(self, seconds: float = 60) -> Deadline:
        return Deadline.after(seconds, self.clock)


def entries(count: int) -> list[Any]:
    return [{"key": {"S": str(number)}} for number in range(count)]


@pytest.mark.parametrize("turns", [["one", "nothing"], [THROTTLED, FAILED], [NO_ANSWER, "one"]], ids=repr)
def test_what_is_left_undone_is_done_again_after_waits_that_grow(turns: list[str | Exception]) -> None:
    waiting = Waiting(table := Table(*turns))

    missing = waiting.entries.write(entries(3), waiting.deadline())

    assert missing == {}
    assert set(table.stored) == {"0", "1", "2"}
    assert waiting.waits == [0.1, 0.2]


def test_reads_are_repeated_in_the_same_way() -> None:
    table = Table()
    table.stored = {str(number): {"key": {"S": str(number)}} for number in range(3)}
    table.turns = ["one", THROTTLED, "all"]
    waiting = Waiting(table)

    found = waiting.entries.read(["0", "1", "2", "other", "0"], waiting.deadline())

    assert set(found) == {"0", "1", "2"}
    assert table.sizes == [4, 3, 3]
    assert waiting.waits == [0.1, 0.2]


@pytest.mark.parametrize(
    ("turn", "reason"),
    [
        ("nothing", OVERLOADED),
        (THROTTLED, "the ledger cannot be used: ClientError"),
        (NO_ANSWER, "the ledger cannot be used: ReadTimeoutError"),
    ],
    ids=["undone", "throttled", "no-answer"],
)
def test_a_table_that_stays_busy_is_given_up_after_a_few_tries(turn: str | Exception, reason: str) -> None:
    waiting = Waiting(table := Table(*[turn] * 99))

    missing = waiting.entries.write(entries(2), waiting.deadline())

    assert missing == {"0": reason, "1": reason}
    assert table.sizes == [2] * MAX_TRIES
    assert waiting.waits == [0.1, 0.2, 0.4, 0.8]


@pytest.mark.parametrize("fault", [DENIED, NoCredentialsError()], ids=["denied", "no-credentials"])
def test_what_no_repetition_mends_is_not_repeated(fault: ClientError | BotoCoreError) -> None:
    waiting = Waiting(table := Table(fault))

    missing = waiting.entries.write(entries(1), waiting.deadline())

    assert missing == {"0": f"the ledger cannot be used: {type(fault).__name__}"}
    assert (table.sizes, waiting.waits) == ([1], [])


def test_a_batch_that_fails_costs_its_own_entries_only() -> None:
    waiting = Waiting(table := Table("all", DENIED))

    missing = waiting.entries.write(entries(60), waiting.deadline())

    assert set(missing) == {str(number) for number in range(25, 50)}
    assert table.sizes == [25, 25, 10]


class StrictTable(Table):
    """Refuses every batch with an entry that is too large."""

    def batch_write_item(self, *, RequestItems: Any) -> Any:  # noqa: N803  boto3's name
        ((_, requests),) = RequestItems.items()
        if any("large" in request["PutRequest"]["Item"] for request in requests):
            self.sizes.append(len(requests))
            raise REFUSED
        return super().batch_write_item(RequestItems=RequestItems)


def test_an_entry_that_dynamodb_refuses_costs_itself_alone() -> None:
    waiting = Waiting(table := StrictTable())
    some = entries(30)
    some[7]["large"] = {"S": "x"}

    missing = waiting.entries.write(some, waiting.deadline())

    assert missing == {"7": "the ledger refuses an entry"}
    assert set(table.stored) == {str(number) for number in range(30)} - {"7"}
    assert (table.sizes, waiting.waits) == ([25, *[1] * 25, 5], [])


def test_after_a_batch_that_stays_undone_the_others_are_tried_once() -> None:
    waiting = Waiting(table := Table(*["nothing"] * 99))

    missing = waiting.entries.write(entries(75), waiting.deadline())

    assert len(missing) == 75
    assert table.sizes == [25] * (MAX_TRIES + 2)


def written(entries: Entries, deadline: Deadline) -> object:
    return entries.write([{"key": {"S": "0"}}], deadline)


def read(entries: Entries, deadline: Deadline) -> object:
    try:
        return entries.read(["0"], deadline)
    except DeliveryError as error:
        return {"0": str(error)}


@pytest.mark.parametrize("act", [read, written], ids=["read", "write"])
def test_with_the_time_up_nothing_is_begun(act: Callable[[Entries, Deadline], object]) -> None:
    waiting = Waiting(table := Table())

    assert act(waiting.entries, waiting.deadline(0)) == {"0": "out_of_time"}
    assert table.sizes == []


@pytest.mark.parametrize("act", [read, written], ids=["read", "write"])
def test_no_wait_is_longer_than_the_time_that_is_left(act: Callable[[Entries, Deadline], object]) -> None:
    waiting = Waiting(table := Table(*["nothing"] * 99))

    assert act(waiting.entries, waiting.deadline(0.25)) == {"0": OVERLOADED}
    assert (len(table.sizes), waiting.waits) == (2, [0.1])
