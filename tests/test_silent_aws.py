"""An AWS service that takes connections and never answers holds no environment for long."""

import socket
import time
from collections.abc import Iterator, Mapping

import pytest

from mparticle_firehose.errors import DeliveryError
from mparticle_firehose.firehose import Firehose
from tests.conftest import Context, Json, load_event
from tests.sample.partner.integration import INTEGRATION

pytestmark = pytest.mark.usefixtures("log_to_this_test")

LONGEST_SECONDS = 2.5
"""For a table and a queue that are both silent: half a second and 0.85 s, and time for a busy machine."""

RESOURCES = {
    **{f"{name}_URL": "http://sqs/1/" + name for name in ("MEMBERSHIP_QUEUE", "EVENT_QUEUE", "ERASURE_QUEUE")},
    "BULK_QUEUE_URL": "http://sqs/1/BULK_QUEUE",
    **{f"{name}_URL": "http://sqs/1/" + name for name in ("MEMBERSHIP_DLQ", "EVENT_DLQ", "ERASURE_DLQ")},
    "SUSPENSION_TABLE": "suspensions",
    "LEDGER_TABLE": "ledger",
    "LARGE_BODY_BUCKET": "bodies",
    "PARTNER_API_URL": "https://partner.invalid",
    "EVENT_MODE": "queue",
}


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mapping[str, str]]:
    """Let all of AWS be a port that takes connections and sends nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        for name, value in {
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "us-east-1",
        }.items():
            monkeypatch.setenv(name, value)
        yield {**RESOURCES, "AWS_ENDPOINT_URL": url}


def seconds_until_it_fails(firehose: Firehose, request: Json) -> float:
    started = time.monotonic()
    with pytest.raises(DeliveryError, match="ReadTimeoutError"):
        firehose.handler(request, Context())  # type: ignore[arg-type]  # all that it reads
    return time.monotonic() - started


@pytest.mark.parametrize(
    "name", ["event_processing_request", "audience_membership_change_request", "dsr_processing_request"]
)
def test_a_request_that_cannot_be_queued_fails_within_a_second(silent: Mapping[str, str], name: str) -> None:
    firehose = Firehose(INTEGRATION, silent)
    firehose.prepare()

    seconds = seconds_until_it_fails(firehose, load_event(name))

    assert seconds < LONGEST_SECONDS


def test_a_longer_deadline_gives_the_queue_more_time(silent: Mapping[str, str]) -> None:
    firehose = Firehose(INTEGRATION, {**silent, "HANDLER_DEADLINE_MS": "1500"})
    firehose.prepare()

    seconds = seconds_until_it_fails(firehose, load_event("event_processing_request"))

    assert seconds > 1.5
