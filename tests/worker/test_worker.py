import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from mypy_boto3_dynamodb import DynamoDBClient

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.integration import (
    Delivered,
    Integration,
    NetworkFault,
    Outcome,
    PartnerCall,
    Rejected,
    Retry,
    Suspend,
)
from mparticle_firehose.partner_api.client import PartnerClient
from mparticle_firehose.protocol import AudienceMembershipChangeRequest, EventProcessingRequest
from mparticle_firehose.queues.dead_letters import DeadLetters
from mparticle_firehose.queues.membership_queue import membership_messages
from mparticle_firehose.queues.record import Record
from mparticle_firehose.queues.sender import MAX_MESSAGE_BYTES, ROOM_FOR_EXPLANATION, QueueSender
from mparticle_firehose.tables.ledger import Ledger
from mparticle_firehose.worker.backoff import Backoff
from mparticle_firehose.worker.batch import CALL_SECONDS
from mparticle_firehose.worker.worker import Worker
from tests.conftest import (
    TRANSIENT,
    Clock,
    Json,
    PartnerDouble,
    Queues,
    StoreDouble,
    SuspensionsDouble,
    TelemetryDouble,
    judged,
    load_event,
    parsed,
    serializer,
)
from tests.sample.partner.integration import INTEGRATION
from tests.sample.server import SamplePartner

NOW = 1_760_000_100.0
SENT_AT_MS = 1_760_000_000_000


@dataclass
class VisibilityDouble:
    """Keeps what was scheduled."""

    waits: dict[str, int] = field(default_factory=dict)

    def set(self, waits: Mapping[Record, int]) -> None:
        self.waits = {record.message_id: seconds for record, seconds in waits.items()}


@dataclass
class Bench:
    """A worker with doubles around it and moto's queues and tables beneath."""

    worker: Worker
    partner: PartnerDouble
    queues: Queues
    events: StoreDouble
    suspensions: SuspensionsDouble
    visibility: VisibilityDouble
    telemetry: TelemetryDouble

    def deliver(self, *records: Record, deadline: Deadline | None = None) -> list[str]:
        return self.worker.deliver(records, deadline or Deadline.after(60))

    def sent(self) -> list[tuple[str, list[str]]]:
        """Return the audience and the users of each call."""
        return [(call.path.split("/")[2], [user(change) for change in changes(call)]) for call in self.partner.calls]

    def dead_letters(self) -> list[tuple[Json, dict[str, str]]]:
        """Take the body and the attributes of every dead letter."""
        messages = [m for url in (self.queues.membership_dlq, self.queues.event_dlq) for m in self.queues.messages(url)]
        return [
            (json.loads(m["Body"]), {name: entry["StringValue"] for name, entry in m["MessageAttributes"].items()})
            for m in messages
        ]


def changes(call: PartnerCall) -> list[Any]:
    assert call.body is not None
    listed = call.body["changes"]
    assert isinstance(listed, list)
    return listed


def user(change: Json) -> str:
    return str(change["user"]["mpid"])


def integration(**overrides: Any) -> Integration:
    """Return the integration with some of its functions, or its audiences' functions, replaced."""
    audiences = {name: overrides.pop(name) for name in list(overrides) if hasattr(INTEGRATION.audiences, name)}
    assert INTEGRATION.audiences
    return replace(INTEGRATION, audiences=replace(INTEGRATION.audiences, **audiences), **overrides)


@pytest.fixture
def bench(queues: Queues, dynamodb: DynamoDBClient) -> Bench:
    return build(queues, dynamodb)


def build(queues: Queues, dynamodb: DynamoDBClient, *, max_attempts: int = 100, **overrides: Any) -> Bench:
    partner, suspensions, telemetry = PartnerDouble(), SuspensionsDouble(), TelemetryDouble()
    events, visibility = StoreDouble(), VisibilityDouble()
    dead_letters = DeadLetters(
        QueueSender(queues.sqs), membership_url=queues.membership_dlq, event_url=queues.event_dlq, clock=lambda: NOW
    )
    worker = Worker(
        serializer=serializer,
        partner=partner,
        integration=integration(**overrides),
        events=events,
        dead_letters=dead_letters,
        suspensions=suspensions,
        ledger=Ledger(dynamodb, "ledger", lambda: NOW),
        visibility=visibility,  # type: ignore[arg-type]  # the one method that is used
        backoff=Backoff(base=2, cap=900, jitter=lambda most: most),
        max_attempts=max_attempts,
        telemetry=telemetry,
        clock=lambda: NOW,
    )
    return Bench(worker, partner, queues, events, suspensions, visibility, telemetry)


