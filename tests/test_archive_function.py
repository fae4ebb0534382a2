"""The function that archives dead letters, as its schedule invokes it."""

import json
import subprocess
import sys

import pytest

from local.isolation import ROOT
from mparticle_firehose.archive_function import run
from mparticle_firehose.errors import ConfigurationError, DeliveryError
from tests.conftest import Context, Queues

MINUTES = Context(milliseconds=600_000, function_name="archive")


def test_it_looks_at_every_queue_and_logs_what_it_has_done(
    queues: Queues, bucket: None, log_to_this_test: None, capsys: pytest.CaptureFixture[str]
) -> None:
    queues.sqs.send_message(QueueUrl=queues.event_dlq, MessageBody="canary")

    run({**queues.variables, "DEAD_LETTER_ARCHIVE_DAYS": "7"}, MINUTES, wait_seconds=0)

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (line,) = [line for line in lines if line.get("message") == "letters archived"]
    nothing = {"archived": 0, "kept": 0, "complete": True}
    assert (line["erasure"], line["membership"], line["event"]) == (nothing, nothing, {**nothing, "kept": 1})
    assert line["expired_objects"] == 0
    assert "canary" not in str(lines)


def test_a_queue_that_cannot_be_read_fails_the_run_which_raises_an_alarm(queues: Queues, bucket: None) -> None:
    gone = {"ERASURE_DLQ_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/canary"}

    with pytest.raises(DeliveryError, match="erasure: the dead-letter queue cannot be used"):
        run({**queues.variables, **gone}, MINUTES, wait_seconds=0)


def test_what_is_missing_is_named() -> None:
    with pytest.raises(ConfigurationError, match="LARGE_BODY_BUCKET"):
        run({}, MINUTES)


def test_it_loads_no_partners_code() -> None:
    code = (
        "import sys, mparticle_firehose.archive_function; "
        "print([name for name in sys.modules if name.split('.')[0] in ('partner', 'app')])"
    )

    loaded = subprocess.run(  # noqa: S603  this interpreter
        [sys.executable, "-c", code], cwd=ROOT / "src", capture_output=True, text=True, check=True
    )

    assert loaded.stdout.strip() == "[]"
