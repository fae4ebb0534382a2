import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from mparticle_firehose.delivery.dead_letters import DeadLetters
from mparticle_firehose.delivery.deadline import Deadline
from mparticle_firehose.delivery.interfaces import QueueMappings
from mparticle_firehose.delivery.outcome import Delivered, Outcome, Rejected, Retry, Suspend
from mparticle_firehose.delivery.partner_call import PartnerCall
from mparticle_firehose.delivery.queue_sender import QueueSender
from mparticle_firehose.delivery.record import Record
from mparticle_firehose.delivery.worker import CALL_SECONDS, Worker
from mparticle_firehose.partner.audiences import members_call, membership_changes
from mparticle_firehose.partner.erasures import erasure_call
from mparticle_firehose.partner.events import events_call
from mparticle_firehose.protocol import EventProcessingRequest
from tests.conftest import (
    Clock,
    Json,
    PartnerDouble,
    Queues,
    SuspensionsDouble,
    TelemetryDouble,
    load_event,
    serializer,
)


@dataclass
class Bench:
    """A worker with doubles around it and moto's queues beneath."""

    worker: Worker
    partner: PartnerDouble
    queues: Queues
    suspensions: SuspensionsDouble
    telemetry: TelemetryDouble

    def deliver(self, *records: Record, deadline: Deadline | None = None) -> list[str]:
        return self.worker.deliver(records, deadline or Deadline.after(60))

    def sent(self) -> list[tuple[str, list[str]]]:
        """Return the audience and the users of each call."""
        return [(call.path.split("/")[3], [user(change) for change in changes(call)]) for call in self.partner.calls]


def changes(call: PartnerCall) -> list[Any]:
    assert call.body is not None
    listed = call.body["changes"]
    assert isinstance(listed, list)
    return listed


def user(change: Json) -> str:
    return str(change["user"]["mpid"])


def mappings(**overrides: Any) -> QueueMappings:
    standard: dict[str, Any] = {
        "events": events_call,
        "erasure": erasure_call,
        "membership_changes": membership_changes,
        "members_call": members_call,
        "most_changes": 500,
    }
    return QueueMappings(**{**standard, **overrides})


@pytest.fixture
def bench(queues: Queues) -> Bench:
    return build(queues)


def build(queues: Queues, **overrides: Any) -> Bench:
    partner, suspensions, telemetry = PartnerDouble(), SuspensionsDouble(), TelemetryDouble()
    sender = QueueSender(queues.sqs)
    dead_letters = DeadLetters(sender, membership_url=queues.membership_dlq, event_url=queues.event_dlq)
    worker = Worker(
        serializer=serializer,
        partner=partner,
        mappings=mappings(**overrides),
        dead_letters=dead_letters,
        suspensions=suspensions,
        telemetry=telemetry,
    )
    return Bench(worker, partner, queues, suspensions, telemetry)


def change(mpid: str, audience: str = "a", action: str = "add", **fields: object) -> Json:
    settings = {"partnerAudienceId": audience}
    return {
        "mpid": mpid,
        "audiences": [{"audience_id": 1, "action": action, "audience_subscription_settings": settings, **fields}],
    }


def membership(message_id: str, *profiles: Json, group: str = "4242.0", **overrides: object) -> Record:
    message = load_event("audience_membership_change_request", user_profiles=list(profiles), **overrides)
    return Record(message_id=message_id, body=json.dumps(message), group_id=group)


def event_record(message_id: str, name: str = "event_processing_request", **overrides: object) -> Record:
    return Record(message_id=message_id, body=json.dumps(load_event(name, **overrides)))


def refuse(*mpids: str) -> Callable[[PartnerCall], Outcome]:
    """Refuse every call that holds one of these users, as an API that validates a whole body does."""

    def judge(call: PartnerCall) -> Outcome:
        return Rejected("http_422") if {user(item) for item in changes(call)} & set(mpids) else Delivered()

    return judge


def test_the_changes_of_a_whole_batch_travel_in_one_call_per_audience(bench: Bench) -> None:
    failed = bench.deliver(
        membership("m1", change("1"), change("2"), change("3", "b")),
        membership("m2", change("4"), group="4242.1"),
    )

    assert failed == []
    assert bench.sent() == [("a", ["1", "2", "4"]), ("b", ["3"])]


def test_a_users_changes_come_in_calls_that_follow_each_other(bench: Bench) -> None:
    bench.deliver(membership("m1", change("1", action="add")), membership("m2", change("1", action="delete")))

    assert [[item["action"] for item in changes(call)] for call in bench.partner.calls] == [["add"], ["remove"]]