def change(mpid: str, audience: str = "a", action: str = "add", **fields: object) -> Json:
    settings = {"segmentId": audience}
    return {
        "mpid": mpid,
        "audiences": [{"audience_id": 1, "action": action, "audience_subscription_settings": settings, **fields}],
    }


def attribute(key: str, value: str) -> Json:
    return {"key": key, "value": value, "action": "upsert"}


def membership(message_id: str, *profiles: Json, group: str = "4242.0", **overrides: object) -> Record:
    message = load_event("audience_membership_change_request", user_profiles=list(profiles), **overrides)
    return Record(message_id=message_id, body=json.dumps(message), group_id=group, sent_at_ms=SENT_AT_MS)


def event_record(message_id: str, name: str = "event_processing_request", **overrides: object) -> Record:
    return Record(message_id=message_id, body=json.dumps(load_event(name, **overrides)), sent_at_ms=SENT_AT_MS)


def redriven(record: Record) -> Record:
    return replace(record, redriven_at="1760000050000")


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


def test_a_change_is_no_mere_repetition_when_what_it_undoes_is_done_again(bench: Bench) -> None:
    """The user left in a call of its own; joining again, in other company, must be followed by leaving again."""
    join, leave = membership("m1", change("1", "seg-1-1")), membership("m2", change("1", "seg-1-1", "delete"))
    other = membership("m3", change("2", "seg-1-1"), group="g2")
    with SamplePartner() as fake:
        bench.partner.judge = lambda call: PartnerClient(fake.url).send(call, Deadline.after(5))

        bench.deliver(join, leave, other)
        bench.deliver(replace(join, receive_count=2), replace(leave, receive_count=2))

        assert fake.memberships["seg-1-1"].keys() == {"2"}


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
    ((body, why),) = bench.dead_letters()
    assert failed == []
    assert delivered == {str(number) for number in range(10, 20)} - {"13"}
    assert body["user_profiles"] == [change("13")]
    assert body["new_in_4_0"] == "kept"
    assert why == {
        "account_id": "4242",
        "request_id": load_event("audience_membership_change_request")["id"],
        "place": "0.3.0",
        "reason": "http_422",
        "status": "422",
        "attempts": "1",
        "first_at": str(SENT_AT_MS),
        "last_at": "1760000100000",
        "group_id": "4242.0",
    }


def test_a_change_without_the_partners_audience_is_dead_lettered_and_the_rest_delivered(bench: Bench) -> None:
    failed = bench.deliver(membership("m1", change("1", audience_subscription_settings={}), change("2")))

    ((_, why),) = bench.dead_letters()
    assert failed == []
    assert bench.sent() == [("a", ["2"])]
    assert "segmentId" in why["reason"]


def test_a_message_that_nobody_can_read_is_dead_lettered_and_does_not_block_its_group(bench: Bench) -> None:
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


def test_a_message_without_the_customers_key_is_dead_lettered_with_the_settings_name(bench: Bench) -> None:
    failed = bench.deliver(membership("m1", change("1"), account={"account_id": 7}))

    ((_, why),) = bench.dead_letters()
    assert failed == []
    assert (why["reason"], why["account_id"]) == ("account setting 'token' is required", "7")


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
        ("POST", "/track"),
        ("POST", "/forget"),
    ]


def test_on_the_standard_queue_a_failing_message_holds_back_nobody(bench: Bench) -> None:
    bench.partner.outcomes = [Retry("reset"), Delivered()]

    assert bench.deliver(event_record("e1"), event_record("e2")) == ["e1"]


def test_refused_events_go_to_the_dead_letter_queue_as_they_came(bench: Bench) -> None:
    bench.partner.outcomes = [Rejected("http_413")]
    record = event_record("e1", new_in_4_0="kept")

    failed = bench.deliver(record)

    ((body, why),) = bench.dead_letters()
    assert failed == []
    assert body == json.loads(record.body)
    assert why["reason"] == "http_413"


