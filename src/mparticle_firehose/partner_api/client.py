"""The pooled HTTP client: one partner call in, one outcome out. Faults of the partner raise nothing."""

import json
import socket
import ssl
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import Any, cast
from urllib.parse import urlsplit
from weakref import WeakSet

import urllib3
from urllib3 import exceptions
from urllib3.connection import HTTPConnection
from urllib3.util import create_urllib3_context

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.integration import Delivered, NetworkFault, Outcome, PartnerCall, Retry
from mparticle_firehose.partner_api.retry_policy import RetryPolicy

MAX_ANSWER_BYTES = 1 << 20
"""Answers of a partner's write API are small; a larger one is a fault, not something to fill the memory with."""

_CALLS_AT_A_TIME = 4
_GRACE_SECONDS = 0.01  # lets a socket's own timeout, which names the fault, come first
_CHUNK_BYTES = 1 << 16
_MIN_TIMEOUT = 0.001  # seconds; a socket timeout of zero would mean non-blocking

_FAULTS: tuple[tuple[type[Exception], NetworkFault], ...] = (  # the first that fits, so subclasses come first
    (exceptions.NameResolutionError, NetworkFault.DNS),
    (exceptions.NewConnectionError, NetworkFault.REFUSED),
    (exceptions.ConnectTimeoutError, NetworkFault.CONNECT_TIMEOUT),
    (exceptions.TimeoutError, NetworkFault.READ_TIMEOUT),
    (exceptions.SSLError, NetworkFault.TLS),
    (exceptions.HTTPError, NetworkFault.MALFORMED_ANSWER),
)

_DEFAULT_POLICY = RetryPolicy()


class _OversizedAnswerError(Exception):
    """The answer is larger than MAX_ANSWER_BYTES."""


class PartnerClient:
    """Sends calls to the partner's API over pooled, verified, kept-alive connections.

    No call is repeated here: the queues do that. No redirect is followed: it would carry a customer's key to another
    host.
    """

    def __init__(
        self,
        base_url: str,
        retry_policy: RetryPolicy = _DEFAULT_POLICY,
        failures: Callable[[Mapping[str, object]], Mapping[int, int]] = lambda _: {},
    ) -> None:
        """Take the partner's address. It is connected with the first call.

        Args:
            base_url: base of the partner's API, without a trailing slash.
            retry_policy: says what an answer or a fault means.
            failures: as `Integration.failures`.
        """
        self._base_url = base_url
        self._base_path = urlsplit(base_url).path
        self._retry_policy = retry_policy
        self._failures = failures
        self._connections: WeakSet[HTTPConnection] = WeakSet()
        self._callers = ThreadPoolExecutor(max_workers=_CALLS_AT_A_TIME, thread_name_prefix="partner-call")

    def prepare(self) -> None:
        """Build the pool before the first call: loading certificates takes longer than a handshake."""
        _ = self._pool

    def hang_up(self) -> None:
        """Shut every connection down, also those in use; the next call connects anew."""
        for connection in list(self._connections):
            if connection.sock is not None:
                with suppress(OSError):  # the other side was faster
                    connection.sock.shutdown(socket.SHUT_RDWR)

    def send(self, call: PartnerCall, deadline: Deadline) -> Outcome:
        """Send the call and return what became of it, at the latest when the deadline has passed.

        Socket timeouts do not cover everything that can take long, such as name resolution, or headers that arrive one
        byte at a time. So a thread makes the exchange. When the time is up its connection is shut down, which ends the
        thread. The call may still take effect at the partner; repeating it is safe.
        """
        # Our own deadline is always a Retry: the retry policy judges the partner and the network.
        if deadline.remaining() <= 0:
            return Retry(NetworkFault.CONNECT_TIMEOUT)
        exchange = self._callers.submit(self._attempt, call, deadline)
        try:
            return exchange.result(deadline.remaining() + _GRACE_SECONDS)
        except TimeoutError:
            exchange.cancel()
            self.hang_up()
            return Retry(NetworkFault.READ_TIMEOUT)

    @cached_property
    def _pool(self) -> urllib3.HTTPConnectionPool:
        pool = urllib3.connection_from_url(
            self._base_url, maxsize=_CALLS_AT_A_TIME, retries=False, **_secured(self._base_url)
        )
        pool.ConnectionCls = _listed(pool.ConnectionCls, self._connections)
        return pool

    def _attempt(self, call: PartnerCall, deadline: Deadline) -> Outcome:
        try:
            return self._exchange(call, deadline)
        except _OversizedAnswerError:
            return self._retry_policy.judge_fault(NetworkFault.OVERSIZED_ANSWER)
        except exceptions.HTTPError as error:
            return self._retry_policy.judge_fault(_fault(error))

    def _exchange(self, call: PartnerCall, deadline: Deadline) -> Outcome:
        body = call.encoded_body()
        response = self._pool.request(
            call.method,
            self._base_path + call.path,
            body=body,
            headers=_headers(call, body),
            timeout=urllib3.Timeout(total=max(deadline.remaining(), _MIN_TIMEOUT)),
            redirect=False,
            preload_content=False,
        )
        try:
            answer = _read(response, deadline)
        except BaseException:
            response.close()  # a half-read connection must not go back to the pool
            raise
        response.release_conn()
        outcome = self._retry_policy.judge_status(
            response.status,
            answer=_json_object(answer),
            retry_after=response.headers.get("Retry-After"),
            done=call.done_statuses,
        )
        return self._with_failures(outcome)

    def _with_failures(self, outcome: Outcome) -> Outcome:
        if not isinstance(outcome, Delivered):
            return outcome
        try:
            return replace(outcome, failures=self._retry_policy.judge_items(self._failures(outcome.answer)))
        except ValueError:
            return self._retry_policy.judge_fault(NetworkFault.MALFORMED_ANSWER)


