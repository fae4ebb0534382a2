"""The local cloud that stays: `make up`, `make invoke`, `make logs` and `make down`.

One process keeps it, in the background. It holds a lock for as long as it lives, so that nobody has to trust a process
id that may be another's by now.
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

from local.cloud.cloud import LocalCloud
from local.cloud.docker_bridge import DockerBridge
from local.cloud.http_endpoint import TOKEN
from local.isolation import (
    CREDENTIALS,
    REGION,
    ROOT,
    STATE,
    LocalCloudError,
    client_config,
    isolated_session,
    tail,
)
from local.partner.server import PartnerServer, ReceivedRequest
from local.rooms import Room
from local.run.messages import message_from

_PLACE = STATE / "up"
PORT = 4566
"""Of the emulator, the usual one for emulators of AWS; local/env.json names it and the next one."""
_START_SECONDS = 300  # the first start builds
_STOP_SECONDS = 30
_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Running:
    """What others need to know of the cloud that is up.

    Attributes:
        process: the id of the process that keeps it.
        endpoint: the URL of every AWS service.
        http_endpoint: the base URL of the HTTPS endpoint.
        partner: the URL of the fake partner.
        outputs: of the stack.
    """

    process: int
    endpoint: str
    http_endpoint: str
    partner: str
    outputs: Mapping[str, str]

    def client(self, service: str) -> Any:
        """Return a client of one of its AWS services."""
        make: Any = isolated_session().client
        return make(service, endpoint_url=self.endpoint, config=client_config())


class StandingCloud:
    """The way to the cloud that is kept in a folder, whether it is up or not.

    Args:
        place: the folder. It has the logs, and is removed with the cloud.
        partner: folder of the example to deploy; empty for the user's own integration.
        port: of the emulator; the partner gets the next one. 0 picks free ones. Containers expect the default.
    """

    def __init__(self, place: Path = _PLACE, partner: str = "", port: int = PORT) -> None:
        self.place = place
        self._partner = partner
        self._port = port
        self.partner_log = place / "partner.log"
        self._log = place / "up.log"
        self._lock = place / "lock"
        self._ready = place / "running.json"
        self._keeper: subprocess.Popen[bytes] | None = None

    def running(self) -> Running | None:
        """Return the cloud that is up and ready, or None."""
        return Running(**json.loads(self._ready.read_text())) if self._is_kept() and self._ready.exists() else None

    def up(self) -> Running:
        """Start the cloud unless it is up, and wait until it is ready.

        Raises:
            LocalCloudError: it did not start; the message holds the last lines it wrote.
        """
        if not self._is_kept():
            self._require_free_ports()
            self._start()
        give_up = time.monotonic() + _START_SECONDS
        while time.monotonic() < give_up and (self._keeper is None or self._keeper.poll() is None):
            if found := self.running():
                return found
            time.sleep(_POLL_SECONDS)
        raise LocalCloudError(f"the local cloud did not start:\n{tail(self._log)}")

    def down(self) -> bool:
        """Stop the cloud and remove what it left; tell whether it was up.

        Raises:
            LocalCloudError: it did not stop.
        """
        was_up = self._is_kept()
        if was_up:
            os.kill(int(self._lock.read_text()), signal.SIGTERM)
        give_up = time.monotonic() + _STOP_SECONDS
        while self._is_kept():
            if time.monotonic() > give_up:
                raise LocalCloudError(f"the local cloud does not stop:\n{tail(self._log)}")
            time.sleep(_POLL_SECONDS)
        if self._keeper is not None:
            self._keeper.wait()
        shutil.rmtree(self.place, ignore_errors=True)
        return was_up

    def keep(self) -> None:
        """Be the process that keeps the cloud, until it is told to stop."""
        for stop in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(stop, _leave)
        with ExitStack() as kept:
            self._hold(kept.enter_context(self._lock.open("a+")))
            room = Room.of(self._partner)
            partner = kept.enter_context(PartnerServer(room.fake_api(), self._port and self._port + 1))
            cloud = kept.enter_context(
                LocalCloud(partner.url, room=room, port=self._port, report=lambda step: print(step, flush=True))
            )
            bridge = kept.enter_context(DockerBridge([_port(partner.url), _port(cloud.aws.endpoint)]))
            _create_container_tables(cloud)
            self._announce(Running(os.getpid(), cloud.aws.endpoint, cloud.http_endpoint, partner.url, cloud.outputs))
            self._watch(partner, bridge)

    def _require_free_ports(self) -> None:
        for port in (self._port, self._port + 1) if self._port else ():
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    raise LocalCloudError(f"port {port} is in use, perhaps by another emulator: stop it first")

    def _start(self) -> None:
        self.place.mkdir(parents=True, exist_ok=True)
        self._ready.unlink(missing_ok=True)
        with self._log.open("wb") as log:
            self._keeper = subprocess.Popen(
                [sys.executable, "-m", "local.cloud.standing_cloud", "keep", "--place", self.place,
                 "--partner", self._partner, "--port", str(self._port)], cwd=ROOT,
                env={**os.environ, "PYTHONPATH": "src"}, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def _hold(self, lock: TextIO) -> None:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()

    def _is_kept(self) -> bool:
        """Whether a process holds the lock."""
        try:
            with self._lock.open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def _announce(self, ready: Running) -> None:
        """Write all at once, so that nobody reads half of it."""
        draft = self.place / "running.draft"
        draft.write_text(json.dumps(asdict(ready)))
        draft.rename(self._ready)

    def _watch(self, partner: PartnerServer, bridge: DockerBridge) -> None:
        """Write a line for each request that the partner gets, without any of its content, and reach for Docker."""
        shown = 0
        with self.partner_log.open("w") as log:
            while True:
                for request in partner.requests[shown:]:
                    log.write(f"{_line(request)}\n")
                    shown += 1
                log.flush()
                bridge.build()
                time.sleep(_POLL_SECONDS)


def _line(request: ReceivedRequest) -> str:
    return f"{request.method} {request.path} -> {request.status or 'no answer yet'}"


def _create_container_tables(cloud: LocalCloud) -> None:
    """Create the tables that local/env.json names: those of the stack have generated names."""
    for table, key in {"sam-local-suspensions": "account", "sam-local-ledger": "key"}.items():
        cloud.aws.dynamodb.create_table(
            TableName=table,
            KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )


def _leave(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])


def exports(found: Running) -> str:
    """Return the lines of shell that make boto3, the AWS CLI and the README's curl use the cloud, and no account."""
    variables = {
        "AWS_ENDPOINT_URL": found.endpoint,
        **CREDENTIALS,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "HTTP_ENDPOINT_URL": found.http_endpoint,
        "HTTP_TOKEN": TOKEN,
    }
    lines = (f"export {name}={value}" for name, value in variables.items())
    return "\n".join(["unset AWS_PROFILE AWS_SESSION_TOKEN", *lines])


