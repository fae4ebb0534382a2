"""Sending letters back: in order, at a rate_limit, and without ever losing one."""

import json
from collections.abc import Callable, Mapping
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError
from mypy_boto3_s3 import S3Client

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.errors import DeliveryError
from mparticle_firehose.protocol import QueuedRequest
from mparticle_firehose.queues.dead_letters import Cause, DeadLetters, Letter
from mparticle_firehose.queues.event_queue import tenant
from mparticle_firehose.queues.record import REDRIVEN_AT, Record
from mparticle_firehose.queues.sender import MAX_MESSAGE_BYTES, QueueMessage, QueueSender
from mparticle_firehose.tables.progress import Progress
from ops.commands import redrive
from ops.dead_letters import QUEUES, DeadLetter, QueueName, Selection
from ops.letter_source import Limits
from ops.redrive import RateLimit, Redrive
from tests.conftest import BUCKET, Clock, load_event, serializer
from tests.ops.environment import NOW, Environment

MAX_ATTRIBUTES = 10  # of SQS
REQUEST_ID = "5a3c1e70-0000-4000-8000-000000000008"


def redriver(env: Environment, queue: QueueName, rate: int | None = None) -> Redrive:
    rate_limit = RateLimit(rate=rate, clock=env.clock, sleep=env._sleep)  # noqa: SLF001  the env's own
    sqs: Any = env.sqs
    return Redrive(
        sender=QueueSender(sqs, env.queues.large_bodies),
        large_bodies=env.queues.large_bodies,
        source_url=env.source_url(queue),
        rate_limit=rate_limit,
        now=lambda: env.now,
    )


def attributes_of(message: Any) -> dict[str, str]:
    return {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}


def run(
    env: Environment,
    queue: QueueName = "event",
    matches: Callable[[DeadLetter], bool] = lambda _: True,
    rate: int | None = None,
) -> Redrive:
    driver = redriver(env, queue, rate)
    with env.dead_letters(queue) as dead_letters:
        driver.run(dead_letters, matches)
    return driver


def worker_letters(env: Environment) -> DeadLetters:
    """Return what the worker puts its dead letters on the queues with."""
    urls = {
        "membership_url": env.queues.membership_dlq,
        "event_url": env.queues.event_dlq,
        "erasure_url": env.queues.erasure_dlq,
    }
    return DeadLetters(env.queues.sender, **urls, clock=lambda: 22.0)


def test_a_letter_goes_back_as_it_is_with_the_time_of_its_redrive(env: Environment) -> None:
    env.put("membership", {"number": 1}, group_id="4242.7", first_at=11, last_at=22)

    assert run(env, "membership").tally.sent == 1

    (message,) = env.taken(env.queues.membership)
    assert message["Body"] == '{"number": 1}'
    assert message["Attributes"]["MessageGroupId"] == "4242.7"
    assert attributes_of(message) == {
        "account_id": "4242", "reason": "http_422", "attempts": "1", "first_at": "11", "last_at": "22",
        "group_id": "4242.7", "redriven_at": str(NOW),
    }  # fmt: skip
    assert env.visible("membership") == set()


def test_what_the_worker_dead_lettered_goes_back_to_its_group(env: Environment, deadline: Deadline) -> None:
    record = Record(message_id="m", body="{}", group_id="4242.7", sent_at_ms=11_000)
    worker_letters(env).put([Letter(record=record, body="{}", cause=Cause(reason="http_503", attempts=100))], deadline)

    assert run(env, "membership", lambda letter: letter.reason == "http_503").tally.sent == 1

    (message,) = env.taken(env.queues.membership)
    assert message["Attributes"]["MessageGroupId"] == "4242.7"
    assert attributes_of(message) == {
        "reason": "http_503", "attempts": "100", "first_at": "11000", "last_at": "22000",
        "group_id": "4242.7", "place": "0.0.0", REDRIVEN_AT: str(NOW),
    }  # fmt: skip


SETTLED_ITEMS = Progress(fingerprint="f" * 16, settled=frozenset(range(0, 4_000, 2))).settled_text()

EVERY_ATTRIBUTE_BUT_THE_TYPE = {
    "account_id": "4242", "request_id": REQUEST_ID, "reason": "http_503", "attempts": "100", "first_at": "11",
    "last_at": "22000", "redriven_at": str(NOW), "settled": SETTLED_ITEMS,
}  # fmt: skip


