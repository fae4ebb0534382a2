"""How environments are made: when, by which uv, from which index, and what is said when it fails."""

import errno
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from local.isolation import ROOT
from local.setup import __main__ as commands
from local.setup.__main__ import set_up, wanted
from local.setup.disk import SetupError, explained, megabytes, reason_in
from local.setup.environments import ENVIRONMENTS, Environment
from local.setup.pip_settings import read_settings, uv_environment
from local.setup.uv import Uv, find, version_of

UV_STUB = """#!/bin/sh
echo "$@" >> "$CALLS"
if [ "$1" = venv ]; then for place; do :; done; mkdir -p "$place/bin"; touch "$place/bin/python"; fi
if [ "$1" = --version ]; then echo "uv ${VERSION:-0.13.9} (x)"; fi
if [ "$1" = pip ] && [ -n "$FAILS" ]; then echo "$FAILS" >&2; exit 2; fi
"""


def program(place: Path, content: str) -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(content)
    place.chmod(0o755)
    return place


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    return tmp_path / "calls"


@pytest.fixture
def uv(tmp_path: Path, calls: Path) -> Uv:
    """Return a uv that writes down its arguments and makes an interpreter."""
    stub = program(tmp_path / "tools" / "uv", UV_STUB)
    return Uv(stub, {"CALLS": str(calls), "PATH": os.environ["PATH"]})


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    (tmp_path / "lock.txt").write_text("one==1\n")
    (tmp_path / "larger.txt").write_text("one==1\ntwo==2\n")
    return Environment(str(tmp_path / "env"), (str(tmp_path / "lock.txt"), str(tmp_path / "larger.txt")), 1)


def verbs(calls: Path) -> list[str]:
    return [line.split(" ")[0] for line in calls.read_text().splitlines()]


# --- When ---


def test_an_environment_is_made_and_then_as_its_lock_says(uv: Uv, environment: Environment, calls: Path) -> None:
    assert not environment.is_current()

    uv.fill(environment)

    assert environment.is_current()
    assert verbs(calls) == ["venv", "pip"]
    assert f"--require-hashes {environment.lock}" in calls.read_text()


def test_another_lock_fills_the_same_environment_anew(uv: Uv, environment: Environment, calls: Path) -> None:
    uv.fill(environment)
    environment.lock.write_text("one==2\n")
    assert not environment.is_current()

    uv.fill(environment)

    assert environment.is_current()
    assert verbs(calls) == ["venv", "pip", "pip"]


def test_an_environment_with_more_will_do(uv: Uv, environment: Environment) -> None:
    uv.fill(Environment(environment.folder, environment.locks[1:], 1))

    assert environment.is_current()


@pytest.mark.parametrize("names", [["local", "tests", "sam"], ["tests", "local", "sam"]])
def test_of_two_for_one_folder_the_larger_is_made(names: list[str]) -> None:
    assert wanted(names) == [ENVIRONMENTS["tests"], ENVIRONMENTS["sam"]]


def test_one_that_was_interrupted_is_made_from_the_start(uv: Uv, environment: Environment, calls: Path) -> None:
    uv.fill(environment)
    with pytest.raises(SetupError):
        Uv(uv.program, {**uv.environ, "FAILS": "x"}).fill(environment)
    assert not environment.is_current()

    uv.fill(environment)

    assert verbs(calls) == ["venv", "pip", "pip", "venv", "pip"]


def test_one_whose_interpreter_is_gone_is_made_from_the_start(uv: Uv, environment: Environment, calls: Path) -> None:
    uv.fill(environment)
    environment.python.unlink()
    environment.python.symlink_to(environment.place / "removed")

    assert not environment.is_current()
    assert not environment.is_complete()


def test_an_environment_that_is_a_link_leaves_what_it_points_to(
    uv: Uv, environment: Environment, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "file").touch()
    environment.place.symlink_to(other)

    uv.fill(environment)

    assert environment.is_current()
    assert [path.name for path in other.iterdir()] == ["file"]


# --- Which uv ---


