"""Sends requests over pooled, verified, kept-alive connections, and begins none whose time is up."""

import json
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, override
from urllib.parse import urlsplit
from weakref import WeakSet

import urllib3
from urllib3 import exceptions
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util import create_urllib3_context

from mparticle_firehose.deadline import Clock, Deadline
from mparticle_firehose.errors import IntegrationError
from mparticle_firehose.integration import Answer, NetworkFault, Retry
from mparticle_firehose.partner_api.encoding import EncodedRequest
from mparticle_firehose.partner_api.sites import Site
from mparticle_firehose.partner_api.sole_answer import SoleAnswer
from mparticle_firehose.services import OUT_OF_TIME

UNSENT = Retry(OUT_OF_TIME, 0)
"""The outcome of a call of which nothing has been written."""

MAX_CALLERS = 8
"""Calls at a time, each over a connection of its own. The worker makes four; one whose caller has given it up may need
a while to end."""

MAX_ANSWER_BYTES = 1 << 20
"""Answers of a partner's write API are small; a larger one is a fault, not something to fill the memory with."""

CONNECT_SECONDS = 3.1
"""Longest wait for a connection: long enough for the second repetition of a lost SYN, after 3 s (RFC 6298)."""

_CHUNK_BYTES = 1 << 16
_MIN_TIMEOUT = 0.001  # seconds; a socket timeout of zero would mean non-blocking
_FINAL = 200  # lower statuses are interim

for _name in ("urllib3.connection", "urllib3.connectionpool"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)  # their lines show URLs, whose queries may hold credentials


class OutOfTimeError(Exception):
    """The time was up before the first byte of the request was written: the partner has none of it."""


_FAULTS: tuple[tuple[type[Exception], NetworkFault], ...] = (  # the first that fits, so subclasses come first
    (exceptions.NameResolutionError, NetworkFault.DNS),
    (exceptions.NewConnectionError, NetworkFault.REFUSED),
    (exceptions.ConnectTimeoutError, NetworkFault.CONNECT_TIMEOUT),
    (exceptions.TimeoutError, NetworkFault.READ_TIMEOUT),
    (OutOfTimeError, NetworkFault.READ_TIMEOUT),
    (exceptions.SSLError, NetworkFault.TLS),
    (exceptions.HTTPError, NetworkFault.MALFORMED_ANSWER),
)
_TIMEOUTS = frozenset({NetworkFault.CONNECT_TIMEOUT, NetworkFault.READ_TIMEOUT})


class FaultError(Exception):
    """There is no usable answer.

    Attributes:
        fault: what came instead.
    """

    def __init__(self, fault: NetworkFault) -> None:
        self.fault = fault
        super().__init__(fault.value)


class Transfer:
    """One request on its way, as its thread and the one that waits for it see it.

    Attributes:
        deadline: when the first byte must have been written.
        read_by: when the last byte of the answer must have been read.
        is_written: whether the partner may have some of the request.
        is_sent: whether the partner has all of it, as far as this side can tell.
        unsent: what becomes of the call if the time is up before that.
    """

    def __init__(
        self, deadline: Deadline, read_by: Deadline | None = None, on_write: Callable[[], None] = lambda: None
    ) -> None:
        """Take the times; `on_write` is called with the first byte."""
        self.deadline = deadline
        self.read_by = read_by or deadline
        self.is_written = False
        self.is_sent = False
        self.unsent = UNSENT
        self._on_write = on_write
        self._is_given_up = False
        self._connection: HTTPConnection | None = None
        self._lock = threading.Lock()

    def check(self) -> None:
        """Raise OutOfTimeError if nothing must be written any more."""
        if self._is_given_up or self.deadline.remaining() <= 0:
            raise OutOfTimeError

    def write(self, connection: HTTPConnection) -> None:
        """Say that bytes will be written to a connection now.

        Raises:
            OutOfTimeError: it is too late.
        """
        with self._lock:
            self.check()
            self._connection = connection
            self.is_written = True
        self._on_write()

    def end_writing(self) -> None:
        """Say that the whole request has been written."""
        self.is_sent = True

    def release(self) -> None:
        """Say that the connection now belongs to the pool."""
        with self._lock:
            self._connection = None

    def restart(self, unsent: Retry) -> None:
        """Say that the request goes once more, because of an answer by which the partner has taken nothing."""
        with self._lock:
            self.is_written = self.is_sent = False
            self.unsent = unsent

    def leave(self) -> Retry:
        """Wait no longer; return what becomes of the call.

        If the whole request has been sent, its thread goes on and reads the answer until `read_by`: the connection can
        be used again then. Otherwise the call is given up.
        """
        with self._lock:
            if self.is_sent and self.read_by.remaining() > 0:
                return Retry(NetworkFault.READ_TIMEOUT.value)
        return self.give_up()

    def give_up(self) -> Retry:
        """Shut the connection down, which ends the thread; return what becomes of the call.

        If nothing has been written yet, nothing ever will be.
        """
        with self._lock:
            self._is_given_up = True
            if self._connection is not None:
                _shut_down(self._connection)
            return Retry(NetworkFault.READ_TIMEOUT.value) if self.is_written else self.unsent


