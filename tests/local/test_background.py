"""The local cloud in the background: for boto3, the AWS CLI and containers."""

import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3

from local.cloud.background import BackgroundCloud, Running, exports
from local.cloud.docker_bridge import DockerBridge
from local.cloud.http_endpoint import ask, local_url
from local.isolation import ROOT, LocalCloudError
from tests.conftest import EVENTS
from tests.planted import leaks
from tests.sample.server import SamplePartner


@pytest.fixture(scope="module")
def background(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackgroundCloud]:
    """Start a cloud beside the one that `make up` may have started here."""
    cloud = BackgroundCloud(tmp_path_factory.mktemp("background") / "up", "tests/sample", port=0)
    try:
        cloud.up()
        yield cloud
    finally:
        cloud.down()


@pytest.fixture
def running(background: BackgroundCloud) -> Running:
    found = background.running()
    assert found is not None
    return found


def run_action(background: BackgroundCloud, *action: str) -> subprocess.CompletedProcess[str]:
    return command("-m", "local.cloud.background", *action, "--folder", str(background.folder))


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603  this very interpreter, on our own modules
        [sys.executable, *arguments], cwd=ROOT, env={**os.environ, "PYTHONPATH": "src", **environment}, text=True,
        capture_output=True, check=False, timeout=60,
    )  # fmt: skip


@pytest.mark.cloud
def test_up_twice_is_the_same_cloud(background: BackgroundCloud, running: Running) -> None:
    assert background.up() == running
    assert f"export AWS_ENDPOINT_URL={running.endpoint}\n" in run_action(background, "up").stdout


@pytest.mark.cloud
def test_the_printed_lines_make_boto3_use_it(running: Running) -> None:
    lines = (line.removeprefix("export ").split("=", 1) for line in exports(running).splitlines()[1:])
    program = "import boto3; print(boto3.client('sqs').list_queues()['QueueUrls'])"
    listed = command("-c", program, **dict(lines))
    assert "mparticle-firehose-membership.fifo" in listed.stdout, listed.stderr


@pytest.mark.cloud
def test_the_printed_lines_lead_to_the_https_endpoint(running: Running) -> None:
    printed = dict(line.removeprefix("export ").split("=", 1) for line in exports(running).splitlines()[1:])
    headers = {"Content-Type": "application/json", "Authorization": f"Token {printed['HTTP_TOKEN']}"}
    body = (EVENTS / "event_processing_keep_alive.json").read_bytes()

    assert ask("POST", f"{printed['HTTP_ENDPOINT_URL']}/events", body, headers).status == 200


@pytest.mark.cloud
def test_a_message_is_answered_logged_and_arrives(background: BackgroundCloud) -> None:
    event = EVENTS / "event_processing_request.json"
    answer = run_action(background, "invoke", str(event))
    assert json.loads(answer.stdout)["type"] == "event_processing_response"
    failed = run_action(background, "invoke", str(ROOT / "registration.json"))
    assert (failed.returncode, "errorType" in failed.stdout) == (1, True)

    logs = run_action(background, "logs").stdout

    assert '"message":"answered"' in logs
    assert "partner POST /track -> 202" in logs
    assert not leaks(logs)


@pytest.mark.cloud
def test_the_inspector_shows_what_was_sent_and_no_file_holds_it(background: BackgroundCloud, running: Running) -> None:
    assert f"step by step: {running.inspector}\n" in run_action(background, "up").stdout
    run_action(background, "invoke", str(EVENTS / "event_processing_request.json"))
    shown = urllib3.request("GET", f"{running.inspector}api/traces").data.decode()

    assert (leaks(shown), '"route": "other"' in shown) == (True, True)
    assert [file.name for file in background.folder.iterdir() if leaks(file.read_text())] == []
    private = background.folder / "running.json"
    assert (running.inspector in private.read_text(), stat.S_IMODE(private.stat().st_mode)) == (True, 0o600)


@pytest.mark.cloud
def test_down_leaves_nothing_and_may_be_repeated(background: BackgroundCloud, running: Running) -> None:
    """The last test of the cloud, which it stops."""
    assert [background.down(), background.down()] == [True, False]
    assert background.running() is None
    assert not background.folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(running.process, 0)
    refused = run_action(background, "logs")
    assert (refused.returncode, refused.stderr) == (2, "the local cloud is not up: run `make up` first\n")


@pytest.mark.parametrize(
    ("announced", "served"),
    [
        pytest.param("http://1234abcd.execute-api.127.0.0.1:4566", "execute-api/1234abcd", id="http-api"),
        pytest.param("https://abc123.lambda-url.us-east-1.on.aws", "lambda-url/abc123", id="function-url"),
    ],
)
def test_an_endpoint_is_served_below_a_path_that_needs_no_name_to_resolve(announced: str, served: str) -> None:
    assert local_url(announced, "http://127.0.0.1:4566") == f"http://127.0.0.1:4566/_aws/{served}"


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LocalCloudError, match=f"^port {port} is in use"):
            BackgroundCloud(tmp_path / "up", port=port).up()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere 127.0.0.2 is no address of the machine")
def test_the_bridge_forwards_requests_until_its_block_ends() -> None:
    with SamplePartner() as partner:
        port = int(partner.url.rpartition(":")[2])
        request = f"import urllib3; print(urllib3.request('GET', 'http://127.0.0.2:{port}/nothing').status)"
        with DockerBridge([port], address="127.0.0.2") as bridge:
            assert bridge.listen()
            assert command("-c", request).stdout == "404\n"
        assert "ConnectionRefusedError" in command("-c", request).stderr