@pytest.mark.parametrize("fault", [KeyError("canary-pii"), RuntimeError("canary-secret")], ids=repr)
def test_an_error_in_the_partner_room_costs_its_own_message_an_attempt(
    queues: Queues, dynamodb: DynamoDBClient, fault: Exception
) -> None:
    def broken(request: EventProcessingRequest) -> PartnerCall:
        raise fault

    bench = build(queues, dynamodb, events=broken)

    failed = bench.deliver(event_record("e1"), event_record("e2", "dsr_processing_request"))

    assert failed == ["e1"]
    assert [call.path for call in bench.partner.calls] == ["/forget"]
    assert "test_worker.py" in str(bench.telemetry.notes)
    assert "canary" not in str(bench.telemetry.notes)


def test_an_error_in_a_shared_call_costs_those_who_share_it_an_attempt(bench: Bench) -> None:
    def judge(call: PartnerCall) -> Outcome:
        if "/a/" in call.path:
            raise RuntimeError("canary-pii")
        return Delivered()

    bench.partner.judge = judge

    failed = bench.deliver(membership("m1", change("1")), membership("m2", change("2", "b"), group="g2"))

    assert failed == ["m1"]
    assert "canary" not in str(bench.telemetry.notes)


def test_what_the_dead_letter_queue_does_not_take_comes_again(bench: Bench) -> None:
    queues = bench.queues
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

    said = str(bench.telemetry.notes) + str([why for _, why in bench.dead_letters()])
    assert "http_400" in said
    assert "canary" not in said


def test_a_request_that_is_never_queued_is_dead_lettered(bench: Bench) -> None:
    failed = bench.deliver(event_record("e1", "module_registration_request"))

    ((_, why),) = bench.dead_letters()
    assert failed == []
    assert why["reason"] == "type: is never queued"


