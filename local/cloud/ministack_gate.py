"""Keeps web pages away from the emulator. Loaded by ministack_process.py, so that it imports nothing of ours.

The emulator runs functions that anybody sends to it, hands out what is in queues, and allows every origin in its
answers. It listens on the loopback interface, which each page that is open in a browser of this machine can reach: any
page could read requests there, and run programs. So what comes from a page is refused:

===========================  =========================================================================================
what                         why
===========================  =========================================================================================
an Origin header             browsers send it with whatever a script asks for; no AWS client does
a Sec-Fetch-Site header      images and links of other pages have no Origin; they may read the HTTPS endpoint as the
                             pixel of a cookie sync does, and nothing else
a Host header with a name    somebody else may point the name at 127.0.0.1 (DNS rebinding); addresses cannot be pointed
===========================  =========================================================================================
"""

import ipaddress
from collections.abc import Awaitable, Callable, Coroutine, Iterable, MutableMapping
from typing import Any

type Scope = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
type Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
type App = Callable[[Scope, Receive, Send], Coroutine[Any, Any, None]]

_NAMES = ("localhost", "host.docker.internal")
"""Names of this machine. Browsers resolve the first and all below it themselves."""

_ENDPOINTS = ("/_aws/execute-api/", "/_aws/lambda-url/")
_READING = frozenset({"GET", "HEAD"})
_TYPED = "none"


def guarded(app: App) -> App:
    """Return the application, without what web pages ask of it."""

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or not is_from_page(scope):
            await app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        else:
            await send({"type": "http.response.start", "status": 403, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})

    return guard


def is_from_page(scope: Scope) -> bool:
    """Return whether a web page may have sent a request that is not for it."""
    headers = [(name.lower(), value.decode("latin-1").strip().lower()) for name, value in scope["headers"]]
    if _values(headers, b"origin") or not all(map(_is_here, _values(headers, b"host"))):
        return True
    if set(_values(headers, b"sec-fetch-site")) <= {_TYPED}:
        return False
    return scope.get("method") not in _READING or not scope["path"].startswith(_ENDPOINTS)


def _values(headers: Iterable[tuple[bytes, str]], name: bytes) -> list[str]:
    return [value for each, value in headers if each == name]


def _is_here(host: str) -> bool:
    """Return whether a Host header has an address, or a name that is always this machine's."""
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    if name.removesuffix(".").endswith(tuple(f".{each}" for each in _NAMES)) or name in _NAMES:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
