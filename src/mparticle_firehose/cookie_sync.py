"""The configuration of a partner's side of mParticle's cookie sync, and the check of redirect URLs.

mParticle's web SDK loads the partner's URL as an image. In its query is a percent-encoded URL of mParticle's: the
partner puts its own id of the user into that URL and redirects the browser there. See ``createCookieSyncUrl`` in
mParticle's ``mparticle-web-sdk``. Requests are answered by `mparticle_firehose.endpoint.cookie_sync`.
"""

import re
import secrets
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, NamedTuple
from urllib.parse import parse_qsl

from mparticle_firehose.errors import ConfigurationError

COOKIE_SYNC_HOST = "cookiesync.mparticle.com"
"""The host at which mParticle receives the partner's id."""

OPT_OUT = "opt-out"
"""The value of the partner's cookie, in upper or lower case, if the user has opted out on the partner's site."""

MAX_ID_LENGTH = 256
MAX_REDIRECT_LENGTH = 2_048
MAX_COOKIE_DAYS = 400
"""Browsers delete a cookie after this time; see RFC 6265bis."""

_NAME = re.compile(r"[A-Za-z0-9_.~-]+")
_NAME_RULE = "must consist of ASCII letters, digits and _.~-"
_HOST = re.compile(r"(?!-)[a-z0-9-]{1,63}(?:\.(?!-)[a-z0-9-]{1,63})*\.[a-z][a-z0-9-]*")
_COOKIE_VALUE = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]+")
_TARGET = re.compile(
    r"(?i:https)://(?P<host>[A-Za-z0-9.-]+)(?::443)?"
    r"(?P<path>/[A-Za-z0-9._~!$&'()*+,;=:@/%-]*)?"
    r"(?:\?(?P<query>[\x21\x22\x24-\x5b\x5d-\x7e]*))?",
    re.ASCII,
)
"""The URLs that are accepted. It is a pattern because parsers disagree: browsers and `urllib` read user information,
backslashes, fragments and characters that a parser strips in different ways. The pattern accepts none of these."""


class OptOutSignal(StrEnum):
    """A header or a query parameter that can forbid passing on the user's id, besides the cookie's value `OPT_OUT`.

    Each counts in any spelling: a value that is not understood forbids it.
    """

    GLOBAL_PRIVACY_CONTROL = "Sec-GPC"
    DO_NOT_TRACK = "DNT"
    US_PRIVACY = "us_privacy"
    GDPR = "gdpr"
    GPP = "gpp"


class SyncError(StrEnum):
    """Why the browser is redirected to mParticle without an id."""

    OPTED_OUT = "opted_out"
    """The user has opted out: in the browser, on the customer's site (``us_privacy``) or on the partner's."""
    NO_CONSENT = "no_consent"
    """GDPR or a section of the Global Privacy Platform applies, and the partner accepts no consent that came along."""


class Target(NamedTuple):
    """The parts of a URL to which browsers may be redirected. They can be joined again without escaping."""

    host: str
    path: str
    query: str


def redirect_target(url: str, allowed_hosts: Collection[str]) -> Target | None:
    """Return the parts of the URL; None unless it has HTTPS, port 443 and an allowed host."""
    match = _TARGET.fullmatch(url) if len(url) <= MAX_REDIRECT_LENGTH else None
    if match is None or match["host"].lower() not in allowed_hosts:
        return None
    return Target(match["host"].lower(), match["path"] or "/", match["query"] or "")


def _new_id() -> str:
    """Return 128 random bits as 22 characters."""
    return secrets.token_urlsafe(16)