def test_the_same_batch_again_makes_the_same_calls(bench: Bench) -> None:
    batch = [membership("m1", change("1"), change("2")), membership("m2", change("1", action="delete"))]

    bench.deliver(*batch)
    bench.deliver(*batch)

    keys = [call.idempotency_key(call.encoded_body()) for call in bench.partner.calls]
    assert keys[:2] == keys[2:]
    assert len(set(keys)) == 2


def test_the_same_changes_of_another_request_are_another_call(bench: Bench) -> None:
    bench.deliver(membership("m1", change("1")))
    bench.deliver(membership("m2", change("1"), id="9a4b7a7e-1111-4111-8111-000000000000"))

    first, second = (call.idempotency_key(call.encoded_body()) for call in bench.partner.calls)
    assert first != second


def test_a_failing_message_holds_back_its_own_group_only(bench: Bench) -> None:
    bench.partner.judge = lambda call: Retry("http_503") if "/b/" in call.path else Delivered()

    failed = bench.deliver(
        membership("m1", change("1", "a"), group="g1"),
        membership("m2", change("2", "b"), group="g2"),
        membership("m3", change("3", "c"), group="g2"),
        membership("m4", change("4", "c"), group="g1"),
    )

    assert failed == ["m2", "m3"]
    assert bench.sent() == [("a", ["1"]), ("b", ["2"]), ("c", ["4"])]


def test_a_later_change_of_a_user_is_not_sent_when_the_earlier_one_failed(bench: Bench) -> None:
    bench.partner.outcomes = [Retry("http_500")]

    failed = bench.deliver(membership("m1", change("1")), membership("m2", change("1", action="delete")))

    assert failed == ["m1", "m2"]
    assert len(bench.partner.calls) == 1


def test_one_refused_change_goes_to_the_dead_letter_queue_and_all_others_arrive(bench: Bench) -> None:
    bench.partner.judge = refuse("13")

    failed = bench.deliver(membership("m1", *(change(str(number)) for number in range(10, 20)), new_in_4_0="kept"))

    delivered = {
        user(item) for call in bench.partner.calls if refuse("13")(call) == Delivered() for item in changes(call)
    }
    (dead,) = bench.queues.messages(bench.queues.membership_dlq)
    body = serializer.parse(dead["Body"]).source
    assert failed == []
    assert delivered == {str(number) for number in range(10, 20)} - {"13"}
    assert body["user_profiles"] == [change("13")]
    assert body["new_in_4_0"] == "kept"
    assert dead["MessageAttributes"]["reason"]["StringValue"] == "http_422"
    assert dead["Attributes"]["MessageGroupId"] == "4242.0"


def test_a_change_without_the_partners_audience_is_put_aside_and_the_rest_delivered(bench: Bench) -> None:
    failed = bench.deliver(membership("m1", change("1", audience_subscription_settings={}), change("2")))

    (dead,) = bench.queues.messages(bench.queues.membership_dlq)
    assert failed == []
    assert bench.sent() == [("a", ["2"])]
    assert "partnerAudienceId" in dead["MessageAttributes"]["reason"]["StringValue"]


def test_a_message_that_nobody_can_read_is_put_aside_and_does_not_block_its_group(bench: Bench) -> None:
    unreadable = Record(message_id="m1", body='{"canary-pii', group_id="4242.0")

    failed = bench.deliver(unreadable, membership("m2", change("2")))

    (dead,) = bench.queues.messages(bench.queues.membership_dlq)
    assert failed == []
    assert dead["Body"] == unreadable.body
    assert "canary" not in str(dead["MessageAttributes"])
    assert bench.sent() == [("a", ["2"])]


def test_a_reason_is_written_in_characters_that_sqs_takes(bench: Bench) -> None:
    bench.deliver(membership("m1", change("1"), account={"account_id": 7, "account_settings": {"\u0001ü": {}}}))

    (dead,) = bench.queues.messages(bench.queues.membership_dlq)
    assert dead["MessageAttributes"]["reason"]["StringValue"] == ("account.account_settings.\\x01\\xfc: must be text")


def test_a_message_without_the_customers_key_is_put_aside_with_the_settings_name(bench: Bench) -> None:
    failed = bench.deliver(membership("m1", change("1"), account={"account_id": 7}))

    (dead,) = bench.queues.messages(bench.queues.membership_dlq)
    assert failed == []
    assert dead["MessageAttributes"]["reason"]["StringValue"] == "account setting 'apiKey' is required"
    assert dead["MessageAttributes"]["account_id"]["StringValue"] == "7"