@pytest.mark.parametrize(
    ("queue", "kind", "group", "more"),
    [
        ("membership", "audience_membership_change_request", "4242.7", {"group_id": "4242.7", "place": "1.2.3"}),
        ("membership", "event_processing_request", "4242.7", {"group_id": "4242.7", "place": "1.2.3"}),
        ("event", "event_processing_request", None, {"status": "503", "message_type": "event_processing_request"}),
    ],
    ids=["memberships", "events-in-order", "events"],
)
def test_a_letter_with_everything_that_it_may_have_goes_back_with_the_ten_attributes_that_sqs_takes(
    env: Environment, deadline: Deadline, queue: QueueName, kind: str, group: str | None, more: Mapping[str, str]
) -> None:
    """The letter of a message that was redriven before, of a request with an id, of which items are settled."""
    request = serializer.parse(load_event(kind, id=REQUEST_ID))
    record = Record(
        message_id="m", body="{}", group_id=group, sent_at_ms=NOW, first_at="11", redriven_at=str(NOW - 1)
    )  # fmt: skip
    cause = Cause(
        reason="http_503", attempts=100, request=cast("QueuedRequest", request), queue_position="1.2.3",
        settled=SETTLED_ITEMS,
    )  # fmt: skip
    worker_letters(env).put([Letter(record=record, body="{}", cause=cause)], deadline)

    assert run(env, queue).tally.sent == 1

    (message,) = env.taken(env.source_url(queue))
    assert attributes_of(message) == {**EVERY_ATTRIBUTE_BUT_THE_TYPE, **more}
    assert len(attributes_of(message)) == MAX_ATTRIBUTES


def test_what_is_settled_goes_back_unchanged_whatever_it_says(env: Environment) -> None:
    env.put("membership", settled="f1:Ag==")
    env.put("event", settled="canary: not for this command to read")

    run(env, "membership")
    run(env, "event")

    (ordered,), (unordered,) = env.taken(env.queues.membership), env.taken(env.queues.event)
    assert attributes_of(ordered)["settled"] == "f1:Ag=="
    assert attributes_of(unordered)["settled"] == "canary: not for this command to read"


def test_what_sqs_moved_goes_back_to_the_group_that_it_kept(env: Environment) -> None:
    env.move("membership", group="4242.3")

    run(env, "membership")

    (message,) = env.taken(env.queues.membership)
    assert message["Attributes"]["MessageGroupId"] == "4242.3"


def test_events_go_back_with_their_customer_as_tenant(env: Environment) -> None:
    env.put("event")
    env.move("event")
    env.put("event", account_id=None)

    assert run(env).tally.sent == 3

    groups = [message["Attributes"].get("MessageGroupId") for message in env.taken(env.queues.event)]
    assert sorted(groups) == sorted([tenant(4242), tenant(4242), tenant(None)])


@pytest.mark.parametrize("queue", QUEUES)
def test_letters_go_back_to_their_own_queue(env: Environment, queue: QueueName) -> None:
    env.put(queue)

    assert redrive(env.context(), Selection()) == 0

    sent = {name: len(env.taken(env.source_url(name))) for name in QUEUES}
    assert sent == {name: int(name == queue) for name in QUEUES}


def test_only_what_matches_is_sent_and_the_rest_is_visible_again(env: Environment) -> None:
    env.put("event", reason="read_timeout")
    kept = env.put("event")

    assert run(env, matches=lambda letter: letter.reason == "read_timeout").tally.sent == 1

    assert env.visible("event") == {kept}
    assert len(env.taken(env.queues.event)) == 1


def test_letters_of_a_group_are_sent_one_batch_after_the_other(env: Environment) -> None:
    for user in "ab":
        for number in (3, 1, 2):
            env.put("membership", {"change": f"{user}{number}"}, group_id=user, first_at=number)

    sent: list[list[str]] = []

    class Recording:
        def __getattr__(self, name: str) -> Any:
            return getattr(env.queues.sqs, name)

        def send_message_batch(self, **arguments: Any) -> Any:
            sent.append([json.loads(entry["MessageBody"])["change"] for entry in arguments["Entries"]])
            return env.queues.sqs.send_message_batch(**arguments)

    env.sqs.sqs = Recording()
    run(env, "membership")

    assert sent == [["a1", "b1"], ["a2", "b2"], ["a3", "b3"]]


def refused(operation: str) -> ClientError:
    return ClientError({"Error": {"Code": "AccessDenied", "Message": "canary-arn"}}, operation)


