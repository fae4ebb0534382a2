"""HTTP responses: the JSON of a message, or the status and code of an error."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from mparticle_firehose.endpoint.errors import FeedSecretUnavailableError, RefusedRequestError, TokensUnavailableError
from mparticle_firehose.endpoint.http_event import HttpResponse
from mparticle_firehose.errors import (
    ConfigurationError,
    DeliveryError,
    FirehoseError,
    MalformedRequestError,
    RefusedError,
    SettingError,
    UnsupportedMessageError,
)

HEADERS: Mapping[str, str] = MappingProxyType(
    {"Content-Type": "application/json;charset=utf-8", "Cache-Control": "no-store"}
)
"""Of every response; the content type is that of mParticle's own sample server."""


@dataclass(frozen=True, slots=True)
class ErrorStatus:
    """How an error is answered over HTTP.

    Attributes:
        status: mParticle repeats 408, 429, 500, 502, 503 and 504, and nothing else.
        code: the reason in a word.
        retry_after: seconds; only for transient errors.
    """

    status: int
    code: str
    retry_after: int | None = None


ERROR_STATUSES: Mapping[type[FirehoseError], ErrorStatus] = MappingProxyType(
    {
        MalformedRequestError: ErrorStatus(400, "malformed"),
        UnsupportedMessageError: ErrorStatus(400, "unsupported_message"),
        SettingError: ErrorStatus(422, "unusable_setting"),
        RefusedError: ErrorStatus(422, "refused_by_partner"),
        DeliveryError: ErrorStatus(503, "not_delivered", retry_after=5),
        TokensUnavailableError: ErrorStatus(503, "tokens_unavailable", retry_after=10),
        FeedSecretUnavailableError: ErrorStatus(503, "feed_secret_unavailable", retry_after=10),
        ConfigurationError: ErrorStatus(503, "misconfigured", retry_after=60),
        FirehoseError: ErrorStatus(500, "unexpected"),
    }
)
"""The nearest class of an error decides. A RefusedRequestError has a status of its own."""


def json_response(status: int, body: str, headers: Mapping[str, str] = HEADERS) -> HttpResponse:
    """Return a response with this JSON text."""
    return HttpResponse(status=status, body=body, headers={**HEADERS, **headers})


def error_response(error: FirehoseError) -> HttpResponse:
    """Return the response to an error. It holds field names and rules, and no values of the request."""
    if isinstance(error, RefusedRequestError):
        return json_response(error.status, _body(error.code), error.headers)
    answered = _status_of(type(error))
    problems = error.problems if isinstance(error, MalformedRequestError) else ()
    headers = {"Retry-After": str(answered.retry_after)} if answered.retry_after else {}
    return json_response(answered.status, _body(answered.code, problems), headers)


def _status_of(kind: type[FirehoseError]) -> ErrorStatus:
    return next(ERROR_STATUSES[ancestor] for ancestor in kind.__mro__ if ancestor in ERROR_STATUSES)


def _body(code: str, problems: tuple[tuple[str, str], ...] = ()) -> str:
    error: dict[str, object] = {"code": code}
    if problems:
        error["problems"] = [{"field": path, "problem": rule} for path, rule in problems]
    return json.dumps({"error": error})