class TestComingAgain:
    def test_a_failed_message_waits_longer_with_each_time_and_its_group_with_it(self, bench: Bench) -> None:
        bench.partner.judge = lambda call: Retry("http_500") if "/a/" in call.path else Delivered()
        failing = replace(membership("m1", change("1"), group="g1"), receive_count=4)

        bench.deliver(
            failing, membership("m2", change("2", "b"), group="g1"), membership("m3", change("3", "b"), group="g2")
        )

        assert bench.visibility.waits == {"m1": 16, "m2": 16}

    def test_the_partners_retry_after_is_honoured(self, bench: Bench) -> None:
        bench.partner.outcomes = [Retry("http_429", 7.0)]

        bench.deliver(membership("m1", change("1")))

        assert bench.visibility.waits == {"m1": 7}

    def test_without_time_for_a_call_nothing_is_tried_and_all_comes_again_at_once(self, bench: Bench) -> None:
        failed = bench.deliver(membership("m1", change("1")), event_record("e1"), deadline=Deadline.after(0.5))

        assert failed == ["m1", "e1"]
        assert bench.partner.calls == []
        assert bench.visibility.waits == {"m1": 0, "e1": 0}

    def test_a_message_that_failed_too_often_is_dead_lettered_and_its_followers_are_not(
        self, queues: Queues, dynamodb: DynamoDBClient
    ) -> None:
        bench = build(queues, dynamodb, max_attempts=3)
        bench.partner.judge = lambda call: Retry("http_503") if "/a/" in call.path else Delivered()
        head, follower = membership("m1", change("1")), membership("m2", change("2", "b"))

        failed = [bench.deliver(head, follower) for _ in range(3)]

        ((_, why),) = bench.dead_letters()
        assert failed == [["m1", "m2"], ["m1", "m2"], ["m2"]]
        assert (why["reason"], why["attempts"], why["status"]) == ("http_503", "3", "503")
        assert bench.visibility.waits == {"m2": 0}
        assert bench.deliver(follower) == []

    def test_standing_behind_a_failing_message_is_no_attempt(self, queues: Queues, dynamodb: DynamoDBClient) -> None:
        bench = build(queues, dynamodb, max_attempts=3)
        head, follower = membership("m1", change("1")), membership("m2", change("1", action="delete"))
        bench.partner.judge = lambda _: Retry("reset")
        for _ in range(2):
            bench.deliver(head, follower)

        failed = bench.deliver(replace(follower, receive_count=900))

        assert failed == ["m2"]
        assert bench.dead_letters() == []

    def test_a_change_waits_for_new_credentials_without_using_up_its_attempts(
        self, queues: Queues, dynamodb: DynamoDBClient
    ) -> None:
        bench = build(queues, dynamodb, max_attempts=2)
        bench.partner.judge = lambda _: Suspend("http_401")

        failed = [bench.deliver(membership("m1", change("1"))) for _ in range(5)]

        assert failed == [["m1"]] * 5
        assert bench.visibility.waits == {"m1": 900}
        assert bench.dead_letters() == []

    def test_nothing_waits_until_sqs_drops_it(self, bench: Bench) -> None:
        bench.partner.judge = lambda _: Suspend("http_401")
        old = replace(membership("m1", change("1")), sent_at_ms=int(NOW * 1000) - 11 * 86_400_000)

        failed = bench.deliver(old)

        ((_, why),) = bench.dead_letters()
        assert failed == []
        assert why["reason"] == "http_401"

    @pytest.mark.parametrize("cause", TRANSIENT, ids=str)
    def test_nothing_transient_ever_suspends(self, bench: Bench, cause: int | NetworkFault) -> None:
        outcome = judged(cause)
        bench.partner.judge = lambda _: outcome

        failed = bench.deliver(membership("m1", change("1")), event_record("e1"))

        assert failed == ["m1", "e1"]
        assert bench.suspensions.reasons == {}

    def test_a_success_lifts_the_suspension(self, bench: Bench) -> None:
        bench.suspensions.reasons[4242] = "http_401"

        bench.deliver(membership("m1", change("1")))

        assert bench.suspensions.reasons == {}

    def test_without_its_ledger_the_fifo_queue_waits_and_nothing_is_tried(
        self, bench: Bench, dynamodb: DynamoDBClient
    ) -> None:
        dynamodb.delete_table(TableName="ledger")

        failed = bench.deliver(membership("m1", change("1")), membership("m2", change("2"), group="g2"))

        assert failed == ["m1", "m2"]
        assert bench.partner.calls == []
        assert bench.visibility.waits == {"m1": 2, "m2": 2}

    def test_what_was_put_aside_is_not_put_aside_again_when_its_message_comes_again(self, bench: Bench) -> None:
        bench.partner.judge = lambda call: Rejected("http_422") if "/a/" in call.path else Retry("http_500")
        record = membership("m1", change("1", "a"), change("2", "b"))

        failed = [bench.deliver(record) for _ in range(3)]

        assert failed == [["m1"]] * 3
        assert len(bench.dead_letters()) == 1
        assert bench.telemetry.counts["DeadLettered"] == 1


class TestTelling:
    def test_what_became_of_a_message_can_be_found_by_mparticles_request_id(self, bench: Bench) -> None:
        record = membership("m1", change("1"), change("2"))

        bench.deliver(record)

        assert bench.telemetry.notes == [
            {
                "event": "delivered",
                "message_type": "audience_membership_change_request",
                "account_id": "4242",
                "request_id": json.loads(record.body)["id"],
                "message_id": "m1",
                "receive_count": 1,
                "changes": 2,
            }
        ]

    def test_a_message_that_stands_behind_another_says_so(self, bench: Bench) -> None:
        bench.partner.outcomes = [Retry("http_500")]

        bench.deliver(membership("m1", change("1")), membership("m2", change("1", action="delete")))

        assert [(note["event"], note["message_id"], note["reason"]) for note in bench.telemetry.notes] == [
            ("retried later", "m1", "http_500"),
            ("retried later", "m2", "behind_another"),
        ]

    def test_the_age_at_delivery_and_the_outcomes_are_counted(self, bench: Bench) -> None:
        bench.partner.judge = refuse("2")

        bench.deliver(membership("m1", change("1"), change("2")))

        assert bench.telemetry.times["QueueAge"] == [100_000]
        assert bench.telemetry.counts == {"Delivered": 1, "DeadLettered": 1, "Retried": 0}


