"""The emulator of AWS: MiniStack on a free port of this machine, with nothing in it."""

import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections import Counter
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, override
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from local.isolation import (
    LocalCloudError,
    Startable,
    client_config,
    cloud_environment,
    end_group,
    isolated_session,
    tail,
    tool,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_sqs import SQSClient

_START_SECONDS = 60
_START_ATTEMPTS = 3  # another program may take the free port before the emulator does
_PROCESSED = re.compile(r"ESM: Lambda \S+ processed (\d+) SQS messages from (\S+)")


class MiniStack(Startable):
    """An empty AWS of one's own, for the time of a ``with`` block.

    Starting it and waiting for it are separate, so that other work can be done meanwhile: `launch` returns at once,
    `wait` when the emulator answers. Entering the context does both.
    """

    def __init__(self, port: int = 0) -> None:
        """Take the port to listen on; 0 picks a free one."""
        self._home = Path()
        self._wanted_port = port
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @override
    def start(self) -> None:
        self.launch()
        self.wait()

    @property
    def endpoint(self) -> str:
        """The URL of every service."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def home(self) -> Path:
        """A folder that is removed with the emulator."""
        return self._home

    def launch(self) -> None:
        """Start the emulator on a free port, without waiting for it."""
        if not self._home.name:
            self._home = Path(tempfile.mkdtemp(prefix="local-cloud-"))
        self._port = self._wanted_port or _free_port()
        guard = Path(__file__).with_name("guarded_ministack.py")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [tool("ministack", "python"), "-I", guard, self._home], cwd=self._home, env=self._environment(),
                stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def wait(self) -> None:
        """Wait until the emulator answers.

        Raises:
            LocalCloudError: it ended or did not answer; the message holds the last lines of its log.
        """
        for _ in range(_START_ATTEMPTS):
            if self._becomes_healthy():
                return
            self._end_process()
            self.launch()
        raise LocalCloudError(f"MiniStack did not start:\n{tail(self._log)}")

    @override
    def stop(self) -> None:
        self._end_process()
        if self._home.name:
            shutil.rmtree(self._home, ignore_errors=True)

    @cached_property
    def sqs(self) -> "SQSClient":
        """A client of the emulator's SQS."""
        return isolated_session().client("sqs", endpoint_url=self.endpoint, config=client_config())

    @cached_property
    def dynamodb(self) -> "DynamoDBClient":
        """A client of the emulator's DynamoDB."""
        return isolated_session().client("dynamodb", endpoint_url=self.endpoint, config=client_config())

    @cached_property
    def functions(self) -> "LambdaClient":
        """A client of the emulator's Lambda."""
        return isolated_session().client("lambda", endpoint_url=self.endpoint, config=client_config())

    # boto3 makes clients at run time, and only those above are typed for this project.
    def client(self, service: str) -> Any:
        """Return a client of any other service."""
        make: Any = isolated_session().client
        return make(service, endpoint_url=self.endpoint, config=client_config())

    def log_tail(self) -> str:
        """Return the last lines of the emulator's own log."""
        return tail(self._log)

    def processed_messages(self) -> Counter[str]:
        """Count the messages that functions have taken from each queue, by the queue's name."""
        processed: Counter[str] = Counter()
        for count, queue in _PROCESSED.findall(self._log.read_text(errors="replace")):
            processed[queue] += int(count)
        return processed

    @property
    def _log(self) -> Path:
        return self._home / "ministack.log"

    def _environment(self) -> dict[str, str]:
        return cloud_environment(
            self._home,
            BIND_HOST="127.0.0.1",
            MINISTACK_HOST="127.0.0.1",
            GATEWAY_PORT=str(self._port),
            S3_DATA_DIR=str(self._home / "s3"),
            STATE_DIR=str(self._home / "state"),
            DOCKER_HOST=f"unix://{self._home}/no-docker.sock",
            # Listeners of services that nobody here uses, on fixed ports.
            IOT_MTLS_ENABLED="0",
            SFTP_ENABLED="0",
        )

    def _becomes_healthy(self) -> bool:
        give_up = time.monotonic() + _START_SECONDS
        while time.monotonic() < give_up and self._process is not None and self._process.poll() is None:
            if _answers(f"{self.endpoint}/_ministack/health"):
                return True
            time.sleep(0.05)
        return False

    def _end_process(self) -> None:
        if self._process is not None:
            end_group(self._process)
            if self._process.stdin is not None:
                self._process.stdin.close()
            self._process = None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(url: str) -> bool:
    try:
        with build_opener(ProxyHandler({})).open(url, timeout=2):
            return True
    except (URLError, OSError):
        return False
