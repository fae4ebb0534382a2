"""From the worker to a dead-letter queue and back: a redriven letter asks for its own items only."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from mypy_boto3_dynamodb import DynamoDBClient

from mparticle_firehose.integration import Answer, Integration, PartnerCall
from mparticle_firehose.queues.record import Record
from ops.commands import redrive
from ops.dead_letters import QueueName, Selection
from tests.conftest import Json, Reply, load_event
from tests.delivery import laboratory
from tests.ops.environment import Environment
from tests.sample.partner.integration import INTEGRATION as SAMPLE
from tests.worker import bench

QUEUES: tuple[QueueName, ...] = ("membership", "event")
GROUPS = {"membership": "1.0", "event": None, "erasure": None}


@dataclass
class Worker:
    """A worker, and the queues that it is handed messages of."""

    env: Environment
    bench: bench.Bench

    def deliver(self, body: Json, queue: QueueName) -> None:
        """Deliver a message for the first time."""
        record = Record(
            message_id="m", body=json.dumps(body), group_id=GROUPS[queue], sequence_number=1,
            sent_at_ms=bench.SENT_AT_MS,
        )  # fmt: skip
        assert self.bench.deliver(record) == []

    def deliver_redriven(self, queue: QueueName) -> list[Record]:
        """Send all letters back and deliver them."""
        self.bench.partner.calls.clear()
        assert redrive(self.env.context(), Selection(queue=queue)) == 0
        url = self.env.source_url(queue)
        records = [_record(message) for message in self.env.taken(url)]
        assert self.bench.deliver(*records) == []
        for record in records:  # as Lambda does with what was delivered
            self.env.queues.sqs.delete_message(QueueUrl=url, ReceiptHandle=record.receipt_handle)
        return records

    def answers(self, judge: Callable[[PartnerCall], Reply] | None) -> None:
        self.bench.partner.judge = judge


@pytest.fixture
def build(env: Environment, dynamodb: DynamoDBClient) -> Callable[[Integration], Worker]:
    return lambda integration: Worker(env, bench.build(env.queues, dynamodb, integration=integration))


def _record(message: Any) -> Record:
    """Return what Lambda hands to the worker for a message."""
    told = {name: {"stringValue": entry["StringValue"]} for name, entry in message["MessageAttributes"].items()}
    return Record.from_event(
        {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message["Attributes"],
            "messageAttributes": told,
        }
    )


def refuse(*refused: str) -> Callable[[PartnerCall], Reply]:
    """Refuse these items of any call."""

    def judge(call: PartnerCall) -> Reply:
        places = [place for place, uid in enumerate(laboratory.uids(call)) if uid in refused]
        return Answer(status=207, body={"failures": dict.fromkeys(places, 422)})

    return judge


def events(*words: str) -> Json:
    """Return an event request; each word of an event is an item of it."""
    listed = [{"type": "custom_event", "attributes": {laboratory.WORDS: text}} for text in words]
    account = {"account_id": 1, "account_settings": {"token": laboratory.TOKEN}}
    return load_event(
        "event_processing_request", account=account, events=listed, system_notifications=[],
        user_attributes={"name": "value"}, user_attribute_lists={},
    )  # fmt: skip


@pytest.mark.parametrize("queue", QUEUES)
def test_a_letter_asks_for_its_own_items_and_neither_for_their_sisters_nor_for_the_users_state(
    build: Callable[[Integration], Worker], queue: QueueName
) -> None:
    worker = build(laboratory.INTEGRATION)
    worker.answers(refuse("b", "f"))
    worker.deliver(events("bulk:a bulk:b bulk:c", "bulk:d", "bulk:e bulk:f"), queue)
    assert sorted(uid for call in worker.bench.partner.calls for uid in laboratory.uids(call)) == [*"abcdef", "state"]
    worker.answers(None)

    (record,) = worker.deliver_redriven(queue)

    assert record.settled
    assert [laboratory.uids(call) for call in worker.bench.partner.calls] == [["b", "f"]]
    assert worker.env.visible(queue) == set()


@pytest.mark.parametrize("queue", QUEUES)
def test_without_what_is_settled_the_same_letter_asks_for_the_sisters_too(
    build: Callable[[Integration], Worker], queue: QueueName
) -> None:
    worker = build(laboratory.INTEGRATION)
    worker.answers(refuse("b"))
    worker.deliver(events("bulk:a bulk:b"), queue)
    [(body, why)] = worker.bench.dead_letters()
    worker.answers(None)
    worker.env.put(queue, body, place=why.get("place"))

    worker.deliver_redriven(queue)

    assert sorted(uid for call in worker.bench.partner.calls for uid in laboratory.uids(call)) == ["a", "b", "state"]


@pytest.mark.parametrize("queue", QUEUES)
def test_a_letter_that_is_refused_in_part_again_becomes_a_letter_of_that_part(
    build: Callable[[Integration], Worker], queue: QueueName
) -> None:
    worker = build(laboratory.INTEGRATION)
    worker.answers(refuse("b", "c"))
    worker.deliver(events("bulk:a bulk:b bulk:c bulk:d"), queue)
    worker.answers(refuse("c"))
    worker.deliver_redriven(queue)
    assert [laboratory.uids(call) for call in worker.bench.partner.calls] == [["b", "c"]]
    worker.answers(None)
    worker.env.now += 1

    worker.deliver_redriven(queue)

    assert [laboratory.uids(call) for call in worker.bench.partner.calls] == [["c"]]


def test_of_a_membership_request_only_the_change_that_was_refused_is_asked_again(
    build: Callable[[Integration], Worker],
) -> None:
    worker = build(SAMPLE)
    profiles = [bench.change(mpid) for mpid in ("1", "2", "3")]
    worker.answers(lambda call: bench.in_part({1: 422}) if len(bench.changes(call)) > 1 else 200)
    worker.deliver(load_event("audience_membership_change_request", user_profiles=profiles), "membership")
    assert worker.bench.sent() == [("a", ["1", "2", "3"])]

    (record,) = worker.deliver_redriven("membership")

    assert [len(profile) for profile in json.loads(record.body)["user_profiles"]] == [0, 2]
    assert worker.bench.sent() == [("a", ["2"])]
