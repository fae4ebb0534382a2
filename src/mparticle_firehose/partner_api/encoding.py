"""A partner call as what HTTP sends: method, target, headers and bytes."""

import gzip
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from unicodedata import normalize
from urllib.parse import quote, unquote, urlencode

from mparticle_firehose.integration import Basic, Bearer, DeploymentSecret, Form, Header, PartnerCall, Query, Secret
from mparticle_firehose.integration.auth import basic_credentials
from mparticle_firehose.integration.calls import Reveal
from mparticle_firehose.partner_api.deployment_secrets import SecretUnavailableError
from mparticle_firehose.services import BODY_NOT_JSON

_DEFAULT_HEADERS = MappingProxyType({"Accept": "application/json", "User-Agent": "mparticle-firehose"})
_GZIP_LEVEL = 6
_SEPARATORS = re.compile(r"[/\\]")
_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f]")

PATH_SEGMENT = "path_segment"
"""The reason of a Rejected for a path of which a segment is empty, ``.`` or ``..``, or has a control character."""


class UnsendableError(Exception):
    """The call has a value that HTTP or JSON cannot carry. It never will.

    Attributes:
        reason: a short name, without values.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class EncodedRequest:
    """What is written to a connection.

    Attributes:
        method: of HTTP.
        target: path below the site's base URL, with its query. Never shown.
        headers: never shown.
        body: never shown.
    """

    method: str
    target: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Label:
    """What tells a call from others.

    Attributes:
        identity: what makes two equal calls the same call. The Idempotency-Key is made from it and the call.
        correlation_id: the requests that the call is part of.
    """

    identity: str
    correlation_id: str


def encode(
    call: PartnerCall,
    reveal: Reveal,
    label: Label | None = None,
    shared: Mapping[str, Secret] = MappingProxyType({}),
) -> EncodedRequest:
    """Return the request of a call.

    Args:
        call: its auth is one that is sent as it is, so not OAuth2.
        reveal: returns the text of a secret.
        label: becomes headers. A GET changes nothing and gets no key: a repetition must be answered anew.
        shared: headers that the call has unless it has its own of that name.

    Raises:
        UnsendableError: a value cannot be sent: ``body_not_json``, ``body_not_utf8``, ``query_not_utf8`` or
            ``header_not_ascii``; or ``path_segment``, if a value in the path is empty or leads to another resource.
        SecretUnavailableError: it needs a deployment secret that is not known, or that no header can carry.
    """
    _check_path(call.path)
    body = _body(call, reveal)
    headers = _headers(call, reveal, shared)
    if label:
        headers["Correlation-Id"] = _header_text(label.correlation_id, reveal)
        if call.method != "GET":
            headers["Idempotency-Key"] = _idempotency_key(label.identity, call, body)
    if body is not None and call.gzip:
        body = gzip.compress(body, _GZIP_LEVEL, mtime=0)
    return EncodedRequest(call.method, _target(call, reveal), headers, body)


def _check_path(path: str) -> None:
    """Check that no value in a path leaves its segment, whether the partner's servers decode it never, once or twice.

    A segment may end in a parameter: Tomcat reads ``..;a=b`` as ``..``. Some servers cut blanks off, or read another
    form of a character as the character.
    """
    decoded = unquote(unquote(path))
    steps = (segment.partition(";")[0].strip() for segment in _SEPARATORS.split(normalize("NFKC", decoded)))
    has_gap = "" in path.split("/")[1:-1]
    if has_gap or _CONTROL_CHARACTERS.search(decoded) or any(step in {".", ".."} for step in steps):
        raise UnsendableError(PATH_SEGMENT)


def _idempotency_key(identity: str, call: PartnerCall, body: bytes | None) -> str:
    """Return a key that is the same whenever this call is repeated, by whichever environment and however late."""
    query = "&".join(f"{name}={value}" for name, value in call.query.items() if isinstance(value, str))
    head = "\n".join((identity, call.method, call.path, query, "")).encode("utf-8", "surrogatepass")
    return hashlib.sha256(head + (body or b"")).hexdigest()


def _body(call: PartnerCall, reveal: Reveal) -> bytes | None:
    if call.body is None:
        return None
    try:
        return call.body.encoded(reveal)
    except (ValueError, TypeError, RecursionError):
        reason = "body_not_utf8" if isinstance(call.body, Form) else BODY_NOT_JSON
        raise UnsendableError(reason) from None  # the error's own text may quote a value


def _target(call: PartnerCall, reveal: Reveal) -> str:
    parameters = {name: reveal(value) for name, value in call.query.items()}
    if isinstance(call.auth, Query):
        parameters[call.auth.name] = reveal(call.auth.value)
    if not parameters:
        return call.path
    try:
        return f"{call.path}?{urlencode(parameters, quote_via=quote, safe='')}"
    except UnicodeEncodeError:
        raise UnsendableError("query_not_utf8") from None


def _headers(call: PartnerCall, reveal: Reveal, shared: Mapping[str, Secret]) -> dict[str, str]:
    """Return the headers. The call's own replace the defaults, and the credential replaces any other of its name."""
    headers = dict(_DEFAULT_HEADERS)
    if call.body is not None:
        headers["Content-Type"] = _header_text(call.body.content_type, reveal)
        if call.gzip:
            headers["Content-Encoding"] = "gzip"
    given = [(name, _header_text(value, reveal)) for name, value in (*shared.items(), *call.headers.items())]
    for name, value in (*given, *_credential(call, reveal)):
        _set(headers, name, value)
    return headers


def _set(headers: dict[str, str], name: str, value: str) -> None:
    """Replace a header, in whatever case it is written."""
    for other in [each for each in headers if each.lower() == name.lower()]:
        del headers[other]
    headers[name] = value


def _credential(call: PartnerCall, reveal: Reveal) -> list[tuple[str, str]]:
    match call.auth:
        case Bearer(token):
            return [("Authorization", f"Bearer {_header_text(token, reveal)}")]
        case Basic(username, password):
            return [("Authorization", f"Basic {_basic(username, password, reveal)}")]
        case Header(name, value, prefix):
            return [(name, f"{_header_text(prefix, reveal)}{_header_text(value, reveal)}")]
        case _:
            return []


def _basic(username: Secret, password: Secret, reveal: Reveal) -> str:
    try:
        return basic_credentials(reveal(username), reveal(password))
    except UnicodeEncodeError:
        raise UnsendableError("header_not_ascii") from None


def _header_text(value: Secret, reveal: Reveal) -> str:
    """Return a header's value, once it is sure that it cannot end the header or change its meaning."""
    text = reveal(value)
    if text.isascii() and text.isprintable():
        return text
    if isinstance(value, DeploymentSecret):
        raise SecretUnavailableError(value.name, "has characters that no header can carry")
    raise UnsendableError("header_not_ascii")