def _secured(base_url: str) -> dict[str, ssl.SSLContext]:
    """Return one TLS context for all connections, so that the system's certificates are loaded once."""
    if not base_url.startswith("https:"):
        return {}
    context = create_urllib3_context()
    context.load_default_certs()
    return {"ssl_context": context}


def _listed(connection_class: type[Any], connections: "WeakSet[HTTPConnection]") -> type[Any]:
    """Return the class, changed so that each connection is added to this set when it connects.

    The pool hands a connection out only once the head of the answer has arrived, which may never happen.
    """

    class Listed(connection_class):  # type: ignore[misc]  # plain or with TLS, as the pool has it
        def connect(self) -> None:
            super().connect()
            connections.add(self)

    return Listed


def _fault(error: exceptions.HTTPError) -> NetworkFault:
    if isinstance(error, exceptions.ProtocolError) and isinstance(error.args[-1], (OSError, exceptions.IncompleteRead)):
        return NetworkFault.RESET
    return next(fault for kind, fault in _FAULTS if isinstance(error, kind))


def _headers(call: PartnerCall, body: bytes | None) -> Mapping[str, str]:
    name, value = call.auth.header()
    headers = {
        "Accept": "application/json",
        name: value,
        "Correlation-Id": call.work,
        "Idempotency-Key": call.idempotency_key(body),
        "User-Agent": "mparticle-firehose",
    }
    return headers if body is None else {**headers, "Content-Type": "application/json"}


def _read(response: urllib3.BaseHTTPResponse, deadline: Deadline) -> bytes:
    """Read the whole answer, until the deadline and up to MAX_ANSWER_BYTES."""
    answer = bytearray()
    while chunk := response.read1(_CHUNK_BYTES):
        answer += chunk
        if len(answer) > MAX_ANSWER_BYTES:
            raise _OversizedAnswerError
        if deadline.remaining() <= 0:
            raise exceptions.TimeoutError
    return bytes(answer)


def _json_object(answer: bytes) -> Mapping[str, object]:
    """Return the answer if it is a JSON object, else an empty one: the retry policy needs no body."""
    try:
        parsed = json.loads(answer)
    except (ValueError, RecursionError):
        return {}
    return cast("Mapping[str, object]", parsed) if isinstance(parsed, dict) else {}
