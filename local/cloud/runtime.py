"""AWS's own Lambda runtime without Docker: its runtime client and its emulator, with a built function.

Linux only. The emulator ships with the SAM CLI. It serves one invocation at a time, and a second one crashes it: start
one for each concurrent call. It responds to function errors and timeouts with status 200 and a payload.
"""

import json
import os
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import override

import urllib3

from local.build.sam_build import machine_architecture
from local.isolation import CREDENTIALS, REGION, STATE, LocalCloudError, Startable, end_group, free_ports, tail, tool
from local.temporary import TemporaryFolder

_START_SECONDS = 20
_INVOCATION_SECONDS = 120
_MEMORY_MEGABYTES = 1024
_PLATFORM_LINES = ("START RequestId: ", "END RequestId: ", "REPORT RequestId: ")


@dataclass(frozen=True)
class Footprint:
    """The resources of the runtime's process at one moment.

    Attributes:
        resident_bytes: memory in use.
        sockets: open sockets, including one to the emulator.
        descriptors: open file descriptors, including sockets.
    """

    resident_bytes: int
    sockets: int
    descriptors: int


class LambdaRuntime(Startable):
    """One execution environment of a built function, for the time of a ``with`` block.

    Args:
        folder: of the built function.
        handler: as in the template.
        environment: the function's variables; it gets no others of this machine.
        timeout_seconds: of the function.
    """

    def __init__(
        self, folder: Path, handler: str, *, environment: Mapping[str, str], timeout_seconds: int = 60
    ) -> None:
        self._folder = folder
        self._handler = handler
        self._variables = dict(environment)
        self._timeout = timeout_seconds
        self._home_folder: TemporaryFolder | None = None
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._pool = urllib3.PoolManager(retries=False, timeout=_INVOCATION_SECONDS)

    @override
    def stop(self) -> None:
        self._pool.clear()
        if self._process is not None:
            end_group(self._process)
            self._process = None
        if self._home_folder is not None:
            self._home_folder.remove()

    def invoke(self, payload: bytes) -> bytes:
        """Invoke the function and return what it returned, or Lambda's description of its error.

        The first call initialises the environment.

        Raises:
            LocalCloudError: the emulator did not respond.
        """
        url = f"http://127.0.0.1:{self._port}/2015-03-31/functions/function/invocations"
        try:
            return self._pool.request("POST", url, body=payload).data
        except urllib3.exceptions.HTTPError as error:
            raise LocalCloudError(
                f"the emulator did not respond: {error}\n{tail(self._home / 'emulator.log')}"
            ) from None

    @property
    def process_id(self) -> int | None:
        """The id of the runtime's process; None before the first call and after a crash.

        After a crash the next call starts another process.
        """
        emulator = self._process.pid if self._process else 0
        children = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
        return next((child for child in children if _parent(child) == emulator), None)

    def footprint(self) -> Footprint:
        """Return the present resources of the runtime's process.

        Raises:
            LocalCloudError: there is no such process.
        """
        process = self.process_id
        if process is None:
            raise LocalCloudError("the runtime's process has ended")
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
        files = [_target(link) for link in Path(f"/proc/{process}/fd").iterdir()]
        sockets = sum(name.startswith("socket:") for name in files)
        return Footprint(pages * os.sysconf("SC_PAGE_SIZE"), sockets, len(files))

    def log(self) -> list[str]:
        """Return the lines that the function and the runtime client wrote, without Lambda's own."""
        lines = (self._home / "function.log").read_text(errors="replace").splitlines()
        return [line for line in lines if line and not line.startswith(_PLATFORM_LINES)]

    @override
    def start(self) -> None:
        self._home_folder = TemporaryFolder("lambda-runtime-")
        self._port, runtime_port = free_ports(2)
        command: list[str | Path] = [
            emulator_program(), "--runtime-interface-emulator-address", f"127.0.0.1:{self._port}",
            "--runtime-api-address", f"127.0.0.1:{runtime_port}",
            tool("runtime", "python"), "-m", "awslambdaric", self._handler,
        ]  # fmt: skip
        with (self._home / "function.log").open("wb") as out, (self._home / "emulator.log").open("wb") as err:
            self._process = subprocess.Popen(
                command, cwd=self._folder, env=self._environment(), stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                start_new_session=True,
            )  # fmt: skip
        self._wait()

    @property
    def _home(self) -> Path:
        return self._home_folder.path if self._home_folder else Path()

    def _environment(self) -> dict[str, str]:
        """Return the variables that AWS sets for every function, and the function's own."""
        return {
            "PATH": os.defpath,
            "HOME": str(self._home),
            "LANG": "en_US.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",  # the deployed code is read-only
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_LAMBDA_FUNCTION_NAME": "function",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(_MEMORY_MEGABYTES),
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(self._timeout),
            "AWS_EC2_METADATA_DISABLED": "true",
            "LAMBDA_TASK_ROOT": str(self._folder),
            **CREDENTIALS,
            **self._variables,
        }

    def _wait(self) -> None:
        give_up = time.monotonic() + _START_SECONDS
        while time.monotonic() < give_up and self._process is not None and self._process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self._port)) == 0:
                    return
            time.sleep(0.02)
        raise LocalCloudError(f"the emulator did not start:\n{tail(self._home / 'emulator.log')}")


def emulator_program() -> Path:
    """Find AWS's runtime interface emulator inside the SAM CLI.

    Raises:
        LocalCloudError: it is not there, as on other systems than Linux.
    """
    name = f"aws-lambda-rie-{machine_architecture()}"
    found = next((STATE / "sam").glob(f"lib/python*/site-packages/samcli/local/rapid/{name}"), None)
    if found is None:
        raise LocalCloudError(f"{name} is missing: run `make setup` first")
    return found


def is_error(response: bytes) -> bool:
    """Return whether a response is Lambda's description of an error. The function's own have no ``errorType``."""
    content = json.loads(response)
    return isinstance(content, dict) and "errorType" in content


def _parent(process: int) -> int | None:
    """Return the parent of a process, or None if it has ended. The name before it, in brackets, may hold anything."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return None
    state, parent = stat.rpartition(")")[2].split()[:2]
    return None if state == "Z" else int(parent)


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""  # closed in the meantime
