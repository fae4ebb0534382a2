"""Before an erasure goes to the partner it is noted whom it is about, so that the feed does not bring them back."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from mypy_boto3_dynamodb import DynamoDBClient

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.errors import DeliveryError
from mparticle_firehose.integration import PartnerCall
from mparticle_firehose.queues.record import Record
from mparticle_firehose.tables.erased_people import ErasedPeople
from tests.conftest import Queues, Reply, load_event
from tests.worker.bench import NOW, Bench, again, build, change, event_record, membership

ACCOUNT = 4242
JANE = [("email", "canary-pii-jane@example.com"), ("other_id_2", "canary-pii-other-31")]
STRANGER = [("email", "canary-pii-john@example.com")]
DENIED = ClientError({"Error": {"Code": "AccessDeniedException"}}, "BatchWriteItem")


class Died(BaseException):
    """The environment has ended."""


@dataclass
class Table:
    """The ledger's table, which refuses writes for as long as it is told to, and counts calls."""

    dynamodb: DynamoDBClient
    is_refusing: bool = False
    called: list[str] = field(default_factory=list)

    def __getattr__(self, operation: str) -> Any:
        def call(**arguments: Any) -> Any:
            self.called.append(operation)
            if self.is_refusing:
                raise DENIED
            return getattr(self.dynamodb, operation)(**arguments)

        return call


@dataclass
class Noting:
    """A worker that notes erasures, and what it knows."""

    bench: Bench
    table: Table
    people: ErasedPeople

    def deliver(self, *records: Record, deadline: Deadline | None = None) -> list[str]:
        return self.bench.deliver(*records, deadline=deadline)

    def is_noted(self, identity: tuple[str, str]) -> bool:
        return self.people.among({0: (ACCOUNT, [identity])}, Deadline.after(5)) == {0}


def key() -> bytes:
    return b"k" * 32


def noting(queues: Queues, dynamodb: DynamoDBClient, key: Callable[[], bytes] = key) -> Noting:
    untyped: Any = Table(dynamodb)
    people = ErasedPeople(untyped, "ledger", key, lambda: NOW)
    bench = build(queues, dynamodb)
    bench.worker = replace(bench.worker, erased_people=people)
    return Noting(bench, untyped, people)


@pytest.fixture
def noted(queues: Queues, dynamodb: DynamoDBClient) -> Noting:
    return noting(queues, dynamodb)


def erasure(message_id: str = "x1", **overrides: object) -> Record:
    return event_record(message_id, "dsr_processing_request", **overrides)


@pytest.mark.parametrize("reply", [200, 422, 503], ids=["taken", "refused", "down"])
def test_everybody_whom_an_erasure_names_is_noted_before_the_partner_is_called(reply: int, noted: Noting) -> None:
    seen: list[bool] = []

    def judge(_: PartnerCall) -> Reply:
        seen.extend(noted.is_noted(identity) for identity in JANE)
        return reply

    noted.bench.partner.judge = judge
    noted.deliver(erasure())

    assert seen == [True, True]
    assert not noted.is_noted(STRANGER[0])


def test_an_erasure_that_cannot_be_mapped_is_noted_too(noted: Noting) -> None:
    failed = noted.deliver(erasure(account={"account_id": ACCOUNT, "account_settings": {}}))

    assert (failed, noted.bench.partner.calls, len(noted.bench.dead_letters())) == ([], [], 1)
    assert noted.is_noted(JANE[0])


def test_an_erasure_that_cannot_be_noted_is_delivered_again_and_not_sent(noted: Noting) -> None:
    noted.table.is_refusing = True

    failed = noted.deliver(erasure("x1"), event_record("e1"))

    assert failed == ["x1"]
    assert len(noted.bench.partner.calls) == 1
    assert "erasures" not in noted.bench.partner.calls[0].path
    assert noted.bench.dead_letters() == []

    noted.table.is_refusing = False
    assert noted.deliver(again(erasure("x1"))) == []
    assert (len(noted.bench.partner.calls), noted.is_noted(JANE[0])) == (2, True)


