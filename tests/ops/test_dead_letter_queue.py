"""Reading a dead-letter queue and leaving it as it was."""

from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from ops.dead_letter_queue import VISIBILITY_SECONDS, DeadLetterQueue
from ops.letter_source import Counts, Limits
from tests.ops.environment import Environment

UNREACHABLE = EndpointConnectionError(endpoint_url="https://sqs")


def test_every_letter_is_received_once_and_visible_again_afterwards(env: Environment) -> None:
    put = {env.put("event") for _ in range(25)}

    with env.dead_letters() as dead_letters:
        received = [letter.message_id for letter in dead_letters.receive()]
        assert env.visible("event") == set()

    assert (len(received), set(received)) == (25, put)
    assert (dead_letters.received, dead_letters.limit_reached) == (25, False)
    assert env.visible("event") == put


def test_receiving_again_yields_only_new_letters(env: Environment) -> None:
    env.put("event")

    with env.dead_letters() as dead_letters:
        first = list(dead_letters.receive())
        new = env.put("event")
        second = [letter.message_id for letter in dead_letters.receive()]

    assert (len(first), second) == (1, [new])


def test_a_letter_has_all_its_message_attributes(env: Environment) -> None:
    env.put("membership", reason="events.0.attributes: must be an object", group_id="4242.7", first_at=11, last_at=22)

    with env.dead_letters("membership") as dead_letters:
        (letter,) = dead_letters.receive()

    assert letter.attributes == {
        "account_id": "4242", "attempts": "1",
        "reason": "events.0.attributes: must be an object", "first_at": "11", "last_at": "22", "group_id": "4242.7",
    }  # fmt: skip
    assert (letter.own_group, letter.source_group, letter.dead_lettered_at) == ("letter-1", "4242.7", 22)
    assert letter.sequence_number > 0


def test_only_the_bodies_that_are_asked_for_are_kept(env: Environment) -> None:
    wanted = env.put("event", {"number": 1})
    env.put("event", {"number": 2})

    with env.dead_letters() as dead_letters:
        letters = list(dead_letters.receive(lambda letter: letter.message_id == wanted))
        bodies = {letter.message_id == wanted: letter.body for letter in letters}

    assert bodies == {True: '{"number": 1}', False: ""}


def test_nothing_personal_is_in_a_representation(env: Environment) -> None:
    env.put("event")

    with env.dead_letters() as dead_letters:
        (letter,) = dead_letters.receive(lambda _: True)
        assert "canary" not in repr(dead_letters) + repr(letter)
        assert "canary" in letter.body  # the control


class Slow:
    """Returns a given count of messages, and in each receive a given number of them."""

    def __init__(self, available: int, *responses: int) -> None:
        self.available = available
        self.responses = list(responses)
        self.receives = 0
        self.returned = 0

    def get_queue_attributes(self, **_: Any) -> Any:
        counts = {"ApproximateNumberOfMessages": self.available, "ApproximateNumberOfMessagesNotVisible": 2}
        return {"Attributes": {name: str(count) for name, count in counts.items()}}

    def receive_message(self, **_: Any) -> Any:
        self.receives += 1
        number = self.responses.pop(0) if self.responses else 0
        self.returned += number
        names = [f"m{n}" for n in range(self.returned - number, self.returned)]
        return {
            "Messages": [
                {"MessageId": name, "ReceiptHandle": name, "Body": "{}", "Attributes": {"SentTimestamp": "1"}}
                for name in names
            ]
        }

    def change_message_visibility_batch(self, **_: Any) -> Any:
        return {}


@pytest.mark.parametrize(
    ("sqs", "received", "receives"),
    [
        (Slow(0), 0, 1),
        (Slow(3, 3), 3, 2),
        (Slow(5, 2, 0, 0, 3), 5, 5),
        (Slow(5, 2, 0, 0, 0, 3), 2, 4),
        (Slow(1, 2, 2), 4, 3),
    ],
    ids=["nothing", "all-at-once", "empty-receives-in-between", "the-count-was-too-high", "the-count-was-too-low"],
)
def test_an_empty_receive_is_the_end_after_the_counted_number_or_after_several_empty_ones(
    env: Environment, sqs: Slow, received: int, receives: int
) -> None:
    with env.dead_letters(sqs=sqs) as dead_letters:
        assert len(list(dead_letters.receive())) == received

    assert sqs.receives == receives
    assert dead_letters.initial_counts == Counts(available=sqs.available, in_flight=2)