class TestItemFailures:
    def test_of_a_call_that_was_taken_each_item_is_treated_as_the_partner_treated_it(self, bench: Bench) -> None:
        bench.partner.outcomes = [Delivered({}, {1: Rejected("http_422"), 2: Retry("http_503")})]

        failed = bench.deliver(
            membership("m1", change("1"), group="g1"),
            membership("m2", change("2"), group="g2"),
            membership("m3", change("3"), group="g3"),
        )

        ((body, why),) = bench.dead_letters()
        assert failed == ["m3"]
        assert body["user_profiles"] == [change("2")]
        assert why["reason"] == "http_422"

    def test_a_later_change_of_a_user_waits_for_the_item_that_failed(self, bench: Bench) -> None:
        bench.partner.outcomes = [Delivered({}, {0: Retry("http_500")})]

        failed = bench.deliver(membership("m1", change("1")), membership("m2", change("1", action="delete")))

        assert failed == ["m1", "m2"]
        assert len(bench.partner.calls) == 1

    def test_events_that_were_not_taken_are_queued_or_put_aside_without_the_others(self, bench: Bench) -> None:
        record = event_record(
            "e1",
            system_notifications=[],
            events=[{"type": "session_start"}, {"type": "hologram"}, {"type": "session_end"}],
        )
        bench.partner.outcomes = [Delivered({}, {0: Retry("http_503"), 1: Rejected("http_400")})]

        failed = bench.deliver(record)

        ((body, why),) = bench.dead_letters()
        assert failed == []
        assert bench.events.items == [[("events", 0)]]
        assert body["events"] == [{"type": "session_end"}]
        assert why["reason"] == "http_400"


