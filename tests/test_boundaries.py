"""The framework knows no partner: nothing that a release brings imports the user's code or needs the user's files."""

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.isolation import ROOT

YOURS = ("src/app.py", "src/partner", "tests/partner", "events", "registration.json", "samconfig.toml")
"""What docs/upgrading.md lists as the user's."""

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