def invoke(found: Running, source: str) -> int:
    """Send one message to the alias, print the answer, and return the exit status: 1 for an error.

    Args:
        found: the cloud that is up.
        source: a file, or - for standard input.
    """
    message = message_from(source)
    response = found.client("lambda").invoke(FunctionName=found.outputs["HandlerAliasArn"], Payload=message.payload)
    print(json.dumps(json.loads(response["Payload"].read()), indent=2, ensure_ascii=False))
    return 1 if "FunctionError" in response else 0


def logs(found: Running, partner_log: Path) -> Iterator[str]:
    """Yield what both functions have logged, oldest first, and then what the partner was asked."""
    client = found.client("logs")
    events: list[tuple[int, str]] = []
    for function in ("handler", "worker"):
        group = f"/aws/lambda/{found.outputs[f'{function.title()}FunctionName']}"
        for page in client.get_paginator("filter_log_events").paginate(logGroupName=group):
            events += [(event["timestamp"], f"{function:8}{event['message'].rstrip()}") for event in page["events"]]
    yield from (line for _, line in sorted(events, key=lambda event: event[0]))
    yield from (f"{'partner':8}{line}" for line in partner_log.read_text().splitlines())


def main() -> int:
    """Do what is asked and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m local.cloud.standing_cloud", description="The local cloud that stays."
    )
    parser.add_argument("action", choices=["up", "invoke", "logs", "down", "keep"])
    parser.add_argument("event", nargs="?", default="", help="the message to invoke with; - reads standard input")
    parser.add_argument("--place", type=Path, default=_PLACE, help="the folder of the cloud")
    parser.add_argument("--port", type=int, default=PORT, help="of the emulator; 0 picks a free one")
    parser.add_argument("--partner", metavar="FOLDER", default="", help="of an example; default: your own integration")
    asked = parser.parse_args()
    if asked.action in {"invoke", "logs"}:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # end quietly when `head` has seen enough
    try:
        return _do(StandingCloud(asked.place.absolute(), asked.partner, asked.port), asked.action, asked.event)
    except LocalCloudError as error:
        print(error, file=sys.stderr)
        return 2


def _do(standing: StandingCloud, action: str, event: str) -> int:
    match action:
        case "keep":
            standing.keep()
        case "up":
            _introduce(standing.up())
        case "down":
            print("The local cloud is down." if standing.down() else "The local cloud was not up.")
        case "invoke" if not event:
            raise LocalCloudError("name a message: make invoke EVENT=events/event_processing_request.json")
        case "invoke":
            return invoke(_must_be_up(standing), event)
        case "logs":
            for line in logs(_must_be_up(standing), standing.partner_log):
                print(line)
    return 0


def _must_be_up(standing: StandingCloud) -> Running:
    found = standing.running()
    if found is None:
        raise LocalCloudError("the local cloud is not up: run `make up` first")
    return found


def _introduce(found: Running) -> None:
    print(f"# The local cloud is up, with the partner on {found.partner}. For boto3, the AWS CLI and curl:")
    print(exports(found))
    print("# With Docker, after sam build: sam local invoke HandlerFunction -e events/...")
    print(f"# The alias:   {found.outputs['HandlerAliasArn']}")


if __name__ == "__main__":
    sys.exit(main())
