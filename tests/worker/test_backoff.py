from typing import Any

import pytest
from botocore.exceptions import ClientError

from mparticle_firehose.queues.record import Record
from mparticle_firehose.queues.visibility import LONGEST_VISIBILITY_SECONDS, Backoff, Redelivery
from tests.conftest import Queues, TelemetryDouble


def record(number: int, group_id: str | None = None) -> Record:
    return Record(message_id=f"m{number}", body="{}", receipt_handle=f"r{number}", group_id=group_id)


class SqsDouble:
    """Keeps visibility changes, or fails."""

    def __init__(self, answer: dict[str, Any] | Exception) -> None:
        self.answer = answer
        self.changes: list[tuple[str, int]] = []

    def change_message_visibility_batch(self, *, QueueUrl: str, Entries: list[Any]) -> dict[str, Any]:  # noqa: N803  boto3's names
        self.changes.append((QueueUrl, len(Entries)))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def redelivery(sqs: Any, telemetry: TelemetryDouble) -> Redelivery:
    return Redelivery(sqs, telemetry, membership_url="membership", event_url="event")


@pytest.mark.parametrize(
    ("receive_count", "seconds"), [(0, 2), (1, 2), (2, 4), (5, 32), (9, 512), (10, 900), (1000, 900)]
)
def test_the_bound_doubles_with_each_attempt_up_to_the_cap(receive_count: int, seconds: int) -> None:
    assert Backoff(base=2, cap=900, jitter=lambda most: most).seconds(receive_count) == seconds


def test_jitter_draws_from_the_whole_range() -> None:
    draws = {Backoff(base=100, cap=900).seconds(1) for _ in range(500)}

    assert min(draws) < 20
    assert max(draws) > 80
    assert all(0 <= draw <= 100 for draw in draws)


@pytest.mark.parametrize(("asked", "seconds"), [(0.0, 0), (2.2, 3), (86_400.0, 900), (float("inf"), 900)])
def test_what_the_partner_asks_for_counts_within_bounds(asked: float, seconds: int) -> None:
    assert Backoff(base=2, cap=900).seconds(50, asked) == seconds


def test_no_wait_is_longer_than_sqs_allows() -> None:
    assert Backoff(base=10**6, cap=10**9, jitter=lambda most: most).seconds(20) == LONGEST_VISIBILITY_SECONDS


def test_each_message_comes_again_when_its_wait_is_over(queues: Queues) -> None:
    for number in range(12):
        queues.sqs.send_message(QueueUrl=queues.event, MessageBody=str(number))
    received = queues.messages(queues.event)
    waits = {Record(message_id=m["MessageId"], body=m["Body"], receipt_handle=m["ReceiptHandle"]): 0 for m in received}

    Redelivery(queues.sqs, TelemetryDouble(), membership_url=queues.membership, event_url=queues.event).schedule(waits)

    assert len(queues.messages(queues.event)) == 12


def test_the_queue_is_the_one_that_the_messages_came_from() -> None:
    fifo, standard = SqsDouble({}), SqsDouble({})

    redelivery(fifo, TelemetryDouble()).schedule({record(1, "g"): 1})
    redelivery(standard, TelemetryDouble()).schedule({record(1): 1})

    assert (fifo.changes, standard.changes) == ([("membership", 1)], [("event", 1)])


@pytest.mark.parametrize(
    ("answer", "unchanged"),
    [
        ({"Failed": [{"Id": "0", "Code": "ReceiptHandleIsInvalid"}]}, 1),
        (ClientError({"Error": {"Code": "Throttled", "Message": "canary-secret"}}, "Any"), 2),
    ],
    ids=["one", "all"],
)
def test_a_change_that_sqs_does_not_take_is_logged_counted_and_harmless(answer: Any, unchanged: int) -> None:
    telemetry = TelemetryDouble()

    redelivery(SqsDouble(answer), telemetry).schedule({record(1): 1, record(2): 1})

    assert telemetry.counts == {"VisibilityUnchanged": unchanged}
    assert [note["event"] for note in telemetry.notes] == ["visibility unchanged"]
    assert "canary" not in str(telemetry.notes)


def test_without_failures_sqs_is_not_asked() -> None:
    sqs = SqsDouble({})

    redelivery(sqs, TelemetryDouble()).schedule({})

    assert sqs.changes == []
