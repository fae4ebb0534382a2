"""What a new environment loads before its first answer: each case needs a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.conftest import EVENTS, REGION
from tests.sample.server import SamplePartner

_NOBODY = "http://127.0.0.1:9"
_ANSWER_AND_LIST = """
import gc, json, sys
from mparticle_firehose.firehose import Firehose
from mparticle_firehose.startup import start
from tests.sample.partner.integration import INTEGRATION
from mparticle_firehose.errors import FirehoseError

firehose = start(Firehose(INTEGRATION))

class Context:
    aws_request_id = function_name = "first"
    def get_remaining_time_in_millis(self):
        return 10_000

before = sorted(sys.modules)
try:
    firehose.handler(json.load(open(sys.argv[1])), Context())
except FirehoseError:
    pass
print(json.dumps({"loaded": before, "answered": sorted(sys.modules), "collects": gc.isenabled()}))
"""


@pytest.fixture
def partner() -> Iterator[SamplePartner]:
    with SamplePartner() as running:
        yield running


def first_answer(partner: SamplePartner, name: str, **variables: str) -> dict[str, list[str]]:
    """Return which modules a new process has loaded before and after it answers one of our sample requests."""
    environment = {
        "PYTHONPATH": "src:.",
        "PATH": os.environ["PATH"],
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": _NOBODY,
        "PARTNER_API_URL": partner.url,
        "HANDLER_DEADLINE_MS": "3000",
        **{
            f"{queue}_{kind}_URL": f"{_NOBODY}/queue"
            for queue in ("MEMBERSHIP", "EVENT", "ERASURE")
            for kind in ("QUEUE", "DLQ")
        },
        "BULK_QUEUE_URL": f"{_NOBODY}/queue",
        "SUSPENSION_TABLE": "suspensions",
        "LEDGER_TABLE": "ledger",
        "LARGE_BODY_BUCKET": "large-bodies",
        **variables,
    }
    command = [sys.executable, "-c", _ANSWER_AND_LIST, str(EVENTS / f"{name}.json")]
    output = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout  # noqa: S603
    found: dict[str, list[str]] = json.loads(output.splitlines()[-1])
    return found


@pytest.mark.parametrize(
    "name",
    [
        "module_registration_request",
        "event_processing_keep_alive",
        "event_processing_request",
        "audience_membership_keep_alive",
        "audience_subscription_add",
    ],
)
def test_what_needs_neither_aws_nor_https_nor_the_worker_does_not_load_them(partner: SamplePartner, name: str) -> None:
    loaded = first_answer(partner, name)["answered"]

    assert "boto3" not in loaded
    assert "mparticle_firehose.endpoint.router" not in loaded
    assert "mparticle_firehose.worker" not in loaded


@pytest.mark.parametrize("name", ["audience_membership_change_request", "dsr_processing_request"])
def test_the_sdk_is_loaded_for_what_is_queued(partner: SamplePartner, name: str) -> None:
    modules = first_answer(partner, name)

    assert "boto3" not in modules["loaded"]
    assert "boto3" in modules["answered"]


def test_with_provisioned_concurrency_everything_is_loaded_before_the_first_request(partner: SamplePartner) -> None:
    modules = first_answer(
        partner, "audience_membership_change_request", AWS_LAMBDA_INITIALIZATION_TYPE="provisioned-concurrency"
    )

    expected = {"boto3", "mparticle_firehose.endpoint.router", "mparticle_firehose.worker.worker"}
    assert expected <= set(modules["loaded"])
    assert partner.requests == ()


def test_garbage_is_collected_once_everything_is_loaded(partner: SamplePartner) -> None:
    assert first_answer(partner, "event_processing_keep_alive")["collects"]
