"""What cannot be delivered leaves in few calls and in time. Whatever stops that, each letter is there once."""

import tracemalloc
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from mypy_boto3_dynamodb import DynamoDBClient

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.delivery.plan import Planner
from mparticle_firehose.integration import Integration, PartnerCall, Undeliverable
from mparticle_firehose.protocol import EventProcessingRequest
from mparticle_firehose.queues.dead_letters import DeadLetters
from mparticle_firehose.queues.record import Record
from mparticle_firehose.queues.sender import QueueMessage, QueueSender
from mparticle_firehose.repeating import Repeating
from tests.conftest import Clock, Reply
from tests.worker.aws_calls import AwsCalls
from tests.worker.bench import Bench, again, change, changes, event_record, in_part, membership, user
from tests.worker.event_source_mapping import KilledError

STATUSES = (400, 404, 405, 406, 410, 422)
NO_MORE_SECONDS = 5.0
"""After the deadline nothing is begun any more."""


@pytest.fixture
def calls(bench: Bench, dynamodb: DynamoDBClient) -> AwsCalls:
    return AwsCalls(bench.queues.sqs, dynamodb)


def refuse_each(call: PartnerCall) -> Reply:
    """Refuse each item of a call by name, for one of six reasons."""
    return in_part({index: STATUSES[int(user(item)) % 6] for index, item in enumerate(changes(call))})


def refused_batch(messages: int = 10) -> list[Record]:
    """Return messages of six changes each, of different groups."""
    return [
        membership(f"m{first}", *(change(str(6 * first + number)) for number in range(6)), group=f"4242.{first}")
        for first in range(messages)
    ]


def lettered(bench: Bench) -> Counter[str]:
    """Take the letters, and count in how many of them each user's change is."""
    return Counter(profile["mpid"] for body, _ in bench.dead_letters() for profile in body["user_profiles"] if profile)


def once(users: Iterable[int]) -> Counter[str]:
    return Counter(map(str, users))


def test_sixty_refused_changes_of_a_batch_leave_in_few_calls(bench: Bench, calls: AwsCalls) -> None:
    bench.partner.judge = refuse_each

    failed = bench.deliver(*refused_batch())

    assert calls.taken() == {
        "BatchGetItem": 1,  # what is remembered
        "BatchWriteItem": 3 + 3,  # ten groups and sixty memberships are tracked, and sixty letters noted
        "SendMessageBatch": 6,
    }
    assert failed == []
    assert lettered(bench) == once(range(60))
    assert bench.telemetry.counts["DeadLettered"] == 60


def test_sixty_refused_messages_of_events_need_six_sends_and_three_writes(bench: Bench, calls: AwsCalls) -> None:
    bench.partner.judge = lambda _: 404

    failed = bench.deliver(*(event_record(f"e{number}") for number in range(60)))

    assert calls.taken() == {"SendMessageBatch": 6, "BatchWriteItem": 3}
    assert failed == []
    assert len(bench.dead_letters()) == 60


def test_which_letters_there_are_already_is_asked_once_for_a_batch(bench: Bench, calls: AwsCalls) -> None:
    bench.partner.judge = refuse_each
    bench.deliver(*refused_batch())
    calls.taken()

    failed = bench.deliver(*map(again, refused_batch()))

    assert calls.taken() == {"BatchGetItem": 1 + 1 + 1}  # what is remembered, the memberships tracked, the letters
    assert failed == []
    assert lettered(bench) == once(range(60))


def test_what_is_not_put_aside_in_time_comes_again_and_the_worker_ends_in_time(bench: Bench, calls: AwsCalls) -> None:
    calls.seconds = 0.6
    bench.partner.judge = refuse_each
    deadline = Deadline.after(1.8, calls.clock)

    failed = bench.deliver(*refused_batch(), deadline=deadline)

    assert calls.clock.now < deadline.at + NO_MORE_SECONDS
    first = lettered(bench)
    assert 0 < len(first) < 60
    assert failed
    assert bench.visibility.waits == dict.fromkeys(failed, 0)
    calls.seconds = 0.0
    records = [again(record) for record in refused_batch() if record.message_id in failed]
    assert bench.deliver(*records) == []
    assert lettered(bench) + first == once(range(60))
    assert len(bench.partner.calls) == 1


def test_with_the_spare_time_up_too_nothing_is_begun_and_all_comes_again(bench: Bench, calls: AwsCalls) -> None:
    deadline = Deadline.after(10, calls.clock)

    def refuse_late(call: PartnerCall) -> Reply:
        calls.clock.now = deadline.at + NO_MORE_SECONDS
        return refuse_each(call)

    bench.partner.judge = refuse_late
    records = refused_batch()

    failed = bench.deliver(*records, deadline=deadline)

    assert failed == [record.message_id for record in records]
    assert calls.taken() == {"BatchGetItem": 1}


def test_each_refused_change_is_in_one_letter_wherever_the_environment_dies(bench: Bench, calls: AwsCalls) -> None:
    """Before and after each call of AWS."""
    bench.partner.judge = refuse_each
    for steps in range(100):
        users = range(60 * steps, 60 * steps + 24)
        records = [
            membership(f"s{steps}.{first}", *(change(str(first + n)) for n in range(6)), group=f"{steps}.{first}")
            for first in users[::6]
        ]
        deaths = died_after(bench, calls, steps, records)
        assert bench.deliver(*map(again, records)) == []
        assert lettered(bench) == once(users)
        if not deaths:
            break
    assert steps == 2 * (1 + 2 + 3 + 1)  # a read; two writes to track, three sends and a write to note


