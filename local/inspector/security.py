"""Keeps everybody but the page out: other programs' pages in the same browser, and other users of this machine.

The inspector shows requests with all that is personal in them, and sends messages. It listens on the loopback interface
only, which any web page and any user of the machine can reach. So each request is checked:

=====================  ==================================================================================
check                  against
=====================  ==================================================================================
the Host header        a name that somebody else points at 127.0.0.1 (DNS rebinding)
a token in the path    other users of this machine, and pages that guess the port
the Origin header      another page that sends requests (CSRF)
the Content-Type       the same from forms, which can send no JSON
=====================  ==================================================================================
"""

import secrets
from collections.abc import Iterable
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_JSON = "application/json"
_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": _CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_TOKEN_BYTES = 32


def new_token() -> str:
    """Return a token that nobody can guess, in characters that a path may have."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


class Gatekeeper:
    """Passes on what the page asks, below the token, and answers everything else itself."""

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        """Take what is passed on to, the token, and the port that the page is served on."""
        self._app = app
        self._token = token.encode()
        self._hosts = frozenset({f"127.0.0.1:{port}", f"localhost:{port}"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request; there are no others."""
        if scope["type"] != "http":
            return
        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(self._below_token(scope), receive, _with_headers(send))
        else:
            await Response(status_code=refusal)(scope, receive, _with_headers(send))

    def _refusal(self, scope: Scope) -> HTTPStatus | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            return HTTPStatus.FORBIDDEN
        if not secrets.compare_digest(_first_segment(scope["path"]).encode(), self._token):
            return HTTPStatus.NOT_FOUND
        if any(origin != f"http://{hosts[0]}" for origin in headers.getlist("origin")):
            return HTTPStatus.FORBIDDEN
        if scope["method"] not in _SAFE_METHODS and not _is_json(headers.getlist("content-type")):
            return HTTPStatus.UNSUPPORTED_MEDIA_TYPE
        return None

    def _below_token(self, scope: Scope) -> Scope:
        """Return the request as the application sees it, mounted below the token."""
        return {**scope, "root_path": f"/{self._token.decode()}"}


def _first_segment(path: str) -> str:
    return path.removeprefix("/").partition("/")[0]


def _is_json(types: Iterable[str]) -> bool:
    return [each.partition(";")[0].strip().lower() for each in types] == [_JSON]


def _with_headers(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(raw=message["headers"]).update(_HEADERS)
        await send(message)

    return sent
