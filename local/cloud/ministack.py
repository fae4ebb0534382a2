"""The emulator of AWS: MiniStack on a free port of this machine, without any resources."""

import json
import os
import re
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, override

import urllib3

from local.cloud.emulator import LOG, Emulator
from local.isolation import LocalCloudError, Startable, cloud_environment, end_group, free_ports, tail, tool
from local.temporary import TemporaryFolder
from mparticle_firehose.errors import described

_START_SECONDS = 60
_START_ATTEMPTS = 3  # another program may take the free port before the emulator does
_PROCESSED = re.compile(r"ESM: Lambda \S+ processed (\d+) SQS messages from (\S+)")

type Observer = Callable[[Mapping[str, Any]], None]
"""Takes the reports that ministack_observer.py lists. Never shown: they hold personal data."""


class MiniStack(Startable, Emulator):
    """An empty emulator of AWS, for the time of a ``with`` block.

    `launch` and `wait` may be called one by one instead, to do other work while the emulator starts.
    """

    def __init__(self, port: int = 0, observer: Observer | None = None) -> None:
        """Take the port to listen on, 0 for a free one, and what is told of everything that queues and functions do."""
        self._folder: TemporaryFolder | None = None
        self._wanted_port = port
        self._port = 0
        self._observer = observer
        self._process: subprocess.Popen[bytes] | None = None

    @override
    def start(self) -> None:
        self.launch()
        self.wait()

    @property
    @override
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    @override
    def home(self) -> Path:
        return self._folder.path if self._folder else Path()

    def launch(self) -> None:
        """Start the emulator on a free port, without waiting for it."""
        if self._folder is None:
            self._folder = TemporaryFolder("local-cloud-")
        self._port = self._wanted_port or free_ports(1)[0]
        program = Path(__file__).with_name("ministack_process.py")
        pipes = [_observed(self._observer)] if self._observer else []
        try:
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(
                    [tool("ministack", "python"), "-I", program, self.home, *map(str, pipes)], cwd=self.home,
                    env=self._environment(), stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT,
                    pass_fds=pipes, start_new_session=True,
                )  # fmt: skip
        finally:
            for pipe in pipes:
                os.close(pipe)

    def wait(self) -> None:
        """Wait until the emulator responds.

        Raises:
            LocalCloudError: it ended or did not respond; the message holds the last lines of its log.
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
        if self._folder is not None:
            self._folder.remove()

    def processed_messages(self) -> Counter[str]:
        """Count the messages that functions have taken from each queue, by the queue's name."""
        processed: Counter[str] = Counter()
        for count, queue in _PROCESSED.findall(self._log.read_text(errors="replace")):
            processed[queue] += int(count)
        return processed

    @property
    def _log(self) -> Path:
        return self.home / LOG

    def _environment(self) -> dict[str, str]:
        return cloud_environment(
            self.home,
            BIND_HOST="127.0.0.1",
            MINISTACK_HOST="127.0.0.1",
            GATEWAY_PORT=str(self._port),
            S3_DATA_DIR=str(self.home / "s3"),
            STATE_DIR=str(self.home / "state"),
            DOCKER_HOST=f"unix://{self.home}/no-docker.sock",
            # Unused services that listen on fixed ports.
            IOT_MTLS_ENABLED="0",
            SFTP_ENABLED="0",
        )

    def _becomes_healthy(self) -> bool:
        give_up = time.monotonic() + _START_SECONDS
        while time.monotonic() < give_up and self._process is not None and self._process.poll() is None:
            if _responds(f"{self.endpoint}/_ministack/health"):
                return True
            time.sleep(0.05)
        return False

    def _end_process(self) -> None:
        if self._process is not None:
            end_group(self._process)
            if self._process.stdin is not None:
                self._process.stdin.close()
            self._process = None


def _observed(observer: Observer) -> int:
    """Return the writing end of a pipe, of which a thread hands each line to the observer until it is closed."""
    reading, writing = os.pipe()
    threading.Thread(target=_read, args=(reading, observer), name="observer", daemon=True).start()
    return writing


def _read(descriptor: int, observer: Observer) -> None:
    with os.fdopen(descriptor, "rb") as lines:
        for line in lines:
            try:
                observer(json.loads(line))
            except Exception as error:  # noqa: BLE001  its text could quote a request; the last line may be incomplete
                print(f"a report of the emulator's could not be used: {described(error)}", flush=True)


def _responds(url: str) -> bool:
    try:
        return urllib3.request("GET", url, retries=False, timeout=2).status < 400  # noqa: PLR2004  not an error
    except urllib3.exceptions.HTTPError:
        return False
