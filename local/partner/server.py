"""Hosts a partner's fake API on this machine: checks every call, keeps what it receives, and fails on demand.

Use it as a context manager in a test, or on its own: ``python -m local.partner.server --port 8080``.
"""

import argparse
import copy
import json
import socket
import struct
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self, override

from local.partner.contract import Contract, Operation, Refusal
from local.partner.fake_api import FakeApi
from local.partner.faults import SUCCESSES, Behaviour, Step, behaviour_of
from local.rooms import Room

MAX_BODY_BYTES = 8 * 1024 * 1024
_RECORDED_HEADERS = ("Correlation-Id", "Idempotency-Key", "Content-Type", "User-Agent")


@dataclass
class ReceivedRequest:
    """One request as it came in.

    Attributes:
        headers: those that the contract is about, by their usual spelling. Never shown: they hold the credential.
        body: the parsed JSON, or None. Never shown: it holds personal data.
        status: what was answered; None while unanswered, or when the connection was lost instead.
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    body: object = field(repr=False)
    status: int | None = None


@dataclass(frozen=True)
class Reply:
    """What is answered to one request."""

    status: int
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)


class PartnerServer:
    """A fake API on a port of this machine.

    A path without a script behaves well. Every credential is valid until it is revoked. A request that breaks the
    contract is refused with the rule that it breaks, which `violations` keeps. A call with an Idempotency-Key that has
    taken effect already is answered as before and changes nothing.
    """

    def __init__(self, api: FakeApi, port: int = 0) -> None:
        """Take the API to host, and the port; 0 picks a free one."""
        self.api: Any = api
        self.contract = Contract(api.document)
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self._requests: list[ReceivedRequest] = []
        self._violations: list[str] = []
        self._scripts: dict[str, deque[Behaviour]] = {}
        self._revoked: set[str] = set()
        self._done: dict[str, tuple[tuple[str, str, object], tuple[int, object]]] = {}
        self._repeats = 0
        self._server = _Server(self, port)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="partner-server")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release requests that hang, drop every connection and free the port."""
        self._closing.set()
        self._server.shutdown()
        self._server.drop_connections()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """The base URL, without a trailing slash."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def script(self, path: str, steps: Iterable[Step]) -> None:
        """Decide how the next requests to a path, or to anything below it, are treated, one step for each.

        The longest scripted path wins. A step is a status, a `Behaviour`, or "hang" (no answer before `close`),
        "reset" (the connection is lost, nothing applied) or "apply_then_reset" (applied, but the answer is lost). Once
        the steps are used up the path behaves well again.
        """
        with self._lock:
            self._scripts[path.rstrip("/")] = deque(behaviour_of(step) for step in steps)

    def revoke(self, credential: str) -> None:
        """Answer 401 to every later request with this credential."""
        with self._lock:
            self._revoked.add(credential)

    @property
    def requests(self) -> tuple[ReceivedRequest, ...]:
        """Every request so far, in the order of arrival."""
        with self._lock:
            return tuple(self._requests)

    @property
    def connections(self) -> int:
        """How many connections have been made so far."""
        return self._server.accepted

    @property
    def violations(self) -> tuple[str, ...]:
        """Each broken rule, as ``METHOD path: rule``; no values."""
        with self._lock:
            return tuple(self._violations)

    @property
    def repeats(self) -> int:
        """How many calls repeated one that had taken effect, and so changed nothing."""
        with self._lock:
            return self._repeats

    def state(self, name: str) -> Any:
        """Return a copy of one of the API's own attributes."""
        with self._lock:
            return copy.deepcopy(getattr(self.api, name))

    def summary(self) -> Mapping[str, Mapping[str, object]]:
        """Return what the partner knows, without personal data."""
        with self._lock:
            return copy.deepcopy(self.api.summary())

    def respond(self, request: ReceivedRequest) -> Reply | None:
        """Treat one request as its script says; None means that the connection is to be lost."""
        behaviour = self._admit(request)
        hangs = behaviour.get("lost") == "hang"
        if self._closing.wait(None if hangs else behaviour.get("delay", 0)):
            return None
        with self._lock:
            reply = self._decide(request, behaviour)
            request.status = reply.status if reply else None
        return reply

    def refuse(self, request: ReceivedRequest, refusal: Refusal) -> Reply:
        """Record a broken rule and answer with it."""
        with self._lock:
            self._violations.append(f"{request.method} {request.path}: {refusal.rule}")
        return Reply(refusal.status, {"error": refusal.rule})

    def _admit(self, request: ReceivedRequest) -> Behaviour:
        with self._lock:
            self._requests.append(request)
            below = (
                path for path in self._scripts if f"{request.path}/".startswith(f"{path}/") and self._scripts[path]
            )
            path = max(below, key=len, default=None)
            return self._scripts[path].popleft() if path is not None else {}

    def _decide(self, request: ReceivedRequest, behaviour: Behaviour) -> Reply | None:
        found = self.contract.find(request.method, request.path)
        refusal = self.refuse(request, found) if isinstance(found, Refusal) else self._refusal(request, *found)
        status = behaviour.get("status")
        lost = "lost" in behaviour
        if status is not None and status not in SUCCESSES:
            return _scripted(Reply(status, {"error": "scripted"}), behaviour)
        if lost and not behaviour.get("applied"):
            return None
        reply = refusal or _scripted(self._carry_out(request, found), behaviour)
        return None if lost else reply

    def _refusal(self, request: ReceivedRequest, operation: Operation, parameters: Mapping[str, str]) -> Reply | None:
        security = self.contract.security
        credential = security.credential(request.headers)
        if credential is None:
            return self.refuse(request, Refusal(401, security.rule))
        if credential in self._revoked:
            return Reply(401, {"error": "this credential is not valid any more"})
        problem = next(self.contract.problems(operation, request.headers, request.body), None)
        if problem is None:
            problem = next(iter(self.api.violations(operation.name, parameters, request.body)), None)
        return self.refuse(request, Refusal(422, problem)) if problem else None

    def _carry_out(self, request: ReceivedRequest, found: Any) -> Reply:
        """Apply a valid call, or repeat the answer if its Idempotency-Key has taken effect already."""
        operation, parameters = found
        key = request.headers.get("Idempotency-Key", "")
        call = (request.method, request.path, request.body)
        earlier = self._done.get(key)
        if earlier and earlier[0] != call:
            return self.refuse(request, Refusal(422, "Idempotency-Key: belongs to a different call"))
        if earlier:
            self._repeats += 1
            return Reply(*earlier[1])
        answer = self.api.apply(operation.name, parameters, copy.deepcopy(request.body))
        if key and answer[0] in SUCCESSES:
            self._done[key] = (call, answer)
        return Reply(*answer)


