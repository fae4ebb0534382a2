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

        Raises:
            MalformedRequestError: the body is said to be base64 and is not.
        """
        headers = {str(name).strip().lower(): str(value) for name, value in (event.get("headers") or {}).items()}
        return cls(
            method=str(event["requestContext"]["http"].get("method", "")).upper(),
            path=str(event.get("rawPath") or "/"),
            query=str(event.get("rawQueryString") or ""),
            headers=headers,
            cookies=tuple(str(cookie) for cookie in event.get("cookies") or _cookies(headers.get("cookie", ""))),
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


def _cookies(header: str) -> list[str]:
    """Return the cookies of a header that was left as it came, as emulators leave it."""
    return [cookie.strip() for cookie in header.split(";") if cookie.strip()]


def _body(event: Mapping[str, Any]) -> bytes:
    text = event.get("body") or ""
    if not event.get("isBase64Encoded"):
        return str(text).encode("utf-8", errors="surrogatepass")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedRequestError(("body", "must be base64, as the event says")) from None
