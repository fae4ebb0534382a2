"""What becomes of the messages of an account with a backlog, from the membership queue to the partner."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from mypy_boto3_dynamodb import DynamoDBClient

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.errors import DeliveryError
from mparticle_firehose.queues.record import History, Record
from mparticle_firehose.queues.sender import QueueSender
from mparticle_firehose.queues.source_queues import SourceQueues
from mparticle_firehose.tables.forwarding import Phase
from mparticle_firehose.tables.progress import Progress
from mparticle_firehose.worker.batch import told_progress
from mparticle_firehose.worker.forwarding import HELD_BACK, BulkForwarding
from tests.conftest import Json
from tests.worker.bench import NOW, SENT_AT_MS, Bench, again, build, change, event_record, in_part, membership, redriven

ACCOUNT = "4242"
TOLD = {"message_type": "audience_membership_change_request", "account_id": ACCOUNT, "request_id": "r"}


@dataclass
class Phases:
    """Says which phase each account has."""

    phases_: Mapping[str, Phase] = field(default_factory=dict)
    is_known: bool = True

    def phases(self, _records: Sequence[Record]) -> Mapping[str, Phase]:
        if not self.is_known:
            raise DeliveryError("the forwarded accounts are not known")
        return self.phases_


@dataclass
class Scene:
    """A worker that forwards, and its queues."""

    bench: Bench
    phases: Phases

    def set(self, phase: Phase | None) -> None:
        self.phases.phases_ = {ACCOUNT: phase} if phase else {}

    def forwarded(self) -> list[Record]:
        """Take what is in the bulk queue, as Lambda hands it over."""
        queues = self.bench.queues
        name = queues.bulk.rpartition("/")[2]
        taken = queues.messages(queues.bulk)
        for message in taken:
            queues.sqs.delete_message(QueueUrl=queues.bulk, ReceiptHandle=message["ReceiptHandle"])
        return [Record.from_event(_lambda_entry(message, name)) for message in taken]


def _lambda_entry(message: Json, queue: str) -> Json:
    assert len(message["MessageAttributes"]) <= 10
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "eventSourceARN": f"arn:aws:sqs:us-east-1:1:{queue}",
        "attributes": {**message["Attributes"], "ApproximateReceiveCount": "1"},
        "messageAttributes": {
            name: {"stringValue": told["StringValue"], "dataType": "String"}
            for name, told in message["MessageAttributes"].items()
        },
    }


@pytest.fixture
def scene(queues: Any, dynamodb: DynamoDBClient) -> Scene:
    bench, phases = build(queues, dynamodb), Phases({ACCOUNT: Phase.OPEN})
    given: Any = phases
    forwarding = BulkForwarding(
        backlogs=given,
        sender=QueueSender(queues.sqs, queues.large_bodies),
        bulk_url=queues.bulk,
        ledger=bench.worker.ledger,
    )
    bench.worker = replace(bench.worker, forwarding=forwarding)
    return Scene(bench, phases)


def queued(number: int, **fields: Any) -> Record:
    record = replace(membership(f"m{number}", change(str(number))), sequence_number=number, correlation=TOLD)
    return replace(record, **fields)


# --- forwarding -----------------------------------------------------------------------------------------------------


def test_messages_of_an_open_account_are_forwarded_as_they_are_and_count_as_done(scene: Scene) -> None:
    records = [queued(number) for number in range(1, 6)]

    assert scene.bench.deliver(*records) == []

    found = scene.forwarded()
    assert [(it.body, it.group_id, it.correlation, it.sent_at_ms) for it in found] == [
        (it.body, it.group_id, TOLD, SENT_AT_MS) for it in records
    ]
    assert [it.queue_position for it in found] == [f"{number}.0.0" for number in range(1, 6)]
    assert (scene.bench.partner.calls, scene.bench.telemetry.notes) == ([], [])
    assert scene.bench.telemetry.counts == {"Forwarded": 5}


def test_what_is_in_the_bulk_queue_is_delivered_in_every_phase(scene: Scene) -> None:
    for number, phase in enumerate([Phase.OPEN, Phase.CLOSING, Phase.OPENING, None], 1):
        scene.set(Phase.OPEN)
        scene.bench.deliver(queued(number))
        scene.set(phase)
        assert scene.bench.deliver(*scene.forwarded()) == []

    assert [users for _, users in scene.bench.sent()] == [["1"], ["2"], ["3"], ["4"]]
    assert scene.bench.telemetry.times["QueueAge"] == [NOW * 1000 - SENT_AT_MS] * 4


@pytest.mark.parametrize("phase", [Phase.OPENING, Phase.CLOSING])
def test_messages_of_an_account_that_is_opening_or_closing_are_held_back(phase: Phase, scene: Scene) -> None:
    scene.set(phase)

    failed = [scene.bench.deliver(queued(1, receive_count=count), queued(2)) for count in (1, 30)]

    assert failed == [["m1", "m2"]] * 2
    assert scene.bench.visibility.waits == {"m1": 35, "m2": 0}
    assert (scene.bench.partner.calls, scene.forwarded(), scene.bench.dead_letters()) == ([], [], [])
    assert {note["reason"] for note in scene.bench.telemetry.notes} == {HELD_BACK}


def test_a_message_that_was_held_back_has_no_attempt(scene: Scene) -> None:
    scene.set(Phase.OPENING)
    scene.bench.deliver(queued(1))
    scene.set(Phase.OPEN)
    scene.bench.deliver(queued(1, receive_count=2))

    (found,) = scene.forwarded()
    assert (found.history.attempts, found.history.receives) == (0, 2)


def test_other_accounts_of_the_batch_are_delivered(scene: Scene) -> None:
    account = {"account_id": 7, "account_settings": {"token": "t"}}
    other = membership("other", change("9"), group="7.0", account=account)

    assert scene.bench.deliver(queued(1), other, queued(2)) == []

    assert [users for _, users in scene.bench.sent()] == [["9"]]
    assert len(scene.forwarded()) == 2


def test_an_account_is_known_by_its_group_and_not_by_what_its_message_says(scene: Scene) -> None:
    record = queued(1, correlation={**TOLD, "account_id": "7"})

    scene.bench.deliver(record)

    assert len(scene.forwarded()) == 1


def test_messages_of_standard_queues_have_no_phase(scene: Scene) -> None:
    scene.phases.is_known = False

    assert scene.bench.deliver(event_record("e1")) == []
    assert len(scene.bench.partner.calls) == 1


def test_while_no_account_is_open_nothing_is_read_or_sent_for_it(scene: Scene) -> None:
    scene.set(None)

    assert scene.bench.deliver(queued(1)) == []
    assert (len(scene.bench.partner.calls), scene.forwarded()) == (1, [])


# --- what fails -----------------------------------------------------------------------------------------------------


def test_if_the_phases_are_not_known_nothing_is_delivered_or_forwarded(scene: Scene) -> None:
    scene.phases.is_known = False

    assert scene.bench.deliver(queued(1), queued(2)) == ["m1", "m2"]
    assert (scene.bench.partner.calls, scene.forwarded()) == ([], [])


class Refusing:
    """SQS that refuses some of the entries it gets."""

    def __init__(self, *bodies: str) -> None:
        self.bodies = bodies
        self.ids: list[str] = []

    def send_message_batch(self, *, QueueUrl: str, Entries: Sequence[Any]) -> Json:  # noqa: N803  boto3's names
        self.ids += [entry["MessageDeduplicationId"] for entry in Entries]
        failed = [entry for entry in Entries if entry["MessageBody"] in self.bodies]
        return {"Failed": [{"Id": each["Id"], "Code": "Any", "SenderFault": False} for each in failed]}


def refusing(scene: Scene, *records: Record) -> Refusing:
    sqs: Any = Refusing(*(record.body for record in records))
    never_used: Any = None
    forwarding = replace(scene.bench.worker.forwarding, sender=QueueSender(sqs, never_used))
    scene.bench.worker = replace(scene.bench.worker, forwarding=forwarding)
    refusing: Refusing = sqs
    return refusing


def test_from_the_first_that_sqs_refuses_all_of_its_group_come_again(scene: Scene) -> None:
    other = queued(9, group_id=f"{ACCOUNT}.1")
    refusing(scene, queued(2))

    failed = scene.bench.deliver(queued(1), queued(2), other, queued(3))

    assert failed == ["m2", "m3"]
    assert scene.bench.visibility.waits == {"m2": 6, "m3": 0}
    assert scene.bench.partner.calls == []
    assert scene.bench.telemetry.counts == {"Forwarded": 2, "ForwardFailed": 2, "Retried": 2}


def test_each_time_a_message_is_another_one_for_sqs(scene: Scene) -> None:
    """A call that SQS knows in part would store the others behind the later ones of their group."""
    sqs = refusing(scene, queued(1))

    for count in (1, 2):
        scene.bench.deliver(queued(1, receive_count=count))

    assert sqs.ids == ["m1.1", "m1.2"]


def test_out_of_time_nothing_is_forwarded(scene: Scene) -> None:
    assert scene.bench.deliver(queued(1), deadline=Deadline.after(0)) == ["m1"]
    assert scene.forwarded() == []


# --- what travels ---------------------------------------------------------------------------------------------------


def test_what_was_delivered_of_a_message_is_not_delivered_again(scene: Scene) -> None:
    scene.set(None)
    record = replace(membership("m1", change("1"), change("2")), sequence_number=1, correlation=TOLD)
    scene.bench.partner.replies = [in_part({0: 503}), 200]
    assert scene.bench.deliver(record) == ["m1"]
    scene.set(Phase.OPEN)
    assert scene.bench.deliver(again(record)) == []

    (found,) = scene.forwarded()
    assert scene.bench.deliver(found) == []

    assert [users for _, users in scene.bench.sent()] == [["1", "2"], ["1"]]
    assert (found.history.attempts, found.history.receives) == (1, 2)


def test_all_that_is_known_of_a_message_travels_save_what_is_asked_again(scene: Scene) -> None:
    known = Progress(
        fingerprint="0f", settled=frozenset({0, 2}), unwritten=frozenset({2}), limits={1: 1}, attempts=3,
        refused={"http_422": frozenset({3})},
    )  # fmt: skip
    scene.bench.worker.ledger.remember({"m1": known}, Deadline.after(5))

    scene.bench.deliver(queued(1, receive_count=4))

    (found,) = scene.forwarded()
    assert told_progress(found) == replace(known, refused={})


def test_what_a_message_says_is_settled_travels_without_the_ledger(scene: Scene, dynamodb: DynamoDBClient) -> None:
    """So is a letter that is redriven, or an event that the handler has delivered in part."""
    dynamodb.delete_table(TableName="ledger")
    history = History(attempts=2, limits="0-1=1", unwritten="AQ==")

    assert scene.bench.deliver(queued(1, settled="0f:BA==", history=history)) == []

    (found,) = scene.forwarded()
    assert told_progress(found) == told_progress(queued(1, settled="0f:BA==", history=history))
    assert found.settled == "0f:BA=="


def test_without_the_ledger_what_it_may_know_is_not_forwarded(scene: Scene, dynamodb: DynamoDBClient) -> None:
    dynamodb.delete_table(TableName="ledger")

    assert scene.bench.deliver(queued(1, receive_count=2), queued(2)) == ["m1", "m2"]
    assert scene.forwarded() == []


def test_a_redriven_message_stays_redriven_and_keeps_its_place(scene: Scene) -> None:
    scene.bench.deliver(replace(redriven(queued(1)), queue_position="7.1.2", first_at="11"))
    scene.bench.deliver(redriven(queued(2)))

    known, unknown = scene.forwarded()
    assert (known.redriven_at, known.first_at, known.queue_position) == ("1760000050000", "11", "7.1.2")
    assert (unknown.redriven_at, unknown.queue_position) == ("1760000050000", "0.0.0")


def test_a_reference_to_a_large_body_travels_as_it_is(scene: Scene, bucket: None) -> None:
    reference = scene.bench.queues.large_bodies.store(queued(1).body)

    scene.bench.deliver(queued(1, body=reference))

    (found,) = scene.forwarded()
    assert found.body == reference
    assert scene.bench.deliver(found) == []
    assert [users for _, users in scene.bench.sent()] == [["1"]]


def test_a_body_that_is_too_large_with_its_history_goes_to_s3(scene: Scene, bucket: None) -> None:
    source = json.loads(queued(1).body)
    body = json.dumps({**source, "padding": "x" * (1_048_576 - 200 - len(json.dumps(source)))})

    assert scene.bench.deliver(queued(1, body=body)) == []

    (found,) = scene.forwarded()
    assert len(found.body) < 1_000
    assert scene.bench.deliver(found) == []
    assert [users for _, users in scene.bench.sent()] == [["1"]]


# --- letters and order ----------------------------------------------------------------------------------------------


def test_a_letter_of_a_forwarded_message_is_one_of_the_membership_queue(scene: Scene) -> None:
    scene.bench.deliver(queued(3))
    scene.bench.partner.judge = lambda _: 422

    assert scene.bench.deliver(*scene.forwarded()) == []

    ((_, why),) = scene.bench.dead_letters()
    assert (why["place"], why["group_id"], why["first_at"]) == ("3.0.0", f"{ACCOUNT}.0", str(SENT_AT_MS))


def test_a_letter_does_not_undo_a_newer_change_that_was_forwarded(scene: Scene) -> None:
    """The newer one has a position in the membership queue, although the bulk queue numbers from its own beginning."""
    scene.set(None)
    older = replace(membership("m1", change("1", action="add"), timestamp_ms=1_000), sequence_number=50)
    newer = replace(membership("m2", change("1", action="delete"), timestamp_ms=1_000), sequence_number=60)
    scene.bench.partner.replies = [422]
    scene.bench.deliver(older)
    ((body, why),) = scene.bench.dead_letters()
    scene.set(Phase.OPEN)
    scene.bench.deliver(newer)
    (found,) = scene.forwarded()
    scene.bench.deliver(replace(found, sequence_number=1))
    calls = len(scene.bench.partner.calls)

    back = redriven(replace(older, message_id="back", body=json.dumps(body), queue_position=why["place"]))
    scene.bench.deliver(back)
    (found,) = scene.forwarded()
    assert scene.bench.deliver(replace(found, sequence_number=2)) == []

    assert len(scene.bench.partner.calls) == calls
    assert scene.bench.telemetry.counts["Superseded"] == 1


def test_messages_of_the_bulk_queue_wait_in_the_bulk_queue(scene: Scene) -> None:
    queues = scene.bench.queues
    source = SourceQueues(
        membership_url=queues.membership, bulk_url=queues.bulk, event_url=queues.event, erasure_url=queues.erasure
    )
    scene.bench.deliver(queued(1))

    (found,) = scene.forwarded()

    assert (source.url_of(found), source.url_of(queued(1))) == (queues.bulk, queues.membership)


def test_what_a_message_has_behind_it_is_read_as_it_was_written() -> None:
    history = History(queued_at_ms=1, hops=2, receives=3, attempts=4, limits="0-3=2", unwritten="AQ==")

    assert History.from_text(history.to_text()) == history