def test_the_same_erasure_is_sent_without_a_note_if_there_is_no_feed(queues: Queues, dynamodb: DynamoDBClient) -> None:
    bench = build(queues, dynamodb)

    assert bench.deliver(erasure()) == []
    assert len(bench.partner.calls) == 1
    assert dynamodb.scan(TableName="ledger")["Items"] == []


def test_an_erasure_waits_for_the_table_however_often_it_comes(queues: Queues, dynamodb: DynamoDBClient) -> None:
    known = noting(queues, dynamodb)
    known.bench.worker = replace(known.bench.worker, max_attempts=2)
    known.table.is_refusing = True
    record = erasure()

    for receive_count in range(1, 8):
        is_back = bool(known.deliver(again(record, receive_count)))
        (record,) = [record] if is_back else known.bench.sender.received()

    assert (known.bench.dead_letters(), known.bench.partner.calls) == ([], [])


def test_without_a_key_an_erasure_waits(queues: Queues, dynamodb: DynamoDBClient) -> None:
    def no_key() -> bytes:
        raise DeliveryError("FEED_ERASURE_KEY_SOURCE: the source answers AccessDeniedException")

    known = noting(queues, dynamodb, no_key)

    assert known.deliver(erasure()) == ["x1"]
    assert known.bench.partner.calls == []
    assert known.bench.telemetry.notes[-1]["reason"] == (
        "FEED_ERASURE_KEY_SOURCE: the source answers AccessDeniedException"
    )


def test_one_that_cannot_be_noted_holds_up_no_other(queues: Queues, dynamodb: DynamoDBClient) -> None:
    keys: Iterator[bytes | None] = iter([None, key(), key()])

    def key_of_the_second() -> bytes:
        if (next_key := next(keys)) is None:
            raise DeliveryError("no key")
        return next_key

    known = noting(queues, dynamodb, key_of_the_second)

    assert known.deliver(erasure("x1"), erasure("x2")) == ["x1"]
    assert len(known.bench.partner.calls) == 1


def test_with_the_time_up_an_erasure_is_delivered_again_and_not_sent(noted: Noting) -> None:
    assert noted.deliver(erasure(), deadline=Deadline.after(0)) == ["x1"]
    assert (noted.bench.partner.calls, noted.table.called) == ([], [])


def test_an_environment_that_ends_after_the_note_leaves_an_erasure_that_is_delivered(
    noted: Noting, dynamodb: DynamoDBClient
) -> None:
    def die(_: PartnerCall) -> Reply:
        raise Died

    noted.bench.partner.judge = die
    with pytest.raises(Died):
        noted.deliver(erasure())
    after_the_end = noted.is_noted(JANE[0])
    noted.bench.partner.judge = None

    assert after_the_end
    assert noted.deliver(again(erasure())) == []
    assert len(noted.bench.partner.calls) == 2
    entries = [item["key"]["S"] for item in dynamodb.scan(TableName="ledger")["Items"]]
    assert len([key for key in entries if key.startswith("erased#")]) == 4


def test_an_environment_that_ends_before_the_note_has_sent_nothing(queues: Queues, dynamodb: DynamoDBClient) -> None:
    def die() -> bytes:
        raise Died

    known = noting(queues, dynamodb, die)
    with pytest.raises(Died):
        known.deliver(erasure())

    assert known.bench.partner.calls == []


def test_an_erasure_that_is_not_due_yet_is_left_alone(noted: Noting) -> None:
    record = erasure()
    due = replace(record.history, due_at_ms=int((NOW + 1_000) * 1000))
    noted.deliver(replace(record, history=due))

    assert (noted.table.called, noted.bench.partner.calls) == ([], [])


def test_what_is_no_erasure_is_untouched(noted: Noting) -> None:
    noted.table.is_refusing = True
    other_kind = load_event("dsr_processing_request")
    other_kind["subject_request_type"] = "access"

    assert noted.deliver(event_record("e1"), membership("m1", change("1"))) == []
    noted.deliver(erasure("x1", **other_kind))

    assert noted.table.called == []


def test_nothing_of_the_person_is_logged(noted: Noting) -> None:
    noted.deliver(erasure())
    noted.table.is_refusing = True
    noted.deliver(erasure())

    assert "canary" not in str([noted.bench.telemetry, noted.bench.visibility])
