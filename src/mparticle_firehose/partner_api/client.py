"""The pooled HTTP client: one partner call in, one outcome out, never an exception for what a partner may do."""

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
from mparticle_firehose.integration.calls import PartnerCall
from mparticle_firehose.integration.outcomes import Delivered, Outcome
from mparticle_firehose.partner_api.retry_policy import NetworkFault, judge_fault, judge_status

MAX_ANSWER_BYTES = 1 << 20
"""Answers of a partner's write API are small; a larger one is a fault, not something to fill the memory with."""

_CALLS_AT_A_TIME = 4
_GRACE_SECONDS = 0.01  # lets a socket's own timeout, which names the fault, come first
_CHUNK_BYTES = 1 << 16
_SHORTEST_TIMEOUT = 0.001  # seconds; a socket timeout of zero would mean non-blocking

_FAULTS: tuple[tuple[type[Exception], NetworkFault], ...] = (  # the first that fits, so subclasses come first
    (exceptions.NameResolutionError, NetworkFault.DNS),
    (exceptions.NewConnectionError, NetworkFault.REFUSED),
    (exceptions.ConnectTimeoutError, NetworkFault.CONNECT_TIMEOUT),
    (exceptions.TimeoutError, NetworkFault.READ_TIMEOUT),
    (exceptions.SSLError, NetworkFault.TLS),
    (exceptions.HTTPError, NetworkFault.MALFORMED_ANSWER),
)


type FailuresIn = Callable[[Mapping[str, object]], Mapping[int, int]]


class _OversizedAnswerError(Exception):
    """The answer is larger than MAX_ANSWER_BYTES."""


class PartnerClient:
    """Sends calls to the partner's API over pooled, verified, kept-alive connections.

    Nothing is repeated here and no redirect is followed: repeating is the queue's business, and a redirect would carry
    a customer's key to another host.
    """

    def __init__(self, base_url: str, failures_in: FailuresIn = lambda _: {}) -> None:
        """Take the partner's address; nothing is connected yet.

        Args:
            base_url: base of the partner's API, without a trailing slash.
            failures_in: reads from the answer to a successful call which items the partner did not take; raises
                ValueError if it cannot tell.
        """
        self._base_url = base_url
        self._base_path = urlsplit(base_url).path
        self._failures_in = failures_in
        self._connections: WeakSet[HTTPConnection] = WeakSet()
        self._callers = ThreadPoolExecutor(max_workers=_CALLS_AT_A_TIME, thread_name_prefix="partner-call")

    def prepare(self) -> None:
        """Do what can be done before the first call: loading certificates takes longer than a handshake."""
        _ = self._pool

    def hang_up(self) -> None:
        """End every connection, also one over which a call is going on; the next call connects anew."""
        for connection in list(self._connections):
            if connection.sock is not None:
                with suppress(OSError):  # the other side was faster
                    connection.sock.shutdown(socket.SHUT_RDWR)

    def send(self, call: PartnerCall, deadline: Deadline) -> Outcome:
        """Send the call and return what became of it, at the latest when the deadline has passed.

        Socket timeouts do not cover everything that can take long: a name that does not resolve, headers that drip in
        one byte at a time. So a thread makes the exchange, and when the time is up its connection is ended, and with it
        the thread's waiting. Should the call take effect after all, repeating it changes nothing.
        """
        if deadline.remaining() <= 0:
            return judge_fault(NetworkFault.CONNECT_TIMEOUT)
        exchange = self._callers.submit(self._attempt, call, deadline)
        try:
            return exchange.result(deadline.remaining() + _GRACE_SECONDS)
        except TimeoutError:
            exchange.cancel()
            self.hang_up()
            return judge_fault(NetworkFault.READ_TIMEOUT)

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
            return judge_fault(NetworkFault.OVERSIZED_ANSWER)
        except exceptions.HTTPError as error:
            return judge_fault(_fault(error))

    def _exchange(self, call: PartnerCall, deadline: Deadline) -> Outcome:
        body = call.encoded_body()
        response = self._pool.request(
            call.method,
            self._base_path + call.path,
            body=body,
            headers=_headers(call, body),
            timeout=urllib3.Timeout(total=max(deadline.remaining(), _SHORTEST_TIMEOUT)),
            redirect=False,
            preload_content=False,
        )
        try:
            answer = _read(response, deadline)
        except BaseException:
            response.close()  # a half-read connection must not go back to the pool
            raise
        response.release_conn()
        outcome = judge_status(
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
            return replace(outcome, failures=self._failures_in(outcome.answer))
        except ValueError:
            return judge_fault(NetworkFault.MALFORMED_ANSWER)


def _secured(base_url: str) -> dict[str, ssl.SSLContext]:
    """Return one TLS context for all connections: each would load the system's certificates anew for one of its own."""
    if not base_url.startswith("https:"):
        return {}
    context = create_urllib3_context()
    context.load_default_certs()
    return {"ssl_context": context}


def _listed(connection_class: type[Any], connections: "WeakSet[HTTPConnection]") -> type[Any]:
    """Return the class with one thing added: each connection that is made is put on this list.

    The pool hands a connection out only when the head of the answer is in, which may be what never happens.
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
    headers = {
        "Accept": "application/json",
        "Authorization": f"Bearer {call.credential}",
        "Correlation-Id": call.work,
        "Idempotency-Key": call.idempotency_key(body),
        "User-Agent": "mparticle-firehose",
    }
    return headers if body is None else {**headers, "Content-Type": "application/json"}


def _read(response: urllib3.BaseHTTPResponse, deadline: Deadline) -> bytes:
    """Read the whole answer, however slowly it drips, but no longer than the deadline and no more than the limit."""
    answer = bytearray()
    while chunk := response.read1(_CHUNK_BYTES):
        answer += chunk
        if len(answer) > MAX_ANSWER_BYTES:
            raise _OversizedAnswerError
        if deadline.remaining() <= 0:
            raise exceptions.TimeoutError
    return bytes(answer)


def _json_object(answer: bytes) -> Mapping[str, object]:
    """Return the answer if it is a JSON object; the policy needs no body to judge, so anything else is no object."""
    try:
        parsed = json.loads(answer)
    except (ValueError, RecursionError):
        return {}
    return cast("Mapping[str, object]", parsed) if isinstance(parsed, dict) else {}
