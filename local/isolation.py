"""Isolates the local cloud from the user's AWS accounts, proxies and Python settings."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self

from local.setup.disk import reason_in

ROOT = Path(__file__).resolve().parent.parent
STATE = ROOT / ".local"
REGION = "us-east-1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
_SILENT_AWS = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_DEFAULT_REGION": REGION,
    "SAM_CLI_TELEMETRY": "0",
    "__SAM_CLI_APP_DIR": str(STATE / "sam-home"),
}
_LOG_TAIL_LINES = 25
_FULL_BYTES = 64 * 1024
_SCARCE_BYTES = 200_000_000  # a deployment unpacks about 160 MB


class LocalCloudError(Exception):
    """The local cloud could not be started or did not do what was asked; the message says why."""


class Startable(ABC):
    """Something that runs for the time of a ``with`` block; it is stopped however the block, or its start, ends."""

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @abstractmethod
    def start(self) -> None:
        """Start it and wait until it can be used.

        Raises:
            LocalCloudError: it did not start.
        """

    @abstractmethod
    def stop(self) -> None:
        """Stop it and remove its files. May be called more than once."""


def build_environment() -> dict[str, str]:
    """Return this shell's environment for `sam build`, with pip's settings and without any AWS account.

    SAM downloads what ships with the pip beside it. It asks for wheels of another processor by name and version only:
    as constraints the hashes of requirements.txt hold for them too. A URL, because pip takes a blank in a path for the
    end of it.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SAM_", "PYTHON"))}
    path = os.pathsep.join([str(STATE / "sam" / "bin"), _path_with_python()])
    return {**kept, **_SILENT_AWS, "PATH": path, "PIP_CONSTRAINT": (ROOT / "requirements.txt").as_uri()}


def cloud_environment(home: Path, **extra: str) -> dict[str, str]:
    """Return a bare environment with dummy credentials, so that no real account can be reached by accident.

    Args:
        home: stands in for the home and the temporary folder.
        extra: further variables.
    """
    bare = {"PATH": _path_with_python(), "HOME": str(home), "TMPDIR": str(home), "LANG": "C.UTF-8"}
    return {**bare, **_SILENT_AWS, **CREDENTIALS, **extra}


def _path_with_python() -> str:
    """Put the real interpreter's folder first: SAM looks for `python3.13` there and rejects version managers' shims."""
    return os.pathsep.join([str(Path(sys.base_prefix, "bin")), os.environ.get("PATH", os.defpath)])


def run_quietly(command: Sequence[str | Path], *, environment: Mapping[str, str], log: Path, purpose: str) -> None:
    """Run a program in its own process group, and end that whole group with it.

    Raises:
        LocalCloudError: it failed; the message ends with the last lines it wrote.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=dict(environment), stdin=subprocess.DEVNULL, stdout=output,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            status = process.wait()
        finally:
            end_group(process)
    if status:
        ended = tail(log)
        raise LocalCloudError(f"{purpose} failed with status {status}{disk_problem(ended, log.parent)}:\n{ended}")


def disk_problem(output: str, folder: Path) -> str:
    """Return ", because ..." if a program's output or its folder says that it could not write, else nothing.

    What a program could not write it often removes as it ends, its log is cut, and the disk is no longer full: little
    space is then a guess.
    """
    if reason := reason_in(output) or ("the disk is full" if is_full(folder) else None):
        return f", because {reason}"
    free = shutil.disk_usage(folder).free
    return (
        f", perhaps because the disk of {folder} has only {free // 1_000_000} MB left" if free < _SCARCE_BYTES else ""
    )


def is_full(folder: Path) -> bool:
    """Return whether the disk of a folder has no space worth mentioning: a program that fails then rarely says so."""
    return shutil.disk_usage(folder).free < _FULL_BYTES


def end_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a process that leads its own group, and all that it started. No process here has state to save."""
    with suppress(ProcessLookupError):  # when all of them have ended already
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def tail(log: Path) -> str:
    """Return the last lines of a log."""
    text = log.read_text(errors="replace") if log.exists() else ""
    return "\n".join(text.splitlines()[-_LOG_TAIL_LINES:]) or "(no output)"


def free_ports(number: int) -> list[int]:
    """Return different ports of the loopback interface that are free now; another program may still take them."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(number)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def tool(environment: str, program: str) -> Path:
    """Find a program of one of the tool environments that the Makefile sets up.

    Raises:
        LocalCloudError: it is not there.
    """
    found = STATE / environment / "bin" / program
    if not found.exists():
        raise LocalCloudError(f"{found.relative_to(ROOT)} is missing: run `make setup` first")
    return found
