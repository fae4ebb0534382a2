"""A command that fails ends with a sentence where the user can do something about it."""

import errno
import io
import os
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from botocore.exceptions import WaiterError
from rich.console import Console

from local.cloud.deployment import Deployment
from local.cloud.emulator import LOG, RunningEmulator
from local.cloud.release import Release
from local.failures import exit_status
from local.isolation import LocalCloudError, disk_problem, is_full, run_quietly
from local.progress import Silent
from local.rooms import Room


def failing(number: int) -> int:
    raise OSError(number, os.strerror(number), "/some/file")


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EROFS, "it is on a disk that can only be read"),
        (errno.EACCES, "you may not write there"),
    ],
)
def test_a_problem_of_the_disk_ends_a_command_with_a_sentence(number: int, reason: str) -> None:
    out = io.StringIO()

    status = exit_status(lambda: failing(number), Console(file=out, width=200), "")

    assert (status, out.getvalue()) == (2, f"/some/file cannot be written: {reason}\n")


def test_another_error_is_a_defect_and_keeps_its_traceback() -> None:
    with pytest.raises(OSError, match="Is a directory"):
        exit_status(lambda: failing(errno.EISDIR), Console(file=io.StringIO()), "")


def test_an_error_of_syntax_is_shown_with_its_place() -> None:
    out = io.StringIO()

    status = exit_status(lambda: len(compile("x =", "mapping.py", "exec").co_names), Console(file=out, width=200), "")

    assert (status, out.getvalue()) == (2, "mapping.py, line 1: invalid syntax\n")


def test_a_full_disk_is_recognized_in_what_a_program_wrote(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "print('OSError: [Errno 28] No space left on device'); raise SystemExit(1)"]

    with pytest.raises(LocalCloudError, match=r"^a step failed with status 1, because the disk is full:"):
        run_quietly(command, environment=dict(os.environ), log=tmp_path / "log", purpose="a step")


@pytest.mark.parametrize(
    ("free", "problem"),
    [
        (0, ", because the disk is full"),
        (12_345_678, ", perhaps because the disk of {} has only 12 MB left"),
        (10**9, ""),
    ],
)
def test_where_a_program_does_not_say_so_the_space_that_is_left_tells(
    free: int, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))

    assert disk_problem("An unexpected error", tmp_path) == problem.format(tmp_path)


class FakeFunctions:
    """A client of Lambda whose functions never start."""

    def get_waiter(self, name: str) -> "FakeFunctions":
        return self

    def wait(self, **_: object) -> None:
        raise WaiterError(name="PublishedVersionActive", reason="failed", last_response={})


def test_functions_that_do_not_start_are_reported_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulator = RunningEmulator("http://127.0.0.1:1", tmp_path)
    emulator.__dict__["functions"] = FakeFunctions()
    (tmp_path / LOG).write_text("init failed at publish: [Errno 28] No space left on device\n")
    monkeypatch.setattr(Deployment, "deploy", lambda *_, **__: None)
    monkeypatch.setattr(Deployment, "outputs", {"HandlerFunctionName": "handler"})

    with pytest.raises(LocalCloudError, match="could not start the functions, because the disk is full"):
        Release(Room.of("tests/sample"), "http://127.0.0.1:1", {}, Silent()).deploy(tmp_path, emulator)


def test_a_disk_without_space_is_full_and_another_one_is_not(tmp_path: Path) -> None:
    assert not is_full(tmp_path)
    if sys.platform == "linux":
        assert is_full(Path("/proc"))  # has no space at all
