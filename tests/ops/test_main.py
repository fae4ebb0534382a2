"""The command line: its options, its exit status, its errors."""

import io
import signal
from collections.abc import Callable, Sequence

import pytest

from ops.__main__ import main
from tests.conftest import BUCKET
from tests.ops.environment import NOW, Environment


@pytest.fixture
def event_urls(env: Environment) -> list[str]:
    urls = ["--event-dlq-url", env.queues.event_dlq, "--event-queue-url", env.queues.event]
    return ["--queue", "event", *urls, "--large-body-bucket", BUCKET]


def test_the_commands_work_with_their_options(
    env: Environment, event_urls: Sequence[str], capsys: pytest.CaptureFixture[str]
) -> None:
    env.put("event")
    env.put("event", reason="read_timeout", last_at=NOW)
    env.put("event", reason="http_400")

    assert main(["list", *event_urls]) == 0
    assert capsys.readouterr().out.endswith("3 dead letters of this kind.\n")
    assert main(["redrive", *event_urls, "--reason", "http_422", "--rate", "5"]) == 0
    assert "event: 1 letter sent back.\n" in capsys.readouterr().out
    assert main(["purge", *event_urls, "--reason", "read_timeout", "--yes-delete", "1"]) == 0
    assert capsys.readouterr().out.endswith("1 letter deleted.\n")
    assert env.visible("event") == {env.ids[2]}


@pytest.mark.parametrize(
    ("arguments", "explanation"),
    [
        (["redrive", "--older-than", "soon"], "such as 30m, 12h or 2d"),
        (["redrive", "--rate", "0"], "1 or more"),
        (["purge", "--yes-delete", "all"], "1 or more"),
        (["list", "--queue", "other"], "membership"),
        ([], "COMMAND"),
    ],
    ids=["duration", "rate", "number", "queue", "nothing"],
)
def test_wrong_options_are_explained(
    arguments: list[str], explanation: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)

    assert stopped.value.code == 2
    assert explanation in capsys.readouterr().err


@pytest.mark.parametrize("command", ["list", "show", "redrive", "purge"])
def test_each_command_has_a_help_text(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])

    assert stopped.value.code == 0
    assert "Exit status: 0 done" in capsys.readouterr().out


def test_a_failure_is_one_sentence_without_values(aws: None, capsys: pytest.CaptureFixture[str]) -> None:
    url = "https://sqs.us-east-1.amazonaws.com/123456789012/canary-queue"

    assert main(["list", "--queue", "event", "--event-dlq-url", url]) == 2

    assert capsys.readouterr() == (
        "",
        "Failed: AWS refused GetQueueAttributes: AWS.SimpleQueueService.NonExistentQueue.\n",
    )


def test_a_missing_region_is_explained(
    aws: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.delenv("AWS_REGION", raising=False)

    assert main(["list"]) == 2
    assert capsys.readouterr().err == ("Failed: there is no AWS region: set --region or AWS_REGION.\n")


class Reader(io.StringIO):
    """Standard input that calls a function instead of returning an answer."""

    def __init__(self, event: Callable[[], None]) -> None:
        super().__init__()
        self.event = event

    def readline(self, *_: object) -> str:  # type: ignore[override]  # typeshed has a base class that reads bytes
        self.event()
        return ""


def press() -> None:
    signal.raise_signal(signal.SIGINT)


def fail() -> None:
    raise RuntimeError("canary-value")


def test_ctrl_c_at_the_question_deletes_nothing(
    env: Environment, event_urls: Sequence[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    env.put("event")
    monkeypatch.setattr("sys.stdin", Reader(press))

    assert main(["purge", *event_urls]) == 130

    assert capsys.readouterr().err.endswith(
        "Interrupted. Letters that were not sent or deleted are still in the dead-letter queue.\n"
    )
    assert env.visible("event") == set(env.ids)


def test_an_unexpected_error_is_reported_without_a_traceback_and_without_its_text(
    env: Environment, event_urls: Sequence[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    env.put("event")
    monkeypatch.setattr("sys.stdin", Reader(fail))

    assert main(["purge", *event_urls]) == 2

    printed = capsys.readouterr()
    assert "Failed with an unexpected error: RuntimeError in " in printed.err
    assert "Traceback" not in printed.err
    assert "canary" not in printed.err + printed.out
