"""The framework knows no partner: nothing that a release brings imports the user's code or needs the user's files."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.isolation import ROOT
from tests.independence import INDEPENDENT, YOURS

FRAMEWORK = ("src/mparticle_firehose", "local", "ops", "bench", "tests")
REFERENCE_PARTNER = ("acme", "/v1/events", "/v1/audiences", "/v1/erasures", "partneraudienceid")


def files(*folders: str) -> list[Path]:
    """Return the files of the framework in these folders, as git knows them."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *folders]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")  # noqa: S603
    found = [ROOT / name for name in listed if name and not name.startswith(YOURS)]
    return [path for path in found if path.exists()]


def imports_of_the_partner(source: str) -> Iterator[str]:
    """Yield each module of the user's that Python code imports by name."""
    for node in ast.walk(ast.parse(source)):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not node.level:
            modules = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        yield from (name for name in modules if f"{name}.".startswith(("partner.", "tests.partner.")))


def names_of_the_reference_partner(text: str) -> list[str]:
    return [name for name in REFERENCE_PARTNER if name in text.lower()]


def test_no_framework_file_imports_the_partner() -> None:
    sources = [path for path in files(*FRAMEWORK) if path.suffix == ".py"]

    assert len(sources) > 150
    assert [(path.name, name) for path in sources for name in imports_of_the_partner(path.read_text())] == []


def test_no_framework_file_names_the_reference_partner() -> None:
    named = {
        str(path.relative_to(ROOT)): names
        for path in files(*FRAMEWORK)
        if path != Path(__file__) and (names := names_of_the_reference_partner(path.read_text(errors="replace")))
    }

    assert named == {}


@pytest.mark.parametrize(
    "line",
    [
        "from partner.events import events_call",
        "import partner",
        "from tests.partner import fake_api",
        "import partner.x",
    ],
)
def test_an_import_of_the_partner_would_be_found(line: str) -> None:
    assert list(imports_of_the_partner(f"def f():\n    {line}\n")) != []


def test_a_name_of_the_reference_partner_would_be_found() -> None:
    assert names_of_the_reference_partner('path = "/V1/Events"') == ["/v1/events"]


def test_the_list_of_the_users_files_is_the_documented_one() -> None:
    documented = (ROOT / "docs" / "upgrading.md").read_text()

    assert [name for name in YOURS if f"`{name}" not in documented] == []


def test_what_is_called_independent_asks_for_no_integration_of_the_users() -> None:
    asking = re.compile(r"Room\.of\(\)|^(?:from|import) app\b", re.MULTILINE)
    sources = {str(path.relative_to(ROOT)): path.read_text() for path in files(*INDEPENDENT) if path.suffix == ".py"}

    assert len(sources) > 50
    assert [name for name, source in sources.items() if asking.search(source)] == []
    assert asking.search("room = Room.of()")  # the control
    assert asking.search("from app import handler")


@pytest.mark.parametrize(("folder", "fails"), [("endpoint", True), ("deployment", False)])
def test_an_independent_test_that_opens_a_file_of_the_users_fails(tmp_path: Path, folder: str, fails: bool) -> None:
    test = tmp_path / "tests" / folder / "test_planted.py"
    test.parent.mkdir(parents=True)
    test.write_text(f"def test_it():\n    open({str(ROOT / 'src' / 'app.py')!r}).close()\n")
    command = [sys.executable, "-m", "pytest", "-p", "tests.independence", "-p", "no:cacheprovider", "tests"]

    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)  # noqa: S603

    assert (done.returncode == 1) is fails
    assert ("it depends on the user's src/app.py" in done.stdout) is fails