class TestRedrivenChanges:
    def test_an_old_change_that_comes_back_does_not_undo_a_newer_one(self, bench: Bench) -> None:
        old = membership("m1", change("1", action="add"), timestamp_ms=1000)
        bench.partner.outcomes = [Rejected("http_422")]
        bench.deliver(old)
        bench.deliver(membership("m2", change("1", action="delete"), timestamp_ms=2000))

        failed = bench.deliver(redriven(replace(old, message_id="m3")))

        assert failed == []
        assert [changes(call)[0]["action"] for call in bench.partner.calls] == ["add", "remove"]
        assert bench.telemetry.counts["Superseded"] == 1

    def test_an_old_change_that_comes_back_is_delivered_if_it_is_still_the_newest(self, bench: Bench) -> None:
        old = membership("m1", change("1"), timestamp_ms=1000)
        bench.partner.outcomes = [Rejected("http_422")]
        bench.deliver(old)
        bench.deliver(membership("m2", change("2"), change("1", "b"), timestamp_ms=2000))

        bench.deliver(redriven(replace(old, message_id="m3")))

        assert bench.sent()[-1] == ("a", ["1"])

    def test_among_redriven_changes_the_newest_wins_in_whatever_order_they_come(self, bench: Bench) -> None:
        older, newer = (
            redriven(membership(f"m{time}", change("1", action=action), timestamp_ms=time))
            for time, action in ((1000, "add"), (2000, "delete"))
        )

        bench.deliver(newer, older)

        assert [changes(call)[0]["action"] for call in bench.partner.calls] == ["remove"]

    def test_a_change_that_is_dead_lettered_again_keeps_its_first_time(self, bench: Bench) -> None:
        bench.partner.judge = refuse("1")

        bench.deliver(replace(redriven(membership("m1", change("1"))), first_at="1750000000000"))

        ((_, why),) = bench.dead_letters()
        assert (why["first_at"], why["redriven_at"]) == ("1750000000000", "1760000050000")

    def test_the_largest_message_still_fits_when_it_is_dead_lettered(self, bench: Bench) -> None:
        room = MAX_MESSAGE_BYTES - ROOM_FOR_EXPLANATION - 900
        largest = load_event("audience_membership_change_request", user_profiles=[change("1", note="x" * room)])
        (message,) = membership_messages(parsed(AudienceMembershipChangeRequest, largest), 1)
        bench.partner.judge = refuse("1")

        failed = bench.deliver(replace(membership("m1"), body=message.body))

        assert failed == []
        assert len(message.body) > MAX_MESSAGE_BYTES - 2 * ROOM_FOR_EXPLANATION
        assert len(bench.dead_letters()) == 1

    def put_aside(self, bench: Bench, refused: Record) -> Record:
        """Let the partner refuse a message of one change, and return what comes back after redrive."""
        bench.partner.outcomes = [Rejected("http_422")]
        bench.deliver(refused)
        ((body, why),) = bench.dead_letters()
        return redriven(replace(refused, message_id="back", body=json.dumps(body), queue_position=why["place"]))

    def test_a_newer_attribute_does_not_cost_the_membership(self, bench: Bench) -> None:
        joined = change("1", user_attributes=[attribute("tier", "old"), attribute("size", "M")])
        back = self.put_aside(bench, membership("m1", joined, timestamp_ms=1000))
        newer = change("1", action="attribute_update", user_attributes=[attribute("tier", "new")])
        bench.deliver(membership("m2", newer, timestamp_ms=2000))

        bench.deliver(back)

        (item,) = changes(bench.partner.calls[-1])
        assert (item["action"], item["attributes"]) == ("add", {"size": "M"})

    def test_an_attribute_that_is_older_than_the_leaving_is_gone(self, bench: Bench) -> None:
        update = change("1", action="attribute_update", user_attributes=[attribute("tier", "old")])
        back = self.put_aside(bench, membership("m1", update, timestamp_ms=1000))
        bench.deliver(membership("m2", change("1", action="delete"), timestamp_ms=2000))

        bench.deliver(back)

        assert bench.telemetry.counts["Superseded"] == 1

    def test_of_two_changes_of_one_request_the_later_one_is_the_newer(self, bench: Bench) -> None:
        first = change("1", action="delete")
        bench.partner.outcomes = [Rejected("http_422")]
        request = membership("m1", first, change("1", action="add"))
        bench.deliver(request)
        ((body, why),) = bench.dead_letters()

        bench.deliver(redriven(replace(request, message_id="back", body=json.dumps(body), queue_position=why["place"])))

        assert [changes(call)[0]["action"] for call in bench.partner.calls] == ["remove", "add"]

    def test_the_last_change_of_a_request_comes_back_although_an_earlier_one_was_delivered(self, bench: Bench) -> None:
        request = membership("m1", change("1", action="add"), change("1", action="delete"))
        bench.partner.outcomes = [Delivered(), Rejected("http_422")]
        bench.deliver(request)
        ((body, why),) = bench.dead_letters()

        bench.deliver(redriven(replace(request, message_id="back", body=json.dumps(body), queue_position=why["place"])))

        assert [changes(call)[0]["action"] for call in bench.partner.calls] == ["add", "remove", "remove"]

    def test_an_ordinary_change_is_never_taken_for_an_old_one(self, bench: Bench) -> None:
        """The control: in the queue it is the order that counts, whatever mParticle's clocks say."""
        bench.partner.outcomes = [Rejected("http_422")]
        bench.deliver(membership("m0", change("9")))

        bench.deliver(membership("m1", change("1"), timestamp_ms=2000))
        bench.deliver(membership("m2", change("1", action="delete"), timestamp_ms=1000))

        assert [changes(call)[0]["action"] for call in bench.partner.calls] == ["add", "add", "remove"]

    def test_before_sqs_itself_puts_a_message_aside_its_group_is_guarded(self, bench: Bench) -> None:
        stuck = replace(membership("m1", change("1", action="add"), timestamp_ms=1000), receive_count=950)
        bench.partner.outcomes = [Retry("http_500")]
        bench.deliver(stuck)
        bench.deliver(membership("m2", change("1", action="delete"), timestamp_ms=2000))

        bench.deliver(redriven(stuck))

        assert [changes(call)[0]["action"] for call in bench.partner.calls] == ["add", "remove"]

    def test_without_anything_put_aside_nothing_is_written_down(self, bench: Bench, dynamodb: DynamoDBClient) -> None:
        bench.deliver(membership("m1", change("1")))

        assert dynamodb.scan(TableName="ledger")["Items"] == []

    def test_the_ledger_holds_no_personal_value(self, bench: Bench, dynamodb: DynamoDBClient) -> None:
        bench.partner.judge = refuse("canary-pii-1")

        bench.deliver(membership("m1", change("canary-pii-1"), change("canary-pii-2")))

        items = dynamodb.scan(TableName="ledger")["Items"]
        assert items
        assert "canary" not in str(items)
