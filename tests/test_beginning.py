"""The ways of docs/integrating.md to begin, with an example or with nothing, leave a clone whose own tests pass."""

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
    "events/feed/planted.json",
    "tests/partner/fake_api/planted.py",
    "tests/partner/snapshots/planted.json",
    "tests/partner/test_planted.py",
)
"""Files of the partner that was there before. Its own are not used: they are the user's."""


def blocks() -> list[str]:
    """Return the page's commands: those that make room, and those that begin with an example."""
    found: list[str] = re.findall(r"(?ms)^```\n((?:rm -rf src/partner|cp examples/).*?)^```$", PAGE.read_text())
    assert len(found) == 2
    return found


def with_an_example() -> str:
    """Return the commands for another example than the page's, and for what it says about further files."""
    further = [f"cp examples/{EXAMPLE}/{name}.json tests/partner/" for name in ("parameters", "deployment_secret")]
    room, begin = blocks()
    return "\n".join(["set -e", room, *further, begin.replace("examples/iterable", f"examples/{EXAMPLE}")])


def with_nothing(pages_code: Path) -> str:
    """Return the commands that make room, and what the page's steps do after them, with code of its own."""
    return f"""set -e
{blocks()[0]}
touch src/partner/__init__.py
cp "{pages_code}/integration.py" src/partner/
"{sys.executable}" -m local.samples
"{sys.executable}" -m local.preview
test ! -f "{pages_code}/fake_api.py" || {{ mkdir tests/partner/fake_api &&
    cp "{pages_code}/fake_api.py" tests/partner/fake_api/__init__.py && "{sys.executable}" -m local.preview; }}
UPDATE_SNAPSHOTS=1 .venv/bin/pytest tests/partner
"{sys.executable}" -m ruff check src/partner
"""


def section(heading: str) -> str:
    """Return the only snippet of Python in a section of the page."""
    [text] = [each for each in PAGE.read_text().split("\n## ") if each.startswith(f"{heading}\n")]
    [found] = re.findall(r"(?ms)^```python\n(.*?)^```$", text)
    return str(found)


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


@pytest.fixture
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder for code of the page, outside of the copy."""
    return tmp_path_factory.mktemp("code")


def carried_out(commands: str, copy: Path) -> str:
    """Carry commands out in a copy, and return what they print."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    run = subprocess.run(  # noqa: S603  the project's own page
        ["/bin/sh", "-c", commands],
        cwd=copy,
        env={**environment, "PYTHONPATH": "src"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-3_000:] + run.stderr[-1_000:]
    assert [name for name in BEFORE if (copy / name).exists()] == []
    return run.stdout


def test_an_example_takes_another_partners_place(copy: Path) -> None:
    output = carried_out(with_an_example(), copy)

    passed = re.search(r"(\d+) passed", output)
    assert passed
    assert int(passed[1]) > 50
    assert [path.name for path in (copy / "tests" / "partner").rglob("*.py") if "examples/" in path.read_text()] == []


def test_the_pages_integration_of_events_takes_another_partners_place_with_its_fake_api(copy: Path, code: Path) -> None:
    (code / "integration.py").write_text(section("Events only: a complete integration"))
    blocks = re.findall(r"(?ms)^```python\n(.*?)^```$", PAGE.read_text())
    (fake_api,) = (block for block in blocks if "\nclass FakeApi:\n" in block)
    (code / "fake_api.py").write_text(fake_api)

    output = carried_out(with_nothing(code), copy)

    assert "POST $PARTNER_API_URL/v2/events\n" in output
    assert "no rule is broken" in output


def test_the_pages_integration_of_audiences_takes_another_partners_place_before_it_has_a_fake_api(
    copy: Path, code: Path
) -> None:
    (code / "integration.py").write_text(section("Audiences only: a complete integration"))

    output = carried_out(with_nothing(code), copy)

    assert "POST $PARTNER_API_URL/v2/lists/101/remove\n" in output
    assert "there is no fake API to check them" in output
    assert sorted(path.stem for path in (copy / "tests" / "partner" / "snapshots").iterdir()) == sorted(
        path.stem for path in (copy / "events").glob("*.json")
    )