@pytest.mark.parametrize(
    "limits", [Limits(letters=10), Limits(body_bytes=15_000)], ids=["number-of-letters", "bytes-of-bodies"]
)
def test_receiving_ends_at_a_limit_and_continues_after_letters_are_deleted(env: Environment, limits: Limits) -> None:
    put = {env.put("event", "x" * 2_000) for _ in range(25)}

    with env.dead_letters(limits=limits) as dead_letters:
        first = list(dead_letters.receive(lambda _: True))
        assert (len(first), dead_letters.limit_reached) == (10, True)
        assert dead_letters.delete(first) == 0
        second = list(dead_letters.receive(lambda _: True))
        assert (len(second), dead_letters.limit_reached) == (10, True)

    assert env.visible("event") == put - {letter.message_id for letter in first}


def test_deleted_letters_are_gone_and_the_others_are_not(env: Environment) -> None:
    env.put("event")
    kept = env.put("event")

    with env.dead_letters() as dead_letters:
        gone = [letter for letter in dead_letters.receive() if letter.message_id != kept]
        assert dead_letters.delete(gone) == 0
        assert [dead_letters.holds(letter) for letter in gone] == [False]

    assert env.visible("event") == {kept}


def test_a_visibility_timeout_is_renewed_when_half_of_it_is_over(env: Environment) -> None:
    env.put("event")

    with env.dead_letters() as dead_letters:
        list(dead_letters.receive())
        env.clock.now += VISIBILITY_SECONDS / 2 - 1
        dead_letters.renew()
        assert env.sqs.calls.count("change_message_visibility_batch") == 0
        env.clock.now += 2
        dead_letters.renew()
        dead_letters.renew()
        assert env.sqs.calls.count("change_message_visibility_batch") == 1


class Expired(Slow):
    """Refuses to change the visibility of anything."""

    def change_message_visibility_batch(self, **arguments: Any) -> Any:
        return {"Failed": [{"Id": entry["Id"]} for entry in arguments["Entries"]]}


def test_a_letter_whose_timeout_could_not_be_renewed_is_not_in_flight_any_more(env: Environment) -> None:
    with env.dead_letters(sqs=Expired(1, 1)) as dead_letters:
        (letter,) = dead_letters.receive()
        assert dead_letters.holds(letter)
        env.clock.now += VISIBILITY_SECONDS - 1
        dead_letters.renew()
        assert not dead_letters.holds(letter)


def receive_and_fail(dead_letters: DeadLetterQueue, failure: BaseException) -> None:
    list(dead_letters.receive())
    raise failure


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), RuntimeError()], ids=["ctrl-c", "failure"])
def test_after_any_failure_every_letter_is_visible_again_at_once(env: Environment, failure: BaseException) -> None:
    put = {env.put("event") for _ in range(12)}

    with pytest.raises(type(failure)), env.dead_letters() as dead_letters:
        receive_and_fail(dead_letters, failure)

    assert env.visible("event") == put


def test_letters_that_cannot_be_released_are_counted_and_do_not_hide_the_failure(env: Environment) -> None:
    for _ in range(12):
        env.put("event")
    env.sqs.script = {"change_message_visibility_batch": {1: UNREACHABLE}}

    with pytest.raises(RuntimeError), env.dead_letters() as dead_letters:
        receive_and_fail(dead_letters, RuntimeError())

    assert dead_letters.unreleased == 10
    assert len(env.visible("event")) == 2


def test_what_was_received_before_a_failing_call_is_released(env: Environment) -> None:
    put = {env.put("event") for _ in range(12)}
    env.sqs.script = {"receive_message": {2: ClientError({"Error": {"Code": "Throttled"}}, "ReceiveMessage")}}

    with pytest.raises(ClientError), env.dead_letters() as dead_letters:
        list(dead_letters.receive())

    assert env.visible("event") == put