@pytest.mark.parametrize(
    ("version", "taken"), [("0.13.9", True), ("0.8.0", True), ("1.0.0", True), ("0.7.22", False), ("odd", False)]
)
def test_the_users_uv_is_taken_if_it_is_new_enough(
    uv: Uv, version: str, taken: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VERSION", version)
    monkeypatch.setenv("CALLS", uv.environ["CALLS"])

    found = find({"PATH": str(uv.program.parent)})

    assert (found is not None and found.program == uv.program) is taken


def test_a_uv_that_cannot_be_started_has_no_version(tmp_path: Path) -> None:
    assert version_of(tmp_path / "missing") == (0,)


# --- Which Python ---


def chosen(tmp_path: Path, *, python: str = "python3.13", **stubs: str) -> subprocess.CompletedProcess[str]:
    """Run the script that chooses a Python with nothing else on the PATH than these programs."""
    tools = tmp_path / "bin"
    for name, content in stubs.items():
        program(tools / name.replace("_", "."), content)
    sh = shutil.which("sh")
    assert sh
    environ = {"PATH": str(tools), "PYTHON": python}
    return subprocess.run(  # noqa: S603
        [sh, ROOT / "local" / "setup" / "python.sh"], env=environ, capture_output=True, text=True, check=False
    )


def test_the_python_that_is_named_is_taken(tmp_path: Path) -> None:
    assert chosen(tmp_path, python3_13="#!/bin/sh\nexit 0\n").stdout == "python3.13\n"


def test_without_one_the_error_says_what_is_needed(tmp_path: Path) -> None:
    done = chosen(tmp_path)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Python 3.13 is needed: install it, or name it")


def test_without_one_uv_downloads_it_and_says_so(tmp_path: Path) -> None:
    managed = program(tmp_path / "managed", "#!/bin/sh\nexit 0\n")
    finds_after_installing = (
        f'#!/bin/sh\nif [ "$2" = find ]; then [ -e {tmp_path}/installed ] && echo {managed}; '
        f"else : > {tmp_path}/installed; fi\n"
    )

    done = chosen(tmp_path, uv=finds_after_installing)

    assert (done.returncode, done.stdout) == (0, f"{managed}\n")
    assert "uv downloads one from the internet" in done.stderr


def test_one_that_was_named_is_not_replaced_by_uvs(tmp_path: Path) -> None:
    managed = program(tmp_path / "managed", "#!/bin/sh\nexit 0\n")

    done = chosen(tmp_path, python="python3.12", uv=f"#!/bin/sh\necho {managed}\n")

    assert (done.returncode, done.stdout) == (1, "")


# --- From which index ---

LISTED = """\
:env:.find-links='/wheels /more'
global.index-url='https://mirror.example/simple'
global.cert='/etc/mirror.pem'
global.constraint='/etc/constraints.txt'
global.timeout='60'
install.timeout='90'
install.extra-index-url='\\nhttps://one.example/simple\\nhttps://two.example/simple'
download.proxy='http://only-for-downloads.example'
freeze.all='true'
"""


def told(lines: str, environ: Mapping[str, str]) -> dict[str, str]:
    environment = uv_environment(environ, read_settings(lines.splitlines()))
    return {
        name: value for name, value in environment.items() if name not in {"UV_INDEX_STRATEGY", "UV_PYTHON_DOWNLOADS"}
    }


def test_uv_gets_pips_settings_without_constraints() -> None:
    assert told(LISTED, {}) == {
        "UV_FIND_LINKS": "/wheels,/more",
        "UV_DEFAULT_INDEX": "https://mirror.example/simple",
        "UV_INDEX": "https://one.example/simple https://two.example/simple",
        "SSL_CERT_FILE": "/etc/mirror.pem",
        "UV_HTTP_TIMEOUT": "90",
    }


def test_what_is_set_for_uv_itself_is_left_alone(tmp_path: Path) -> None:
    environ = {"UV_DEFAULT_INDEX": "https://own.example/simple", "SSL_CERT_FILE": "/etc/own.pem"}

    assert told(LISTED, environ) == {**environ, "UV_HTTP_TIMEOUT": "90"}


@pytest.mark.parametrize(
    "content", ['[[index]]\nurl = "https://own.example"\n', '[pip]\nindex-url = "https://own.example"\n']
)
def test_an_index_in_uvs_own_file_counts_as_well(tmp_path: Path, content: str) -> None:
    file = tmp_path / "uv.toml"
    file.write_text(content)

    assert "UV_DEFAULT_INDEX" not in told(LISTED, {"UV_CONFIG_FILE": str(file)})

    file.write_text("offline = false\n")
    assert "UV_DEFAULT_INDEX" in told(LISTED, {"UV_CONFIG_FILE": str(file)})


def test_an_environment_of_the_shell_is_not_uvs() -> None:
    assert told("", {"VIRTUAL_ENV": "/other", "PYTHONPATH": "src", "HOME": "/home"}) == {"HOME": "/home"}


# --- What is said when it fails ---


@pytest.mark.parametrize(
    ("number", "reason"),
    [(errno.ENOSPC, "the disk is full"), (errno.EROFS, "it is on a disk that can only be read")],
)
def test_a_disk_that_cannot_be_written_is_named(number: int, reason: str) -> None:
    with pytest.raises(SetupError, match=f"^/a/file cannot be written: {reason}$"), explained(SetupError):
        raise OSError(number, os.strerror(number), "/a/file")


def test_other_errors_of_the_system_are_let_through() -> None:
    with pytest.raises(FileNotFoundError), explained(SetupError):
        raise FileNotFoundError(errno.ENOENT, "x", "/a/file")


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("error: Failed to write\n  cause: No space left on device (os error 28)", "the disk is full"),
        ("OSError: [Errno 30] Read-only file system: '/x'", "it is on a disk that can only be read"),
        ("error: no such package", None),
        ("connection refused (os error 111)", None),
    ],
)
def test_the_reason_is_found_in_a_programs_output(output: str, reason: str | None) -> None:
    assert reason_in(output) == reason


