"""The HTTPS endpoint in the local cloud: its URL, its token, and a client."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import urlsplit

import urllib3

TOKEN = "local-token-of-this-machine"  # noqa: S105  for an emulator that listens on this machine only
_TIMEOUT_SECONDS = 30
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class HttpResponse:
    """The endpoint's response.

    Attributes:
        status: the HTTP status.
        headers: by name in any case.
        body: may be empty.
        milliseconds: measured by the caller.
    """

    status: int
    headers: urllib3.HTTPHeaderDict
    body: bytes
    milliseconds: float


def local_url(output: str, emulator: str) -> str:
    """Return where the emulator serves an endpoint.

    Like AWS it has a host name for each endpoint; it also serves each below a path, so that no name must be resolved.

    Args:
        output: the URL in the stack's output, of an HTTP API or of a function URL.
        emulator: the URL of every service.
    """
    identity, service, *_ = str(urlsplit(output).hostname).split(".")
    return f"{emulator}/_aws/{service}/{identity}"


def ask(method: str, url: str, body: bytes = b"", headers: Mapping[str, str] = _NO_HEADERS) -> HttpResponse:
    """Send one request and return the response, whatever its status, without following redirects."""
    started = time.perf_counter()
    with urllib3.PoolManager(retries=False, timeout=_TIMEOUT_SECONDS) as pool:
        response = pool.request(method, url, body=body, headers=dict(headers), redirect=False)
    return HttpResponse(response.status, response.headers, response.data, (time.perf_counter() - started) * 1000)
