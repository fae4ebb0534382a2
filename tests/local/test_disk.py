"""Problems of the disk are named, and temporary folders do not stay behind."""

import errno
import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from local.cloud.partner_log import PartnerLog
from local.disk import problem, problem_in
from local.failures import exit_status
from local.isolation import ROOT, LocalCloudError, run_quietly

HOLD = """
import sys
from local.disk import TemporaryFolder
folder = TemporaryFolder("local-test-")
(folder.path / "content").mkdir()
print(folder.path, flush=True)
sys.stdin.read()
"""


def failing(number: int) -> int:
    raise OSError(number, os.strerror(number), "/some/file")


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.ENOSPC, "the disk is full, at /some/file: free some space"),
        (errno.EDQUOT, "the disk quota is used up, at /some/file: free some space"),
        (errno.EROFS, "the disk is read-only, at /some/file: work in a folder that can be written to"),
        (errno.EACCES, "permission is denied, at /some/file: give your user the right to write there"),
    ],
)
def test_a_problem_of_the_disk_ends_a_command_with_a_sentence(number: int, sentence: str) -> None:
    out = io.StringIO()

    status = exit_status(lambda: failing(number), Console(file=out, width=200), "")

    assert (status, out.getvalue().startswith(sentence)) == (2, True)


def test_another_error_is_a_defect_and_keeps_its_traceback() -> None:
    with pytest.raises(OSError, match="Is a directory"):
        exit_status(lambda: failing(errno.EISDIR), Console(file=io.StringIO()), "")


def test_an_error_of_syntax_is_shown_with_its_place() -> None:
    out = io.StringIO()

    status = exit_status(lambda: len(compile("x =", "mapping.py", "exec").co_names), Console(file=out, width=200), "")

    assert (status, out.getvalue()) == (2, "mapping.py, line 1: invalid syntax\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_full_disk_is_recognized() -> None:
    with pytest.raises(OSError, match="No space left") as raised, PartnerLog(Path("/dev/full")) as log:
        log._log.write("x")  # noqa: SLF001  it is written when the file is closed

    assert str(problem(raised.value)).startswith("the disk is full")


def test_a_full_disk_is_recognized_in_what_a_program_wrote(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "print('OSError: [Errno 28] No space left on device'); raise SystemExit(1)"]

    with pytest.raises(LocalCloudError, match=r"^a step failed with status 1, because the disk is full: free some"):
        run_quietly(command, environment=dict(os.environ), log=tmp_path / "log", purpose="a step")

    assert problem_in("something else") is None


def holder(folder: Path) -> subprocess.Popen[str]:
    """Start a process that makes a temporary folder and waits."""
    return subprocess.Popen(  # noqa: S603  this very interpreter
        [sys.executable, "-c", HOLD], cwd=ROOT, env={**os.environ, "TMPDIR": str(folder)}, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip


def path_of(process: subprocess.Popen[str]) -> Path:
    assert process.stdout is not None
    return Path(process.stdout.readline().strip())


def test_the_folder_of_a_killed_process_goes_with_the_next_start_and_no_other_one(tmp_path: Path) -> None:
    others = [tmp_path / "local-test-of-something-else", tmp_path / "other"]
    for other in others:
        other.mkdir()
    with holder(tmp_path) as killed, holder(tmp_path) as living:
        left, kept = path_of(killed), path_of(living)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert (left / "content").exists()

        with holder(tmp_path) as starting:
            new = path_of(starting)

            assert {*tmp_path.iterdir()} == {kept, new, *others}
            assert (kept / "content").exists()
