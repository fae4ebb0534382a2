"""The HTTP side of a fake API: one thread a connection, bodies as JSON, lines of it or forms, and lost connections."""

import gzip
import json
import socket
import struct
import sys
import threading
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol, override
from urllib.parse import parse_qsl

from local.partner.faults import Behaviour

MAX_BODY_BYTES = 8 * 1024 * 1024
FORM = "application/x-www-form-urlencoded"
LINES = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl"})


@dataclass
class ReceivedRequest:
    """One request as it came in.

    Attributes:
        method: of HTTP.
        path: with its query. Never shown: it may hold the id of a person.
        headers: those that are recorded, by their names in the contract. Never shown: they hold the credentials.
        body: the parsed JSON, a list of the values of NDJSON, the fields of a form by name, or None. Never shown: it
            holds personal data.
        route: the path as the contract has it, without the values of its parameters.
        content: the body as it was sent. Never shown.
        status: of the answer; None while there is none, and for good if the connection was lost.
        received_at: when it came, in seconds since the epoch.
        reply: the answer, also if it was lost on the way; None while there is none. Never shown.
        behaviour: how a script has it treated.
        unused_step: takes the behaviour back, if it may be that of a later request.
        milliseconds: until it was answered or the connection was lost; None until then.
    """

    method: str
    path: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: object = field(repr=False)
    route: str = ""
    content: bytes = field(default=b"", repr=False)
    status: int | None = None
    received_at: float = field(default_factory=time.time, repr=False, compare=False)
    reply: "Reply | None" = field(default=None, repr=False, compare=False)
    behaviour: Behaviour = field(default_factory=Behaviour, repr=False, compare=False)
    unused_step: Callable[[Behaviour], None] | None = field(default=None, repr=False, compare=False)
    milliseconds: float | None = field(default=None, repr=False, compare=False)

    def line(self) -> str:
        """Return a line for a log, without any of the content."""
        return f"{self.method} {self.route} -> {self.status or 'no response yet'}"


@dataclass(frozen=True)
class Reply:
    """One answer.

    Attributes:
        status: of HTTP.
        body: its JSON; bytes are sent as they are; None for an empty one.
        headers: beside the usual ones.
        drip: seconds between the bytes of the body.
    """

    status: int
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)
    drip: float = 0


class Responder(Protocol):
    """What answers the requests."""

    def received(self, method: str, path: str, headers: Message) -> ReceivedRequest:
        """Return the request without its body, with the headers that are to be kept."""

    def respond(self, request: ReceivedRequest) -> Reply | None:
        """Return the answer; None loses the connection."""

    def refuse(self, request: ReceivedRequest, status: int, rule: str) -> Reply:
        """Return the answer to a request that cannot be read."""


class Listener(ThreadingHTTPServer):
    """Listens on the loopback interface; port 0 picks a free one."""

    daemon_threads = False  # joined on close, so that no thread outlives its test
    request_queue_size = 256

    def __init__(self, responder: Responder, port: int) -> None:
        self.responder = responder
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
        """Ignore callers that hang up: those with a deadline do."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # the base class is narrower here

    def drop_connections(self) -> None:
        """Wake the threads that wait for the next request of an idle connection."""
        with self._connections_lock:
            for connection in self._connections:
                _shut_down(connection)


def parsed_body(raw: bytes, media_type: str, encoding: str = "") -> object:
    """Return the JSON of a body, a list of the values of NDJSON, or the fields of a form; None for an empty body.

    Args:
        raw: the body as it was sent.
        media_type: without parameters, in lower case.
        encoding: ``gzip``, or empty.

    Raises:
        ValueError: it cannot be read; the message names the rule.
    """
    content = _unzipped(raw) if encoding == "gzip" else raw
    if encoding not in ("", "gzip"):
        raise ValueError("Content-Encoding must be gzip")
    if media_type == FORM:
        return _form_fields(content)
    try:
        if media_type in LINES:
            return [json.loads(line) for line in content.splitlines()]
        return json.loads(content) if content else None
    except ValueError:
        raise ValueError("must be JSON in each line" if media_type in LINES else "must be JSON") from None


def _unzipped(raw: bytes) -> bytes:
    try:
        return gzip.decompress(raw)
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise ValueError("must be compressed with gzip, as Content-Encoding says") from None


def _form_fields(raw: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(raw.decode(), keep_blank_values=True, strict_parsing=bool(raw), errors="strict")
    except ValueError:
        raise ValueError("must be a form in UTF-8") from None
    if len(dict(pairs)) < len(pairs):
        raise ValueError("must not name a field twice")
    return dict(pairs)


def _encoded(body: object) -> bytes:
    if isinstance(body, bytes):
        return body
    return b"" if body is None else json.dumps(body).encode()


def _shut_down(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the caller has closed it already


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body in one packet
    server: Listener

    def _serve(self) -> None:
        responder = self.server.responder
        request = responder.received(self.command, self.path, self.headers)
        try:
            request.content = self._read_body()
            request.body = self._parse(request.content)
        except ValueError as error:
            self.close_connection = True
            self._send(responder.refuse(request, 400, f"body: {error}"))
            return
        reply = responder.respond(request)
        self._send(reply) if reply else self._lose_connection()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - the base class looks for these names

    def _read_body(self) -> bytes:
        length = int(self.headers.get("Content-Length") or 0)
        if "Transfer-Encoding" in self.headers or length > MAX_BODY_BYTES:
            raise ValueError("must have a Content-Length of at most 8 MiB")
        content = self.rfile.read(length)
        if len(content) < length:
            raise ConnectionResetError("the caller hung up before the end of its request")
        return content

    def _parse(self, raw: bytes) -> object:
        return parsed_body(raw, self.headers.get_content_type(), self.headers.get("Content-Encoding", ""))

    def _send(self, reply: Reply) -> None:
        content = _encoded(reply.body)
        self.send_response(reply.status)
        for name, value in {"Content-Type": "application/json", **reply.headers}.items():
            self.send_header(name, value)
        if reply.status != 204:  # noqa: PLR2004 - the status that has no body
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if reply.drip:
            self._drip(content, reply.drip)
        else:
            self.wfile.write(content)

    def _drip(self, content: bytes, seconds: float) -> None:
        """Write byte by byte, until the caller or the server hangs up."""
        for position in range(len(content)):
            self.wfile.write(content[position : position + 1])
            self.wfile.flush()
            time.sleep(seconds)

    def _lose_connection(self) -> None:
        """End with a reset, which no caller can take for an answer as it could an orderly close."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Print nothing: what came in is kept."""
