"""The real template, deployed into the emulator: what `make run` does, and that nothing of it is left behind."""

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import urllib3
from rich.console import Console

from local.aws_session import isolated_session
from local.cloud.cloud import LocalCloud
from local.cloud.ministack import MiniStack
from local.isolation import ROOT, LocalCloudError, cloud_environment, run_quietly
from local.run.messages import messages_in
from local.run.report import show
from local.run.sending import send_all
from tests.conftest import SAMPLE
from tests.sample.partner.integration import INTEGRATION
from tests.sample.server import SamplePartner

pytestmark = pytest.mark.cloud

VALUES = ("value", "token", "user_attributes", "attributes")


def private_values(node: object, *, inside: bool = False) -> Iterator[str]:
    """Yield every identity, key and attribute value of a request that is long enough to be told from other text."""
    if isinstance(node, dict):
        for name, entry in node.items():
            yield from private_values(entry, inside=inside or name in VALUES)
    elif isinstance(node, list):
        for entry in node:
            yield from private_values(entry, inside=inside)
    elif inside and isinstance(node, str) and len(node) >= 8:
        yield node


def test_every_sample_message_arrives_and_nothing_private_is_shown_or_logged(
    cloud: LocalCloud, fake_partner: SamplePartner
) -> None:
    messages = messages_in(SAMPLE.events)
    run = send_all(cloud, fake_partner, messages, INTEGRATION)
    assert run.problems == ()

    printed = io.StringIO()
    show(run, Console(file=printed, width=200))
    visible = "\n".join([printed.getvalue(), *cloud.function_logs("handler"), *cloud.function_logs("worker")])
    private = {value for message in messages for value in private_values(message.content)}
    assert private
    assert [value for value in private if value in visible] == []
    assert '"message":"answered"' in visible
    assert '"message":"delivered"' in visible


def test_events_that_a_slow_partner_cannot_take_in_time_go_through_the_queue(
    cloud: LocalCloud, fake_partner: SamplePartner
) -> None:
    fake_partner.script("/track", [{"delay": 2}])
    before = len(fake_partner.events)
    message = next(message for message in messages_in(SAMPLE.events) if message.name == "event_processing_request")
    fresh = {**message.content, "id": "0f2f6f0e-5f2b-4b0e-9a39-6d3c0a2f8e01"}
    answer = cloud.invoke(json.dumps(fresh).encode())
    assert (answer.failed, cloud.settle()) == (False, True)
    assert cloud.processed_messages()["event"] >= 1
    assert len(fake_partner.events) == before + 1


def test_the_alias_is_what_mparticle_may_invoke(cloud: LocalCloud) -> None:
    arn = cloud.outputs["HandlerAliasArn"]
    policy = json.loads(cloud.aws.functions.get_policy(FunctionName=arn)["Policy"])
    assert arn.endswith(":production")
    assert sorted(next(iter(statement["Principal"].values())) for statement in policy["Statement"]) == [
        "338661164609",
        "457804467337",
        "apigateway.amazonaws.com",
    ]
    assert {statement["Resource"] for statement in policy["Statement"]} == {arn}


def test_the_secrets_of_the_room_are_in_the_secret_of_the_stack(cloud: LocalCloud) -> None:
    arn = cloud.outputs["DeploymentSecretArn"]
    stored = cloud.aws.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"]
    worker = cloud.aws.functions.get_function_configuration(FunctionName=cloud.outputs["WorkerFunctionName"])
    assert json.loads(stored) == SAMPLE.deployment_secret
    assert worker["Environment"]["Variables"]["DEPLOYMENT_SECRET_SOURCE"] == arn


@pytest.mark.parametrize("source", ["none", "/partner/secrets"])
def test_secrets_of_a_room_that_no_secret_of_the_stack_is_for_are_refused(source: str) -> None:
    with pytest.raises(LocalCloudError, match=r"^deployment_secret\.json needs DeploymentSecretSource=secret"):
        LocalCloud("http://127.0.0.1:1", parameters={"DeploymentSecretSource": source}, room=SAMPLE)


def test_an_emulator_alone_answers_and_leaves_nothing_behind() -> None:
    with MiniStack() as aws:
        home = aws.home
        assert aws.sqs.list_queues().get("QueueUrls", []) == []
        assert urlsplit(aws.endpoint).hostname == "127.0.0.1"
    assert not home.exists()
    assert not listens(aws.endpoint)


def test_the_emulator_keeps_web_pages_away() -> None:
    page = {"Origin": "https://elsewhere.example"}
    with MiniStack() as aws:
        statuses = [urllib3.request("GET", f"{aws.endpoint}/", headers=headers).status for headers in ({}, page)]
    assert statuses == [200, 403]


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_run_stops_the_emulator(stop: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "local"], cwd=ROOT, env={**os.environ, "PYTHONPATH": "src"}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
    ) as run:  # fmt: skip
        assert run.stdout is not None
        endpoint = next(line for line in run.stdout if "Started an emulator of AWS" in line).split()[-1]
        assert listens(endpoint)
        run.send_signal(stop)
        status = run.wait(10)
    assert status == (-stop if stop == signal.SIGKILL else 128 + stop)
    assert ends_listening(endpoint)


def test_a_program_that_fails_shows_its_last_words(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "print('the reason'); raise SystemExit(3)"]
    with pytest.raises(LocalCloudError, match=r"(?s)the step failed with status 3:.*the reason"):
        run_quietly(command, environment=cloud_environment(tmp_path), log=tmp_path / "log", purpose="the step")


def test_no_account_of_the_user_is_ever_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = {"AWS_PROFILE": "production", "AWS_ACCESS_KEY_ID": "real", "AWS_SESSION_TOKEN": "real", "HTTP_PROXY": "x"}
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    environment = cloud_environment(tmp_path)
    credentials = isolated_session().get_credentials()
    assert credentials is not None
    assert (credentials.access_key, credentials.token) == ("local", None)
    assert environment["AWS_ACCESS_KEY_ID"] == "local"
    assert not {"AWS_PROFILE", "AWS_SESSION_TOKEN", "HTTP_PROXY"} & set(environment)


def listens(endpoint: str) -> bool:
    try:
        return urllib3.request("GET", f"{endpoint}/_ministack/health", retries=False, timeout=2).status == 200
    except urllib3.exceptions.HTTPError:
        return False


def ends_listening(endpoint: str) -> bool:
    """A killed runner cannot wait for the emulator, which notices by itself a moment later."""
    return any(not listens(endpoint) for _ in range(200))
