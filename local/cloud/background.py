"""A local cloud in the background: one process runs it, and others find it, bring it up to date, and stop it.

The process holds a file lock as long as it lives. The lock shows that the cloud is up; a process id alone would not,
because the system may reuse it.
"""

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TextIO

from local.cloud.cloud import LocalCloud
from local.cloud.docker_bridge import DockerBridge
from local.cloud.partner_log import PartnerLog
from local.cloud.running import Running, exports
from local.cloud.sources import Sources
from local.cloud.updating import RELOAD, updated
from local.isolation import ROOT, STATE, LocalCloudError, is_full, tail
from local.partner.server import PartnerServer
from local.progress import Lines, Progress, Silent, repeat, without_steps
from local.rooms import Room
from local.signals import leave_by

__all__ = ["FOLDER", "PORT", "BackgroundCloud", "Running", "exports"]

PORT = 4566
"""The emulator's port, the usual one for emulators of AWS. local/env.json names it and the next one."""

FOLDER = STATE / "up"
"""For the state of the cloud that `make up` starts."""

_START_SECONDS = 300  # the first start builds the functions
_STOP_SECONDS = 120  # the emulator unpacks each version of each function, and all of that is removed
_ORPHAN_SECONDS = 20  # the emulator ends by itself when its parent is gone, within ten seconds
_POLL_SECONDS = 0.2


