"""The local cloud in the background: for boto3, the AWS CLI and containers."""

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Timer

import pytest
import urllib3

from local.cloud.__main__ import switched
from local.cloud.background import BackgroundCloud, Running, exports, require_free
from local.cloud.docker_bridge import DockerBridge
from local.cloud.http_endpoint import ask, local_url
from local.cloud.running import unset
from local.isolation import ROOT, LocalCloudError
from tests.conftest import EVENTS, SAMPLE
from tests.planted import leaks
from tests.sample.server import SamplePartner

SHELLS = [pytest.param(name, marks=pytest.mark.skipif(not shutil.which(name), reason="is not installed here"))
          for name in ("bash", "dash", "zsh")]  # fmt: skip

RENAME = str(EVENTS / "audience_subscription_update.json")


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the sample's room, to edit it."""
    folder = tmp_path_factory.mktemp("rooms", numbered=False) / "edited"
    for name in ("partner", "fake_api", "events"):
        shutil.copytree(SAMPLE.partner.parent / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(SAMPLE.partner.parent / "deployment_secret.json", folder)
    return folder


@pytest.fixture(scope="module")
def background(tmp_path_factory: pytest.TempPathFactory, room: Path) -> Iterator[BackgroundCloud]:
    """Start a cloud beside the one that `make up` may have started here."""
    cloud = BackgroundCloud(tmp_path_factory.mktemp("background") / "up", str(room), port=0)
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


def run_action(background: BackgroundCloud, action: str, *options: str) -> subprocess.CompletedProcess[str]:
    return command("-m", "local.cloud", action, "--folder", str(background.folder), *options)


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603  this very interpreter, on our own modules
        [sys.executable, *arguments], cwd=ROOT, env={**os.environ, "PYTHONPATH": "src", **environment}, text=True,
        capture_output=True, check=False, timeout=60,
    )  # fmt: skip


def evaluated(shell: str, action: str, then: str) -> subprocess.CompletedProcess[str]:
    """Have a shell evaluate what an action prints, and run a command after it if that succeeds."""
    script = f"""eval "$('{sys.executable}' -m local.cloud {action})" && {then}"""
    return subprocess.run(  # noqa: S603  our own script
        [shell, "-c", script], cwd=ROOT, env={**os.environ, "PYTHONPATH": "src"}, text=True, capture_output=True,
        check=False, timeout=60,
    )  # fmt: skip


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
@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_that_evaluates_up_uses_the_cloud(
    shell: str, background: BackgroundCloud, running: Running, room: Path
) -> None:
    action = f"up --folder {background.folder} --partner {room}"

    done = evaluated(shell, action, 'echo "$AWS_ENDPOINT_URL"')

    assert (done.returncode, done.stdout) == (0, f"{running.endpoint}\n")
    assert "what is deployed is unchanged" in done.stderr


@pytest.mark.cloud
@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_that_evaluates_up_fails_with_it(shell: str, background: BackgroundCloud, running: Running) -> None:
    done = evaluated(shell, f"up --folder {background.folder} --partner examples/braze", "echo evaluated")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"the local cloud is up with {running.room}, and not with examples/braze: stop it")


