"""What goes back over HTTP: the JSON of a response, or what an error comes to."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from mparticle_firehose.endpoint.errors import RefusedRequestError, TokensUnavailableError
from mparticle_firehose.endpoint.http_event import HttpAnswer
from mparticle_firehose.errors import (
    ConfigurationError,
    DeliveryError,
    FirehoseError,
    MalformedRequestError,
    MessageTooLargeError,
    RefusedError,
    SettingError,
    UnsupportedMessageError,
)
from mparticle_firehose.protocol import field_names

HEADERS: Mapping[str, str] = MappingProxyType(
    {"Content-Type": "application/json;charset=utf-8", "Cache-Control": "no-store"}
)
"""Of every answer; the content type is that of mParticle's own sample server."""

_LONGEST_INDEX = 6
"""Digits. What is longer is no place in a list but the key of a map, and could be anybody's number."""


@dataclass(frozen=True, slots=True)
class Consequence:
    """What an error comes to over HTTP.

    Attributes:
        status: mParticle repeats 408, 429, 500, 502, 503 and 504, and nothing else.
        code: the same in a word.
        retry_after: seconds; only with what is transient.
    """

    status: int
    code: str
    retry_after: int | None = None


CONSEQUENCES: Mapping[type[FirehoseError], Consequence] = MappingProxyType(
    {
        MalformedRequestError: Consequence(400, "malformed"),
        UnsupportedMessageError: Consequence(400, "unsupported_message"),
        MessageTooLargeError: Consequence(413, "too_large"),
        SettingError: Consequence(422, "unusable_setting"),
        RefusedError: Consequence(422, "refused_by_partner"),
        DeliveryError: Consequence(503, "not_delivered", retry_after=5),
        TokensUnavailableError: Consequence(503, "tokens_unavailable", retry_after=10),
        ConfigurationError: Consequence(503, "misconfigured", retry_after=60),
        FirehoseError: Consequence(500, "unexpected"),
    }
)
"""The nearest class of an error decides. A RefusedRequestError says itself what it comes to."""


def json_answer(status: int, body: str, headers: Mapping[str, str] = HEADERS) -> HttpAnswer:
    """Return an answer with this JSON text."""
    return HttpAnswer(status=status, body=body, headers={**HEADERS, **headers})


def error_answer(error: FirehoseError) -> HttpAnswer:
    """Return what is said of an error: never a value of the request, and no more than its sender can act on."""
    if isinstance(error, RefusedRequestError):
        return json_answer(error.status, _body(error.code), error.headers)
    consequence = _consequence(type(error))
    problems = error.problems if isinstance(error, MalformedRequestError) else ()
    headers = {"Retry-After": str(consequence.retry_after)} if consequence.retry_after else {}
    return json_answer(consequence.status, _body(consequence.code, problems), headers)


def _consequence(kind: type[FirehoseError]) -> Consequence:
    return next(CONSEQUENCES[ancestor] for ancestor in kind.__mro__ if ancestor in CONSEQUENCES)


def _body(code: str, problems: tuple[tuple[str, str], ...] = ()) -> str:
    error: dict[str, object] = {"code": code}
    if problems:
        error["problems"] = [{"field": _without_keys(path), "problem": rule} for path, rule in problems]
    return json.dumps({"error": error})


def _without_keys(path: str) -> str:
    """Return the path of a field with a star for every key of a map, which is the sender's and not the protocol's."""
    return ".".join(step if _is_ours(step) else "*" for step in path.split(".")) if path else ""


def _is_ours(step: str) -> bool:
    return step in _field_names() or (step.isdecimal() and len(step) <= _LONGEST_INDEX)


@cache
def _field_names() -> frozenset[str]:
    return field_names()
