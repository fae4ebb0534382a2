"""A rehearsal of what every user does: another integration takes the place of the reference partner's.

In a copy of the project `src/partner`, `events/` and `registration.json` are replaced, and `tests/partner` is removed.
The framework's tests must all pass there; those that cannot depend on it are left out.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from local.isolation import ROOT
from tests.independence import INDEPENDENT

ABOUT_THE_REPOSITORY = (
    "tests/test_rehearsal.py",
    "tests/test_beginning.py",
    "tests/test_boundaries.py",
    "tests/test_canaries.py",
)
"""Not run in the copy: they look at the repository itself, or start pytest once more."""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the project as git knows it, with another integration in the user's place."""
    target = tmp_path_factory.mktemp("rehearsal") / "project"
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")  # noqa: S603
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target / name)
    for name in ("src/partner", "events", "tests/partner"):
        shutil.rmtree(target / name)
    shutil.copytree(ROOT / "tests" / "second" / "partner", target / "src" / "partner")
    shutil.copytree(ROOT / "tests" / "second" / "events", target / "events")
    (target / "registration.json").write_text("{}\n")
    return target


def run_tests(copy: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    command = [sys.executable, "-m", "pytest", "-m", "not cloud", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(  # noqa: S603  this very interpreter
        command, cwd=copy, env={**environment, "PYTHONPATH": "src"}, capture_output=True, text=True, check=False
    )


def test_the_frameworks_tests_pass_with_another_integration(copy: Path) -> None:
    run = run_tests(copy, *(f"--ignore={name}" for name in (*ABOUT_THE_REPOSITORY, *INDEPENDENT)))

    assert run.returncode == 0, run.stdout[-5_000:]
    passed = re.search(r"(\d+) passed", run.stdout)
    assert passed
    assert int(passed[1]) > 2_000


def test_a_framework_test_that_needs_the_reference_partner_would_fail(copy: Path) -> None:
    (copy / "tests" / "test_planted.py").write_text(
        "from partner.audiences import members_call\n\n\ndef test_it(): ...\n"
    )

    assert run_tests(copy, "tests/test_planted.py").returncode != 0
