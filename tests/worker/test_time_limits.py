"""The last call to AWS has ended before Lambda ends the invocation, also if AWS does not answer."""

from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from mparticle_firehose.aws_client import STANDARD_TIMEOUTS
from mparticle_firehose.deadline import Deadline
from mparticle_firehose.errors import DeliveryError
from mparticle_firehose.firehose import WORKER_SPARE_SECONDS
from mparticle_firehose.integration import PartnerCall
from mparticle_firehose.queues import time_limits
from mparticle_firehose.queues.dead_letters import DeadLetters
from mparticle_firehose.queues.delays import Delays
from mparticle_firehose.queues.large_bodies import LargeBody
from mparticle_firehose.queues.record import Record
from mparticle_firehose.queues.sender import QueueSender
from mparticle_firehose.queues.source_queues import SourceQueues
from mparticle_firehose.queues.visibility import VisibilityTimeouts
from mparticle_firehose.tables.ledger import Ledger
from tests.conftest import Clock, Reply
from tests.worker.bench import Bench, event_record

_PAUSE_SECONDS = 1  # botocore draws the pause before its second attempt between zero and this


def longest_call() -> float:
    """Return the seconds that one call to AWS takes at most which is never answered."""
    attempts = STANDARD_TIMEOUTS["retries"]["total_max_attempts"]
    seconds = STANDARD_TIMEOUTS["connect_timeout"] + STANDARD_TIMEOUTS["read_timeout"]
    return float(attempts * seconds + (attempts - 1) * _PAUSE_SECONDS)


CALLS = {
    time_limits.LETTER_SECONDS: 2,  # S3 and SQS
    time_limits.NOTE_SECONDS: 1,
    time_limits.DELAY_SECONDS: 2,
    time_limits.REMEMBER_SECONDS: 1,
    time_limits.VISIBILITY_SECONDS: 1,
}
"""Until when a step begins, and the calls of which it consists."""


def test_what_begins_last_ends_in_the_time_that_the_worker_keeps() -> None:
    ends = [begins + count * longest_call() for begins, count in CALLS.items()]

    assert max(ends) + 1 <= WORKER_SPARE_SECONDS  # a second for all that is no call


def test_each_step_may_begin_as_long_as_the_one_before_it() -> None:
    assert list(CALLS) == sorted(CALLS)


class Silent:
    """Answers no call, or each at the last moment."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def __getattr__(self, name: str) -> Any:
        def call(**_: object) -> Any:
            self.clock.now += longest_call()
            raise ReadTimeoutError(endpoint_url="")

        return call

    def store(self, _body: str) -> str:
        self.clock.now += longest_call()
        return "[]"

    def open(self, _reference: str) -> LargeBody:
        self.clock.now += longest_call()
        raise DeliveryError("the bucket cannot be used: ReadTimeoutError")


def without_aws(bench: Bench, clock: Clock) -> None:
    """Let nothing of AWS answer the worker any more."""
    silent: Any = Silent(clock)
    sender = QueueSender(silent, silent)
    queues = SourceQueues(membership_url="m", bulk_url="b", event_url="e", erasure_url="x")
    bench.worker = replace(
        bench.worker,
        large_bodies=silent,
        dead_letters=DeadLetters(sender, membership_url="m", event_url="e", erasure_url="x"),
        ledger=Ledger(silent, "ledger"),
        delays=Delays(sender, bench.telemetry, queues),
        visibility=VisibilityTimeouts(silent, bench.telemetry, queues),
    )


@pytest.mark.parametrize("before", [0.5, 0.0, -2.9, -3.9, -4.4, -4.9], ids=str)
@pytest.mark.parametrize("status", [404, 503])
def test_the_worker_ends_in_time_wherever_aws_stops_answering(before: float, status: int, bench: Bench) -> None:
    clock = Clock()
    deadline = Deadline.after(40, clock)
    without_aws(bench, clock)

    def answer(_call: PartnerCall) -> Reply:
        clock.now = deadline.at - before
        return status

    bench.partner.judge = answer
    large = [{"type": "custom_event", "name": "x" * 2_000_000}]
    records = [event_record("large", events=large), *(event_record(f"e{number}") for number in range(100))]

    failed = bench.deliver(*records, deadline=deadline)

    assert failed == [record.message_id for record in records]
    assert clock.now < deadline.at + WORKER_SPARE_SECONDS


def test_after_the_deadline_no_body_is_read_from_s3(bench: Bench) -> None:
    clock = Clock()
    without_aws(bench, clock)
    reference = '["software.amazon.payloadoffloading.PayloadS3Pointer",{"s3BucketName":"b","s3Key":"k"}]'
    records = [Record(message_id=f"m{number}", body=reference, sent_at_ms=10**13) for number in range(100)]

    failed = bench.deliver(*records, deadline=Deadline.after(10, clock))

    assert len(failed) == 100
    assert clock.now < Clock().now + 10 + WORKER_SPARE_SECONDS
    reasons = [note["reason"] for note in bench.telemetry.notes if note["event"] == "retried later"]
    assert reasons == ["the bucket cannot be used: ReadTimeoutError"] * 2 + ["out_of_time"] * 98
