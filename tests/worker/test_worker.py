import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import override

import pytest
from mypy_boto3_dynamodb import DynamoDBClient

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.integration import Answer, Item, NetworkFault, PartnerCall, Retry
from mparticle_firehose.protocol import Account, EventProcessingRequest
from mparticle_firehose.queues.record import Record
from mparticle_firehose.worker.reading import MAX_LARGE_BYTES
from mparticle_firehose.worker.worker import CALL_SECONDS
from tests.conftest import (
    TRANSIENT,
    Clock,
    Queues,
    Reply,
    SuspensionsDouble,
    TelemetryDouble,
    load_event,
    reply_to,
)
from tests.sample.partner.integration import INTEGRATION
from tests.worker.bench import (
    DEAD,
    NOW,
    SENT_AT_MS,
    Bench,
    again,
    attribute,
    body_of,
    build,
    change,
    changes,
    event_record,
    in_part,
    membership,
    redriven,
    refuse,
    user,
)


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

    keys = bench.partner.identities
    assert keys[:2] == keys[2:]
    assert len(set(keys)) == 2


def test_the_same_changes_of_another_request_are_another_call(bench: Bench) -> None:
    bench.deliver(membership("m1", change("1")))
    bench.deliver(membership("m2", change("1"), id="9a4b7a7e-1111-4111-8111-000000000000"))

    first, second = bench.partner.identities
    assert first != second


def test_the_same_batch_received_again_makes_other_calls(bench: Bench) -> None:
    """In other company, "leave" must not be taken for a repetition of an earlier call."""
    record = membership("m1", change("1"))

    bench.deliver(record)
    bench.deliver(again(record))

    assert len(set(bench.partner.identities)) == 2


def test_a_failing_message_holds_back_its_own_user_only(bench: Bench) -> None:
    bench.partner.judge = lambda call: 503 if "/b/" in call.path else 200

    failed = bench.deliver(
        membership("m1", change("1", "a"), group="g1"),
        membership("m2", change("2", "b"), group="g2"),
        membership("m3", change("3", "c"), change("2", "c"), group="g2"),
        membership("m4", change("4", "c"), group="g1"),
    )

    assert failed == ["m2", "m3"]
    assert bench.sent() == [("a", ["1"]), ("b", ["2"]), ("c", ["3", "4"])]


def test_a_later_change_of_a_user_is_not_sent_when_the_earlier_one_failed(bench: Bench) -> None:
    bench.partner.replies = [500]

    failed = bench.deliver(membership("m1", change("1")), membership("m2", change("1", action="delete")))

    assert failed == ["m1", "m2"]
    assert len(bench.partner.calls) == 1


