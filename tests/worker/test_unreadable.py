"""What cannot be read of a queued message is dead-lettered once, and everything else of it is delivered."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.protocol import AudienceMembershipChangeRequest, Serializer
from mparticle_firehose.queues.dead_letters import DeadLetters, letter_id
from mparticle_firehose.queues.membership_queue import membership_messages
from mparticle_firehose.queues.record import Record
from mparticle_firehose.queues.sender import QueueMessage
from mparticle_firehose.queues.splitting import encode
from mparticle_firehose.tables.progress import STATE_SETTLED
from tests.conftest import Json, load_event, parsed
from tests.growth import seconds
from tests.worker.bench import SENT_AT_MS, Bench, again, change, changes, event_record, membership, redriven, refuse

REASON = "user_profiles.*.audiences.*.audience_id: must be a whole number"
ODD_EVENT = {"type": "custom_event", "attributes": {"canary-name": ["canary-pii"]}}


def odd(profile: Json) -> Json:
    """Return a user's change with an audience id that this version cannot read."""
    (audience,) = profile["audiences"]
    return {**profile, "audiences": [{**audience, "audience_id": "canary-pii"}]}


def upgraded(body: Json) -> str:
    """Return the body as a version reads it for which the odd audience id is none."""
    return json.dumps(body).replace('"canary-pii"', "97")


def back(body: Json, why: dict[str, str]) -> Record:
    """Return a letter of the FIFO queue after its redrive."""
    return redriven(
        Record(
            message_id="back",
            body=upgraded(body),
            group_id=why["group_id"],
            queue_position=why["place"],
            sent_at_ms=SENT_AT_MS,
        )
    )


def test_an_odd_change_is_dead_lettered_alone_and_the_others_are_delivered(bench: Bench) -> None:
    failed = bench.deliver(membership("m1", change("1"), odd(change("2")), change("3")), membership("m2", change("4")))

    ((body, why),) = bench.dead_letters()
    assert failed == []
    assert bench.sent() == [("a", ["1", "3", "4"])]
    assert body["user_profiles"] == [{}, odd(change("2"))]
    assert {name: why[name] for name in ("reason", "group_id", "place", "attempts", "account_id")} == {
        "reason": REASON,
        "group_id": "4242.0",
        "place": "0.0.0",
        "attempts": "1",
        "account_id": "4242",
    }
    assert (bench.telemetry.counts["Unreadable"], bench.telemetry.counts["DeadLettered"]) == (1, 1)
    assert [note["reason"] for note in bench.telemetry.warnings if note["event"] == "dead-lettered"] == [REASON]


def test_of_a_user_one_odd_change_costs_that_change(bench: Bench) -> None:
    both = {"mpid": "1", "audiences": [*odd(change("1", "b"))["audiences"], *change("1", "a")["audiences"]]}

    bench.deliver(membership("m1", both))

    ((body, _),) = bench.dead_letters()
    assert bench.sent() == [("a", ["1"])]
    assert body["user_profiles"] == [{"mpid": "1", "audiences": [both["audiences"][0], {}]}]


def test_a_message_that_comes_again_does_not_dead_letter_it_again(bench: Bench) -> None:
    bench.partner.replies = [503]
    record = membership("m1", odd(change("1")), change("2"))
    bench.deliver(record)

    failed = bench.deliver(again(record))

    assert failed == []
    assert bench.sent() == [("a", ["2"]), ("a", ["2"])]
    assert len(bench.dead_letters()) == 1


def test_what_is_settled_is_not_sent_again(bench: Bench) -> None:
    bench.partner.judge = lambda call: 503 if "/b/" in call.path else 200
    record = membership("m1", change("1", "a"), odd(change("2")), change("3", "b"))
    bench.deliver(record)

    bench.deliver(again(record))

    assert bench.sent() == [("a", ["1"]), ("b", ["3"]), ("b", ["3"])]


def test_without_its_letter_the_message_comes_again_and_the_rest_is_delivered_once(bench: Bench) -> None:
    bench.queues.sqs.delete_queue(QueueUrl=bench.queues.membership_dlq)
    record = membership("m1", odd(change("1")), change("2"))

    failed = [bench.deliver(record), bench.deliver(again(record))]

    assert failed == [["m1"], ["m1"]]
    assert bench.sent() == [("a", ["2"])]


def test_a_redrive_after_an_upgrade_delivers_it_and_nothing_else(bench: Bench) -> None:
    bench.deliver(membership("m1", change("1"), odd(change("2"))))
    ((body, why),) = bench.dead_letters()

    bench.deliver(back(body, why))

    assert bench.sent() == [("a", ["1"]), ("a", ["2"])]