class BackgroundCloud:
    """Starts, finds, updates and stops the local cloud of a folder.

    Args:
        folder: for its state and its logs. It is removed when the cloud is stopped.
        partner: folder of the example to deploy; empty for the user's own integration.
        port: of the emulator; the partner's API gets the next one, and the inspector the one after that. 0 picks free
            ones. Containers need the default.
    """

    def __init__(self, folder: Path = FOLDER, partner: str = "", port: int = PORT) -> None:
        self.folder = folder
        self.partner_log = folder / "partner.log"
        self._partner = partner
        self._port = port
        self._log = folder / "up.log"
        self._lock = folder / "lock"
        self._state = folder / "running.json"
        self._process: subprocess.Popen[bytes] | None = None
        self._reload_wanted = False

    def running(self) -> Running | None:
        """Return the cloud if it is ready, else None."""
        return Running.read(self._state.read_text()) if self._is_up() and self._state.exists() else None

    def up(self, progress: Progress | None = None) -> Running:
        """Start the cloud, or bring it up to date if it is up, and wait until it is ready.

        An interrupted start is undone. What is in the queues, and what the fake API knows, outlives an update.

        Args:
            progress: is told of each step.

        Raises:
            LocalCloudError: it did not start, the message holds its last lines; another example is up; or there is
                no such example.
        """
        progress = progress or Silent()
        Room.of(self._partner)  # a wrong name is told before anything is started
        with self._only_one():
            if not self._is_up():
                return self._started(progress)
            running = updated(self._awaited(progress), self._partner, progress)
            self._write(running)
            return running

    def down(self) -> Running | None:
        """Stop the cloud and remove its folder; return what was running.

        Raises:
            LocalCloudError: it did not stop.
        """
        was_up = self.running()
        if self._is_up():
            os.kill(int(self._lock.read_text()), signal.SIGTERM)
        self._await_end()
        shutil.rmtree(self.folder, ignore_errors=True)
        return was_up

    def run(self) -> None:
        """Run the cloud in this process until a signal ends it."""
        from local.inspector.inspector import Inspector  # noqa: PLC0415  the other actions need no web server

        leave_by(signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        signal.signal(RELOAD, self._request_reload)
        room, sources = Room.of(self._partner), Sources.of(Room.of(self._partner))
        with ExitStack() as stack:
            _take(stack.enter_context(self._lock.open("a+")))
            partner = stack.enter_context(PartnerServer(room.fake_api(), self._port and self._port + 1))
            inspector = stack.enter_context(Inspector(room, partner, self._port and self._port + 2))
            cloud = stack.enter_context(
                LocalCloud(partner.url, room=room, port=self._port, progress=Lines(), observer=inspector.observer)
            )
            stack.callback(inspector.stop)  # before the cloud: what waits to be sent is not sent to one that ends
            endpoint = cloud.aws.endpoint
            bridge = stack.enter_context(DockerBridge([_port(partner.url), _port(endpoint)]))
            _create_container_storage(cloud)
            self._write(
                Running(
                    process=os.getpid(),
                    endpoint=endpoint,
                    http_endpoint=cloud.http_endpoint,
                    partner=partner.url,
                    inspector=inspector.serve(cloud, self.running),
                    outputs=cloud.outputs,
                    room=self._partner,
                    home=str(cloud.aws.home),
                    sources=sources,
                    deployed_at=time.time(),
                )
            )
            log = stack.enter_context(PartnerLog(self.partner_log))
            while True:
                log.write(partner.requests)
                bridge.listen()
                sources = self._reloaded(room, partner, sources)
                time.sleep(_POLL_SECONDS)

    def _started(self, progress: Progress) -> Running:
        self._require_free_ports(progress)
        try:
            self._start()
            return self._awaited(progress)
        except LocalCloudError:
            raise  # the log stays
        except BaseException:
            if self._process is not None:
                self._process.terminate()
            self.down()
            raise

    def _awaited(self, progress: Progress) -> Running:
        """Wait until the cloud is ready, and show the steps of its process if this object has started it."""
        give_up = time.monotonic() + _START_SECONDS
        shown = 0
        while time.monotonic() < give_up and (self._process is None or self._process.poll() is None):
            lines = self._log.read_text(errors="replace").splitlines() if self._process is not None else []
            for line in lines[shown:]:
                repeat(line, progress)
            shown = len(lines)
            if found := self.running():
                return found
            time.sleep(_POLL_SECONDS)
        because = ", because the disk is full" if is_full(self.folder) else ""
        raise LocalCloudError(f"the local cloud did not start{because}:\n{without_steps(self._log.read_text())}")

    def _request_reload(self, _number: int, _frame: object) -> None:
        self._reload_wanted = True

    def _reloaded(self, room: Room, partner: PartnerServer, earlier: Sources) -> Sources:
        """Read what has changed of the room anew if that is wanted, and return what its files are now."""
        if not self._reload_wanted:
            return earlier
        self._reload_wanted = False
        sources = Sources.of(room)
        if sources.stack != earlier.stack:
            room.forget_integration()
        if sources.fake_api != earlier.fake_api:
            try:
                partner.serve(room.reloaded_fake_api())
            except Exception as error:  # noqa: BLE001  the user's code may raise anything; the earlier one goes on
                print(f"The fake API could not be loaded anew: {type(error).__name__}", flush=True)
        return sources

    def _require_free_ports(self, progress: Progress) -> None:
        was_killed = self._state.exists()
        if was_killed:
            progress.doing("Waiting for the end of a local cloud whose process was killed")
        ports = (self._port, self._port + 1, self._port + 2) if self._port else ()
        require_free(ports, patience=_ORPHAN_SECONDS if was_killed else 0)

    def _start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._state.unlink(missing_ok=True)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "local.cloud", "run", "--folder", self.folder, "--partner", self._partner,
                 "--port", str(self._port)], cwd=ROOT, env={**os.environ, "PYTHONPATH": "src"},
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def _await_end(self) -> None:
        give_up = time.monotonic() + _STOP_SECONDS
        while self._is_up():
            if time.monotonic() > give_up:
                raise LocalCloudError(f"the local cloud does not stop:\n{tail(self._log)}")
            time.sleep(_POLL_SECONDS)
        if self._process is not None:
            self._process.wait()

    def _is_up(self) -> bool:
        """Return whether a process holds the lock."""
        try:
            with self._lock.open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    @contextmanager
    def _only_one(self) -> Iterator[None]:
        """Let one process start or update the cloud at a time."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with self.folder.with_name(f"{self.folder.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _write(self, running: Running) -> None:
        """Write the state with a rename, so that no other process reads a part of it."""
        draft = self._state.with_suffix(".draft")
        draft.touch(mode=0o600)  # the inspector's URL is for this user only
        draft.write_text(running.text())
        draft.rename(self._state)


def require_free(ports: Sequence[int], patience: float) -> None:
    """Return when nothing listens on these ports.

    Args:
        ports: on this machine.
        patience: seconds to wait for them.

    Raises:
        LocalCloudError: one is in use.
    """
    give_up = time.monotonic() + patience
    for port in ports:
        while _is_in_use(port):
            if time.monotonic() >= give_up:
                raise LocalCloudError(
                    f"port {port} is in use, perhaps by `make up` in another clone, or another emulator: stop it"
                )
            time.sleep(_POLL_SECONDS)


def _is_in_use(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _take(lock: TextIO) -> None:
    """Lock a file and write this process's id into it."""
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()


def _create_container_storage(cloud: LocalCloud) -> None:
    """Create the tables and the bucket that local/env.json names: those of the stack have generated names."""
    cloud.aws.s3.create_bucket(Bucket="sam-local-large-bodies")
    for table, key in {"sam-local-suspensions": "account", "sam-local-ledger": "key"}.items():
        cloud.aws.dynamodb.create_table(
            TableName=table,
            KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])
