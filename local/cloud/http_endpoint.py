"""The HTTPS endpoint in the local cloud: where the emulator serves it, and the token that opens it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import urlsplit

import urllib3

TOKEN = "local-token-of-this-machine"  # noqa: S105  it opens nothing but an emulator that listens on this machine
_ANSWER_SECONDS = 30
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class HttpResponse:
    """What the endpoint answered.

    Attributes:
        status: of HTTP.
        headers: by name, found in any case.
        body: may be empty.
        milliseconds: from request to answer, as the caller saw it.
    """

    status: int
    headers: urllib3.HTTPHeaderDict
    body: bytes
    milliseconds: float


def local_url(announced: str, emulator: str) -> str:
    """Return where the emulator serves an endpoint.

    It tells endpoints apart by host names, as AWS does, but also serves them below a path, which needs no name to be
    resolved.

    Args:
        announced: the URL in the stack's output, of an HTTP API or of a function URL.
        emulator: the URL of every service.
    """
    identity, service, *_ = str(urlsplit(announced).hostname).split(".")
    return f"{emulator}/_aws/{service}/{identity}"


def ask(method: str, url: str, body: bytes = b"", headers: Mapping[str, str] = _NO_HEADERS) -> HttpResponse:
    """Send one request and return the answer, whatever its status; a redirect is not followed."""
    started = time.perf_counter()
    with urllib3.PoolManager(retries=False, timeout=_ANSWER_SECONDS) as pool:
        answer = pool.request(method, url, body=body, headers=dict(headers), redirect=False)
    return HttpResponse(answer.status, answer.headers, answer.data, (time.perf_counter() - started) * 1000)
