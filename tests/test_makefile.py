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

# A blank in the interpreter's path would end a #! line: the shell starts Python, to which its line is a text.
STUB = f"""#!/bin/sh
'''exec' "{sys.executable}" "$0" "$@"
'''
import json, os, sys
open("arguments.jsonl", "a").write(json.dumps(sys.argv[1:]) + "\\n")
aws = {{name: os.environ[name] for name in ("AWS_CONFIG_FILE", "AWS_PROFILE") if name in os.environ}}
open("environment.jsonl", "a").write(json.dumps(aws) + "\\n")
"""

TARGETS = [
    "run", "preview", "samples", "up", "invoke", "logs", "dead-letters", "dead-letter", "redrive", "purge", "build",
    "bench", "cookie-sync-questionnaire", "verify",
]  # fmt: skip
INTERNAL = {"help", "static", "checked", "packed-build"}
"""Targets that other ones need, and that nobody types."""

SWITCHES = ["YES"]
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
    lines = re.findall(r"^VARIABLES [:+]= (.*)$", MAKEFILE, re.MULTILINE)

    assert {name for line in lines for name in line.split()} == set(GIVEN)
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
    assert make(project, "verify", f"YES={value}") == [["-m", "ops", "verify", "--yes"]]
    assert not (project / "broken-in").exists()


def test_without_values_there_are_no_arguments(project: Path) -> None:
    targets = ["run", "preview", "samples", "up", "invoke", "logs", "redrive", "purge", "down", "bench"]

    assert make(project, *targets, "cookie-sync-questionnaire") == [
        ["-m", "local"],
        ["-m", "local.preview"],
        ["-m", "local.samples"],
        ["-m", "local.cloud", "up"],
        ["-m", "local.cloud", "invoke"],
        ["-m", "local.cloud", "logs"],
        ["-m", "local.cloud", "ops", "redrive"],
        ["-m", "local.cloud", "ops", "purge"],
        ["-m", "local.cloud", "down"],
        ["-m", "bench"],
        ["-m", "local.registration.cookie_sync_questionnaire"],
    ]


def test_verify_hands_over_what_is_given_and_nothing_else(project: Path) -> None:
    given = {"TARGET": "arn:x", "CALLS": "5", "COLD": "3", "SETTINGS": "s.json", "REPORT": "r.md", "YES": "1"}

    calls = make(project, "verify", *(f"{name}={value}" for name, value in given.items()))
    without = make(project, "verify")[-1]

    options = ["--calls=5", "--cold=3", "--settings=s.json", "--report=r.md", "--yes"]
    assert (calls, without) == ([["-m", "ops", "verify", *options, "--", "arn:x"]], ["-m", "ops", "verify"])


@pytest.mark.parametrize(("goals", "is_found"), [(["verify"], True), (["run"], False), (["run", "verify"], False)])
def test_only_verify_finds_the_aws_account_of_who_calls_it(project: Path, goals: list[str], is_found: bool) -> None:
    own = {"AWS_CONFIG_FILE": "/home/me/aws", "AWS_PROFILE": "me"}

    make(project, *goals, environ=own)

    seen = [json.loads(line) for line in (project / "environment.jsonl").read_text().splitlines()]
    assert seen
    assert all((each == own) == is_found for each in seen)


def test_lists_are_split_at_blanks(project: Path) -> None:
    lists = "BENCH=cold_start  warm_cpu", "ENDPOINTS=US1=https://a EU1=*"

    calls = make(project, "bench", "cookie-sync-questionnaire", *lists)

    assert calls == [
        ["-m", "bench", "cold_start", "warm_cpu"],
        ["-m", "local.registration.cookie_sync_questionnaire", "--endpoint=US1=https://a", "--endpoint=EU1=*"],
    ]


def test_operators_targets_are_commands_for_the_running_cloud(project: Path) -> None:
    given = ["QUEUE=event", "REASON=a b", "ACCOUNT=7", "ARGS=--older-than 2d", "DRY_RUN=1"]

    assert make(project, "redrive", *given) == [
        ["-m", "local.cloud", "ops", "redrive", "--queue=event", "--reason=a b", "--account=7", "--dry-run=1",
         "--older-than", "2d"],
    ]  # fmt: skip
    assert make(project, "dead-letters", "dead-letter", "LETTER=m-1", "EACH=1")[1:] == [
        ["-m", "local.cloud", "ops", "list", "--each=1"],
        ["-m", "local.cloud", "ops", "show", "m-1"],
    ]


def help_text() -> str:
    return subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout  # noqa: S607


def test_every_target_for_users_and_every_variable_is_in_the_help() -> None:
    (*lists,) = re.findall(r"(?m)^\.PHONY: (.*)$", MAKEFILE)
    targets = {*" ".join(lists).split()} - INTERNAL
    text = help_text()

    assert {"run", "up", "down", "logs", "invoke", "test", "build", "clean"} <= targets
    assert [target for target in sorted(targets) if not re.search(rf"(?m)^  make {target}( |$)", text)] == []
    assert [name for name in GIVEN if f"{name}=" not in text] == []


def test_the_help_names_no_target_that_does_not_exist() -> None:
    named = re.findall(r"(?m)^  make (\S+)", help_text())

    assert len(named) > 15
    assert [target for target in named if not re.search(rf"(?m)^[\w -]*\b{target}\b[\w -]*:", MAKEFILE)] == []


def test_the_help_fits_80_columns() -> None:
    assert [line for line in help_text().splitlines() if len(line) > 80] == []


def output(project: Path, shell: str, script: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    command = [shell, "-c", script]
    return subprocess.run(command, cwd=project, env=kept, capture_output=True, text=True, check=False).stdout  # noqa: S603


@pytest.fixture
def without_set_up(project: Path) -> Path:
    """Return a project that cannot be set up, because its Python prints something and fails."""
    (project / "local" / "setup" / "python.sh").write_text("echo ./noisy\n")
    (project / "noisy").write_text("#!/bin/sh\necho noise\nexit 1\n")
    (project / "noisy").chmod(0o755)
    return project


@pytest.mark.parametrize("shell", [name for name in ("bash", "dash", "zsh") if shutil.which(name)])
def test_a_shell_that_evaluates_up_gets_nothing_of_the_set_up_and_fails_with_it(
    without_set_up: Path, shell: str
) -> None:
    script = 'eval "$(make -s up)" && echo evaluated'

    assert output(without_set_up, shell, script) == ""
    assert output(without_set_up, shell, "make -s up") == "false\n"
    assert output(without_set_up, shell, "make -s down") == ""
    assert "noise" in output(without_set_up, shell, "make -s setup")  # the control
