"""Requests that come over HTTPS, as API Gateway and function URLs hand them to the handler."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from local.inspector.shown import parsed, shown


@dataclass(frozen=True, slots=True)
class HttpExchange:
    """One request over HTTPS.

    Attributes:
        method: of HTTP.
        path: without its query.
        content: the JSON of the body. Never shown.
    """

    method: str
    path: str
    content: object

    @classmethod
    def of(cls, event: object) -> Self | None:
        """Read the handler's event; None if it is one of mParticle's requests itself."""
        context = event.get("requestContext") if isinstance(event, Mapping) else None
        http = context.get("http") if isinstance(context, Mapping) else None
        if not isinstance(http, Mapping) or not isinstance(event, Mapping):
            return None
        return cls(str(http.get("method")), str(event.get("rawPath") or http.get("path")), parsed(_body(event)))

    @property
    def line(self) -> str:
        """What was asked, in short."""
        return f"{self.method} {self.path}"

    @staticmethod
    def response(body: Any) -> tuple[int, object]:
        """Return the status and the JSON of the handler's response."""
        if not isinstance(body, Mapping):
            return 502, None
        return int(body.get("statusCode", 200)), shown(parsed(body.get("body")))


def _body(event: Mapping[str, Any]) -> str:
    body = event.get("body") or ""
    if not event.get("isBase64Encoded"):
        return str(body)
    try:
        return base64.b64decode(body).decode(errors="replace")
    except (binascii.Error, ValueError):
        return ""
