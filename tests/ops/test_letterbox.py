"""Looking into a dead-letter queue and leaving it as it was."""

from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from ops.letterbox import HOLD_SECONDS, Letterbox, Limits
from tests.conftest import Queues
from tests.ops.dead_letter_stand import Bench

UNREACHABLE = EndpointConnectionError(endpoint_url="https://sqs")


@pytest.fixture
def bench(queues: Queues) -> Bench:
    return Bench(queues)


def test_everything_is_seen_once_and_visible_again_afterwards(bench: Bench) -> None:
    put = {bench.put("event") for _ in range(25)}

    with bench.box() as box:
        seen = [letter.message_id for letter in box.browse()]
        assert bench.visible("event") == set()

    assert (len(seen), set(seen), box.seen, box.cut_short) == (25, put, 25, False)
    assert bench.visible("event") == put


def test_a_second_look_finds_only_what_is_new(bench: Bench) -> None:
    bench.put("event")

    with bench.box() as box:
        first = list(box.browse())
        new = bench.put("event")
        second = [letter.message_id for letter in box.browse()]

    assert (len(first), second) == (1, [new])


def test_a_letter_is_read_with_all_that_is_written_on_it(bench: Bench) -> None:
    bench.put("membership", reason="events.0.attributes: must be an object", group_id="4242.7", first_at=11, last_at=22)

    with bench.box("membership") as box:
        (letter,) = box.browse()

    assert letter.attributes == {
        "message_type": "audience_membership_change_request", "account_id": "4242", "status": "422", "attempts": "1",
        "reason": "events.0.attributes: must be an object", "first_at": "11", "last_at": "22", "group_id": "4242.7",
    }  # fmt: skip
    assert (letter.own_group, letter.group, letter.put_aside_at) == ("letter-1", "4242.7", 22)
    assert letter.sequence_number > 0


def test_bodies_are_kept_only_where_asked_for(bench: Bench) -> None:
    wanted = bench.put("event", {"number": 1})
    bench.put("event", {"number": 2})

    with bench.box() as box:
        letters = {letter.message_id: letter for letter in box.browse(lambda letter: letter.message_id == wanted)}
        bodies = {message_id == wanted: box.body(letter) for message_id, letter in letters.items()}

    assert bodies == {True: '{"number": 1}', False: ""}


def test_nothing_personal_is_in_the_representation_of_a_box(bench: Bench) -> None:
    bench.put("event")

    with bench.box() as box:
        list(box.browse(lambda _: True))
        assert "canary" not in repr(box)
        assert "canary" in "".join(held.body or "" for held in box._held.values())  # noqa: SLF001  the control


class Slow:
    """Says what it is told of the count, and hands out what it is told."""

    def __init__(self, waiting: int, *answers: int) -> None:
        self.waiting = waiting
        self.answers = list(answers)
        self.asked = 0
        self.handed_out = 0

    def get_queue_attributes(self, **_: Any) -> Any:
        waiting, in_use = "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"
        return {"Attributes": {waiting: str(self.waiting), in_use: "2"}}

    def receive_message(self, **_: Any) -> Any:
        self.asked += 1
        number = self.answers.pop(0) if self.answers else 0
        self.handed_out += number
        names = [f"m{n}" for n in range(self.handed_out - number, self.handed_out)]
        return {
            "Messages": [
                {"MessageId": name, "ReceiptHandle": name, "Body": "{}", "Attributes": {"SentTimestamp": "1"}}
                for name in names
            ]
        }

    def change_message_visibility_batch(self, **_: Any) -> Any:
        return {}