_current: ContextVar[Transfer] = ContextVar("transfer")
"""What the thread's connection is used for: urllib3 hands a connection out only with the head of an answer, which may
never come."""


class Transport:
    """Connections to each site.

    No request is repeated here: the queues do that. No redirect is followed: it would carry a customer's key to another
    host.
    """

    def __init__(self, sites: Mapping[str, Site], clock: Clock) -> None:
        """Take the sites by name, and seconds since the epoch. A site is connected with its first request."""
        self._sites = sites
        self._clock = clock
        self._pools: dict[str, urllib3.HTTPConnectionPool] = {}
        self._tls: ssl.SSLContext | None = None
        self._connections: WeakSet[HTTPConnection] = WeakSet()
        self._lock = threading.Lock()

    def prepare(self) -> None:
        """Build the pools before the first request: loading certificates takes longer than a handshake."""
        for name in self._sites:
            self._pool(name)

    def hang_up(self) -> None:
        """Shut every connection down, also those in use; the next request connects anew."""
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            _shut_down(connection)

    def check_site(self, name: str) -> None:
        """Check that there is such a site.

        Raises:
            IntegrationError: there is none.
        """
        if name not in self._sites:
            raise IntegrationError("site", "a call must name one of the integration's sites")

    def send(self, site_name: str, request: EncodedRequest, transfer: Transfer) -> Answer:
        """Send a request and return the answer.

        Raises:
            OutOfTimeError: the time was up before the first byte was written.
            FaultError: there is no usable answer.
        """
        transfer.check()
        _current.set(transfer)
        is_urgent = transfer.deadline.remaining() <= CONNECT_SECONDS
        try:
            return self._exchange(site_name, request, transfer)
        except (OutOfTimeError, exceptions.HTTPError) as error:
            fault = _fault(error)
            if fault not in _TIMEOUTS:
                raise FaultError(fault) from None
            if transfer.is_written:
                raise FaultError(NetworkFault.READ_TIMEOUT) from None
            raise (OutOfTimeError if is_urgent else FaultError(NetworkFault.CONNECT_TIMEOUT)) from None
        finally:
            transfer.release()

    def _exchange(self, site_name: str, request: EncodedRequest, transfer: Transfer) -> Answer:
        site = self._sites[site_name]
        response = self._pool(site_name).urlopen(
            request.method,
            urlsplit(site.url).path + request.target,
            body=request.body,
            headers={**request.headers, "Host": site.host} if site.host else request.headers,
            timeout=_timeout(transfer),
            retries=False,
            redirect=False,
            preload_content=False,
        )
        try:
            content = _read(response, transfer.read_by)
        except BaseException:
            response.close()  # a half-read connection must not go back to the pool
            raise
        response.release_conn()
        headers = {name.lower(): value for name, value in response.headers.itermerged()}
        return Answer(status=response.status, headers=headers, body=_json(content), received_at=self._clock())

    def _pool(self, name: str) -> urllib3.HTTPConnectionPool:
        with self._lock:
            if name not in self._pools:
                self._pools[name] = self._new_pool(self._sites[name])
            return self._pools[name]

    def _new_pool(self, site: Site) -> urllib3.HTTPConnectionPool:
        parts = urlsplit(site.url)
        host = parts.hostname or ""
        if parts.scheme == "http":
            return _PlainPool(host, parts.port, maxsize=MAX_CALLERS, on_connect=self._list)
        if self._tls is None:  # one for all sites, so that the system's certificates are loaded once
            self._tls = create_urllib3_context()
            self._tls.load_default_certs()
        return _TlsPool(host, parts.port, maxsize=MAX_CALLERS, on_connect=self._list, ssl_context=self._tls)

    def _list(self, connection: HTTPConnection) -> None:
        with self._lock:
            self._connections.add(connection)