def test_a_crash_between_sending_and_deleting_loses_nothing(env: Environment) -> None:
    put = {env.put("membership") for _ in range(15)}
    env.sqs.script = {"delete_message_batch": {2: refused("DeleteMessageBatch")}}
    driver = redriver(env, "membership")

    with pytest.raises(ClientError), env.dead_letters("membership") as dead_letters:
        driver.run(dead_letters, lambda _: True)

    assert (driver.tally.sent, driver.tally.undeleted) == (15, 5)
    left = env.visible("membership")
    assert len(left) == 5
    assert left < put
    assert len(env.taken(env.queues.membership)) == 15


def test_the_run_after_a_crash_stores_nothing_twice_in_the_fifo_queue(env: Environment) -> None:
    env.put("membership")
    env.sqs.script = {"delete_message_batch": {1: refused("DeleteMessageBatch")}}
    with pytest.raises(ClientError):
        run(env, "membership")

    assert run(env, "membership").tally.sent == 1

    assert len(env.taken(env.queues.membership)) == 1
    assert env.visible("membership") == set()


def test_what_the_queue_does_not_take_stays_a_dead_letter(env: Environment) -> None:
    put = {env.put("event") for _ in range(12)}
    env.sqs.script = {"send_message_batch": {2: refused("SendMessageBatch")}}
    driver = redriver(env, "event")

    with pytest.raises(DeliveryError), env.dead_letters() as dead_letters:
        driver.run(dead_letters, lambda _: True)

    assert (driver.tally.sent, driver.tally.undeleted) == (10, 0)
    assert len(env.visible("event") & put) == 2


def test_of_a_batch_that_the_queue_takes_in_part_only_the_rest_stays_dead_letters(env: Environment) -> None:
    put = {env.put("event", {"number": number}) for number in range(10)}

    class TakingInPart:
        def __getattr__(self, name: str) -> Any:
            return getattr(env.queues.sqs, name)

        def send_message_batch(self, **arguments: Any) -> Any:
            taken = [entry for entry in arguments["Entries"] if "3" not in entry["MessageBody"]]
            env.queues.sqs.send_message_batch(**{**arguments, "Entries": taken})
            left = [entry for entry in arguments["Entries"] if entry not in taken]
            return {"Failed": [{"Id": entry["Id"], "Code": "Any", "SenderFault": True} for entry in left]}

    env.sqs.sqs = TakingInPart()
    driver = redriver(env, "event")

    with pytest.raises(DeliveryError), env.dead_letters() as dead_letters:
        driver.run(dead_letters, lambda _: True)

    assert (driver.tally.sent, driver.tally.undeleted) == (9, 0)
    assert len(env.taken(env.queues.event)) == 9
    assert len(env.visible("event") & put) == 1


def test_what_sqs_does_not_delete_is_counted(env: Environment) -> None:
    env.put("event")

    class NotDeleting:
        def __getattr__(self, name: str) -> Any:
            return getattr(env.queues.sqs, name)

        def delete_message_batch(self, **_: Any) -> Any:
            return {"Failed": [{"Id": "0", "Code": "InternalError"}]}

    env.sqs.sqs = NotDeleting()
    tally = run(env).tally

    assert (tally.sent, tally.undeleted) == (1, 1)
    assert len(env.visible("event")) == 1


def test_a_letter_that_fails_again_during_the_run_is_not_sent_a_second_time(env: Environment) -> None:
    env.move("membership", group="4242.1")  # shares its group, so that the run receives again
    back: list[str] = []

    class DeadLetteringAgain:
        def __getattr__(self, name: str) -> Any:
            return getattr(env.queues.sqs, name)

        def send_message_batch(self, **arguments: Any) -> Any:
            answer = env.queues.sqs.send_message_batch(**arguments)
            back.append(env.put("membership", redriven_at=env.now, group_id="4242.1"))
            return answer

    env.sqs.sqs = DeadLetteringAgain()

    assert run(env, "membership").tally.sent == 1
    assert env.visible("membership") == set(back)


def test_a_letter_that_was_redriven_by_an_earlier_run_goes_again(env: Environment) -> None:
    env.put("event", redriven_at=NOW - 1)

    assert run(env).tally.sent == 1


def test_more_letters_than_the_limit_are_sent_in_rounds(env: Environment) -> None:
    env.limits = Limits(letters=10)
    for _ in range(35):
        env.put("event")

    assert run(env).tally.sent == 35
    assert env.visible("event") == set()


