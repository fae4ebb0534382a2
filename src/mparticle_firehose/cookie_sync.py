"""What a partner decides about its side of mParticle's cookie sync, and where a browser may be sent.

mParticle's web SDK loads the partner's URL as an image and appends, percent-encoded, the URL that the browser is to be
sent back to, in which the partner puts its own id of the user; see ``createCookieSyncUrl`` in mParticle's
``mparticle-web-sdk``. Nothing here reads a request.
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
"""Where mParticle takes the partner's id."""

OPT_OUT = "opt-out"
"""The value of the partner's cookie, in any case of letters, in a browser whose user has opted out at the partner."""

LONGEST_ID = 256
LONGEST_REDIRECT = 2_048
LONGEST_COOKIE_DAYS = 400
"""Browsers keep no cookie longer; see RFC 6265bis."""

_NAME = re.compile(r"[A-Za-z0-9_.~-]+")
_NAME_RULE = "must be of ASCII letters, digits and _.~-"
_HOST = re.compile(r"(?!-)[a-z0-9-]{1,63}(?:\.(?!-)[a-z0-9-]{1,63})*\.[a-z][a-z0-9-]*")
_COOKIE_VALUE = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]+")
_TARGET = re.compile(
    r"(?i:https)://(?P<host>[A-Za-z0-9.-]+)(?::443)?"
    r"(?P<path>/[A-Za-z0-9._~!$&'()*+,;=:@/%-]*)?"
    r"(?:\?(?P<query>[\x21\x22\x24-\x5b\x5d-\x7e]*))?",
    re.ASCII,
)
"""A grammar instead of a parser: what it does not describe, such as user information, a backslash, a character that a
parser would strip, or a fragment, is no target. Browsers and `urllib` disagree about all of these."""


class OptOutSignal(StrEnum):
    """How a browser or a site says that this user's id must not be passed on, beside the partner's own `OPT_OUT`."""

    GLOBAL_PRIVACY_CONTROL = "Sec-GPC"
    DO_NOT_TRACK = "DNT"
    US_PRIVACY = "us_privacy"
    GDPR = "gdpr"


class SyncError(StrEnum):
    """Why the browser comes back to mParticle without an id."""

    OPTED_OUT = "opted_out"
    """The user objects: by the browser's settings, by the site's ``us_privacy``, or at the partner."""
    NO_CONSENT = "no_consent"
    """The site says that GDPR applies, and not that the user agrees."""


class Target(NamedTuple):
    """Where a browser may be sent, in parts that are safe to put together again."""

    host: str
    path: str
    query: str


def redirect_target(url: str, allowed_hosts: Collection[str]) -> Target | None:
    """Return the parts of a URL that a browser may be sent to: HTTPS, on its own port, and an allowed host."""
    match = _TARGET.fullmatch(url) if len(url) <= LONGEST_REDIRECT else None
    if match is None or match["host"].lower() not in allowed_hosts:
        return None
    return Target(match["host"].lower(), match["path"] or "/", match["query"] or "")


def _new_id() -> str:
    """Return 128 random bits as 22 characters."""
    return secrets.token_urlsafe(16)


def _no_consent(_: str) -> bool:
    """Take no consent string for consent: what it says of a partner, only the partner's own vendor id tells."""
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class CookieSync:
    r"""The partner's side of the cookie sync.

    Attributes:
        cookie_name: of the cookie that holds the partner's id of the user.
        cookie_domain: None for the endpoint's own host; or a domain above it, to share the cookie.
        cookie_days: how long the browser keeps the cookie after a sync; 1 to 400.
        id_pattern: regular expression that an id must match as a whole. A cookie that does not is replaced: nothing
            that somebody else put there is passed on.
        new_id: returns the id of a user without one; must match `id_pattern`.
        redirect_parameter: the query parameter in which mParticle sends the URL to come back to.
        macro: what is replaced by the id, in the values of that URL's query.
        id_parameter: the query parameter that takes the id if the URL has no macro; never taken from beside the URL.
        allowed_hosts: the only hosts that a browser is sent to; exact names, no wildcards.
        default_redirect: the URL to come back to if mParticle sends none; None to answer 400.
        answer: ``redirect`` back to mParticle, or ``no_content`` (204), which tells mParticle nothing.
        error_parameter: the query parameter that takes a `SyncError` when the browser goes back without an id; None
            to answer 204 in that case, since mParticle might keep an empty id.
        days_between_syncs: how often mParticle is asked to sync each user.
        opt_out_signals: what is respected beside the cookie's value `OPT_OUT`.
        accepts_consent: reads the TCF consent string that comes with ``gdpr=1``. The default accepts none.

    Raises:
        ConfigurationError: naming every field that is wrong.
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

    def __post_init__(self) -> None:
        problems = [*_cookie(self), *_id(self), *_parameters(self), *_redirects(self)]
        if problems:
            raise ConfigurationError("; ".join(problems))

    def is_id(self, value: str) -> bool:
        """Return whether a cookie's value is one of the partner's ids, and fit to be sent as a cookie again."""
        return (
            0 < len(value) <= LONGEST_ID
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
    if not 1 <= sync.cookie_days <= LONGEST_COOKIE_DAYS:
        yield f"cookie_days: must be 1 to {LONGEST_COOKIE_DAYS}"
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
        yield f"new_id: must return what id_pattern matches: 1 to {LONGEST_ID} characters that a cookie may hold"


def _parameters(sync: CookieSync) -> Problems:
    names = {
        "redirect_parameter": sync.redirect_parameter,
        "id_parameter": sync.id_parameter,
        "error_parameter": sync.error_parameter,
    }
    yield from (f"{field}: {_NAME_RULE}" for field, name in names.items() if not _is_name(name))
    if (sync.error_parameter or "").lower() == sync.id_parameter.lower():
        yield "error_parameter: must not be the id_parameter"
    # A macro that a query's parser would change could never be found again.
    if not sync.macro or parse_qsl(f"macro={sync.macro}") != [("macro", sync.macro)] or not _in_query(sync.macro):
        yield "macro: must not be blank, nor hold a character that has a meaning in a query"


def _is_name(name: str | None) -> bool:
    return name is None or _NAME.fullmatch(name) is not None


def _in_query(text: str) -> bool:
    return redirect_target(f"https://{COOKIE_SYNC_HOST}/?macro={text}", (COOKIE_SYNC_HOST,)) is not None


def _redirects(sync: CookieSync) -> Problems:
    if sync.answer not in ("redirect", "no_content"):
        yield "answer: must be redirect or no_content"
    if not sync.allowed_hosts or not all(_HOST.fullmatch(host) for host in sync.allowed_hosts):
        yield "allowed_hosts: must be exact names of hosts in lower case, without port or wildcard"
    if sync.default_redirect is not None and redirect_target(sync.default_redirect, sync.allowed_hosts) is None:
        yield f"default_redirect: must be an https URL of an allowed host, at most {LONGEST_REDIRECT} characters"