def _no_consent(_: str) -> bool:
    """Accept no consent string: only a partner that knows its vendor id and purposes can find its own consent in it."""
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class CookieSync:
    r"""The partner's side of the cookie sync.

    Attributes:
        cookie_name: name of the cookie with the partner's id of the user.
        cookie_domain: None for the endpoint's own host, or a parent domain to share the cookie with its other hosts.
        cookie_days: lifetime of the cookie after a sync; 1 to 400.
        id_pattern: regular expression that matches a whole id. A cookie that does not match is replaced, so that no
            value that others have set is passed on.
        new_id: returns an id for a user without one; it must match `id_pattern`.
        redirect_parameter: the query parameter with mParticle's redirect URL.
        macro: the placeholder that is replaced by the id in the values of the redirect URL's query.
        id_parameter: the query parameter that gets the id if the redirect URL has no macro. In the query of the request
            itself it is ignored.
        allowed_hosts: the only hosts that browsers are redirected to: exact names, no wildcards.
        default_redirect: the redirect URL if mParticle sends none; None to respond with 400.
        answer: ``redirect`` to mParticle; or ``no_content`` (204), with which mParticle does not learn the id.
        error_parameter: the query parameter for a `SyncError` in a redirect without an id; None to respond with 204
            instead, because mParticle might store an empty id.
        days_between_syncs: the days after which mParticle syncs a user again; for mParticle's questionnaire.
        opt_out_signals: the signals to respect, besides the cookie's value `OPT_OUT`.
        accepts_consent: whether the TCF consent string that comes with ``gdpr=1`` permits the sync. By default none
            does.
        accepts_gpp: the same of the string in ``gpp``, of the IAB's Global Privacy Platform.

    Raises:
        ConfigurationError: a field is not valid; the message names all such fields.
    """

    cookie_name: str
    cookie_domain: str | None = None
    cookie_days: int = 390
    id_pattern: str = r"[A-Za-z0-9_-]{22}"
    new_id: Callable[[], str] = _new_id
    redirect_parameter: str = "redirect"
    macro: str = "${PARTNER_ID}"
    id_parameter: str = "ID"
    allowed_hosts: tuple[str, ...] = (COOKIE_SYNC_HOST,)
    default_redirect: str | None = None
    answer: Literal["redirect", "no_content"] = "redirect"
    error_parameter: str | None = None
    days_between_syncs: int = 14
    opt_out_signals: frozenset[OptOutSignal] = frozenset(OptOutSignal)
    accepts_consent: Callable[[str], bool] = _no_consent
    accepts_gpp: Callable[[str], bool] = _no_consent

    def __post_init__(self) -> None:
        problems = [*_cookie(self), *_id(self), *_parameters(self), *_redirects(self)]
        if problems:
            raise ConfigurationError("; ".join(problems))

    def is_id(self, value: str) -> bool:
        """Return whether a cookie's value is an id of the partner's, in characters that a cookie may have."""
        return (
            0 < len(value) <= MAX_ID_LENGTH
            and _COOKIE_VALUE.fullmatch(value) is not None
            and re.fullmatch(self.id_pattern, value) is not None
        )


type Problems = Iterator[str]


def _cookie(sync: CookieSync) -> Problems:
    if not _NAME.fullmatch(sync.cookie_name):
        yield f"cookie_name: {_NAME_RULE}"
    if sync.cookie_domain is not None and not _HOST.fullmatch(sync.cookie_domain):
        yield "cookie_domain: must be a domain in lower case without a leading dot, or None"
    if sync.cookie_domain is not None and sync.cookie_name.lower().startswith("__host-"):
        yield "cookie_domain: must be None for a cookie whose name starts with __Host-"
    if not 1 <= sync.cookie_days <= MAX_COOKIE_DAYS:
        yield f"cookie_days: must be 1 to {MAX_COOKIE_DAYS}"
    if not 1 <= sync.days_between_syncs <= sync.cookie_days:
        yield "days_between_syncs: must be at least 1 and at most cookie_days"


def _id(sync: CookieSync) -> Problems:
    try:
        re.compile(sync.id_pattern)
    except re.PatternError:
        yield "id_pattern: must be a regular expression"
        return
    if sync.is_id(OPT_OUT):
        yield f"id_pattern: must not match {OPT_OUT!r}"
    if not sync.is_id(sync.new_id()):
        yield f"new_id: must return 1 to {MAX_ID_LENGTH} characters that a cookie may have and id_pattern matches"


def _parameters(sync: CookieSync) -> Problems:
    names = {
        "redirect_parameter": sync.redirect_parameter,
        "id_parameter": sync.id_parameter,
        "error_parameter": sync.error_parameter,
    }
    yield from (f"{field}: {_NAME_RULE}" for field, name in names.items() if not _is_name(name))
    if (sync.error_parameter or "").lower() == sync.id_parameter.lower():
        yield "error_parameter: must not be the id_parameter"
    # A macro that is changed when a query is parsed would not be found.
    if not sync.macro or parse_qsl(f"macro={sync.macro}") != [("macro", sync.macro)] or not _in_query(sync.macro):
        yield "macro: must not be blank or have a character with a meaning in a query"


def _is_name(name: str | None) -> bool:
    return name is None or _NAME.fullmatch(name) is not None


def _in_query(text: str) -> bool:
    return redirect_target(f"https://{COOKIE_SYNC_HOST}/?macro={text}", (COOKIE_SYNC_HOST,)) is not None


def _redirects(sync: CookieSync) -> Problems:
    if sync.answer not in ("redirect", "no_content"):
        yield "answer: must be redirect or no_content"
    if not sync.allowed_hosts or not all(_HOST.fullmatch(host) for host in sync.allowed_hosts):
        yield "allowed_hosts: must be exact host names in lower case, without port or wildcard"
    if sync.default_redirect is not None and redirect_target(sync.default_redirect, sync.allowed_hosts) is None:
        yield f"default_redirect: must be an https URL of an allowed host, at most {MAX_REDIRECT_LENGTH} characters"
