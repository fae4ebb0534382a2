"""The Makefile: what a user gives as the value of a variable is text, neither for make nor for the shell."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from local.isolation import ROOT

MAKEFILE = (ROOT / "Makefile").read_text()
GIVEN = re.findall(r"^(\w+) \?=", MAKEFILE, re.MULTILINE)
RECIPES = [line for line in MAKEFILE.splitlines() if line.startswith("\t")]
CHOOSES_PYTHON = "local/setup/python.sh"

STUB = f"""#!{sys.executable}
import json, sys
open("arguments.jsonl", "a").write(json.dumps(sys.argv[1:]) + "\\n")
"""

TARGETS = ["run", "preview", "up", "invoke", "build", "bench", "cookie-sync-questionnaire"]

SWITCHES = ["WATCH"]
"""Variables of which only counts whether they have a value."""

HOSTILE = [
    "x'; touch broken-in; '",
    'x"; touch broken-in; "',
    "x; touch broken-in",
    "`touch broken-in`",
    "$(touch broken-in)",
    "$(shell touch broken-in)",
    "${shell touch broken-in}",
    "$$(touch broken-in)",
    "x && touch broken-in",
    "x | touch broken-in",
    "x > broken-in",
    "x # y",
    "a b",
    "*",
    "-",
    "\\",
]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a folder with the Makefile, in which each interpreter only writes down its arguments."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    setup = tmp_path / "local" / "setup"
    setup.mkdir(parents=True)
    (setup / "__main__.py").touch()
    shutil.copy(ROOT / CHOOSES_PYTHON, setup)
    for folder in (".venv", ".local/bench"):
        python = tmp_path / folder / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.write_text(STUB)
        python.chmod(0o755)
    return tmp_path


def make(project: Path, *arguments: str, environ: Mapping[str, str] | None = None) -> list[Sequence[str]]:
    """Run make, and return what the interpreters were called with."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    environment = {**kept, "PYTHON": sys.executable, **(environ or {})}
    subprocess.run(["make", *arguments], cwd=project, env=environment, capture_output=True, check=False)  # noqa: S603, S607
    calls = project / "arguments.jsonl"
    return [json.loads(line) for line in calls.read_text().splitlines()] if calls.exists() else []


def test_every_variable_that_users_give_is_handed_over_in_the_environment() -> None:
    (handed_over,) = re.findall(r"^VARIABLES := (.*)$", MAKEFILE, re.MULTILINE)

    assert set(handed_over.split()) == set(GIVEN)
    assert {"EVENT", "PARTNER", "ENDPOINTS", "BENCH", "ARCHITECTURE", "PYTHON"} <= set(GIVEN)


@pytest.mark.parametrize("name", GIVEN)
def test_no_recipe_has_make_expand_such_a_variable(name: str) -> None:
    expansion = re.compile(r"\$[({](?:[^)}]*[ ,])?" + name + r"[)},: ]")

    assert [line for line in RECIPES if expansion.search(line.replace("$$", ""))] == []
    assert expansion.search(f"\tpython $({name})")  # the control
    assert expansion.search(f"\tpython $(foreach each,$({name}),x)")


@pytest.mark.parametrize("name", GIVEN)
def test_every_recipe_has_such_a_variable_in_quotes_or_in_a_shell_without_globs(name: str) -> None:
    shell = [line.replace("$$", "$") for line in RECIPES] + (ROOT / CHOOSES_PYTHON).read_text().splitlines()
    uses = [line for line in shell if f"${name}" in line]

    assert uses or name in SWITCHES
    assert [line for line in uses if f'"${name}' not in line and f"=${name}" not in line and "set -f" not in line] == []


@pytest.mark.parametrize("where", ["command-line", "environment"])
@pytest.mark.parametrize("value", HOSTILE)
def test_a_value_arrives_as_it_was_given(project: Path, where: str, value: str) -> None:
    given = {"EVENT": value, "PARTNER": value}
    on_line = [f"{name}={text}" for name, text in given.items()] if where == "command-line" else []

    calls = make(project, "run", *on_line, environ={} if on_line else given)

    assert calls == [["-m", "local", f"--event={value}", f"--partner={value}"]]
    assert not (project / "broken-in").exists()


@pytest.mark.parametrize("value", HOSTILE)
def test_no_value_is_a_command(project: Path, value: str) -> None:
    given = [f"{name}={value}" for name in GIVEN if name != "PYTHON"]

    calls = make(project, "--keep-going", *TARGETS, *given)
    make(project, "setup", f"PYTHON={value}")

    assert len(calls) == len(TARGETS)
    assert not (project / "broken-in").exists()


@pytest.mark.parametrize("name", SWITCHES)
def test_the_value_of_a_switch_is_never_used(name: str) -> None:
    uses = [line for line in RECIPES if name in line]

    assert uses
    assert [line for line in uses if not re.search(r"\$\${" + name + r":\+--\w+}", line)] == []


@pytest.mark.parametrize("value", ["1", "yes", *HOSTILE])
def test_a_switch_is_on_whatever_its_value_is(project: Path, value: str) -> None:
    assert make(project, "preview", f"WATCH={value}") == [["-m", "local.preview", "--watch"]]
    assert not (project / "broken-in").exists()


def test_without_values_there_are_no_arguments(project: Path) -> None:
    assert make(project, "run", "preview", "invoke", "bench", "cookie-sync-questionnaire") == [
        ["-m", "local"],
        ["-m", "local.preview"],
        ["-m", "local.cloud.background", "invoke"],
        ["-m", "bench"],
        ["-m", "local.registration.cookie_sync_questionnaire"],
    ]


def test_lists_are_split_at_blanks(project: Path) -> None:
    lists = "BENCH=cold_start  warm_cpu", "ENDPOINTS=US1=https://a EU1=*"

    calls = make(project, "bench", "cookie-sync-questionnaire", *lists)

    assert calls == [
        ["-m", "bench", "cold_start", "warm_cpu"],
        ["-m", "local.registration.cookie_sync_questionnaire", "--endpoint=US1=https://a", "--endpoint=EU1=*"],
    ]
