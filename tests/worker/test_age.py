"""A message that is ten days old becomes a letter whatever it would come again for: SQS deletes it after fourteen."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from mypy_boto3_dynamodb import DynamoDBClient

from mparticle_firehose.errors import DeliveryError
from mparticle_firehose.queues.large_bodies import LargeBody
from mparticle_firehose.queues.record import History, Record
from mparticle_firehose.queues.time_limits import MAX_AGE_SECONDS
from tests.worker.aws_calls import AwsCalls
from tests.worker.bench import NOW, Bench, change, event_record, membership

DENIED = "the bucket cannot be used: ClientError"
OLD = int((NOW - MAX_AGE_SECONDS - 1) * 1000)
YOUNG = int((NOW - MAX_AGE_SECONDS + 1) * 1000)


class DeniedBucket:
    """Returns no body."""

    def open(self, _reference: str) -> LargeBody:
        raise DeliveryError(DENIED)


def unreadable(bench: Bench, record: Record) -> Record:
    """Have the record's body in a bucket that the worker may not read."""
    bucket: Any = DeniedBucket()
    record = replace(record, body=bench.queues.large_bodies.store(record.body))
    bench.worker = replace(bench.worker, large_bodies=bucket)
    return record


def open_circuit(bench: Bench, record: Record) -> Record:
    bench.breaker.down.add("")
    return record


def not_due(_bench: Bench, record: Record) -> Record:
    return replace(record, history=History(due_at_ms=int((NOW + 2_000) * 1000)))


WAYS = {"denied": unreadable, "circuit": open_circuit, "not-due": not_due}
REASONS = {"denied": DENIED, "circuit": "circuit_open", "not-due": "not_due"}


@pytest.mark.parametrize("sent_at_ms", [YOUNG, OLD], ids=["young", "old"])
@pytest.mark.parametrize("record", [event_record("m1"), membership("m1", change("1"))], ids=["standard", "fifo"])
@pytest.mark.parametrize("way", WAYS)
def test_what_is_too_old_is_a_letter_with_the_reason_of_its_last_failure(
    way: str, record: Record, sent_at_ms: int, bench: Bench, bucket: object
) -> None:
    make: Callable[[Bench, Record], Record] = WAYS[way]

    failed = bench.deliver(make(bench, replace(record, sent_at_ms=sent_at_ms)))

    letters = bench.dead_letters()
    if sent_at_ms == YOUNG:
        assert letters == []
        return
    assert (failed, bench.sender.sent) == ([], [])
    assert [(why["reason"], why["first_at"]) for _, why in letters] == [(REASONS[way], str(OLD))]


def test_a_letter_that_cannot_be_stored_makes_the_old_message_come_again(
    bench: Bench, bucket: object, dynamodb: DynamoDBClient
) -> None:
    record = unreadable(bench, replace(event_record("m1"), sent_at_ms=OLD))
    calls = AwsCalls(bench.queues.sqs, dynamodb)

    with calls.failing(lambda name, _: name == "SendMessageBatch"):
        failed = bench.deliver(record)

    assert failed == ["m1"]
    assert bench.deliver(replace(record, receive_count=2)) == []
    assert len(bench.dead_letters()) == 1


def test_without_the_ledger_an_old_message_is_a_letter_and_a_young_one_comes_again(
    bench: Bench, dynamodb: DynamoDBClient
) -> None:
    old = replace(event_record("old"), receive_count=3, sent_at_ms=OLD)
    young = replace(event_record("young"), receive_count=3)

    with AwsCalls(dynamodb).failing(lambda name, _: name == "BatchGetItem"):
        failed = bench.deliver(old, young)

    assert failed == ["young"]
    assert [why["reason"] for _, why in bench.dead_letters()] == ["the ledger cannot be used: ClientError"]


def test_an_old_message_that_fails_for_the_last_time_is_one_letter(bench: Bench) -> None:
    bench.partner.judge = lambda _: 503

    assert bench.deliver(replace(event_record("m1"), sent_at_ms=OLD)) == []

    assert [why["reason"] for _, why in bench.dead_letters()] == ["http_503"]
