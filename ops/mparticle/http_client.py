"""Sends requests to mParticle: over TLS, bounded in time and size, and never to where a redirect leads."""

import json
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

import urllib3
from urllib3 import exceptions

from mparticle_firehose.config import PLAINTEXT_HOSTS
from mparticle_firehose.deadline import Clock
from mparticle_firehose.integration import Answer
from ops.mparticle.errors import PlatformError, TemporaryError

CONNECT_SECONDS = 5.0
READ_SECONDS = 15.0
"""Longest wait for the next bytes. Fetching a token may take 3 seconds."""

CALL_SECONDS = 60.0
"""Longest time for a whole answer."""

MAX_ANSWER_BYTES = 16 << 20
"""The list of services holds the settings of every module of mParticle's; a larger answer is a fault."""

_CHUNK_BYTES = 1 << 16
_REDIRECTS = range(300, 400)


class HttpClient:
    """Sends a request and returns the answer, whatever its status. Nothing is repeated here."""

    def __init__(
        self,
        *,
        clock: Clock = time.monotonic,
        now: Clock = time.time,
        read_seconds: float = READ_SECONDS,
        call_seconds: float = CALL_SECONDS,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
    ) -> None:
        """Take monotonic seconds, seconds since the epoch, and the limits."""
        self._clock = clock
        self._now = now
        self._call_seconds = call_seconds
        self._max_answer_bytes = max_answer_bytes
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=read_seconds)
        self._pool = urllib3.PoolManager(retries=False, timeout=timeout)

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()

    def send(self, method: str, url: str, headers: Mapping[str, str], body: object = None) -> Answer:
        """Send a request, with a body in JSON if there is one.

        Raises:
            TemporaryError: there is no answer in time, or none at all.
            PlatformError: there is no trusted TLS connection, the answer is too large, or a redirect.
        """
        until = self._clock() + self._call_seconds
        content = None if body is None else json.dumps(body).encode()
        written = {"Content-Type": "application/json"} if content else {}
        try:
            response = self._pool.urlopen(
                method,
                url,
                body=content,
                headers={"Accept": "application/json", **written, **headers},
                redirect=False,
                preload_content=False,
            )
            answer = self._read(response, until)
        except exceptions.SSLError:
            raise PlatformError("there is no trusted TLS connection to mParticle: is a proxy in between?") from None
        except exceptions.TimeoutError:
            raise TemporaryError("mParticle has not answered in time") from None
        except exceptions.HTTPError:
            raise TemporaryError("mParticle cannot be reached: check the network") from None
        if answer.status in _REDIRECTS:
            raise PlatformError(f"mParticle answers with a redirect ({answer.status}), which is not followed")
        return answer

    def _read(self, response: urllib3.BaseHTTPResponse, until: float) -> Answer:
        try:
            content = self._content(response, until)
        except BaseException:
            response.close()  # a half-read connection must not go back to the pool
            raise
        response.release_conn()
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(status=response.status, headers=headers, body=_json(content), received_at=self._now())

    def _content(self, response: urllib3.BaseHTTPResponse, until: float) -> bytes:
        content = bytearray()
        while chunk := response.read1(_CHUNK_BYTES):
            content += chunk
            if len(content) > self._max_answer_bytes:
                raise PlatformError(f"mParticle's answer has more than {self._max_answer_bytes} bytes")
            if self._clock() > until:
                raise TemporaryError("mParticle has not answered in time")
        return bytes(content)


def checked_url(url: str) -> str:
    """Return a base URL without a trailing slash.

    Raises:
        PlatformError: it is none, or secrets would leave this machine without TLS.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        raise PlatformError("the URL of mParticle cannot be read") from None
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and host in PLAINTEXT_HOSTS)
    if not (host and is_safe):
        raise PlatformError("the URL of mParticle must start with https:// (http:// only for this machine itself)")
    if parts.query or parts.fragment or parts.username is not None:
        raise PlatformError("the URL of mParticle must have neither a query nor a credential")
    return url.rstrip("/")


def _json(content: bytes) -> object:
    try:
        parsed: object = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return parsed