def test_one_refused_change_goes_to_the_dead_letter_queue_and_all_others_arrive(bench: Bench) -> None:
    bench.partner.judge = refuse("13")

    failed = bench.deliver(membership("m1", *(change(str(number)) for number in range(10, 20)), new_in_4_0="kept"))

    delivered = {user(item) for call in bench.partner.calls if refuse("13")(call) == 200 for item in changes(call)}
    ((body, why),) = bench.dead_letters()
    assert failed == []
    assert delivered == {str(number) for number in range(10, 20)} - {"13"}
    assert body["user_profiles"] == [{}, {}, {}, change("13")]
    assert body["new_in_4_0"] == "kept"
    assert why == {
        "account_id": "4242",
        "request_id": load_event("audience_membership_change_request")["id"],
        "place": "0.0.0",
        "reason": "http_422",
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


def test_the_name_of_a_customers_setting_is_not_in_the_reason(bench: Bench) -> None:
    bench.deliver(membership("m1", change("1"), account={"account_id": 7, "account_settings": {"canary-name": {}}}))

    ((_, why),) = bench.dead_letters()
    assert why["reason"] == "account.account_settings.*: must be text"


def test_a_message_without_the_customers_key_is_dead_lettered_with_the_settings_name(bench: Bench) -> None:
    failed = bench.deliver(membership("m1", change("1"), account={"account_id": 7}))

    ((_, why),) = bench.dead_letters()
    assert failed == []
    assert (why["reason"], why["account_id"]) == ("account setting 'token' is required", "7")


def test_refused_credentials_suspend_the_account_and_its_messages_are_put_aside(bench: Bench) -> None:
    """A message that waited would count as in flight, and hold back its group, for as long as the customer needs."""
    bench.partner.judge = lambda call: 401 if call.auth == DEAD else 200
    dead = {"account_id": 7, "account_settings": {"token": "canary-dead"}}

    failed = bench.deliver(
        membership("m1", change("1"), account=dead),
        membership("m2", change("1", "b"), account=dead),
        membership("m3", change("2")),
    )

    assert failed == []
    assert bench.suspensions.reasons == {7: "http_401"}
    assert [why["reason"] for _, why in bench.dead_letters()] == ["http_401", "suspended"]
    assert len(bench.partner.calls) == 2


def test_what_comes_under_a_new_key_is_sent_although_the_old_one_is_dead(bench: Bench) -> None:
    bench.partner.judge = lambda call: 401 if call.auth == DEAD else 200
    old = membership("m1", change("1"), account={"account_id": 4242, "account_settings": {"token": "canary-dead"}})
    new = membership("m2", change("1", action="delete"))
    failed = bench.deliver(old, new)
    failed_again = bench.deliver(again(new))

    ((_, why),) = bench.dead_letters()
    assert (failed, failed_again) == (["m2"], [])
    assert why["reason"] == "http_401"
    assert bench.visibility.waits == {}
    assert [changes(call)[0]["action"] for call in bench.partner.calls] == ["add", "remove"]


def test_events_and_erasures_are_delivered_one_call_each(bench: Bench) -> None:
    failed = bench.deliver(event_record("e1"), event_record("e2", "dsr_processing_request"))

    assert failed == []
    assert [(call.method, call.path) for call in bench.partner.calls] == [
        ("POST", "/track"),
        ("POST", "/forget"),
    ]


def test_on_the_standard_queue_a_failing_message_holds_back_nobody(bench: Bench) -> None:
    bench.partner.replies = [Retry("reset"), 200]

    assert bench.deliver(event_record("e1"), event_record("e2")) == ["e1"]


def test_refused_events_go_to_the_dead_letter_queue_as_they_came(bench: Bench) -> None:
    bench.partner.judge = lambda _: 404
    record = event_record("e1", new_in_4_0="kept")

    failed = bench.deliver(record)

    ((body, why),) = bench.dead_letters()
    assert failed == []
    assert body == json.loads(record.body)
    assert why["reason"] == "http_404"


@pytest.mark.parametrize("fault", [KeyError("canary-pii"), RuntimeError("canary-secret")], ids=repr)
def test_an_error_in_the_partner_room_costs_its_own_message_an_attempt(
    queues: Queues, dynamodb: DynamoDBClient, fault: Exception
) -> None:
    def broken(request: EventProcessingRequest) -> Iterator[Item]:
        raise fault

    bench = build(queues, dynamodb, integration=replace(INTEGRATION, events=broken))

    failed = bench.deliver(event_record("e1"), event_record("e2", "dsr_processing_request"))

    assert failed == ["e1"]
    assert [call.path for call in bench.partner.calls] == ["/forget"]
    assert "test_worker.py" in str(bench.telemetry.notes)
    assert "canary" not in str(bench.telemetry.notes)


def test_an_error_in_a_shared_call_costs_those_who_share_it_an_attempt(bench: Bench) -> None:
    def judge(call: PartnerCall) -> Reply:
        return RuntimeError("canary-pii") if "/a/" in call.path else 200

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


class Unreported(TelemetryDouble):
    """Fails when a message is reported as delivered."""

    @override
    def measure(self, name: str, milliseconds: float) -> None:
        if name == "QueueAge":
            raise RuntimeError


def test_what_was_delivered_is_not_sent_again_although_it_could_not_be_reported(bench: Bench) -> None:
    worker, record = replace(bench.worker, telemetry=Unreported()), event_record("e1")

    assert worker.deliver([record], Deadline.after(60)) == ["e1"]
    assert bench.deliver(again(record)) == []

    assert len(bench.partner.calls) == 1


def test_a_call_gets_the_workers_patience_but_no_more_than_the_batch_has_left(bench: Bench) -> None:
    clock = Clock()

    bench.deliver(event_record("e1"), deadline=Deadline.after(60, clock))
    bench.deliver(event_record("e1"), deadline=Deadline.after(3, clock))

    assert [deadline.remaining() for deadline in bench.partner.deadlines] == [CALL_SECONDS, 3]


def test_nothing_personal_or_secret_is_said_about_failures(bench: Bench) -> None:
    bench.partner.judge = lambda call: 400 if "/a/" in call.path else Retry("dns")

    bench.deliver(membership("m1", change("1")), membership("m2", change("2", "b"), group="g2"), event_record("e1"))

    said = str(bench.telemetry.notes) + str([why for _, why in bench.dead_letters()])
    assert "http_400" in said
    assert "canary" not in said


def test_a_request_that_is_never_queued_is_dead_lettered(bench: Bench) -> None:
    failed = bench.deliver(event_record("e1", "module_registration_request"))

    ((_, why),) = bench.dead_letters()
    assert failed == []
    assert why["reason"] == "type: is never queued"


class TestLargeBodies:
    """A message whose body is in S3 is delivered as any other."""

    def record_of(self, bench: Bench, record: Record) -> Record:
        return replace(record, body=bench.queues.large_bodies.store(record.body))

    def test_a_body_is_read_from_s3(self, bench: Bench, bucket: object) -> None:
        failed = bench.deliver(self.record_of(bench, membership("m1", change("1"))))

        assert failed == []
        assert bench.sent() == [("a", ["1"])]

    def test_what_is_refused_of_it_is_dead_lettered(self, bench: Bench, bucket: object) -> None:
        bench.partner.judge = refuse("1")

        bench.deliver(self.record_of(bench, membership("m1", change("1"), change("2"))))

        ((body, why),) = bench.dead_letters()
        assert ([profile["mpid"] for profile in body["user_profiles"]], why["reason"]) == (["1"], "http_422")

    def test_one_that_cannot_be_read_is_dead_lettered_with_its_body(self, bench: Bench, bucket: object) -> None:
        """In a letter of its own, which the bucket keeps as long as the letter."""
        unreadable = self.record_of(bench, Record(message_id="m1", body='{"type":"unknown"}'))

        bench.deliver(unreadable)

        ((body, _),) = bench.dead_letters()
        assert body == {"type": "unknown"}

    def test_one_that_is_gone_is_dead_lettered_with_the_reason(self, bench: Bench, bucket: object) -> None:
        record = self.record_of(bench, membership("m1", change("1")))
        bench.queues.large_bodies.delete(record.body)

        failed = bench.deliver(record, membership("m2", change("2"), group="g2"))

        assert failed == []
        ((body, why),) = bench.dead_letters()
        assert (body, why["reason"]) == (json.loads(record.body), "is stored in S3 and no longer exists there")

    def test_while_s3_is_down_it_comes_again_and_the_others_are_delivered(self, bench: Bench) -> None:
        """There is no bucket here, as if it could not be reached."""
        reference = '["software.amazon.payloadoffloading.PayloadS3Pointer",{"s3BucketName":"large-bodies","s3Key":"k"}]'
        first = replace(membership("m1"), body=reference)

        failed = bench.deliver(first, membership("m2", change("2"), group="g2"))

        assert failed == ["m1"]
        assert bench.sent() == [("a", ["2"])]
        assert bench.dead_letters() == []

    def test_a_batch_of_them_is_read_in_parts_that_fit_in_memory(self, bench: Bench, bucket: object) -> None:
        large = "x" * (MAX_LARGE_BYTES // 3)
        records = [
            self.record_of(bench, membership(f"m{number}", change(str(number), note=large), group=f"g{number}"))
            for number in range(4)
        ]

        failed = bench.deliver(*records, membership("m5", change("5"), group="g5"))

        assert failed == ["m2", "m3"]
        assert bench.visibility.waits == {"m2": 0, "m3": 0}
        assert bench.sent() == [("a", ["0", "1", "5"])]

    def test_one_that_is_larger_than_all_parts_is_read_alone(self, bench: Bench, bucket: object) -> None:
        largest = membership("m1", change("1", note="x" * MAX_LARGE_BYTES))

        assert bench.deliver(self.record_of(bench, largest)) == []


class TestRescheduling:
    def test_a_failed_message_waits_longer_with_each_attempt_and_holds_back_those_behind_it(self, bench: Bench) -> None:
        """They are visible: SQS hands out nothing of a group while its first message is not."""
        bench.partner.judge = lambda call: 500 if "/a/" in call.path else 200
        batch = [
            membership("m1", change("1"), group="g1"),
            membership("m2", change("2", "b"), group="g1"),
            membership("m3", change("1", "b"), group="g1"),
            membership("m4", change("3", "b"), group="g2"),
        ]

        waits = []
        for count in range(1, 5):
            bench.deliver(*(again(record, count) for record in batch))
            waits.append(bench.visibility.waits)
            batch = [record for record in batch if record.message_id in bench.visibility.waits]

        assert waits == [{"m1": seconds, "m3": 0} for seconds in (2, 4, 8, 16)]

    def test_a_group_waits_as_long_as_its_longest_wait_by_its_first_message(self, bench: Bench) -> None:
        bench.partner.judge = lambda call: Retry("resting", 5 if "/a/" in call.path else 60)

        bench.deliver(
            membership("m1", change("1")), membership("m2", change("2", "b")), membership("m3", change("3"), group="g2")
        )

        assert bench.visibility.waits == {"m1": 60, "m2": 0, "m3": 5}

    def test_the_partners_retry_after_is_honoured(self, bench: Bench) -> None:
        bench.partner.replies = [Answer(status=429, headers={"retry-after": "7"})]

        bench.deliver(membership("m1", change("1")))

        assert bench.visibility.waits == {"m1": 7}

    @pytest.mark.parametrize(("asked", "seconds"), [("7", 7), ("3600", 3_600), ("999999", 43_000), ("0", 2), ("-5", 2)])
    def test_the_partners_wait_counts_within_what_sqs_can_wait(self, asked: str, seconds: int, bench: Bench) -> None:
        """A wait of nothing leaves it to the backoff: attempts must not be used up in a moment."""
        bench.partner.replies = [Answer(status=503, headers={"retry-after": asked})]

        bench.deliver(membership("m1", change("1")))

        assert bench.visibility.waits == {"m1": seconds}

    def test_without_time_for_a_call_nothing_is_tried_and_all_comes_again_at_once(self, bench: Bench) -> None:
        failed = bench.deliver(membership("m1", change("1")), event_record("e1"), deadline=Deadline.after(0.5))

        assert failed == ["m1", "e1"]
        assert bench.partner.calls == []
        assert bench.visibility.waits == {"m1": 0, "e1": 0}

    def test_a_message_that_failed_too_often_is_dead_lettered_and_its_followers_are_not(
        self, queues: Queues, dynamodb: DynamoDBClient
    ) -> None:
        bench = build(queues, dynamodb, max_attempts=3)
        bench.partner.judge = lambda call: 503 if "/a/" in call.path else 200
        head, follower = membership("m1", change("1")), membership("m2", change("1", action="delete"))

        failed = [bench.deliver(again(head, count), again(follower, count)) for count in (1, 2, 3)]

        ((_, why),) = bench.dead_letters()
        assert failed == [["m1", "m2"], ["m1", "m2"], ["m2"]]
        assert (why["reason"], why["attempts"]) == ("http_503", "3")
        assert bench.visibility.waits == {"m2": 0}

    def test_standing_behind_a_failing_message_is_no_attempt(self, queues: Queues, dynamodb: DynamoDBClient) -> None:
        bench = build(queues, dynamodb, max_attempts=3)
        head, follower = membership("m1", change("1")), membership("m2", change("1", action="delete"))
        bench.partner.judge = lambda _: Retry("reset")
        for count in (1, 2):
            bench.deliver(again(head, count), again(follower, count))

        failed = bench.deliver(again(follower, 900))

        assert failed == ["m2"]
        assert bench.dead_letters() == []

    def test_nothing_waits_until_sqs_drops_it(self, bench: Bench) -> None:
        bench.partner.judge = lambda _: 503
        old = replace(membership("m1", change("1")), sent_at_ms=int(NOW * 1000) - 11 * 86_400_000)

        failed = bench.deliver(old)

        ((_, why),) = bench.dead_letters()
        assert failed == []
        assert why["reason"] == "http_503"

    @pytest.mark.parametrize("cause", TRANSIENT, ids=str)
    def test_nothing_transient_ever_suspends(self, bench: Bench, cause: int | NetworkFault) -> None:
        bench.partner.judge = lambda _: reply_to(cause)

        failed = bench.deliver(membership("m1", change("1")), event_record("e1"))

        assert failed == ["m1", "e1"]
        assert bench.suspensions.reasons == {}

    def test_a_success_lifts_the_suspension(self, bench: Bench) -> None:
        bench.suspensions.reasons[4242] = "http_401"

        bench.deliver(membership("m1", change("1")))

        assert bench.suspensions.reasons == {}

    def test_suspensions_are_looked_for_once_a_batch_and_only_of_accounts_that_were_delivered_to(
        self, queues: Queues, dynamodb: DynamoDBClient
    ) -> None:
        @dataclass
        class Asked(SuspensionsDouble):
            asked: list[list[int]] = field(default_factory=list)

            def lift(self, accounts: Iterable[Account]) -> None:
                self.asked.append(sorted({account.account_id for account in accounts}))

        built, asked = build(queues, dynamodb), Asked()
        built.partner.judge = lambda call: 503 if {user(item) for item in changes(call)} & {"3"} else 200
        accounts = {name: {"account_id": name, "account_settings": {"token": f"canary-{name}"}} for name in (7, 8, 9)}
        worker = replace(built.worker, suspensions=asked)

        worker.deliver(
            [
                membership("m1", change("1"), account=accounts[7]),
                membership("m2", change("2"), account=accounts[7]),
                membership("m3", change("1"), account=accounts[8], group="8.0"),
                membership("m4", change("3"), account=accounts[9], group="9.0"),
            ],
            Deadline.after(60),
        )

        assert asked.asked == [[7, 8]]

    def test_without_its_ledger_the_fifo_queue_waits_and_nothing_is_tried(
        self, bench: Bench, dynamodb: DynamoDBClient
    ) -> None:
        dynamodb.delete_table(TableName="ledger")

        failed = bench.deliver(membership("m1", change("1")), membership("m2", change("2"), group="g2"))

        assert failed == ["m1", "m2"]
        assert bench.partner.calls == []
        assert bench.visibility.waits == {"m1": 2, "m2": 2}

    def test_what_was_put_aside_is_not_put_aside_again_when_its_message_comes_again(self, bench: Bench) -> None:
        bench.partner.judge = lambda call: 422 if "/a/" in call.path else 500
        record = membership("m1", change("1", "a"), change("2", "b"))

        failed = [bench.deliver(again(record, count)) for count in (1, 2, 3)]

        assert failed == [["m1"]] * 3
        assert len(bench.dead_letters()) == 1
        assert bench.telemetry.counts["DeadLettered"] == 1


FIRST_ID, SECOND_ID, THIRD_ID = (f"5a3c1e70-0000-4000-8000-0000000000{number}" for number in ("a1", "a2", "a3"))


class TestTelling:
    def test_what_became_of_a_message_can_be_found_by_mparticles_request_id(self, bench: Bench) -> None:
        bench.partner.judge = refuse("3")

        bench.deliver(
            membership("m1", change("1"), id=FIRST_ID),
            membership("m2", change("2"), id=SECOND_ID),
            membership("m3", change("3"), id=THIRD_ID, group="g3"),
        )

        kind = "audience_membership_change_request"
        assert bench.telemetry.delivered == [(kind, FIRST_ID), (kind, SECOND_ID)]
        assert [(note["event"], note["request_id"]) for note in bench.telemetry.warnings] == [
            ("dead-lettered", THIRD_ID)
        ]
        assert bench.telemetry.notes == []

    def test_a_request_is_named_although_only_a_part_of_it_was_delivered(self, bench: Bench) -> None:
        bench.partner.judge = lambda call: 503 if "/b/" in call.path else 200

        failed = bench.deliver(membership("m1", change("1", "a"), change("2", "b"), id=FIRST_ID))

        assert failed == ["m1"]
        assert bench.telemetry.delivered == [("audience_membership_change_request", FIRST_ID)]
        assert [note["event"] for note in bench.telemetry.notes] == ["retried later"]

    def test_a_request_of_which_nothing_was_delivered_now_is_not_named(self, bench: Bench) -> None:
        record = membership("m1", change("1", "a"), change("2", "b"), id=FIRST_ID)
        bench.partner.judge = lambda call: 503 if "/b/" in call.path else 200
        bench.deliver(record)
        bench.telemetry.delivered.clear()

        bench.deliver(again(record))

        assert bench.telemetry.delivered == []

    def test_a_message_that_comes_again_is_named_like_any_other(self, bench: Bench) -> None:
        bench.deliver(again(redriven(membership("m1", change("1"), id=FIRST_ID)), 3))

        assert [request_id for _, request_id in bench.telemetry.delivered] == [FIRST_ID]

    def test_a_request_without_an_id_is_counted_and_not_named(self, bench: Bench) -> None:
        bench.deliver(membership("m1", change("1"), id=None))

        assert (bench.telemetry.counts["Delivered"], bench.telemetry.delivered) == (1, [])

    def test_a_message_that_stands_behind_another_says_so(self, bench: Bench) -> None:
        bench.partner.replies = [500]

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
        bench.partner.replies = [in_part({1: 422, 2: 503})]

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
        bench.partner.replies = [in_part({0: 500})]

        failed = bench.deliver(membership("m1", change("1")), membership("m2", change("1", action="delete")))

        assert failed == ["m1", "m2"]
        assert len(bench.partner.calls) == 1

    def test_events_that_were_not_taken_come_again_or_are_put_aside_without_the_others(self, bench: Bench) -> None:
        record = event_record(
            "e1",
            system_notifications=[],
            events=[{"type": "session_start"}, {"type": "hologram"}, {"type": "session_end"}, {"type": "error"}],
        )
        bench.partner.replies = [in_part({0: 503, 1: 400})]

        failed = [bench.deliver(record), bench.deliver(again(record))]

        ((body, why),) = bench.dead_letters()
        assert failed == [["e1"], []]
        assert [[event["kind"] for event in body_of(call)["events"]] for call in bench.partner.calls] == [
            ["session_start", "session_end", "error"],
            ["session_start"],
        ]
        assert body["events"] == [{"type": "session_end"}]
        assert why["reason"] == "http_400"


class TestRedrivenChanges:
    def test_an_old_change_that_comes_back_does_not_undo_a_newer_one(self, bench: Bench) -> None:
        old = membership("m1", change("1", action="add"), timestamp_ms=1000)
        bench.partner.replies = [422]
        bench.deliver(old)
        bench.deliver(membership("m2", change("1", action="delete"), timestamp_ms=2000))

        failed = bench.deliver(redriven(replace(old, message_id="m3")))

        assert failed == []
        assert [changes(call)[0]["action"] for call in bench.partner.calls] == ["add", "remove"]
        assert bench.telemetry.counts["Superseded"] == 1

    def test_an_old_change_that_comes_back_is_delivered_if_it_is_still_the_newest(self, bench: Bench) -> None:
        old = membership("m1", change("1"), timestamp_ms=1000)
        bench.partner.replies = [422]
        bench.deliver(old)
        bench.deliver(membership("m2", change("2"), change("1", "b"), timestamp_ms=2000))

        bench.deliver(redriven(replace(old, message_id="m3")))

        assert bench.sent()[-1] == ("a", ["1"])

    def test_among_redriven_changes_the_newest_wins_in_whatever_order_they_come(self, bench: Bench) -> None:
        older, newer = (
            self.put_aside(bench, membership(f"m{time}", change("1", action=action), timestamp_ms=time))
            for time, action in ((1000, "add"), (2000, "delete"))
        )
        older = replace(older, message_id="older")
        bench.partner.calls.clear()

        failed = bench.deliver(newer, older)
        bench.deliver(again(older))

        assert failed == ["older"]
        assert [changes(call)[0]["action"] for call in bench.partner.calls] == ["remove"]

    def test_a_change_that_is_dead_lettered_again_keeps_its_first_time(self, bench: Bench) -> None:
        bench.partner.judge = refuse("1")

        bench.deliver(replace(redriven(membership("m1", change("1"))), first_at="1750000000000"))

        ((_, why),) = bench.dead_letters()
        assert (why["first_at"], why["redriven_at"]) == ("1750000000000", "1760000050000")

    def put_aside(self, bench: Bench, refused: Record) -> Record:
        """Let the partner refuse a message of one change, and return what comes back after redrive."""
        bench.partner.replies = [422]
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
        bench.partner.replies = [422]
        request = membership("m1", first, change("1", action="add"))
        bench.deliver(request)
        ((body, why),) = bench.dead_letters()

        bench.deliver(redriven(replace(request, message_id="back", body=json.dumps(body), queue_position=why["place"])))

        assert [changes(call)[0]["action"] for call in bench.partner.calls] == ["remove", "add"]

    def test_the_last_change_of_a_request_comes_back_although_an_earlier_one_was_delivered(self, bench: Bench) -> None:
        request = membership("m1", change("1", action="add"), change("1", action="delete"))
        bench.partner.replies = [200, 422]
        bench.deliver(request)
        ((body, why),) = bench.dead_letters()

        bench.deliver(redriven(replace(request, message_id="back", body=json.dumps(body), queue_position=why["place"])))

        assert [changes(call)[0]["action"] for call in bench.partner.calls] == ["add", "remove", "remove"]

    def test_an_ordinary_change_is_never_taken_for_an_old_one(self, bench: Bench) -> None:
        """The control: in the queue it is the order that counts, whatever mParticle's clocks say."""
        bench.partner.replies = [422]
        bench.deliver(membership("m0", change("9")))

        bench.deliver(membership("m1", change("1"), timestamp_ms=2000))
        bench.deliver(membership("m2", change("1", action="delete"), timestamp_ms=1000))

        assert [changes(call)[0]["action"] for call in bench.partner.calls] == ["add", "add", "remove"]

    def test_before_sqs_itself_puts_a_message_aside_its_group_is_guarded(self, bench: Bench) -> None:
        stuck = replace(membership("m1", change("1", action="add"), timestamp_ms=1000), receive_count=950)
        bench.partner.replies = [500]
        bench.deliver(stuck)
        bench.deliver(membership("m2", change("1", action="delete"), timestamp_ms=2000))

        bench.deliver(redriven(stuck))

        assert [changes(call)[0]["action"] for call in bench.partner.calls] == ["add", "remove"]

    @pytest.mark.parametrize(("receives", "counted"), [(899, 0), (900, 1)])
    def test_a_message_that_sqs_will_soon_move_is_counted(self, bench: Bench, receives: int, counted: int) -> None:
        bench.partner.replies = [500]

        bench.deliver(replace(membership("m1", change("1")), receive_count=receives))

        assert bench.telemetry.counts.get("NearlyMoved", 0) == counted

    def test_without_anything_put_aside_nothing_is_written_down(self, bench: Bench, dynamodb: DynamoDBClient) -> None:
        bench.deliver(membership("m1", change("1")))

        assert dynamodb.scan(TableName="ledger")["Items"] == []

    def test_the_ledger_holds_no_personal_value(self, bench: Bench, dynamodb: DynamoDBClient) -> None:
        bench.partner.judge = refuse("canary-pii-1")

        bench.deliver(membership("m1", change("canary-pii-1"), change("canary-pii-2")))

        items = dynamodb.scan(TableName="ledger")["Items"]
        assert items
        assert "canary" not in str(items)
