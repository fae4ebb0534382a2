"""What `sam local invoke` does on a fresh clone, without Docker: its environment, under Lambda's own runtime."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

from local.build.build import packed_build
from local.build.sam_build import machine_architecture
from local.cloud.background import PORT
from local.cloud.cloud import STACK
from local.cloud.ministack import MiniStack
from local.cloud.runtime import LambdaRuntime
from local.isolation import CREDENTIALS, ROOT, build_environment, tool
from tests.conftest import SAMPLE, Json, load_event
from tests.sample.server import SamplePartner

pytestmark = pytest.mark.cloud

ENV_FILE = ROOT / "local" / "env.json"
EMPTY = {"type": "event_processing_request", "events": []}


@cache
def sam_environment(env_file: Path | None = None) -> Mapping[str, str]:
    """Return what the SAM CLI sets for the handler; it takes seconds to start."""
    command = [
        str(tool("sam", "python")),
        "tests/local/sam_environment.py",
        str(ROOT / "template.yaml"),
        str(env_file or ""),
        "HandlerFunction",
    ]
    done = subprocess.run(command, cwd=ROOT, env=build_environment(), capture_output=True, text=True, check=True)  # noqa: S603
    variables: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return variables


def answer(environment: Mapping[str, str], *events: Json) -> list[Json]:
    """Return what a new environment answers to each event."""
    function = packed_build(machine_architecture(), SAMPLE)[0].parent / "build" / "HandlerFunction"
    with LambdaRuntime(function, "app.handler", environment=environment) as runtime:
        return [json.loads(runtime.invoke(json.dumps(event).encode())) for event in events]


@pytest.fixture
def partner() -> Iterator[SamplePartner]:
    with SamplePartner() as running:
        yield running


def test_what_needs_no_queue_is_answered(partner: SamplePartner) -> None:
    environment = {**sam_environment(), "PARTNER_API_URL": partner.url, "HANDLER_DEADLINE_MS": "3000"}

    answers = answer(
        environment,
        load_event("module_registration_request"),
        EMPTY,
        load_event("audience_membership_keep_alive"),
        load_event("event_processing_request"),
    )

    assert [each.get("type", each) for each in answers] == [
        "module_registration_response",
        "event_processing_response",
        "audience_membership_change_response",
        "event_processing_response",
    ]
    assert len(partner.events) == 1


def test_what_needs_a_queue_says_which_setting_is_missing_and_how_to_get_it() -> None:
    (memberships,) = answer(sam_environment(), load_event("audience_membership_change_request"))

    assert memberships["errorType"] == "ConfigurationError"
    assert memberships["errorMessage"].startswith("MEMBERSHIP_QUEUE_URL: ")
    assert memberships["errorMessage"].endswith("(`make up` starts a local cloud that has them)")


def test_while_the_local_cloud_is_down_it_says_so() -> None:
    environment = {**sam_environment(ENV_FILE), "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}

    (erasure,) = answer(environment, load_event("dsr_processing_request"))

    assert erasure["errorMessage"] == "AWS_ENDPOINT_URL: no local cloud answers there; `make up` starts one"


def test_with_the_environment_file_requests_reach_the_local_cloud() -> None:
    with MiniStack() as aws:
        names = {"membership.fifo", "membership-dead-letter.fifo", "event", "event-dead-letter", "erasure"}
        for name in names:
            fifo = {"FifoQueue": "true"} if name.endswith(".fifo") else {}
            aws.client("sqs").create_queue(QueueName=f"{STACK}-{name}", Attributes=fifo)
        here = {
            name: value.replace(f"http://host.docker.internal:{PORT}", aws.endpoint)
            for name, value in sam_environment(ENV_FILE).items()
        }

        answers = answer(
            {**here, **CREDENTIALS},
            load_event("audience_membership_change_request"),
            load_event("dsr_processing_request"),
        )

        assert [each.get("type", each) for each in answers] == [
            "audience_membership_change_response",
            "dsr_processing_response",
        ]
        queued = aws.client("sqs").receive_message(QueueUrl=f"{aws.endpoint}/000000000000/{STACK}-erasure")["Messages"]
        assert len(queued) == 1


def test_every_variable_of_the_environment_file_is_declared_by_the_template() -> None:
    given = json.loads(ENV_FILE.read_text())["Parameters"]

    assert {**sam_environment(ENV_FILE), **given} == sam_environment(ENV_FILE)
