import os
import subprocess
import sys
from pathlib import Path

import pytest

from local.isolation import ROOT
from tests.conftest import EVENTS
from tests.planted import leaks

PLANTED = """
import pytest

def test_a_leak():
    print("canary-pii-planted")

@pytest.mark.shows_canaries
def test_a_leak_on_purpose():
    print("canary-pii-planted")
"""


def test_every_request_of_ours_is_marked() -> None:
    with_people = [path for path in EVENTS.glob("*.json") if "user_identities" in path.read_text()]

    assert len(with_people) >= 3
    assert [path.name for path in with_people if not leaks(path.read_text())] == []


@pytest.mark.shows_canaries
@pytest.mark.parametrize("processes", ["0", "1"], ids=["in-this-process", "in-another-process"])
def test_the_search_that_every_test_runs_under_finds_a_planted_leak(processes: str, tmp_path: Path) -> None:
    planted = tmp_path / "planted_leak.py"
    planted.write_text(PLANTED)
    command = [sys.executable, "-m", "pytest", "-c", "pyproject.toml", "-p", "tests.canaries", "-p", "no:cacheprovider"]

    run = subprocess.run(  # noqa: S603  this very interpreter, on a file written above
        [*command, "--numprocesses", processes, str(planted)],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": "src"}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert "1 failed, 1 passed" in run.stdout
    assert "a secret or personal value shows in: Captured stdout call" in run.stdout
