"""A local cloud in the background: `make up`, `make invoke`, `make logs` and `make down`.

One process runs it, and holds a file lock as long as it lives. The lock shows that the cloud is up; a process id alone
would not, because the system may reuse it.
"""

import argparse
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

from local.cloud.clients import local_client
from local.cloud.cloud import FUNCTION_OUTPUTS, LocalCloud, log_lines
from local.cloud.docker_bridge import DockerBridge
from local.cloud.http_endpoint import TOKEN
from local.isolation import CREDENTIALS, REGION, ROOT, STATE, LocalCloudError, tail
from local.partner.server import PartnerServer
from local.rooms import Room
from local.run.messages import message_from

PORT = 4566
"""The emulator's port, the usual one for emulators of AWS. local/env.json names it and the next one."""

_FOLDER = STATE / "up"
_START_SECONDS = 300  # the first start builds the functions
_STOP_SECONDS = 30
_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Running:
    """What other processes need to know of a running cloud.

    Attributes:
        process: the id of the process that runs it.
        endpoint: the URL of every AWS service.
        http_endpoint: the base URL of the HTTPS endpoint.
        partner: the URL of the fake API.
        outputs: of the stack.
    """

    process: int
    endpoint: str
    http_endpoint: str
    partner: str
    outputs: Mapping[str, str]

    def client(self, service: str) -> Any:
        """Return a client of one of its AWS services."""
        return local_client(service, self.endpoint)


class BackgroundCloud:
    """Starts, finds and stops the local cloud of a folder.

    Args:
        folder: for its state and its logs. It is removed when the cloud is stopped.
        partner: folder of the example to deploy; empty for the user's own integration.
        port: of the emulator; the partner's API gets the next one. 0 picks free ones. Containers need the default.
    """

    def __init__(self, folder: Path = _FOLDER, partner: str = "", port: int = PORT) -> None:
        self.folder = folder
        self.partner_log = folder / "partner.log"
        self._partner = partner
        self._port = port
        self._log = folder / "up.log"
        self._lock = folder / "lock"
        self._state = folder / "running.json"
        self._process: subprocess.Popen[bytes] | None = None

    def running(self) -> Running | None:
        """Return the cloud if it is ready, else None."""
        return Running(**json.loads(self._state.read_text())) if self._is_up() and self._state.exists() else None

    def up(self) -> Running:
        """Start the cloud unless it is up, and wait until it is ready.

        Raises:
            LocalCloudError: it did not start; the message holds its last lines.
        """
        if not self._is_up():
            self._require_free_ports()
            self._start()
        give_up = time.monotonic() + _START_SECONDS
        while time.monotonic() < give_up and (self._process is None or self._process.poll() is None):
            if found := self.running():
                return found
            time.sleep(_POLL_SECONDS)
        raise LocalCloudError(f"the local cloud did not start:\n{tail(self._log)}")

    def down(self) -> bool:
        """Stop the cloud and remove its folder; return whether it was up.

        Raises:
            LocalCloudError: it did not stop.
        """
        was_up = self._is_up()
        if was_up:
            os.kill(int(self._lock.read_text()), signal.SIGTERM)
        give_up = time.monotonic() + _STOP_SECONDS
        while self._is_up():
            if time.monotonic() > give_up:
                raise LocalCloudError(f"the local cloud does not stop:\n{tail(self._log)}")
            time.sleep(_POLL_SECONDS)
        if self._process is not None:
            self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
        return was_up

    def run(self) -> None:
        """Run the cloud in this process until a signal ends it."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, _exit)
        room = Room.of(self._partner)
        with ExitStack() as stack:
            _take(stack.enter_context(self._lock.open("a+")))
            partner = stack.enter_context(PartnerServer(room.fake_api(), self._port and self._port + 1))
            cloud = stack.enter_context(
                LocalCloud(partner.url, room=room, port=self._port, report=lambda step: print(step, flush=True))
            )
            endpoint = cloud.aws.endpoint
            bridge = stack.enter_context(DockerBridge([_port(partner.url), _port(endpoint)]))
            _create_container_storage(cloud)
            self._write(Running(os.getpid(), endpoint, cloud.http_endpoint, partner.url, cloud.outputs))
            self._log_requests(partner, bridge)

    def _require_free_ports(self) -> None:
        for port in (self._port, self._port + 1) if self._port else ():
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    raise LocalCloudError(f"port {port} is in use, perhaps by another emulator: stop it first")

    def _start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._state.unlink(missing_ok=True)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __spec__.name, "run", "--folder", self.folder, "--partner", self._partner,
                 "--port", str(self._port)], cwd=ROOT, env={**os.environ, "PYTHONPATH": "src"},
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

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

    def _write(self, running: Running) -> None:
        """Write the state with a rename, so that no other process reads a part of it."""
        draft = self._state.with_suffix(".draft")
        draft.write_text(json.dumps(asdict(running)))
        draft.rename(self._state)

    def _log_requests(self, partner: PartnerServer, bridge: DockerBridge) -> None:
        """Log each request to the partner without its content, and connect to Docker as soon as it runs."""
        logged = 0
        with self.partner_log.open("w") as log:
            while True:
                for request in partner.requests[logged:]:
                    log.write(f"{request.line()}\n")
                    logged += 1
                log.flush()
                bridge.listen()
                time.sleep(_POLL_SECONDS)


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


def _exit(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])


def exports(running: Running) -> str:
    """Return shell commands that make boto3, the AWS CLI and the README's curl use the cloud instead of an account."""
    variables = {
        "AWS_ENDPOINT_URL": running.endpoint,
        **CREDENTIALS,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "HTTP_ENDPOINT_URL": running.http_endpoint,
        "HTTP_TOKEN": TOKEN,
    }
    lines = (f"export {name}={value}" for name, value in variables.items())
    return "\n".join(["unset AWS_PROFILE AWS_SESSION_TOKEN", *lines])