@pytest.mark.cloud
@pytest.mark.parametrize("file", ["partner/integration.py", "fake_api/__init__.py"])
def test_code_that_cannot_be_loaded_is_named_with_its_line_and_fails_the_shell(
    file: str, background: BackgroundCloud, running: Running, room: Path
) -> None:
    code = (room / file).read_text()
    (room / file).write_text(f"import not_installed\n{code}")
    try:
        done = evaluated("bash", f"up --folder {background.folder} --partner {room}", "echo evaluated")
    finally:
        (room / file).write_text(code)

    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr
    assert f"{file}, line 1: ModuleNotFoundError: No module named 'not_installed'" in done.stderr


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_that_evaluates_up_fails_even_with_a_defect(shell: str, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("no folder")

    done = evaluated(shell, f"up --folder {tmp_path / 'state' / 'up'} --partner tests/sample", "echo evaluated")

    assert (done.returncode, done.stdout) == (1, "")


def test_a_letter_that_is_not_named_is_asked_for(tmp_path: Path) -> None:
    done = command("-m", "local.cloud", "ops", "--folder", str(tmp_path), "show", "")

    assert (done.returncode, done.stderr.startswith("name a letter: make dead-letter LETTER=")) == (2, True)


@pytest.mark.cloud
def test_a_message_is_answered_logged_and_arrives(background: BackgroundCloud) -> None:
    event = EVENTS / "event_processing_request.json"
    answer = run_action(background, "invoke", str(event))
    assert json.loads(answer.stdout)["type"] == "event_processing_response"
    identity = json.loads(event.read_text())["id"]
    time.sleep(0.5)  # the log of the fake API is written five times a second

    lines = run_action(background, "logs", f"--filter={identity}").stdout.splitlines()
    raw = run_action(background, "logs", "--json").stdout

    assert [line.split()[1:4] for line in lines] == [
        ["handler", "events", "answered"],
        ["partner", "POST", "/track"],
    ]
    assert {json.loads(line)["from"] for line in raw.splitlines()} == {"handler", "partner"}
    assert not leaks(raw)


@pytest.mark.cloud
def test_operators_commands_see_its_dead_letters(background: BackgroundCloud, running: Running) -> None:
    running.client("sqs").send_message(
        QueueUrl=running.outputs["EventDeadLetterQueueUrl"],
        MessageBody=(EVENTS / "event_processing_keep_alive.json").read_text(),
    )

    listed = run_action(background, "ops", "list", "--queue=event", "--each=0")

    assert (listed.returncode, listed.stdout.count("event_processing_request")) == (0, 1)


@pytest.mark.cloud
def test_an_edit_is_deployed_and_what_waits_in_queues_or_is_known_to_the_fake_api_stays(
    background: BackgroundCloud, running: Running, room: Path
) -> None:
    letters = running.outputs["ErasureDeadLetterQueueUrl"]
    running.client("sqs").send_message(QueueUrl=letters, MessageBody="{}")
    run_action(background, "invoke", str(EVENTS / "audience_subscription_remove.json"))
    integration = room / "partner" / "integration.py"
    integration.write_text(integration.read_text().replace('name="Sample"', 'name="Edited"'))

    first = run_action(background, "up", f"--partner={room}")
    second = run_action(background, "up", f"--partner={room}")

    registration = run_action(background, "invoke", str(EVENTS / "module_registration_request.json")).stdout
    attributes = running.client("sqs").get_queue_attributes(QueueUrl=letters, AttributeNames=["All"])["Attributes"]
    assert "✓ Redeployed in " in first.stderr
    assert "unchanged" in second.stderr
    assert json.loads(registration)["name"] == "Edited"
    assert attributes["ApproximateNumberOfMessages"] == "1"
    assert "http_404" in run_action(background, "invoke", RENAME).stdout  # the fake API has had it removed


@pytest.mark.cloud
def test_an_edited_fake_api_is_loaded_anew(background: BackgroundCloud, running: Running, room: Path) -> None:
    """After the test before, which has had it remove an audience."""
    (room / "fake_api" / "edited.py").write_text("")

    done = run_action(background, "up", f"--partner={room}")
    time.sleep(0.5)  # the other process looks five times a second

    forgotten = run_action(background, "invoke", RENAME)
    assert "✓ Loaded the fake API anew; it has forgotten what it knew" in done.stderr
    assert "Redeployed" not in done.stderr
    assert forgotten.returncode == 0


@pytest.mark.cloud
def test_the_inspector_shows_what_was_sent_and_no_file_holds_it(
    background: BackgroundCloud, running: Running, room: Path
) -> None:
    done = run_action(background, "up", f"--partner={room}")
    assert (f"step by step: {running.inspector}\n" in done.stderr, running.inspector in done.stdout) == (True, False)
    run_action(background, "invoke", str(EVENTS / "event_processing_request.json"))
    shown = urllib3.request("GET", f"{running.inspector}api/traces").data.decode()

    assert (leaks(shown), '"route": "other"' in shown) == (True, True)
    assert [file.name for file in background.folder.iterdir() if leaks(file.read_text())] == []
    private = background.folder / "running.json"
    assert (running.inspector in private.read_text(), stat.S_IMODE(private.stat().st_mode)) == (True, 0o600)


@pytest.mark.cloud
def test_down_leaves_nothing_and_may_be_repeated(background: BackgroundCloud, running: Running) -> None:
    """The last test of the cloud, which it stops."""
    assert [background.down(), background.down()] == [running, None]
    assert background.running() is None
    assert not background.folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(running.process, 0)
    refused = run_action(background, "logs")
    assert (refused.returncode, refused.stderr) == (2, "the local cloud is not up: run `make up` first\n")


def test_a_shell_that_evaluates_down_no_longer_points_at_a_cloud(tmp_path: Path) -> None:
    done = evaluated("sh", f"down --folder {tmp_path / 'none'}", 'echo "[$AWS_ENDPOINT_URL$AWS_ACCESS_KEY_ID]"')

    assert (done.stdout, done.stderr) == ("[]\n", "The local cloud was not up.\n")


def test_what_up_sets_is_what_down_takes_back() -> None:
    given = Running.read(
        json.dumps({"process": 1, "endpoint": "a", "http_endpoint": "b", "partner": "c", "inspector": "i",
                    "outputs": {}, "room": "", "home": "/h", "sources": {"stack": "1", "fake_api": "2"},
                    "deployed_at": 1.0})
    )  # fmt: skip

    set_by_up = [line.removeprefix("export ").partition("=")[0] for line in exports(given).splitlines()[1:]]

    assert set(unset().split()[1:]) == set(set_by_up)


@pytest.mark.cloud
def test_an_interrupted_start_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "up"
    with subprocess.Popen(  # noqa: S603  as above
        [sys.executable, "-m", "local.cloud", "up", "--port=0", f"--folder={folder}", "--partner=tests/sample"],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": "src"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as up:  # fmt: skip
        assert up.stderr is not None
        next(line for line in up.stderr if "Built" in line)
        process = int((folder / "lock").read_text())
        up.send_signal(signal.SIGINT)
        out, _ = up.communicate(timeout=30)

    assert (up.returncode, out) == (128 + signal.SIGINT, "false\n")
    assert not folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_switches_of_operators_commands_are_on_unless_they_are_0() -> None:
    given = ["redrive", "--dry-run=1", "--each=0", "--reason=a=b", "--all", "--rate", "2"]

    assert switched(given) == ["redrive", "--dry-run", "--reason=a=b", "--all", "--rate", "2"]


@pytest.mark.parametrize(
    ("announced", "served"),
    [
        pytest.param("http://1234abcd.execute-api.127.0.0.1:4566", "execute-api/1234abcd", id="http-api"),
        pytest.param("https://abc123.lambda-url.us-east-1.on.aws", "lambda-url/abc123", id="function-url"),
    ],
)
def test_an_endpoint_is_served_below_a_path_that_needs_no_name_to_resolve(announced: str, served: str) -> None:
    assert local_url(announced, "http://127.0.0.1:4566") == f"http://127.0.0.1:4566/_aws/{served}"


def test_an_example_that_does_not_exist_is_named_and_nothing_is_started(tmp_path: Path) -> None:
    with pytest.raises(LocalCloudError, match=r"^examples/none holds no integration"):
        BackgroundCloud(tmp_path / "up", "examples/none", port=0).up()

    assert [*tmp_path.iterdir()] == []


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LocalCloudError, match=f"^port {port} is in use"):
            BackgroundCloud(tmp_path / "up", port=port).up()


def test_a_port_that_a_killed_process_has_left_in_use_is_waited_for() -> None:
    taken = socket.create_server(("127.0.0.1", 0))
    port = taken.getsockname()[1]
    Timer(0.5, taken.close).start()

    require_free([port], patience=20)

    socket.create_server(("127.0.0.1", port)).close()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere 127.0.0.2 is no address of the machine")
def test_the_bridge_forwards_requests_until_its_block_ends() -> None:
    with SamplePartner() as partner:
        port = int(partner.url.rpartition(":")[2])
        request = f"import urllib3; print(urllib3.request('GET', 'http://127.0.0.2:{port}/nothing').status)"
        with DockerBridge([port], address="127.0.0.2") as bridge:
            assert bridge.listen()
            assert command("-c", request).stdout == "404\n"
        assert "ConnectionRefusedError" in command("-c", request).stderr
