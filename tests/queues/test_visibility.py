from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.queues.record import Record
from mparticle_firehose.queues.source_queues import SourceQueues
from mparticle_firehose.queues.visibility import VisibilityTimeouts
from mparticle_firehose.repeating import Repeating
from tests.conftest import Clock, Queues, TelemetryDouble

SOURCE_QUEUES = SourceQueues(
    membership_url="https://sqs/1/m.fifo",
    bulk_url="https://sqs/1/b.fifo",
    event_url="https://sqs/1/e",
    erasure_url="https://sqs/1/d",
)


def record(number: int, group_id: str | None = None, queue: str = "") -> Record:
    return Record(message_id=f"m{number}", body="{}", receipt_handle=f"r{number}", group_id=group_id, queue=queue)


class SqsDouble:
    """Keeps visibility changes, and answers from a list; the last answer is the one of all further calls."""

    def __init__(self, *answers: dict[str, Any] | Exception) -> None:
        self.answers = list(answers)
        self.changes: list[tuple[str, int]] = []

    def change_message_visibility_batch(self, *, QueueUrl: str, Entries: list[Any]) -> dict[str, Any]:  # noqa: N803  boto3's names
        self.changes.append((QueueUrl, len(Entries)))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def timeouts(sqs: Any, telemetry: TelemetryDouble, clock: Clock) -> VisibilityTimeouts:

    def sleep(seconds: float) -> None:
        clock.now += seconds

    repeating = Repeating(sleep=sleep, jitter=lambda maximum: maximum)
    return VisibilityTimeouts(sqs, telemetry, SOURCE_QUEUES, repeating)


def soon(clock: Clock) -> Deadline:
    return Deadline.after(60, clock)


def failure(number: int, code: str, *, is_final: bool) -> dict[str, Any]:
    return {"Id": str(number), "Code": code, "SenderFault": is_final}


THROTTLED = ClientError({"Error": {"Code": "RequestThrottled", "Message": "canary-secret"}}, "Any")


def test_each_message_comes_again_when_its_wait_is_over(queues: Queues, deadline: Deadline) -> None:
    for number in range(12):
        queues.sqs.send_message(QueueUrl=queues.event, MessageBody=str(number))
    received = queues.messages(queues.event)
    waits = {Record(message_id=m["MessageId"], body=m["Body"], receipt_handle=m["ReceiptHandle"]): 0 for m in received}

    of = SourceQueues(
        membership_url=queues.membership, bulk_url=queues.bulk, event_url=queues.event, erasure_url=queues.erasure
    )
    VisibilityTimeouts(queues.sqs, TelemetryDouble(), of).set(waits, deadline)

    assert len(queues.messages(queues.event)) == 12


@pytest.mark.parametrize(
    ("failed", "url"),
    [
        pytest.param(record(1, "g"), SOURCE_QUEUES.membership_url, id="fifo"),
        pytest.param(record(1, "g", queue="m.fifo"), SOURCE_QUEUES.membership_url, id="memberships"),
        pytest.param(record(1, "g", queue="b.fifo"), SOURCE_QUEUES.bulk_url, id="forwarded"),
        pytest.param(record(1), SOURCE_QUEUES.event_url, id="unknown"),
        pytest.param(record(1, queue="e"), SOURCE_QUEUES.event_url, id="events"),
        pytest.param(record(1, queue="d"), SOURCE_QUEUES.erasure_url, id="erasures"),
    ],
)
def test_the_queue_is_the_one_that_the_messages_came_from(failed: Record, url: str) -> None:
    sqs, clock = SqsDouble({}), Clock()

    timeouts(sqs, TelemetryDouble(), clock).set({failed: 1}, soon(clock))

    assert sqs.changes == [(url, 1)]


@pytest.mark.parametrize(
    ("answer", "unchanged"),
    [
        ({"Failed": [failure(0, "ReceiptHandleIsInvalid", is_final=True)]}, 1),
        ({"Failed": [failure(0, "InternalError", is_final=False)]}, 1),
        (ClientError({"Error": {"Code": "AccessDenied", "Message": "canary-secret"}}, "Any"), 2),
        (THROTTLED, 2),
    ],
    ids=["one", "one-for-a-while", "all", "all-for-a-while"],
)
def test_a_change_that_sqs_does_not_take_is_logged_counted_and_harmless(answer: Any, unchanged: int) -> None:
    telemetry, clock = TelemetryDouble(), Clock()

    timeouts(SqsDouble(answer), telemetry, clock).set({record(1): 1, record(2): 1}, soon(clock))

    assert telemetry.counts == {"VisibilityUnchanged": unchanged}
    assert [note["event"] for note in telemetry.notes] == ["visibility unchanged"]
    assert "canary" not in str(telemetry.notes)


@pytest.mark.parametrize(
    ("answer", "entries"),
    [
        ({"Failed": [failure(0, "A", is_final=True), failure(1, "B", is_final=False)]}, [2, 1]),
        (THROTTLED, [2, 2]),
    ],
    ids=["one", "all"],
)
def test_what_sqs_fails_to_take_for_reasons_of_its_own_is_set_again(answer: Any, entries: list[int]) -> None:
    sqs, clock = SqsDouble(answer, {}), Clock()

    timeouts(sqs, TelemetryDouble(), clock).set({record(1): 1, record(2): 1}, soon(clock))

    assert [count for _, count in sqs.changes] == entries


def test_a_queue_that_fails_costs_a_batch_no_more_than_a_second() -> None:
    clock = Clock()
    sqs = SqsDouble(THROTTLED)

    timeouts(sqs, TelemetryDouble(), clock).set({record(number): 1 for number in range(100)}, soon(clock))

    assert clock.now < Clock().now + 1
    assert len(sqs.changes) < 40


def test_after_the_deadline_none_is_set() -> None:
    clock, telemetry = Clock(), TelemetryDouble()

    class Hanging(SqsDouble):
        def change_message_visibility_batch(self, **arguments: Any) -> dict[str, Any]:
            clock.now += 7
            return super().change_message_visibility_batch(**arguments)

    sqs = Hanging(ReadTimeoutError(endpoint_url=""))

    timeouts(sqs, telemetry, clock).set({record(number): 1 for number in range(100)}, Deadline.after(10, clock))

    assert clock.now == Clock().now + 14
    assert telemetry.counts == {"VisibilityUnchanged": 100}
    assert telemetry.notes == [{"event": "visibility unchanged", "reason": "ReadTimeoutError, out_of_time"}]


def test_without_failures_sqs_is_not_asked() -> None:
    sqs, clock = SqsDouble({}), Clock()

    timeouts(sqs, TelemetryDouble(), clock).set({}, soon(clock))

    assert sqs.changes == []