def test_on_the_standard_queue_nothing_is_lost_and_what_is_noted_is_not_repeated(bench: Bench, calls: AwsCalls) -> None:
    bench.partner.judge = lambda _: 404
    numbers: list[int] = []
    for steps in range(100):
        records = [event_record(f"s{steps}.{number}") for number in range(4)]
        deaths = died_after(bench, calls, steps, records)
        assert bench.deliver(*map(again, records)) == []
        numbers.append(len(bench.dead_letters()))
        if not deaths:
            break
    assert numbers == [4, 8, 8, 4, 4]  # between send and note it is not known


def died_after(bench: Bench, calls: AwsCalls, steps: int, records: Sequence[Record]) -> bool:
    try:
        with calls.doom.after(steps):
            bench.deliver(*records)
    except KilledError:
        return True
    return False


@pytest.mark.parametrize("operation", ["BatchWriteItem", "SendMessageBatch"])
def test_what_cannot_be_put_aside_comes_again_and_others_do_not(bench: Bench, calls: AwsCalls, operation: str) -> None:
    bench.partner.judge = lambda call: in_part({i: 422 for i, item in enumerate(changes(call)) if user(item) == "1"})
    records = [membership("m1", change("1"), change("2")), membership("m2", change("3"), group="g2")]

    with calls.failing(lambda name, _: name == operation):
        failed = bench.deliver(*records)

    assert failed == ["m1"]
    assert bench.deliver(again(records[0])) == []
    assert lettered(bench) == once([1])


def test_a_refused_change_that_cannot_be_put_aside_is_not_asked_again_after_a_newer_one(
    bench: Bench, calls: AwsCalls
) -> None:
    """The partner could take it then, and undo the newer one."""
    bench.partner.judge = lambda call: in_part({0: 422} if changes(call)[0]["action"] == "add" else {})
    older, newer = membership("m1", change("1")), membership("m2", change("1", action="delete"))
    with calls.failing(lambda name, _: name == "SendMessageBatch"):
        failed = bench.deliver(older, newer)
    bench.partner.judge = None

    failed_again = bench.deliver(again(older))

    ((_, why),) = bench.dead_letters()
    assert (failed, failed_again) == (["m1"], [])
    assert (why["reason"], why["attempts"]) == ("http_422", "1")
    assert len(bench.partner.calls) == 2


def test_a_letter_that_is_not_noted_counts_as_stored(bench: Bench, calls: AwsCalls) -> None:
    """The note is for a later receive of the message only, and there is none."""
    bench.partner.judge = lambda _: 404

    with calls.failing(lambda name, _: name == "BatchWriteItem"):
        failed = bench.deliver(event_record("e1"))

    assert failed == []
    assert len(bench.dead_letters()) == 1


def test_a_letter_that_the_queue_does_not_take_is_sent_again_without_those_it_has_taken(bench: Bench) -> None:
    bench.partner.judge = lambda _: 404
    records = [event_record(f"e{number}", events=[{"type": "session_end", "n": f"n{number}"}]) for number in range(5)]
    sqs, clock = bench.queues.sqs, Clock()

    class TakingInPart:
        def send_message_batch(self, **arguments: Any) -> Any:
            clock.now += 1
            taken = [entry for entry in arguments["Entries"] if '"n3"' not in entry["MessageBody"]]
            if taken:
                sqs.send_message_batch(**{**arguments, "Entries": taken})
            left = [entry for entry in arguments["Entries"] if entry not in taken]
            return {"Failed": [{"Id": entry["Id"], "Code": "Any", "SenderFault": False} for entry in left]}

    client: Any = TakingInPart()
    usual = bench.worker
    sender = QueueSender(client, bench.queues.large_bodies, Repeating(sleep=lambda _: None))
    queues = bench.queues
    partly = DeadLetters(
        sender, membership_url=queues.membership_dlq, event_url=queues.event_dlq, erasure_url=queues.erasure_dlq
    )
    bench.worker = replace(usual, dead_letters=partly)

    failed = bench.deliver(*records, deadline=Deadline.after(3, clock))

    assert failed == ["e3"]
    assert len(bench.dead_letters()) == 4
    bench.worker = usual
    assert bench.deliver(again(records[3])) == []
    assert len(bench.dead_letters()) == 1


class Discarding:
    """Takes every message and keeps nothing."""

    def send(self, _url: str, _messages: Sequence[QueueMessage], _deadline: Deadline) -> None:
        return


def peak_of(bench: Bench, reasons: int) -> int:
    """Return the bytes at most that a large request takes which is refused for so many reasons."""

    def refused(request: EventProcessingRequest) -> Iterator[Undeliverable]:
        for number, _ in enumerate(request.events):
            yield Undeliverable((("events", number),), f"reason {number}")

    integration = Integration(registration=lambda: None, events=refused)  # type: ignore[arg-type, return-value]
    sender: Any = Discarding()
    bench.worker = replace(
        bench.worker,
        planner=Planner(integration),
        dead_letters=DeadLetters(sender, membership_url="m", event_url="e", erasure_url="x"),
    )
    events = [{"type": "session_end"}] * reasons
    record = event_record(f"m{reasons}", events=events, user_attributes={"a": "x" * _LARGE_BYTES})
    tracemalloc.start()
    try:
        assert bench.deliver(record) == []
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


_LARGE_BYTES = 2_000_000


def test_the_letters_of_a_large_request_are_not_in_memory_together(bench: Bench) -> None:
    few, many = peak_of(bench, 2), peak_of(bench, 30)

    assert bench.telemetry.counts["DeadLettered"] == 32
    assert many - few < 3 * _LARGE_BYTES
