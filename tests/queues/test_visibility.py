from typing import Any

import pytest
from botocore.exceptions import ClientError

from mparticle_firehose.queues.record import Record
from mparticle_firehose.queues.visibility import VisibilityTimeouts
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


def timeouts(sqs: Any, telemetry: TelemetryDouble) -> VisibilityTimeouts:
    return VisibilityTimeouts(sqs, telemetry, membership_url="membership", event_url="event")


def test_each_message_comes_again_when_its_wait_is_over(queues: Queues) -> None:
    for number in range(12):
        queues.sqs.send_message(QueueUrl=queues.event, MessageBody=str(number))
    received = queues.messages(queues.event)
    waits = {Record(message_id=m["MessageId"], body=m["Body"], receipt_handle=m["ReceiptHandle"]): 0 for m in received}

    VisibilityTimeouts(queues.sqs, TelemetryDouble(), membership_url=queues.membership, event_url=queues.event).set(
        waits
    )

    assert len(queues.messages(queues.event)) == 12


def test_the_queue_is_the_one_that_the_messages_came_from() -> None:
    fifo, standard = SqsDouble({}), SqsDouble({})

    timeouts(fifo, TelemetryDouble()).set({record(1, "g"): 1})
    timeouts(standard, TelemetryDouble()).set({record(1): 1})

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

    timeouts(SqsDouble(answer), telemetry).set({record(1): 1, record(2): 1})

    assert telemetry.counts == {"VisibilityUnchanged": unchanged}
    assert [note["event"] for note in telemetry.notes] == ["visibility unchanged"]
    assert "canary" not in str(telemetry.notes)


def test_without_failures_sqs_is_not_asked() -> None:
    sqs = SqsDouble({})

    timeouts(sqs, TelemetryDouble()).set({})

    assert sqs.changes == []
