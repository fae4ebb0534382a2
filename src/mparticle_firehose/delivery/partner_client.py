"""The pooled HTTP client: one partner call in, one outcome out, never an exception for what a partner may do."""

import json
from collections.abc import Mapping
from typing import cast

import urllib3
from urllib3 import exceptions

from mparticle_firehose.delivery.deadline import Deadline
from mparticle_firehose.delivery.outcome import Outcome
from mparticle_firehose.delivery.partner_call import PartnerCall
from mparticle_firehose.delivery.policy import NetworkFault, judge_fault, judge_status

MAX_ANSWER_BYTES = 1 << 20
"""Answers of a partner's write API are small; a larger one is a fault, not something to fill the memory with."""

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


class _OversizedAnswerError(Exception):
    """The answer is larger than MAX_ANSWER_BYTES."""


class PartnerClient:
    """Sends calls to the partner's API over pooled, verified, kept-alive connections.

    Nothing is repeated here and no redirect is followed: repeating is the queue's business, and a redirect would carry
    a customer's key to another host.
    """

    def __init__(self, base_url: str, *, connections: int = 4) -> None:
        """Prepare the pool; nothing is connected yet.

        Args:
            base_url: base of the partner's API, without a trailing slash.
            connections: how many connections to keep open.
        """
        self._base_url = base_url
        self._pool = urllib3.PoolManager(num_pools=1, maxsize=connections, block=False, retries=False)

    def send(self, call: PartnerCall, deadline: Deadline) -> Outcome:
        """Send the call and return what became of it, at the latest when the deadline has passed."""
        if deadline.remaining() <= 0:
            return judge_fault(NetworkFault.CONNECT_TIMEOUT)
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
            self._base_url + call.path,
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
        return judge_status(
            response.status,
            answer=_json_object(answer),
            retry_after=response.headers.get("Retry-After"),
            done=call.done_statuses,
        )


def _fault(error: exceptions.HTTPError) -> NetworkFault:
    if isinstance(error, exceptions.ProtocolError) and isinstance(error.args[-1], (OSError, exceptions.IncompleteRead)):
        return NetworkFault.RESET
    return next(fault for kind, fault in _FAULTS if isinstance(error, kind))


def _headers(call: PartnerCall, body: bytes | None) -> Mapping[str, str]:
    headers = {
        "Accept": "application/json",
        "Authorization": f"Bearer {call.credential}",
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