def test_a_redrive_does_not_undo_a_newer_change(bench: Bench) -> None:
    bench.deliver(membership("m1", odd(change("1")), timestamp_ms=1000))
    bench.deliver(membership("m2", change("1", action="delete"), timestamp_ms=2000))
    ((body, why),) = bench.dead_letters()

    bench.deliver(back(body, why))

    assert [changes(call)[0]["action"] for call in bench.partner.calls] == ["remove"]
    assert bench.telemetry.counts["Superseded"] == 1


def test_a_later_change_of_the_same_request_is_newer_after_a_redrive_too(bench: Bench) -> None:
    bench.deliver(membership("m1", odd(change("1", action="delete")), change("1")))
    ((body, why),) = bench.dead_letters()

    bench.deliver(back(body, why))

    assert [changes(call)[0]["action"] for call in bench.partner.calls] == ["add"]


def test_a_redrive_without_an_upgrade_dead_letters_it_again_with_its_place(bench: Bench) -> None:
    record = replace(redriven(membership("m1", odd(change("1")))), queue_position="7.0.0")

    failed = bench.deliver(record)

    ((body, why),) = bench.dead_letters()
    assert (failed, bench.partner.calls) == ([], [])
    assert (body, why["place"], why["reason"]) == (json.loads(record.body), "7.0.0", REASON)


def test_the_rest_is_dead_lettered_without_what_is_dead_lettered_already(bench: Bench) -> None:
    bench.deliver(membership("m1", odd(change("1")), change("2"), account={"account_id": 7}))

    letters = {why["reason"]: body["user_profiles"] for body, why in bench.dead_letters()}
    assert letters == {
        REASON: [odd(change("1"))],
        "account setting 'token' is required": [{"mpid": "1", "audiences": [{}]}, change("2")],
    }


def test_a_refused_change_beside_it_is_a_letter_of_its_own(bench: Bench) -> None:
    bench.partner.judge = refuse("2")

    bench.deliver(membership("m1", odd(change("1")), change("2"), change("3")))

    letters = {why["reason"]: body["user_profiles"] for body, why in bench.dead_letters()}
    assert letters == {REASON: [odd(change("1"))], "http_422": [{}, change("2")]}


@pytest.mark.parametrize("odd_profiles", ["canary-pii", {"canary-name": 1}], ids=["text", "object"])
def test_a_request_that_is_unreadable_itself_is_dead_lettered_whole(bench: Bench, odd_profiles: object) -> None:
    message = load_event("audience_membership_change_request", user_profiles=odd_profiles)
    (queued,) = membership_messages(parsed(AudienceMembershipChangeRequest, message), shards=4)

    bench.deliver(Record(message_id="m1", body=queued.body, group_id=queued.group_id, sent_at_ms=SENT_AT_MS))

    ((body, why),) = bench.dead_letters()
    assert (body, why["reason"]) == (message, "user_profiles: must be a list")


def test_an_odd_event_of_a_letter_is_dead_lettered_alone(bench: Bench) -> None:
    failed = bench.deliver(event_record("m1", events=[ODD_EVENT, {"type": "session_end"}], system_notifications=[]))

    ((body, why),) = bench.dead_letters()
    assert (failed, len(bench.partner.calls)) == ([], 1)
    assert (body["events"], why["reason"]) == ([ODD_EVENT], "events.*.attributes.*: must be text")


def test_a_letter_of_odd_events_alone_sends_no_state(bench: Bench) -> None:
    bench.deliver(redriven(event_record("m1", events=[ODD_EVENT], system_notifications=[])))

    assert (bench.partner.calls, len(bench.dead_letters())) == ([], 1)


def test_an_odd_erasure_is_dead_lettered_as_it_came(bench: Bench) -> None:
    record = event_record("m1", "dsr_processing_request", extensions=["canary-pii"])

    failed = bench.deliver(record)

    ((body, why),) = bench.dead_letters()
    assert (failed, bench.partner.calls, body) == ([], [], json.loads(record.body))
    assert why["reason"] == "extensions: must be an object"


class TestQueued:
    def messages(self, *profiles: Any, shards: int = 1, **fields: object) -> list[Any]:
        message = load_event("audience_membership_change_request", user_profiles=list(profiles), **fields)
        queued = membership_messages(parsed(AudienceMembershipChangeRequest, message), shards)
        return [(each.group_id, json.loads(each.body).get("user_profiles")) for each in queued]

    def test_what_cannot_be_read_is_queued_in_its_place(self) -> None:
        profiles = [change("1"), odd(change("2")), None, {"mpid": "3", "user_identities": "canary-pii"}, "canary-pii"]

        assert self.messages(*profiles) == [("4242.0", [each for each in profiles if each is not None])]

    def test_an_odd_profile_is_in_the_group_of_its_user(self) -> None:
        readable, unreadable = {"mpid": "1"}, {"mpid": "1", "user_identities": "canary-pii"}

        groups = [group for group, _ in self.messages(readable, unreadable, shards=64)]

        assert len(groups) == 1

    def test_a_repeated_request_has_the_same_ids(self) -> None:
        message = load_event("audience_membership_change_request", user_profiles={"canary-name": 1})
        first, second = (
            membership_messages(parsed(AudienceMembershipChangeRequest, Serializer().parse(message).received), 4)
            for _ in range(2)
        )

        assert [each.deduplication_id for each in first] == [each.deduplication_id for each in second]


