"""HTTP as Lambda has it: the event of a Function URL or an API Gateway HTTP API, and the response to it.

Both send payload format 2.0, which this reads; see "Working with AWS Lambda proxy integrations for HTTP APIs" in AWS's
documentation. Nothing here knows mParticle.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Self

from mparticle_firehose.errors import MalformedRequestError

NO_HEADERS: Mapping[str, str] = MappingProxyType({})

EVENT_FIELDS = frozenset(
    {"requestContext", "http", "method", "rawPath", "rawQueryString", "headers", "cookies", "body", "isBase64Encoded"}
)
"""The fields of an event that are read."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One HTTP request.

    Attributes:
        method: in upper case.
        path: as it was sent, still percent-encoded.
        query: what followed the question mark, still percent-encoded.
        headers: by name in lower case, without blanks around it; the values of a repeated header are joined by commas.
        cookies: each as ``name=value``.
        body: the bytes that were sent.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = NO_HEADERS
    cookies: tuple[str, ...] = ()
    body: bytes = b""

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self:
        """Read a payload of format 2.0.

        Fields may be missing or null.

        Raises:
            MalformedRequestError: a field has another type than AWS documents, or the body is said to be base64 and is
                not.
        """
        sent = _headers(event.get("headers"))
        return cls(
            method=_text(event["requestContext"]["http"], "method", "requestContext.http.method").upper(),
            path=_text(event, "rawPath") or "/",
            query=_text(event, "rawQueryString"),
            headers=sent,
            cookies=_cookies(event.get("cookies"), sent),
            body=_body(event),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """One HTTP response.

    Attributes:
        status: the status code.
        body: text, may be empty.
        headers: by name.
        cookies: values of ``Set-Cookie``.
    """

    status: int
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=lambda: NO_HEADERS)
    cookies: tuple[str, ...] = ()

    def to_event(self) -> dict[str, Any]:
        """Return the response in payload format 2.0."""
        return {
            "statusCode": self.status,
            "headers": dict(self.headers),
            "cookies": list(self.cookies),
            "body": self.body,
            "isBase64Encoded": False,
        }


def _text(fields: Mapping[str, object], name: str, path: str = "") -> str:
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise MalformedRequestError((path or name, "must be text"))
    return value


def _headers(sent: object) -> dict[str, str]:
    if sent is None:
        return {}
    if not isinstance(sent, Mapping) or not all(isinstance(value, str) for value in sent.values()):
        raise MalformedRequestError(("headers", "must be an object of texts"))
    headers: dict[str, str] = {}
    for name, value in sent.items():
        key = str(name).strip().lower()
        headers[key] = f"{headers[key]},{value}" if key in headers else value
    return headers


def _cookies(sent: object, headers: Mapping[str, str]) -> tuple[str, ...]:
    """Return the cookies. Emulators leave them in their header, as it came."""
    if sent is None or sent == []:
        return tuple(cookie.strip() for cookie in headers.get("cookie", "").split(";") if cookie.strip())
    if not isinstance(sent, list) or not all(isinstance(cookie, str) for cookie in sent):
        raise MalformedRequestError(("cookies", "must be a list of texts"))
    return tuple(sent)


def _body(event: Mapping[str, object]) -> bytes:
    text, is_base64 = _text(event, "body"), event.get("isBase64Encoded")
    if not isinstance(is_base64, bool | None):
        raise MalformedRequestError(("isBase64Encoded", "must be true or false"))
    if not is_base64:
        return text.encode("utf-8", errors="surrogatepass")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedRequestError(("body", "must be base64, as the event says")) from None
