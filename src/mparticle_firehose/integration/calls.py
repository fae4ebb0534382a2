"""One call to the partner's API, as a value."""

import json
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from mparticle_firehose.errors import IntegrationError
from mparticle_firehose.integration.answers import Answer
from mparticle_firehose.integration.auth import Auth, DeploymentSecret, Secret, check_header_names
from mparticle_firehose.integration.outcomes import Delivered, Failure

type JsonValue = bool | int | float | str | DeploymentSecret | Sequence[JsonValue] | Mapping[str, JsonValue] | None
type JsonObject = Mapping[str, JsonValue]

type Reveal = Callable[[Secret], str]
"""Returns a secret's text. That of a DeploymentSecret is known to the framework only."""

_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})


def _unrevealed(secret: Secret) -> str:
    return secret if isinstance(secret, str) else f"<{secret.name}>"


@dataclass(frozen=True, slots=True)
class Json:
    """A JSON body: compact, in UTF-8.

    Attributes:
        value: any JSON value. Never shown.
        content_type: of the body, such as ``application/vnd.api+json``.
    """

    value: JsonValue = field(repr=False)
    content_type: str = "application/json"

    def encoded(self, reveal: Reveal = _unrevealed) -> bytes:
        """Return the bytes to send.

        Raises:
            ValueError: a number is infinite or none at all.
            TypeError: a value has no JSON.
        """
        return encoded_json(self.value, reveal)


@dataclass(frozen=True, slots=True)
class NdJson:
    """A body of one JSON value a line.

    Attributes:
        values: never shown.
        content_type: of the body.
    """

    values: Sequence[JsonValue] = field(repr=False)
    content_type: str = "application/x-ndjson"

    def encoded(self, reveal: Reveal = _unrevealed) -> bytes:
        """Return the bytes to send. Raises as `Json.encoded` does."""
        return b"".join(encoded_json(value, reveal) + b"\n" for value in self.values)


@dataclass(frozen=True, slots=True)
class Form:
    """A body of form fields.

    Attributes:
        fields: by name. Never shown.
    """

    fields: Mapping[str, Secret] = field(repr=False)
    content_type: str = field(default="application/x-www-form-urlencoded", init=False)

    def encoded(self, reveal: Reveal = _unrevealed) -> bytes:
        """Return the bytes to send.

        Raises:
            ValueError: a value has characters that UTF-8 cannot express.
        """
        return urlencode({name: reveal(value) for name, value in self.fields.items()}).encode()


type Body = Json | NdJson | Form


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerCall:
    """One request to the partner's API.

    Attributes:
        method: GET, POST, PUT, PATCH or DELETE.
        site: which base URL, by its name in `Integration.sites`; None is the target's.
        path: below the base URL, percent-encoded, with its leading slash and without a query. Never shown: some APIs
            name a person in it.
        query: parameters of the query. Never shown. A credential belongs into a `Query` auth.
        headers: beside those that the framework sets. Never shown.
        auth: the credential; None is the target's.
        body: never shown: it holds personal data.
        gzip: whether the body is compressed. Limits of size count it before.
        accept: statuses, beside 2xx, that the exchange reads itself. Outside an exchange they count as success.
        known: in an exchange, what earlier answers have said of items already, by index.
    """

    method: str = "POST"
    site: str | None = None
    path: str = field(repr=False)
    query: Mapping[str, Secret] = field(default_factory=dict, repr=False)
    headers: Mapping[str, Secret] = field(default_factory=dict, repr=False)
    auth: Auth | None = field(default=None, repr=False)
    body: Body | None = field(default=None, repr=False)
    gzip: bool = False
    accept: frozenset[int] = frozenset()
    known: Mapping[int, Failure | Delivered] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check what every call must keep to.

        Raises:
            IntegrationError: the message names the rule.
        """
        if self.method not in _METHODS:
            raise IntegrationError("method", f"must be one of {', '.join(sorted(_METHODS))}")
        if not self.path.startswith("/") or not self.path.isascii() or not self.path.isprintable() or " " in self.path:
            raise IntegrationError("path", "must start with a slash and be percent-encoded")
        if "?" in self.path or "#" in self.path:
            raise IntegrationError("path_without_query", "parameters belong into query, and credentials into auth")
        if self.headers:
            check_header_names(self.headers)

    def size(self) -> int:
        """Return the bytes of the body before compression. Raises as `Json.encoded` does."""
        return len(self.body.encoded()) if self.body else 0


type Exchange[T] = Generator[PartnerCall, Answer, T]
"""Calls of which a later one needs an earlier answer, as a generator: ``answer = yield call``.

It counts when it ends, and is repeated from its start. An answer that is neither 2xx nor accepted by its call ends it:
the endpoint's judge, or else the retry policy, says what becomes of the items that are not known yet. How many calls it
makes must not grow with its items.
"""


def encoded_json(value: object, reveal: Reveal = _unrevealed) -> bytes:
    """Return compact JSON in UTF-8. Half a surrogate pair, which UTF-8 cannot express, is escaped.

    Raises:
        ValueError: a number is infinite or none at all, or a value contains itself.
        TypeError: a value has no JSON.
    """

    def default(other: Any) -> JsonValue:
        if isinstance(other, DeploymentSecret):
            return reveal(other)
        if isinstance(other, Mapping):
            return dict(other)
        if isinstance(other, Sequence) and not isinstance(other, bytes | bytearray | memoryview):
            return list(other)
        raise TypeError(f"{type(other).__name__} has no JSON")

    text = json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=False, default=default)
    try:
        return text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":"), allow_nan=False, default=default).encode()