def _scripted(usual: Reply, behaviour: Behaviour) -> Reply:
    """Put the scripted parts over the usual answer; a refusal of a well-behaved call stays."""
    if usual.status not in SUCCESSES and "status" in behaviour and behaviour["status"] in SUCCESSES:
        return usual
    headers = {"Retry-After": str(behaviour["retry_after"])} if "retry_after" in behaviour else {}
    status = behaviour.get("status", usual.status)
    # A plain 200 in a script means "as usual": the usual success keeps its own status.
    if status == 200 and "body" not in behaviour:  # noqa: PLR2004 - an HTTP status
        status = usual.status
    return Reply(status, behaviour.get("body", usual.body), headers)


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # joined on close, so that no thread outlives its test
    request_queue_size = 256

    def __init__(self, partner: PartnerServer, port: int) -> None:
        self.partner = partner
        self.accepted = 0
        self._connections: set[socket.socket] = set()
        self._connections_lock = threading.Lock()
        super().__init__(("127.0.0.1", port), _Handler)

    @override
    def process_request(self, request: object, client_address: object) -> None:
        assert isinstance(request, socket.socket)  # noqa: S101 - the base class knows datagrams too
        with self._connections_lock:
            self._connections.add(request)
            self.accepted += 1
        super().process_request(request, client_address)

    @override
    def close_request(self, request: object) -> None:
        assert isinstance(request, socket.socket)  # noqa: S101 - as above
        with self._connections_lock:
            self._connections.discard(request)
        super().close_request(request)

    @override
    def handle_error(self, request: object, client_address: object) -> None:
        """Stay quiet when a caller hangs up, which callers with a deadline do."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # the base class is narrower here

    def drop_connections(self) -> None:
        """Wake the threads that wait for the next request of an idle connection."""
        with self._connections_lock:
            for connection in self._connections:
                _hang_up(connection)


def _hang_up(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the other side was faster


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body in one packet
    server: _Server

    def _serve(self) -> None:
        partner = self.server.partner
        recorded = (*_RECORDED_HEADERS, partner.contract.security.header)
        names = (name for name in recorded if name in self.headers)
        request = ReceivedRequest(self.command, self.path, {name: self.headers[name] for name in names}, None)
        try:
            request.body = self._read_body()
        except ValueError as error:
            self.close_connection = True
            self._send(partner.refuse(request, Refusal(400, f"body: {error}")))
            return
        reply = partner.respond(request)
        self._send(reply) if reply else self._lose_connection()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - the base class looks for these names

    def _read_body(self) -> object:
        length = int(self.headers.get("Content-Length") or 0)
        if "Transfer-Encoding" in self.headers or length > MAX_BODY_BYTES:
            raise ValueError("must have a Content-Length of at most 8 MiB")
        raw = self.rfile.read(length)
        if raw and self.headers.get_content_type() != "application/json":
            raise ValueError("Content-Type must be application/json")
        try:
            return json.loads(raw) if raw else None
        except ValueError:
            raise ValueError("must be JSON") from None

    def _send(self, reply: Reply) -> None:
        content = b"" if reply.body is None else json.dumps(reply.body).encode()
        self.send_response(reply.status)
        for name, value in {"Content-Type": "application/json", **reply.headers}.items():
            self.send_header(name, value)
        if reply.status != 204:  # noqa: PLR2004 - the status that has no body
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _lose_connection(self) -> None:
        """End with a reset instead of an orderly close, which could be taken for an answer."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: `requests` keeps what came in."""


def main() -> None:
    """Serve until interrupted and print a line for each request, without any of its content."""
    parser = argparse.ArgumentParser(prog="python -m local.partner.server", description="Serve a partner's fake API.")
    parser.add_argument("--partner", default="", metavar="FOLDER", help="of an example; default: your own")
    parser.add_argument("--port", type=int, default=8080, help="0 picks a free one")
    options = parser.parse_args()
    with PartnerServer(Room.of(options.partner).fake_api(), options.port) as partner:
        print(f"The partner listens on {partner.url}", flush=True)
        try:
            _print_requests(partner)
        except KeyboardInterrupt:
            print()


def _print_requests(partner: PartnerServer) -> None:
    shown = 0
    while True:
        for request in partner.requests[shown:]:
            print(f"{request.method} {request.path} -> {request.status or 'no answer yet'}", flush=True)
            shown += 1
        time.sleep(0.1)


if __name__ == "__main__":
    main()
