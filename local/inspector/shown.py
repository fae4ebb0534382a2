"""Cuts and masks what is shown: large JSON to a size that a browser can show, and the credentials of calls."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import unquote_plus

MAX_BYTES = 100_000
"""Of a value that is shown whole."""

_MAX_ELEMENTS = 20
_MAX_TEXT_LENGTH = 500
_MAX_DEPTH = 12
_CREDENTIALS = frozenset(
    {
        "access_token", "api_key", "api_secret", "apikey", "assertion", "auth_token", "client_assertion",
        "client_secret", "id_token", "password", "refresh_token",
    }
)  # fmt: skip
"""Fields that hold a credential: those of OAuth, and the usual ones of APIs that want it in a body or a query."""

_OPEN_HEADERS = frozenset({"content-type", "correlation-id", "host", "idempotency-key", "user-agent"})


def shown(value: object) -> object:
    """Return a JSON value to show: one that is too large has short lists and texts, which say what is left out."""
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if _size(value) <= MAX_BYTES:
        return value
    cut = _cut(value, _MAX_DEPTH)
    return cut if _size(cut) <= MAX_BYTES else f"(too large to be shown: {_size(value):,} bytes)"


def parsed(text: str | None) -> object:
    """Return the JSON of a text, or the text itself if it is none."""
    if not text:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def masked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers with the values only of those that never hold a credential."""
    return {name: value if name.lower() in _OPEN_HEADERS else _length(value) for name, value in headers.items()}


def masked_body(body: object) -> object:
    """Return the body of a call or of its answer, with the lengths of credentials among its fields."""
    if not isinstance(body, Mapping):
        return body
    return {
        name: _length(value) if isinstance(value, str) and str(name).lower() in _CREDENTIALS else value
        for name, value in body.items()
    }


def masked_path(path: str) -> str:
    """Return a path with the lengths of credentials in its query."""
    place, mark, query = path.partition("?")
    return place + mark + "&".join(map(_masked_pair, query.split("&")))


def _masked_pair(pair: str) -> str:
    name, equals, value = pair.partition("=")
    return f"{name}={_length(unquote_plus(value))}" if equals and name.lower() in _CREDENTIALS else pair


def moment(seconds: float) -> str:
    """Return a time, in seconds since the epoch, in ISO 8601 with milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def _length(value: str) -> str:
    return f"({len(value)} characters)"


def _size(value: object) -> int:
    return len(json.dumps(value, default=repr))


def _cut(value: object, depth: int) -> object:
    if isinstance(value, str) and len(value) > _MAX_TEXT_LENGTH:
        return f"{value[:_MAX_TEXT_LENGTH]}… ({len(value) - _MAX_TEXT_LENGTH:,} more characters)"
    if not isinstance(value, dict | list):
        return value
    if depth == 0:
        return "(nested too deep to be shown)"
    more = len(value) - _MAX_ELEMENTS
    if isinstance(value, list):
        kept = [_cut(each, depth - 1) for each in value[:_MAX_ELEMENTS]]
        return [*kept, f"({more:,} more)"] if more > 0 else kept
    members = {name: _cut(each, depth - 1) for name, each in list(value.items())[:_MAX_ELEMENTS]}
    return {**members, "…": f"({more:,} more)"} if more > 0 else members
