"""The commands in docs/integrating.md that begin with an example work, and leave a clone whose own tests pass."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from local.isolation import ROOT

PAGE = ROOT / "docs" / "integrating.md"
EXAMPLE = "hubspot"  # it has both optional files of the local cloud
BEFORE = (
    "src/partner/planted.py",
    "events/planted.json",
    "events/types/planted.json",
    "tests/partner/fake_api/planted.py",
    "tests/partner/snapshots/planted.json",
    "tests/partner/test_planted.py",
)
"""Files of the partner that was there before. Its own are not used: they are the user's."""


def commands() -> str:
    """Return the page's commands, for another example, and what it says about further files."""
    blocks: list[str] = re.findall(r"(?ms)^```\n(rm -rf src/partner.*?)^```$", PAGE.read_text())
    assert len(blocks) == 1
    further = [f"cp examples/{EXAMPLE}/{name}.json tests/partner/" for name in ("parameters", "deployment_secret")]
    return "\n".join(["set -e", *further, blocks[0].replace("examples/iterable", f"examples/{EXAMPLE}")])


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Copy what the commands and the tests need."""
    for name in ("src", "tests", "bench", "examples", "local"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("src/partner", "tests/partner"):
        shutil.rmtree(tmp_path / name)
    shutil.copyfile(ROOT / "pyproject.toml", tmp_path / "pyproject.toml")
    for name in BEFORE:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("raise AssertionError\n")
    own = ROOT / "tests" / "partner" / "test_snapshots.py"
    if own.exists():
        shutil.copyfile(own, tmp_path / "tests" / "partner" / own.name)
    pytest_command = tmp_path / ".venv" / "bin" / "pytest"
    pytest_command.parent.mkdir(parents=True)
    pytest_command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pytest "$@"\n')
    pytest_command.chmod(0o755)
    return tmp_path


def test_an_example_takes_another_partners_place(copy: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}

    run = subprocess.run(  # noqa: S603  the project's own page
        ["/bin/sh", "-c", commands()],
        cwd=copy,
        env={**environment, "PYTHONPATH": "src"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stdout[-3_000:] + run.stderr[-1_000:]
    passed = re.search(r"(\d+) passed", run.stdout)
    assert passed
    assert int(passed[1]) > 50
    assert [name for name in BEFORE if (copy / name).exists()] == []
    assert [path.name for path in (copy / "tests" / "partner").rglob("*.py") if "examples/" in path.read_text()] == []