def invoke(running: Running, source: str) -> int:
    """Invoke the alias with one message, print the response, and return the exit status: 1 for an error.

    Args:
        running: the cloud.
        source: a file, or - for standard input.
    """
    message = message_from(source)
    response = running.client("lambda").invoke(FunctionName=running.outputs["HandlerAliasArn"], Payload=message.payload)
    print(json.dumps(json.loads(response["Payload"].read()), indent=2, ensure_ascii=False))
    return 1 if "FunctionError" in response else 0


def logs(running: Running, partner_log: Path) -> Iterator[str]:
    """Yield what the functions have logged, oldest first, and then the requests to the partner."""
    client = running.client("logs")
    lines = [
        (moment, f"{function:15}{line.rstrip()}")
        for function, output in FUNCTION_OUTPUTS.items()
        if output in running.outputs
        for moment, line in log_lines(client, running.outputs[output])
    ]
    yield from (line for _, line in sorted(lines, key=lambda line: line[0]))
    yield from (f"{'partner':15}{line}" for line in partner_log.read_text().splitlines())


def main() -> int:
    """Do what the command line says, and return the exit status."""
    parser = argparse.ArgumentParser(prog=f"python -m {__spec__.name}", description="A local cloud in the background.")
    parser.add_argument("action", choices=["up", "invoke", "logs", "down", "run"])
    parser.add_argument("event", nargs="?", default="", help="the message to invoke with; - reads standard input")
    parser.add_argument("--folder", type=Path, default=_FOLDER, help="for the state of the cloud")
    parser.add_argument("--port", type=int, default=PORT, help="of the emulator; 0 picks a free one")
    parser.add_argument(
        "--partner",
        metavar="FOLDER",
        default="",
        help="an example, or laid out like one; default: your own integration",
    )
    options = parser.parse_args()
    if options.action in {"invoke", "logs"}:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `make logs | head` ends without an error
    try:
        cloud = BackgroundCloud(options.folder.absolute(), options.partner, options.port)
        return _do(cloud, options.action, options.event)
    except LocalCloudError as error:
        print(error, file=sys.stderr)
        return 2


def _do(cloud: BackgroundCloud, action: str, event: str) -> int:
    match action:
        case "run":
            cloud.run()
        case "up":
            _print_instructions(cloud.up())
        case "down":
            print("The local cloud is down." if cloud.down() else "The local cloud was not up.")
        case "invoke" if not event:
            raise LocalCloudError("name a message: make invoke EVENT=events/event_processing_request.json")
        case "invoke":
            return invoke(_running(cloud), event)
        case "logs":
            for line in logs(_running(cloud), cloud.partner_log):
                print(line)
    return 0


def _running(cloud: BackgroundCloud) -> Running:
    running = cloud.running()
    if running is None:
        raise LocalCloudError("the local cloud is not up: run `make up` first")
    return running


def _print_instructions(running: Running) -> None:
    print(f"# The local cloud is up, with the partner's API on {running.partner}. For boto3, the AWS CLI and curl:")
    print(exports(running))
    print("# With Docker, after sam build: sam local invoke HandlerFunction -e events/...")
    print(f"# The alias:   {running.outputs['HandlerAliasArn']}")


if __name__ == "__main__":
    sys.exit(main())
