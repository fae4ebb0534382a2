"""Finds uv, or installs it, and runs it."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from local.setup.disk import SetupError, reason_in
from local.setup.environments import ROOT, UV, Environment
from local.setup.pip_settings import pip_settings, uv_environment

OLDEST = (0, 8)
"""The oldest release of uv that has what is asked of it here."""

_TAIL_LINES = 15


@dataclass(frozen=True, slots=True)
class Uv:
    """A program, and the environment variables for it."""

    program: Path
    environ: Mapping[str, str]

    def run(self, purpose: str, *arguments: str | Path) -> str:
        """Run it and return what it printed.

        Raises:
            SetupError: it failed; the message has the purpose and what it printed last.
        """
        return run_program(purpose, [self.program, *arguments], self.environ)

    def fill(self, environment: Environment) -> None:
        """Make an environment hold exactly what its lock says.

        Raises:
            SetupError: it could not.
        """
        place = environment.place
        if place.is_symlink():
            place.unlink()  # what it points to is another project's
        if not environment.is_complete():
            self.run(
                f"{environment.folder} was not made", "venv", "--quiet", "--clear", "--python", sys.executable, place
            )
        environment.forget()
        purpose = f"{environment.folder} was not filled"
        python = ("--python", environment.python)
        self.run(purpose, "pip", "sync", "--quiet", *python, "--require-hashes", environment.lock)
        environment.confirm()


def find(environ: Mapping[str, str]) -> Uv | None:
    """Return the user's uv, or the one that was installed here; None if there is none that is new enough."""
    own = shutil.which("uv", path=environ.get("PATH"))
    if own and version_of(Path(own)) >= OLDEST:
        return Uv(Path(own), uv_environment(environ, pip_settings()))
    if UV.is_current():
        return Uv(UV.place / "bin" / "uv", uv_environment(environ, pip_settings()))
    return None


def version_of(program: Path) -> tuple[int, ...]:
    """Return the version of a uv; (0,) if it does not say."""
    try:
        done = subprocess.run([program, "--version"], check=False, text=True, capture_output=True)
    except OSError:
        return (0,)
    match = re.match(r"uv (\d+)\.(\d+)", done.stdout)
    return tuple(map(int, match.groups())) if match else (0,)


def install(environ: Mapping[str, str]) -> Uv:
    """Install uv with the user's pip, and return it.

    Raises:
        SetupError: it could not be installed.
    """
    UV.forget()
    purpose = "uv could not be installed"
    # The lock says what is installed, and no constraint of the user's. This file has none, and no blank in its name.
    settings = {**environ, "PIP_CONSTRAINT": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    has_pip = find_spec("pip") is not None
    bare: list[str] = ["--without-pip"] if has_pip else []  # to install pip into it takes two seconds
    run_program(purpose, [sys.executable, "-m", "venv", "--clear", *bare, str(UV.place)], settings)
    pip: list[str | Path] = (
        [sys.executable, "-m", "pip", "--python", UV.python] if has_pip else [UV.python, "-m", "pip"]
    )
    run_program(purpose, [*pip, "install", "--quiet", "--require-hashes", "--requirement", UV.lock], settings)
    UV.confirm()
    return Uv(UV.place / "bin" / "uv", uv_environment(environ, pip_settings()))


def run_program(purpose: str, command: Sequence[str | Path], environ: Mapping[str, str]) -> str:
    """Run a program and return its standard output.

    Raises:
        SetupError: it failed.
    """
    done = subprocess.run(
        command, cwd=ROOT, env=dict(environ), check=False, text=True, stdin=subprocess.DEVNULL, capture_output=True
    )
    if done.returncode:
        output = f"{done.stderr}\n{done.stdout}".strip()
        last = "\n".join(output.splitlines()[-_TAIL_LINES:])
        raise SetupError(f"{purpose}: {reason_in(output) or last or f'status {done.returncode}'}")
    return done.stdout