def odd_for_ten_reasons(filler: object, reasons: int = 10) -> Json:
    """Return a user with changes that cannot be read, each for a reason of its own, and an unknown field."""
    (usual,) = change("1")["audiences"]
    names = ("audience_id", "action", "user_attributes", "audience_name")
    audiences = [
        {**usual, **{name: {"a": []} for bit, name in enumerate(names) if number >> bit & 1}}
        for number in range(1, reasons + 1)
    ]
    return {"mpid": "1", "new_in_4_0": filler, "audiences": audiences}


def corrected(body: Json) -> Json:
    """Return a letter's body as a version reads it for which the odd audience id of the first change is none."""
    corrected: Json = json.loads(json.dumps(body).replace('"audience_id": {"a": []}', '"audience_id": 97'))
    return corrected


class TestForTenReasons:
    def test_each_change_is_in_one_letter_with_the_user_and_the_request_around_it(self, bench: Bench) -> None:
        odd_user = odd_for_ten_reasons([1.5])
        record = membership("m1", change("2"), odd_user, new_in_4_0="ü\uffff")

        failed = bench.deliver(record)

        bodies = [body for body, _ in bench.dead_letters()]
        letters = [body["user_profiles"][1] for body in bodies]
        assert (failed, bench.sent(), len(letters)) == ([], [("a", ["2"])], 10)
        for place, audience in enumerate(odd_user["audiences"]):
            assert [each["audiences"][place] for each in letters if each["audiences"][place]] == [audience]
        assert all({**each, "audiences": odd_user["audiences"]} == odd_user for each in letters)
        whole = json.loads(record.body)
        assert all({**body, "user_profiles": whole["user_profiles"]} == whole for body in bodies)

    def test_texts_and_ids_are_those_of_each_letter_by_itself(self, bench: Bench) -> None:
        """Of a message in flight during a deployment, letters of the version before are known by their ids."""
        record = membership("m1", odd_for_ten_reasons([1.5, "\uffff"]), change("2"))
        request = Serializer().parse(record.body)

        bench.deliver(record)

        alone = [encode(unreadable.source) for unreadable in request.unreadable]
        stored = {
            message["Attributes"]["MessageGroupId"]: message["Body"]
            for message in bench.queues.messages(bench.queues.membership_dlq)
        }
        assert stored == {letter_id(record, text, STATE_SETTLED): text for text in alone}

    def test_letters_that_are_known_are_not_sent_again(self, bench: Bench) -> None:
        bench.partner.replies = [503]
        record = membership("m1", odd_for_ten_reasons("x"), change("2"))
        bench.deliver(record)
        first = len(bench.dead_letters())

        bench.deliver(again(record))

        assert (first, len(bench.dead_letters())) == (10, 0)

    def test_a_redrive_after_an_upgrade_delivers_each_change_that_it_can_read(self, bench: Bench) -> None:
        bench.deliver(membership("m1", odd_for_ten_reasons("x", reasons=2)))
        letters = bench.dead_letters()

        for body, why in letters:
            bench.deliver(back(corrected(body), why))

        assert [len(letters), len(bench.dead_letters())] == [2, 1]
        assert [changes(call)[0]["action"] for call in bench.partner.calls] == ["add"]

    @pytest.mark.parametrize("where", ["request", "profile"])
    def test_a_large_message_takes_little_longer_than_for_one_reason(self, bench: Bench, where: str) -> None:
        filler = Literals(f"[{','.join(['1.50'] * 100_000)}]")

        def taken(reasons: int) -> float:
            profile, fields = odd_for_ten_reasons(filler.mark, reasons), {}
            if where == "request":
                profile, fields = odd_for_ten_reasons("", reasons), {"new_in_4_0": filler.mark}
            record = membership("m1", profile, **fields)
            record = replace(record, body=filler.into(record.body))
            return seconds(lambda: bench.deliver(record), runs=3)

        sender: Any = Discarding()
        dead_letters = DeadLetters(sender, membership_url="m", event_url="e", erasure_url="x")
        bench.worker = replace(bench.worker, dead_letters=dead_letters)

        assert taken(10) < 3 * taken(1)


@dataclass(frozen=True)
class Literals:
    """JSON text that takes the place of a mark in other JSON text, so that numbers keep their literals."""

    text: str
    mark: str = "literals"

    def into(self, body: str) -> str:
        return body.replace(f'"{self.mark}"', self.text)


class Discarding:
    """Takes every message and keeps nothing."""

    def send(self, _url: str, _messages: Sequence[QueueMessage], _deadline: Deadline) -> None:
        return