@pytest.mark.parametrize(("queue", "group"), [("membership", "g" * 128), ("event", None)])
def test_a_letter_without_room_for_the_time_of_its_redrive_goes_back_with_its_body_in_s3(
    env: Environment, bucket: object, deadline: Deadline, queue: QueueName, group: str | None
) -> None:
    record = Record(message_id="m", body="{}", group_id=group, sent_at_ms=NOW)
    cause = Cause(reason="http_" + "r" * 300, attempts=1_000_000, settled="f:" + "A" * 10_000)
    letters = worker_letters(env)
    letters.put([Letter(record=record, body="x", cause=cause)], deadline)
    (small,) = env.taken(env.url(queue))
    largest = "x" * (MAX_MESSAGE_BYTES - QueueMessage(body="", attributes=attributes_of(small)).size)
    letters.put([Letter(record=record, body=largest, cause=cause)], deadline)

    assert run(env, queue).tally.sent == 1

    (message,) = env.taken(env.source_url(queue))
    assert env.queues.large_bodies.open(message["Body"]).read() == largest


@pytest.mark.parametrize(("queue", "group"), [("membership", "4242.1"), ("event", None)])
def test_a_letter_whose_body_is_in_s3_is_sent_back_with_a_copy_of_its_own(
    env: Environment, bucket: S3Client, deadline: Deadline, queue: QueueName, group: str | None
) -> None:
    body = "x" * 2_000_000
    record = Record(message_id="m", body=body, group_id=group, sent_at_ms=NOW)
    cause = Cause(reason="http_422", attempts=1)
    worker_letters(env).put([Letter(record=record, body=body, cause=cause)], deadline)

    assert run(env, queue).tally.sent == 1

    (message,) = env.taken(env.source_url(queue))
    assert env.queues.large_bodies.open(message["Body"]).read() == body
    assert len(bucket.list_objects_v2(Bucket=BUCKET)["Contents"]) == 2


def test_a_letter_whose_body_is_gone_goes_back_all_the_same(env: Environment, bucket: object) -> None:
    """The worker makes a letter of it that says so."""
    reference = env.queues.large_bodies.store("{}")
    env.queues.large_bodies.delete(reference)
    env.put("event", reference)

    assert run(env).tally.sent == 1

    (message,) = env.taken(env.queues.event)
    assert message["Body"] == reference


@pytest.mark.parametrize(
    ("rate", "batches", "sleeps"),
    [
        (None, 3, []),
        (1, 25, [1.0] * 24),
        (4, 8, [1.0, 1.0, 0.5, 1.0, 1.0, 0.5, 1.0]),
        (10, 3, [1.0] * 2),
        (100, 3, [0.1] * 2),
    ],
    ids=["no-limit", "1", "4", "10", "100"],
)
def test_the_rate_is_kept(env: Environment, rate: int | None, batches: int, sleeps: list[float]) -> None:
    for _ in range(25):
        env.put("event")

    assert run(env, rate=rate).tally.sent == 25

    assert env.sqs.calls.count("send_message_batch") == batches
    assert env.sleeps == pytest.approx(sleeps)


def test_time_spent_elsewhere_counts_for_the_rate_limit() -> None:
    clock, sleeps = Clock(), list[float]()
    rate_limit = RateLimit(rate=10, clock=clock, sleep=sleeps.append)

    rate_limit.wait(10)
    clock.now += 0.75
    rate_limit.wait(10)
    clock.now += 5
    rate_limit.wait(10)

    assert sleeps == [0.25]


def test_in_a_slow_run_nobody_else_receives_its_letters(env: Environment) -> None:
    for _ in range(20):
        env.put("event")
    driver = redriver(env, "event")
    driver.rate_limit.rate = 1

    def sleep(_: float) -> None:
        env.clock.now += 20

    driver.rate_limit.sleep = sleep
    with env.dead_letters() as dead_letters:
        driver.run(dead_letters, lambda _: True)

    assert driver.tally.sent == 20
    assert env.sqs.calls.count("change_message_visibility_batch") == 3  # all after 160 s, then those left after 320 s


def test_progress_is_reported_after_each_batch(env: Environment) -> None:
    for _ in range(12):
        env.put("event")
    told: list[tuple[int, int]] = []

    with env.dead_letters() as dead_letters:
        redriver(env, "event").run(dead_letters, lambda _: True, lambda sent, found: told.append((sent, found)))

    assert told == [(10, 12), (12, 12)]
