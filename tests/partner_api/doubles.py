"""A partner on a port of this machine that says exactly what a test wants, and doubles of what the client is given."""

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from mparticle_firehose.partner_api.client import PartnerClient
from mparticle_firehose.partner_api.deployment_secrets import DeploymentSecrets
from mparticle_firehose.partner_api.retry_policy import RetryPolicy
from mparticle_firehose.partner_api.sites import Site

MOMENT = 1_800_000_000.0
"""The clock of the clients here: seconds since the epoch."""


@dataclass
class Received:
    """A request, byte for byte."""

    method: str
    target: str
    headers: Message
    body: bytes


@dataclass
class Reply:
    """An answer."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0


class Partner(ThreadingHTTPServer):
    """Answers with `answer`, and keeps what it has received."""

    daemon_threads = False
    request_queue_size = 64

    def __init__(self, answer: Callable[[Received], Reply] = lambda _: Reply()) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.received: list[Received] = []
        self.connections = 0
        self.closing = threading.Event()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self.shutdown()
        self.server_close()
        self._thread.join()

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections += 1
        super().process_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore callers that hang up."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 0.05  # looks this often whether the test is over
    server: Partner

    def handle_one_request(self) -> None:
        """Read a request, and wait for it without keeping the test from ending."""
        while not self.server.closing.is_set():
            try:
                if not self.connection.recv(1, socket.MSG_PEEK):
                    break
            except TimeoutError:
                continue
            self.connection.settimeout(5)
            super().handle_one_request()
            self.connection.settimeout(self.timeout)
            return
        self.close_connection = True

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        received = Received(self.command, self.path, self.headers, body)
        self.server.received.append(received)
        reply = self.server.answer(received)
        if self.server.closing.wait(reply.delay):
            self.close_connection = True
            return
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        content = b"" if reply.status == 204 else reply.body
        if reply.status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - the base class looks for these names

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def raw_server(*answer: bytes, pause: float = 0.0) -> Iterator[str]:
    """Answer one connection with these bytes, one piece after the other, and close it."""
    accepted: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            accepted.append(connection)
            with suppress(OSError):  # a client that has heard enough hangs up
                connection.recv(65536)
                for piece in answer:
                    connection.sendall(piece)
                    time.sleep(pause)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):  # closing with something unread would reset the connection
                    pass

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            for connection in accepted:
                with connection, suppress(OSError):
                    connection.shutdown(socket.SHUT_RD)
                    thread.join()


class Clock:
    """Time that moves when a test says so."""

    def __init__(self, now: float = 1_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@dataclass
class TelemetryDouble:
    """Keeps counts and warnings."""

    counts: dict[str, int] = field(default_factory=dict)
    warnings: list[dict[str, str | int]] = field(default_factory=list)

    def count(self, name: str, value: int = 1) -> None:
        self.counts[name] = self.counts.get(name, 0) + value

    def measure(self, name: str, milliseconds: float) -> None:
        raise AssertionError("nothing is measured here")

    def list_delivered(self, message_type: str, request_id: str) -> None:
        raise AssertionError("nothing is delivered here")

    def note(self, event: str, facts: Mapping[str, str | int]) -> None:
        raise AssertionError("nothing is noted here")

    def warn(self, event: str, facts: Mapping[str, str | int]) -> None:
        self.warnings.append({"event": event, **facts})


@dataclass
class ParameterStore:
    """SSM with one parameter; counts the reads."""

    text: str = "{}"
    error: Exception | None = None
    reads: int = 0

    def get_parameter(self, *, Name: str, WithDecryption: bool) -> dict[str, dict[str, str]]:  # noqa: N803  as boto3
        assert (Name, WithDecryption) == ("/firehose/partner", True)
        self.reads += 1
        if self.error:
            raise self.error
        return {"Parameter": {"Value": self.text}}


@dataclass
class Bench:
    """A client with doubles of what it is given."""

    url: str
    store: ParameterStore = field(default_factory=ParameterStore)
    telemetry: TelemetryDouble = field(default_factory=TelemetryDouble)
    clock: Clock = field(default_factory=Clock)
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    more_sites: Mapping[str, Site] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.secrets = DeploymentSecrets(self.store, "/firehose/partner", 300.0, self.telemetry, self.clock)
        sites = {"": Site(self.url), **self.more_sites}
        self.client = PartnerClient(sites, self.policy, self.secrets, lambda: MOMENT)