def test_refused_credentials_suspend_the_account_and_nothing_is_lost(bench: Bench) -> None:
    bench.partner.outcomes = [Suspend("http_401")]

    failed = bench.deliver(membership("m1", change("1")))

    assert failed == ["m1"]
    assert bench.suspensions.reasons == {4242: "http_401"}
    assert bench.queues.messages(bench.queues.membership_dlq) == []


def test_events_and_erasures_are_delivered_one_call_each(bench: Bench) -> None:
    failed = bench.deliver(event_record("e1"), event_record("e2", "dsr_processing_request"))

    assert failed == []
    assert [(call.method, call.path) for call in bench.partner.calls] == [
        ("POST", "/v1/events"),
        ("POST", "/v1/erasures"),
    ]


def test_on_the_standard_queue_a_failing_message_holds_back_nobody(bench: Bench) -> None:
    bench.partner.outcomes = [Retry("reset"), Delivered()]

    assert bench.deliver(event_record("e1"), event_record("e2")) == ["e1"]


def test_refused_events_go_to_the_dead_letter_queue_as_they_came(bench: Bench) -> None:
    bench.partner.outcomes = [Rejected("http_413")]
    record = event_record("e1", new_in_4_0="kept")

    failed = bench.deliver(record)

    (dead,) = bench.queues.messages(bench.queues.event_dlq)
    assert failed == []
    assert dead["Body"] == record.body
    assert dead["MessageAttributes"]["reason"]["StringValue"] == "http_413"


@pytest.mark.parametrize("fault", [KeyError("canary-pii"), RuntimeError("canary-secret")], ids=repr)
def test_an_error_in_the_partner_room_costs_its_own_message_an_attempt(queues: Queues, fault: Exception) -> None:
    def broken(request: EventProcessingRequest) -> PartnerCall:
        raise fault

    bench = build(queues, events=broken)

    failed = bench.deliver(event_record("e1"), event_record("e2", "dsr_processing_request"))

    assert failed == ["e1"]
    assert [call.path for call in bench.partner.calls] == ["/v1/erasures"]
    assert "test_worker.py" in str(bench.telemetry.warnings)
    assert "canary" not in str(bench.telemetry.warnings)


def test_an_error_in_a_shared_call_costs_those_who_share_it_an_attempt(bench: Bench) -> None:
    def judge(call: PartnerCall) -> Outcome:
        if "/a/" in call.path:
            raise RuntimeError("canary-pii")
        return Delivered()

    bench.partner.judge = judge

    failed = bench.deliver(membership("m1", change("1")), membership("m2", change("2", "b"), group="g2"))

    assert failed == ["m1"]
    assert "canary" not in str(bench.telemetry.warnings)


def test_what_the_dead_letter_queue_does_not_take_comes_again(queues: Queues) -> None:
    bench = build(queues)
    queues.sqs.delete_queue(QueueUrl=queues.membership_dlq)
    bench.partner.judge = refuse("1")

    failed = bench.deliver(membership("m1", change("1")), membership("m2", change("2"), group="g2"))

    assert failed == ["m1"]


def test_a_call_gets_the_workers_patience_but_no_more_than_the_batch_has_left(bench: Bench) -> None:
    clock = Clock()

    bench.deliver(event_record("e1"), deadline=Deadline.after(60, clock))
    bench.deliver(event_record("e1"), deadline=Deadline.after(3, clock))

    assert [deadline.remaining() for deadline in bench.partner.deadlines] == [CALL_SECONDS, 3]


def test_nothing_personal_or_secret_is_said_about_failures(bench: Bench) -> None:
    bench.partner.judge = lambda call: Rejected("http_400") if "/a/" in call.path else Retry("dns")

    bench.deliver(membership("m1", change("1")), membership("m2", change("2", "b"), group="g2"), event_record("e1"))

    said = str(bench.telemetry.warnings) + str(
        [message["MessageAttributes"] for message in bench.queues.messages(bench.queues.membership_dlq)]
    )
    assert "http_400" in said
    assert "canary" not in said


def test_a_request_that_is_never_queued_is_put_aside(bench: Bench) -> None:
    failed = bench.deliver(event_record("e1", "module_registration_request"))

    (dead,) = bench.queues.messages(bench.queues.event_dlq)
    assert failed == []
    assert dead["MessageAttributes"]["reason"]["StringValue"] == "type: is never queued"
