"""Temporary folders do not stay behind when their process is killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from local.isolation import ROOT

HOLD = """
import sys
from local.temporary import TemporaryFolder
folder = TemporaryFolder("local-test-")
(folder.path / "content").mkdir()
print(folder.path, flush=True)
sys.stdin.read()
"""


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
