"""Of a batch that SQS takes in part, what it has taken counts as delayed; after the deadline nothing is sent."""

from collections.abc import Sequence
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.queues.delays import Delays, Waiting
from mparticle_firehose.queues.record import Record
from mparticle_firehose.queues.sender import QueueSender
from mparticle_firehose.queues.source_queues import SourceQueues
from mparticle_firehose.repeating import Repeating
from tests.conftest import Clock, TelemetryDouble

QUEUES = SourceQueues(membership_url="m", bulk_url="b", event_url="e", erasure_url="x")


class Sqs:
    """Takes all entries but some, in calls of a second; without an answer it takes none."""

    def __init__(self, clock: Clock, refused: str = "", *, is_final: bool = False, hangs: bool = False) -> None:
        self.clock, self.refused, self.is_final, self.hangs = clock, refused, is_final, hangs
        self.calls = 0
        self.stored: list[str] = []

    def send_message_batch(self, *, QueueUrl: str, Entries: Sequence[Any]) -> Any:  # noqa: N803  boto3's names
        self.calls += 1
        self.clock.now += 1
        if self.hangs:
            raise ReadTimeoutError(endpoint_url=QueueUrl)
        failed = [entry for entry in Entries if entry["MessageBody"] in self.refused]
        self.stored += [entry["MessageBody"] for entry in Entries if entry not in failed]
        return {"Failed": [{"Id": entry["Id"], "Code": "Any", "SenderFault": self.is_final} for entry in failed]}


def delays(sqs: Sqs, telemetry: TelemetryDouble) -> Delays:
    client: Any = sqs
    never_used: Any = None  # no message is large
    return Delays(QueueSender(client, never_used, Repeating(sleep=lambda _: None)), telemetry, QUEUES)


def waiting(*bodies: str) -> list[Waiting]:
    return [
        Waiting(record=Record(message_id=f"m{number}", body=body), seconds=100) for number, body in enumerate(bodies)
    ]


@pytest.mark.parametrize("is_final", [True, False], ids=["sender-fault", "temporary"])
def test_of_a_batch_that_is_taken_in_part_only_the_rest_waits_in_flight(is_final: bool) -> None:
    clock, telemetry = Clock(), TelemetryDouble()
    sqs = Sqs(clock, "d", is_final=is_final)

    delayed = delays(sqs, telemetry).delay(waiting(*"abcdefghij"), Deadline.after(3, clock))

    assert sorted(sqs.stored) == list("abcefghij")
    assert delayed == {f"m{number}" for number in range(10) if number != 3}
    assert telemetry.counts == {"DelayFailed": 1}


def test_of_messages_that_do_not_differ_those_that_are_taken_count_as_delayed() -> None:
    clock = Clock()

    delayed = delays(Sqs(clock), TelemetryDouble()).delay(waiting("a", "a"), Deadline.after(3, clock))

    assert delayed == {"m0", "m1"}


def test_after_the_deadline_no_batch_is_begun() -> None:
    clock, telemetry = Clock(), TelemetryDouble()
    sqs = Sqs(clock, hangs=True)

    delayed = delays(sqs, telemetry).delay(waiting(*["x" * 700_000] * 10), Deadline.after(2.5, clock))

    assert (delayed, sqs.calls) == (set(), 3)
    assert telemetry.counts == {"DelayFailed": 10}
    assert {note["reason"] for note in telemetry.notes} == {
        "the queue cannot be used: ReadTimeoutError",
        "out_of_time",
    }