@pytest.mark.parametrize(
    ("sqs", "seen", "asked"),
    [
        (Slow(0), 0, 1),
        (Slow(3, 3), 3, 2),
        (Slow(5, 2, 0, 0, 3), 5, 5),
        (Slow(5, 2, 0, 0, 0, 3), 2, 4),
        (Slow(1, 2, 2), 4, 3),
    ],
    ids=["nothing", "all-at-once", "empty-answers-in-between", "the-count-was-too-high", "the-count-was-too-low"],
)
def test_empty_answers_are_believed_after_the_count_or_after_several(
    bench: Bench, sqs: Slow, seen: int, asked: int
) -> None:
    with bench.box(sqs=sqs) as box:
        assert len(list(box.browse())) == seen

    assert (sqs.asked, box.at_first.waiting, box.at_first.in_use) == (asked, sqs.waiting, 2)


@pytest.mark.parametrize(
    "limits", [Limits(letters=10), Limits(body_bytes=15_000)], ids=["number-of-letters", "bytes-of-bodies"]
)
def test_a_look_ends_at_its_limits_and_goes_on_when_there_is_room(bench: Bench, limits: Limits) -> None:
    put = {bench.put("event", "x" * 2_000) for _ in range(25)}

    with bench.box(limits=limits) as box:
        first = list(box.browse(lambda _: True))
        assert (len(first), box.cut_short) == (10, True)
        assert box.delete(first) == 0
        second = list(box.browse(lambda _: True))
        assert (len(second), box.cut_short) == (10, True)

    assert bench.visible("event") == put - {letter.message_id for letter in first}


def test_deleted_letters_are_gone_and_the_others_are_not(bench: Bench) -> None:
    bench.put("event")
    kept = bench.put("event")

    with bench.box() as box:
        gone = [letter for letter in box.browse() if letter.message_id != kept]
        assert box.delete(gone) == 0
        assert [box.holds(letter) for letter in gone] == [False]

    assert bench.visible("event") == {kept}


def test_the_time_of_held_letters_is_renewed_when_half_of_it_is_over(bench: Bench) -> None:
    bench.put("event")

    with bench.box() as box:
        list(box.browse())
        bench.clock.now += HOLD_SECONDS / 2 - 1
        box.renew()
        assert bench.sqs.calls.count("change_message_visibility_batch") == 0
        bench.clock.now += 2
        box.renew()
        box.renew()
        assert bench.sqs.calls.count("change_message_visibility_batch") == 1


class NobodysLetters(Slow):
    """Refuses to change the visibility of anything."""

    def change_message_visibility_batch(self, **arguments: Any) -> Any:
        return {"Failed": [{"Id": entry["Id"]} for entry in arguments["Entries"]]}


def test_a_letter_whose_time_could_not_be_renewed_is_no_longer_held(bench: Bench) -> None:
    with bench.box(sqs=NobodysLetters(1, 1)) as box:
        (letter,) = box.browse()
        assert box.holds(letter)
        bench.clock.now += HOLD_SECONDS - 1
        box.renew()
        assert not box.holds(letter)


def look_and_fail(box: Letterbox, failure: BaseException) -> None:
    list(box.browse())
    raise failure


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), RuntimeError()], ids=["ctrl-c", "failure"])
def test_whatever_ends_the_work_everything_is_visible_again_at_once(bench: Bench, failure: BaseException) -> None:
    put = {bench.put("event") for _ in range(12)}

    with pytest.raises(type(failure)), bench.box() as box:
        look_and_fail(box, failure)

    assert bench.visible("event") == put


def test_letters_that_cannot_be_put_back_are_counted_and_do_not_hide_the_failure(bench: Bench) -> None:
    for _ in range(12):
        bench.put("event")
    bench.sqs.script = {"change_message_visibility_batch": {1: UNREACHABLE}}

    with pytest.raises(RuntimeError), bench.box() as box:
        look_and_fail(box, RuntimeError())

    assert box.not_put_back == 10
    assert len(bench.visible("event")) == 2


def test_what_was_received_before_a_failing_call_is_put_back(bench: Bench) -> None:
    put = {bench.put("event") for _ in range(12)}
    bench.sqs.script = {"receive_message": {2: ClientError({"Error": {"Code": "Throttled"}}, "ReceiveMessage")}}

    with pytest.raises(ClientError), bench.box() as box:
        list(box.browse())

    assert bench.visible("event") == put
