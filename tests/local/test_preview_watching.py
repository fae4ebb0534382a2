"""make preview WATCH=1 previews again after each save, whatever is in the files."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local.isolation import ROOT
from local.preview.__main__ import main
from local.preview.watching import repeat


def test_a_process_that_still_runs_is_ended_before_the_next_one() -> None:
    started: list[subprocess.Popen[bytes]] = []
    running: list[list[bool]] = []

    def start() -> subprocess.Popen[bytes]:
        running.append([each.poll() is None for each in started])
        started.append(subprocess.Popen(["sleep", "60"], start_new_session=True))  # noqa: S607
        return started[-1]

    repeat(start, [[Path("a.py")], [Path("b.py")]], lambda _: None)

    assert running == [[], [False], [False, False]]
    assert all(each.poll() is not None for each in started)


LONGEST_SECONDS = 60.0


def test_each_save_is_announced() -> None:
    said: list[str] = []

    repeat(
        lambda: subprocess.Popen(["true"], start_new_session=True),  # noqa: S607
        [[ROOT / "events" / "a.json", Path("/elsewhere/b.py")]],
        said.append,
    )

    assert said == ["events/a.json, /elsewhere/b.py"]


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """Return a room of one's own to save in."""
    for folder in ("partner", "events"):
        shutil.copytree(ROOT / "tests" / "second" / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__*__"))
    (tmp_path / "partner" / "__init__.py").touch()
    return tmp_path


@pytest.fixture
def watching(room: Path) -> Iterator[subprocess.Popen[str]]:
    """Watch in a process that begins with an ignored Ctrl-C, as a shell's background jobs do."""
    command = [sys.executable, "-m", "local.preview", f"--partner={room}", "--watch"]
    environment = {**os.environ, "PYTHONPATH": "src", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(  # noqa: S603
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),  # noqa: PLW1509  it starts no thread
    ) as process:  # fmt: skip
        limit = threading.Timer(LONGEST_SECONDS, process.kill)  # a line that does not come must not stop the tests
        limit.start()
        yield process
        limit.cancel()
        process.kill()


def test_a_save_shows_what_has_become_of_it_and_a_syntax_error_ends_nothing(
    room: Path, watching: subprocess.Popen[str]
) -> None:
    assert watching.stdout
    lines = iter(watching.stdout)
    source = room / "partner" / "integration.py"
    code = source.read_text()

    def until(is_wanted: Callable[[str], bool]) -> str:
        return next(line for line in lines if is_wanted(line))

    until(lambda line: line.startswith("1 request, 1 call"))
    source.write_text(f"{code}def broken(:\n")
    assert "integration.py" in until(lambda line: "has changed" in line)
    assert f"line {len(code.splitlines()) + 1}: SyntaxError" in until(lambda line: "cannot be loaded" in line)

    replacement = room / "integration.new"
    replacement.write_text(code.replace('"/2/views"', '"/3/views"'))
    replacement.rename(source)  # as editors save that keep the old file until the new one is complete
    until(lambda line: "PUT $PARTNER_API_URL/3/views" in line)

    watching.send_signal(signal.SIGINT)
    assert "Traceback" not in "".join(lines)
    assert watching.wait(10) == 0


def test_standard_input_cannot_be_watched(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--watch", "--event=-"])

    assert left.value.code == 2
    assert "standard input can be read once only" in capsys.readouterr().err
