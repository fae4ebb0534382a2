"""Whether a body may be read at all: its size, and what its headers say it is."""

from mparticle_firehose.endpoint.errors import RefusedRequestError
from mparticle_firehose.endpoint.http_event import HttpRequest

MOST_BODY_BYTES = 6 * 1024 * 1024
"""What Lambda itself takes."""

_CHARSETS = frozenset({"utf-8", "utf8"})
_ENCODINGS = frozenset({"", "identity"})


def require_readable(request: HttpRequest) -> None:
    """Let JSON in UTF-8 pass; it need not say that it is.

    Raises:
        RefusedRequestError: the body is too large (413), or of another media type, charset or coding (415).
    """
    if len(request.body) > MOST_BODY_BYTES:
        raise RefusedRequestError(413, "too_large")
    if request.headers.get("content-encoding", "").strip().lower() not in _ENCODINGS:
        raise RefusedRequestError(415, "unsupported_content_encoding", {"Accept-Encoding": "identity"})
    media_type, *parameters = (part.strip().lower() for part in request.headers.get("content-type", "").split(";"))
    if media_type not in {"", "application/json"}:
        raise RefusedRequestError(415, "unsupported_media_type", {"Accept": "application/json"})
    if not _charsets(parameters) <= _CHARSETS:
        raise RefusedRequestError(415, "unsupported_charset")


def _charsets(parameters: list[str]) -> set[str]:
    named = (parameter.partition("=") for parameter in parameters)
    return {value.strip().strip('"') for name, _, value in named if name.strip() == "charset"}