def test_a_failure_names_the_environment_and_what_uv_said(uv: Uv, environment: Environment) -> None:
    failing = Uv(uv.program, {**uv.environ, "FAILS": "no such release"})

    with pytest.raises(SetupError, match=r"/env was not filled: no such release$"):
        failing.fill(environment)


def test_the_set_up_says_what_it_does_and_how_far_it_is(
    uv: Uv, environment: Environment, tmp_path: Path, calls: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Environment(str(tmp_path / "other"), environment.locks[:1], 2)
    environ = {"PATH": f"{uv.program.parent}:{os.environ['PATH']}", "CALLS": str(calls)}

    set_up([environment, other], environ)

    output = capsys.readouterr()
    lines = re.sub(r"\d+\.\d s", "N s", output.err).splitlines()
    assert output.out == ""
    assert lines[0] == f"Setting up {environment.folder} and {other.folder}, about 3 MB, once ..."
    assert {line.partition(":")[0] for line in lines[1:3]} == {f"✓ {environment.folder}", f"✓ {other.folder}"}
    assert [line.partition(": ")[2] for line in lines[1:3]] == ["0 packages (N s), 1 of 2", "0 packages (N s), 2 of 2"]
    assert lines[3] == "✓ Set up in N s: 0 MB, of which 0 MB are shared with uv's cache"
    assert environment.is_current()
    assert other.is_current()


def test_an_interrupted_set_up_says_so_without_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(missing: Sequence[Environment], environ: Mapping[str, str]) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "_STATE", tmp_path)
    monkeypatch.setattr(commands, "ENVIRONMENTS", {"local": Environment(str(tmp_path / "env"), (), 1)})
    monkeypatch.setattr(commands, "set_up", interrupted)
    monkeypatch.setattr(sys, "argv", ["local.setup", "local"])

    assert commands.main() == 130
    assert capsys.readouterr().err == "The set-up was interrupted; the next command goes on with it.\n"


def test_disk_with_another_name_elsewhere_counts_as_shared(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "own").write_bytes(os.urandom(2_000_000))
    (tmp_path / "cached").write_bytes(os.urandom(3_000_000))
    (tmp_path / "folder" / "linked").hardlink_to(tmp_path / "cached")

    assert megabytes(tmp_path / "folder") == (5, 3)
