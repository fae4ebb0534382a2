"""Calls the HTTPS endpoint, as mParticle does with its token."""

import json
import socket
import ssl
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

import urllib3

from local.cloud.http_endpoint import HttpResponse
from local.latency_limits import HTTPS_MS
from ops.stack import StackError
from ops.verify.replies import RETRIED_STATUSES, Kind, Reply, code_of

TOKEN_VARIABLE = "HTTP_TOKEN"  # noqa: S105  the name of a variable
SUCCESSES = frozenset({200, 202})
"""What mParticle takes for success."""

_CONNECT_SECONDS, _READ_SECONDS = 5, 15
_CONNECTIONS = 16
_ROUND_TRIPS = 5
_PATHS = {
    "module_registration_request": "/registration",
    "event_processing_request": "/events",
    "audience_subscription_request": "/audiences",
    "audience_membership_change_request": "/audiences",
    "dsr_processing_request": "/dsr",
}
PATHS = frozenset(path.removeprefix("/") for path in _PATHS.values())
"""The paths of messages below the base URL."""

_BY_STATUS: Mapping[int, Kind] = {
    **dict.fromkeys(SUCCESSES, Kind.ANSWERED),
    400: Kind.MALFORMED,
    401: Kind.UNAUTHORIZED,
    403: Kind.UNAUTHORIZED,
    408: Kind.NOT_NOW,
    429: Kind.NOT_NOW,
    503: Kind.NOT_NOW,
    504: Kind.SILENT,
}


class HttpsTarget:
    """An endpoint.

    Attributes:
        replies: every reply so far, with the code of its error: what was repeated, and what was not.
    """

    latency_limit_ms = HTTPS_MS

    def __init__(self, url: str, token: str, *, is_local: bool) -> None:
        """Take the base URL, and the token; without one every request goes without."""
        self.url = url.rstrip("/")
        self.token = token
        self.is_local = is_local
        self.replies: list[Reply] = []
        self._round_trip_ms: float | None = None
        self._pool = urllib3.PoolManager(
            retries=False,
            timeout=urllib3.Timeout(connect=_CONNECT_SECONDS, read=_READ_SECONDS),
            maxsize=_CONNECTIONS,
            ssl_minimum_version=ssl.TLSVersion.TLSv1_2,
        )

    def send(self, body: bytes, *, authorized: bool = True) -> Reply:
        """Send a message to the path of its type, and what has none to the base URL."""
        return self.ask("POST", path_of(body), body, token=self.token if authorized else "")

    def ask(self, method: str, path: str, body: bytes = b"", *, token: str = "") -> Reply:
        """Send a request to a path, and return what it is replied, whatever that is."""
        headers = {"Content-Type": "application/json", **({"Authorization": f"Token {token}"} if token else {})}
        started = time.perf_counter()
        try:
            response = self._pool.request(method, f"{self.url}{path}", body=body, headers=headers, redirect=False)
        except (urllib3.exceptions.ReadTimeoutError, urllib3.exceptions.ProtocolError):
            return self._kept(Reply(Kind.SILENT, milliseconds=(time.perf_counter() - started) * 1000))
        except urllib3.exceptions.HTTPError as error:
            raise StackError(f"the endpoint cannot be reached: {type(error).__name__}") from None
        milliseconds = (time.perf_counter() - started) * 1000
        return self._kept(self._read(HttpResponse(response.status, response.headers, response.data, milliseconds)))

    def tls_version(self) -> str:
        """Return the version of TLS that the endpoint agrees to, with a certificate that is valid for its name.

        Raises:
            StackError: there is no connection, or the certificate is not valid.
        """
        parts = urlsplit(self.url)
        context = ssl.create_default_context()
        try:
            with (
                socket.create_connection((str(parts.hostname), parts.port or 443), _CONNECT_SECONDS) as plain,
                context.wrap_socket(plain, server_hostname=parts.hostname) as encrypted,
            ):
                return encrypted.version() or ""
        except OSError as error:
            raise StackError(f"the endpoint cannot be reached over TLS: {type(error).__name__}") from None

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()

    def _read(self, response: HttpResponse) -> Reply:
        status = response.status
        kind = _BY_STATUS.get(status, Kind.CRASHED if status in RETRIED_STATUSES else Kind.REFUSED)
        without_network = max(response.milliseconds - self._round_trip(), 0.0)
        if kind is Kind.ANSWERED:
            return Reply(kind, response.body, response.milliseconds, status=status, function_ms=without_network)
        code = _code(response.body)
        return Reply(kind, b"", response.milliseconds, code, status, function_ms=without_network)

    def _round_trip(self) -> float:
        """Return how long the network takes there and back: the shortest of some connections."""
        if self._round_trip_ms is None:
            parts = urlsplit(self.url)
            port = parts.port or (443 if parts.scheme == "https" else 80)
            self._round_trip_ms = min(_connect_ms(str(parts.hostname), port) for _ in range(_ROUND_TRIPS))
        return self._round_trip_ms

    def _kept(self, reply: Reply) -> Reply:
        self.replies.append(reply)
        return reply


def _connect_ms(host: str, port: int) -> float:
    started = time.perf_counter()
    try:
        with socket.create_connection((host, port), _CONNECT_SECONDS):
            return (time.perf_counter() - started) * 1000
    except OSError:
        return 0.0


def path_of(body: bytes) -> str:
    """Return the path of a message by its type."""
    return _PATHS.get(str(_object(body).get("type")), "/")


def _code(body: bytes) -> str:
    error = _object(body).get("error")
    return code_of(error.get("code")) if isinstance(error, dict) else ""


def _object(body: bytes) -> dict[str, object]:
    try:
        content = json.loads(body)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}
