"""Sending letters back: in order, at a pace, and without ever losing one."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.errors import DeliveryError
from mparticle_firehose.queues.dead_letters import Cause, DeadLetters
from mparticle_firehose.queues.record import REDRIVEN_AT, Record
from mparticle_firehose.queues.sender import MAX_MESSAGE_BYTES, QueueSender
from ops.letterbox import Limits
from ops.letters import Letter, QueueName
from ops.redriving import Pace, Redriver
from tests.conftest import Clock, Queues
from tests.ops.dead_letter_stand import NOW, Bench


@pytest.fixture
def bench(queues: Queues) -> Bench:
    return Bench(queues)


def redriver(bench: Bench, queue: QueueName, rate: int | None = None) -> Redriver:
    url = bench.queues.membership if queue == "membership" else bench.queues.event
    pace = Pace(rate=rate, clock=bench.clock, sleep=bench._sleep)  # noqa: SLF001  the bench's own
    sqs: Any = bench.sqs
    return Redriver(sender=QueueSender(sqs), destination_url=url, pace=pace, now=lambda: bench.now)


def run(
    bench: Bench,
    queue: QueueName = "event",
    matches: Callable[[Letter], bool] = lambda _: True,
    rate: int | None = None,
) -> Redriver:
    driver = redriver(bench, queue, rate)
    with bench.box(queue) as box:
        driver.run(box, matches)
    return driver


def test_a_letter_goes_back_as_it_is_with_the_time_of_its_redrive(bench: Bench) -> None:
    bench.put("membership", {"number": 1}, group_id="4242.7", first_at=11, last_at=22)

    assert run(bench, "membership").tally.sent == 1

    (message,) = bench.taken(bench.queues.membership)
    assert message["Body"] == '{"number": 1}'
    assert message["Attributes"]["MessageGroupId"] == "4242.7"
    assert {name: value["StringValue"] for name, value in message["MessageAttributes"].items()} == {
        "message_type": "audience_membership_change_request", "account_id": "4242", "reason": "http_422",
        "status": "422", "attempts": "1", "first_at": "11", "last_at": "22", "group_id": "4242.7",
        "redriven_at": str(NOW),
    }  # fmt: skip
    assert bench.visible("membership") == set()


def test_what_the_worker_put_aside_goes_back_to_its_users_group(bench: Bench, deadline: Deadline) -> None:
    urls = {"membership_url": bench.queues.membership_dlq, "event_url": bench.queues.event_dlq}
    letters = DeadLetters(QueueSender(bench.queues.sqs), **urls, clock=lambda: 22.0)
    record = Record(message_id="m", body="{}", group_id="4242.7", sent_at_ms=11_000)
    letters.put(record, "{}", Cause(reason="http_503", attempts=100), deadline)

    assert run(bench, "membership", lambda letter: letter.reason == "http_503").tally.sent == 1

    (message,) = bench.taken(bench.queues.membership)
    assert message["Attributes"]["MessageGroupId"] == "4242.7"
    assert {name: value["StringValue"] for name, value in message["MessageAttributes"].items()} == {
        "reason": "http_503", "status": "503", "attempts": "100", "first_at": "11000", "last_at": "22000",
        "group_id": "4242.7", "place": "0.0.0", REDRIVEN_AT: str(NOW),
    }  # fmt: skip


def test_what_sqs_moved_goes_back_to_its_own_group(bench: Bench) -> None:
    bench.move("membership", group="4242.3")

    run(bench, "membership")

    (message,) = bench.taken(bench.queues.membership)
    assert message["Attributes"]["MessageGroupId"] == "4242.3"


def test_events_go_back_without_group(bench: Bench) -> None:
    bench.put("event")
    bench.move("event")

    assert run(bench).tally.sent == 2

    groups = [message["Attributes"].get("MessageGroupId") for message in bench.taken(bench.queues.event)]
    assert groups == [None, None]


def test_only_what_matches_is_sent_and_the_rest_is_visible_again(bench: Bench) -> None:
    bench.put("event", reason="read_timeout")
    kept = bench.put("event")

    assert run(bench, matches=lambda letter: letter.reason == "read_timeout").tally.sent == 1

    assert bench.visible("event") == {kept}
    assert len(bench.taken(bench.queues.event)) == 1


def test_letters_of_a_group_are_sent_one_batch_after_the_other(bench: Bench) -> None:
    for user in "ab":
        for number in (3, 1, 2):
            bench.put("membership", {"change": f"{user}{number}"}, group_id=user, first_at=number)

    sent: list[list[str]] = []

    class Watching:
        def __getattr__(self, name: str) -> Any:
            return getattr(bench.queues.sqs, name)

        def send_message_batch(self, **arguments: Any) -> Any:
            sent.append([json.loads(entry["MessageBody"])["change"] for entry in arguments["Entries"]])
            return bench.queues.sqs.send_message_batch(**arguments)

    bench.sqs.sqs = Watching()
    run(bench, "membership")

    assert sent == [["a1", "b1"], ["a2", "b2"], ["a3", "b3"]]


def refused(operation: str) -> ClientError:
    return ClientError({"Error": {"Code": "AccessDenied", "Message": "canary-arn"}}, operation)


def test_a_crash_between_sending_and_deleting_loses_nothing(bench: Bench) -> None:
    put = {bench.put("membership") for _ in range(15)}
    bench.sqs.script = {"delete_message_batch": {2: refused("DeleteMessageBatch")}}
    driver = redriver(bench, "membership")

    with pytest.raises(ClientError), bench.box("membership") as box:
        driver.run(box, lambda _: True)

    assert (driver.tally.sent, driver.tally.undeleted) == (15, 5)
    left = bench.visible("membership")
    assert len(left) == 5
    assert left < put
    assert len(bench.taken(bench.queues.membership)) == 15


def test_the_run_after_a_crash_stores_nothing_twice_in_the_fifo_queue(bench: Bench) -> None:
    bench.put("membership")
    bench.sqs.script = {"delete_message_batch": {1: refused("DeleteMessageBatch")}}
    with pytest.raises(ClientError):
        run(bench, "membership")

    assert run(bench, "membership").tally.sent == 1

    assert len(bench.taken(bench.queues.membership)) == 1
    assert bench.visible("membership") == set()


def test_what_the_queue_does_not_take_stays_a_dead_letter(bench: Bench) -> None:
    put = {bench.put("event") for _ in range(12)}
    bench.sqs.script = {"send_message_batch": {2: refused("SendMessageBatch")}}
    driver = redriver(bench, "event")

    with pytest.raises(DeliveryError), bench.box() as box:
        driver.run(box, lambda _: True)

    assert (driver.tally.sent, driver.tally.undeleted) == (10, 0)
    assert len(bench.visible("event") & put) == 2


def test_what_sqs_does_not_delete_is_told_apart(bench: Bench) -> None:
    bench.put("event")

    class Stubborn:
        def __getattr__(self, name: str) -> Any:
            return getattr(bench.queues.sqs, name)

        def delete_message_batch(self, **_: Any) -> Any:
            return {"Failed": [{"Id": "0", "Code": "InternalError"}]}

    bench.sqs.sqs = Stubborn()
    tally = run(bench).tally

    assert (tally.sent, tally.undeleted) == (1, 1)
    assert len(bench.visible("event")) == 1


def test_what_fails_anew_while_the_run_goes_on_is_not_sent_a_second_time(bench: Bench) -> None:
    bench.move("membership", group="4242.1")  # hides others, so that the run looks again
    back: list[str] = []

    class PuttingAsideAgain:
        def __getattr__(self, name: str) -> Any:
            return getattr(bench.queues.sqs, name)

        def send_message_batch(self, **arguments: Any) -> Any:
            answer = bench.queues.sqs.send_message_batch(**arguments)
            back.append(bench.put("membership", redriven_at=bench.now, group_id="4242.1"))
            return answer

    bench.sqs.sqs = PuttingAsideAgain()

    assert run(bench, "membership").tally.sent == 1
    assert bench.visible("membership") == set(back)


def test_a_letter_that_was_redriven_by_an_earlier_run_goes_again(bench: Bench) -> None:
    bench.put("event", redriven_at=NOW - 1)

    assert run(bench).tally.sent == 1


def test_more_letters_than_fit_at_once_go_in_rounds(bench: Bench) -> None:
    bench.limits = Limits(letters=10)
    for _ in range(35):
        bench.put("event")

    assert run(bench).tally.sent == 35
    assert bench.visible("event") == set()


def test_the_largest_body_loses_the_reason_rather_than_being_refused(bench: Bench) -> None:
    attributes = {"reason": "r" * 26, "request_id": "i" * 36, "message_type": "t", "account_id": "4"}
    size = sum(len(name) + len("String") + len(value) for name, value in attributes.items())
    others: dict[str, None] = dict.fromkeys(("status", "attempts", "first_at", "last_at"))
    bench.put("event", "x" * (MAX_MESSAGE_BYTES - size), **{**attributes, **others})

    assert run(bench).tally.sent == 1

    (message,) = bench.taken(bench.queues.event)
    assert set(message["MessageAttributes"]) == {"request_id", "message_type", "account_id", "redriven_at"}


@pytest.mark.parametrize(
    ("rate", "batches", "naps"),
    [
        (None, 3, []),
        (1, 25, [1.0] * 24),
        (4, 8, [1.0, 1.0, 0.5, 1.0, 1.0, 0.5, 1.0]),
        (10, 3, [1.0] * 2),
        (100, 3, [0.1] * 2),
    ],
    ids=["no-limit", "1", "4", "10", "100"],
)
def test_the_rate_is_kept(bench: Bench, rate: int | None, batches: int, naps: list[float]) -> None:
    for _ in range(25):
        bench.put("event")

    assert run(bench, rate=rate).tally.sent == 25

    assert bench.sqs.calls.count("send_message_batch") == batches
    assert bench.naps == pytest.approx(naps)


def test_time_that_passes_otherwise_counts_for_the_pace() -> None:
    clock, naps = Clock(), list[float]()
    pace = Pace(rate=10, clock=clock, sleep=naps.append)

    pace.wait(10)
    clock.now += 0.75
    pace.wait(10)
    clock.now += 5
    pace.wait(10)

    assert naps == [0.25]


def test_a_slow_run_keeps_its_letters_to_itself(bench: Bench) -> None:
    for _ in range(20):
        bench.put("event")
    driver = redriver(bench, "event")
    driver.pace.rate = 1

    def sleep(_: float) -> None:
        bench.clock.now += 20

    driver.pace.sleep = sleep
    with bench.box() as box:
        driver.run(box, lambda _: True)

    assert driver.tally.sent == 20
    assert bench.sqs.calls.count("change_message_visibility_batch") == 3  # all after 160 s, then those left after 320 s


def test_progress_is_told_after_each_batch(bench: Bench) -> None:
    for _ in range(12):
        bench.put("event")
    told: list[tuple[int, int]] = []

    with bench.box() as box:
        redriver(bench, "event").run(box, lambda _: True, lambda sent, found: told.append((sent, found)))

    assert told == [(10, 12), (12, 12)]