class _Supervised(HTTPConnection):
    """A connection that asks the thread's transfer before it writes, and that ends if more than one answer comes."""

    response_class = SoleAnswer

    def __init__(self, *args: Any, on_connect: Callable[[HTTPConnection], None], **options: Any) -> None:
        super().__init__(*args, **options)
        self._on_connect = on_connect

    @override
    def _new_conn(self) -> socket.socket:
        connected = super()._new_conn()
        try:
            _current.get().check()  # the name server may have taken long: begin no handshake
        except OutOfTimeError:
            connected.close()
            raise
        return connected

    @override
    def connect(self) -> None:
        super().connect()
        self._on_connect(self)

    @override
    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        transfer = _current.get()
        transfer.write(self)
        if self.sock is not None:  # urllib3 has set the timeout of connecting
            self.sock.settimeout(max(transfer.read_by.remaining(), _MIN_TIMEOUT))
        super().send(data)

    @override
    def getresponse(self) -> Any:
        _current.get().end_writing()
        return super().getresponse()


class _SupervisedTls(_Supervised, HTTPSConnection):
    """The same with TLS."""


class _PlainPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Supervised

    @override
    def _put_conn(self, conn: Any) -> None:
        _current.get().release()  # from now on another thread may use it
        super()._put_conn(conn)


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _SupervisedTls

    @override
    def _put_conn(self, conn: Any) -> None:
        _current.get().release()
        super()._put_conn(conn)


def _shut_down(connection: HTTPConnection) -> None:
    """Shut a connection down. With TLS too, below its layer: while that is taken off, plain text could be sent."""
    if (connected := connection.sock) is not None:
        with suppress(OSError):  # the other side was faster
            socket.socket.shutdown(connected, socket.SHUT_RDWR)


def _timeout(transfer: Transfer) -> urllib3.Timeout:
    connect = min(transfer.deadline.remaining(), CONNECT_SECONDS)
    return urllib3.Timeout(connect=max(connect, _MIN_TIMEOUT), total=max(transfer.read_by.remaining(), _MIN_TIMEOUT))


def _fault(error: Exception) -> NetworkFault:
    if isinstance(error, exceptions.ProtocolError) and isinstance(error.args[-1], (OSError, exceptions.IncompleteRead)):
        is_slow = isinstance(error.args[-1], TimeoutError)  # while the request was written
        return NetworkFault.READ_TIMEOUT if is_slow else NetworkFault.RESET
    return next(fault for kind, fault in _FAULTS if isinstance(error, kind))


def _read(response: urllib3.BaseHTTPResponse, read_by: Deadline) -> bytes:
    """Read the whole answer, in time and up to MAX_ANSWER_BYTES."""
    if response.status < _FINAL:
        response.close()  # the final answer is still to come, and must not become that of the next request
        return b""
    answer = bytearray()
    while chunk := response.read1(_CHUNK_BYTES):
        answer += chunk
        if len(answer) > MAX_ANSWER_BYTES:
            raise FaultError(NetworkFault.OVERSIZED_ANSWER)
        if read_by.remaining() <= 0:
            raise exceptions.TimeoutError
    return bytes(answer)


def _json(content: bytes) -> object:
    """Return the parsed JSON, or None if it is none: the retry policy needs no body."""
    try:
        parsed: object = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return parsed
