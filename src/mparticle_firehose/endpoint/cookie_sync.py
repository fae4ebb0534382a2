"""``GET /cookie-sync``: sends the id in the partner's cookie to mParticle, by redirecting the user's browser.

Nothing in the request is trusted. Browsers are redirected to allowed hosts only, and the URL is built anew: its
parameters are decoded and encoded again.
"""

import re
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, urlencode

from mparticle_firehose.cookie_sync import (
    OPT_OUT,
    CookieSync,
    OptOutSignal,
    SyncError,
    Target,
    redirect_target,
)
from mparticle_firehose.endpoint.errors import RefusedRequestError
from mparticle_firehose.endpoint.http_event import HttpRequest, HttpResponse

MAX_LOCATION_LENGTH = 8_192
MAX_QUERY_LENGTH = 16_384
"""Characters, still percent-encoded. Anyone can send a query, and reading it costs processor time."""

_MAX_PARAMETERS = 100
_SECONDS_PER_DAY = 86_400
_NO_STORE = {"Cache-Control": "no-store"}
_REQUEST_QUERY = re.compile(r"[\x21-\x7e]*")
_TCF_STRING = re.compile(r"[A-Za-z0-9_.-]+")
_GPP_STRING = re.compile(r"[A-Za-z0-9_.~-]+")
_OFF = frozenset({"0", "false"})
"""What a signal says if it does not apply. Any other value counts as one that does: a macro that nobody replaced, an
empty value, or a spelling of "yes" that is not known here."""

_NO_PREFERENCE = _OFF | {"", "null", "unspecified"}
"""The same of a header: browsers leave it out, or say what their own interface calls no preference."""

_NO_GPP_SECTION = "-1"
_SALE_ALLOWED = re.compile(r"1[YN-][N-][YN-]", re.IGNORECASE)
"""A US privacy string, such as ``1YNN``, whose third character is not the opt-out of the sale of personal data."""

type Parameters = list[tuple[str, str]]


class _Redirect(NamedTuple):
    """A redirect to mParticle.

    Attributes:
        target: the URL without its query.
        own: the parameters of the URL's query.
        added: the parameters of the request's query, which mParticle may send beside the URL.
    """

    target: Target
    own: Parameters
    added: Parameters


def sync(request: HttpRequest, declaration: CookieSync) -> HttpResponse:
    """Respond to a browser that has loaded mParticle's pixel.

    The partner's id is read from the cookie, or a new one is made. The cookie is set again, so that its lifetime starts
    anew. If the user has opted out or not consented, the id is not passed on and no cookie is set.

    Raises:
        RefusedRequestError: 400, the query or the redirect URL in it is not valid.
    """
    parameters = _parsed(request.query)
    redirect = _redirect(parameters, declaration) if declaration.answer == "redirect" else None
    signals = _signals([*redirect.own, *parameters] if redirect else parameters)
    if error := _objection(request, signals, declaration):
        return _without_id(redirect, error, declaration)
    return _with_id(redirect, _partner_id(request, declaration), declaration)


def _with_id(redirect: _Redirect | None, partner_id: str, declaration: CookieSync) -> HttpResponse:
    cookies = (_set_cookie(partner_id, declaration),)
    if redirect is None:
        return HttpResponse(status=204, headers=_NO_STORE, cookies=cookies)
    query = _id_inserted(_own(redirect, declaration), _added(redirect, declaration), partner_id, declaration)
    return HttpResponse(
        status=302, headers=_NO_STORE | {"Location": _location(redirect.target, query)}, cookies=cookies
    )


def _without_id(redirect: _Redirect | None, error: SyncError, declaration: CookieSync) -> HttpResponse:
    if redirect is None or declaration.error_parameter is None:
        return HttpResponse(status=204, headers=_NO_STORE)
    parameters = [*_own(redirect, declaration), *_added(redirect, declaration)]
    query = [*_id_removed(parameters, declaration), (declaration.error_parameter, error)]
    return HttpResponse(status=302, headers=_NO_STORE | {"Location": _location(redirect.target, query)})


def _parsed(query: str) -> Parameters:
    """Return the parameters of a query. Bytes that are not UTF-8 are kept when the query is built again.

    ``&amp;`` is read as an ampersand, because the pixel's URL is escaped for HTML in mParticle's configuration.
    """
    if len(query) > MAX_QUERY_LENGTH or not _REQUEST_QUERY.fullmatch(query):
        raise _refused("query_malformed")
    try:
        return parse_qsl(
            query.replace("&amp;", "&"),
            keep_blank_values=True,
            errors="surrogateescape",
            max_num_fields=_MAX_PARAMETERS,
        )
    except ValueError:  # there are more parameters
        raise _refused("query_malformed") from None


def _redirect(parameters: Parameters, declaration: CookieSync) -> _Redirect:
    target = _target(parameters, declaration)
    return _Redirect(target, _parsed(target.query), parameters)


def _target(parameters: Parameters, declaration: CookieSync) -> Target:
    """Return the allowed redirect URL. A request with two redirect URLs is refused."""
    urls = _values(parameters, declaration.redirect_parameter) or _default(declaration)
    if not urls:
        raise _refused("redirect_missing")
    target = redirect_target(urls[0], declaration.allowed_hosts) if len(urls) == 1 else None
    if target is None:
        raise _refused("redirect_not_allowed")
    return target


def _default(declaration: CookieSync) -> list[str]:
    return [declaration.default_redirect] if declaration.default_redirect else []


def _values(parameters: Parameters, name: str) -> list[str]:
    return [value for parameter, value in parameters if parameter == name]


def _signals(parameters: Parameters) -> Parameters:
    """Return the parameters with plain names, so that an opt-out counts in any spelling of its name.

    These are lower case, with underscores, and without what makes lists of them in some languages: ``gdpr[]``.
    """
    return [(_plain(name), value.strip()) for name, value in parameters]


def _plain(name: str) -> str:
    visible = "".join(filter(str.isprintable, name.partition("[")[0]))
    return visible.strip().lower().replace("-", "_")


def _objection(request: HttpRequest, signals: Parameters, declaration: CookieSync) -> SyncError | None:
    """Return why the id must not be passed on, if so.

    If a signal has two values, one that objects is enough. A value that is not understood objects.
    """
    opted_out = {
        OptOutSignal.GLOBAL_PRIVACY_CONTROL: _is_on(request, "sec-gpc") or _has(signals, "gpc", "sec_gpc"),
        OptOutSignal.DO_NOT_TRACK: _is_on(request, "dnt") or _has(signals, "dnt"),
        OptOutSignal.US_PRIVACY: not all(map(_SALE_ALLOWED.fullmatch, _values(signals, "us_privacy"))),
    }
    if _cookie_opts_out(request, declaration) or any(opted_out.get(each) for each in declaration.opt_out_signals):
        return SyncError.OPTED_OUT
    unconsented = {OptOutSignal.GDPR: _lacks_consent, OptOutSignal.GPP: _lacks_gpp_consent}
    if any(lacks(signals, declaration) for each, lacks in unconsented.items() if each in declaration.opt_out_signals):
        return SyncError.NO_CONSENT
    return None


def _cookie_opts_out(request: HttpRequest, declaration: CookieSync) -> bool:
    return any(value.strip('"').lower() == OPT_OUT for value in _cookie_values(request, declaration))


def _is_on(request: HttpRequest, header: str) -> bool:
    values = (value.strip().lower() for value in request.headers.get(header, "").split(","))
    return not _NO_PREFERENCE.issuperset(values)


def _has(signals: Parameters, *names: str) -> bool:
    return any(value.lower() not in _OFF for name in names for value in _values(signals, name))


def _lacks_consent(signals: Parameters, declaration: CookieSync) -> bool:
    """Return whether GDPR applies without a consent. A consent string without ``gdpr`` means that it applies."""
    strings = _values(signals, "gdpr_consent")
    applies = _has(signals, "gdpr") if _values(signals, "gdpr") else any(strings)
    consents = [bool(_TCF_STRING.fullmatch(each)) and declaration.accepts_consent(each) for each in strings]
    return applies and not (consents and all(consents))


def _lacks_gpp_consent(signals: Parameters, declaration: CookieSync) -> bool:
    """Return whether a section of the Global Privacy Platform may apply without a consent.

    See "GPP: Consent Management Platform API" of IAB Tech Lab: the section id -1 says that none applies.
    """
    strings, sections = _values(signals, "gpp"), _values(signals, "gpp_sid")
    if (not strings and not sections) or {*sections} == {_NO_GPP_SECTION}:
        return False
    consents = [bool(_GPP_STRING.fullmatch(each)) and declaration.accepts_gpp(each) for each in strings]
    return not (consents and all(consents))


def _partner_id(request: HttpRequest, declaration: CookieSync) -> str:
    known = filter(declaration.is_id, _cookie_values(request, declaration))
    return next(known, None) or declaration.new_id()


def _cookie_values(request: HttpRequest, declaration: CookieSync) -> list[str]:
    pairs = (cookie.partition("=") for cookie in request.cookies)
    return [value.strip() for name, _, value in pairs if name.strip() == declaration.cookie_name]


def _set_cookie(partner_id: str, declaration: CookieSync) -> str:
    """Return a third-party cookie. `CookieSync` and its `is_id` have checked that no part has a delimiter."""
    domain = f"; Domain={declaration.cookie_domain}" if declaration.cookie_domain else ""
    seconds = declaration.cookie_days * _SECONDS_PER_DAY
    return f"{declaration.cookie_name}={partner_id}; Max-Age={seconds}{domain}; Path=/; Secure; HttpOnly; SameSite=None"


def _own(redirect: _Redirect, declaration: CookieSync) -> Parameters:
    return _without(redirect.own, declaration.error_parameter)


def _added(redirect: _Redirect, declaration: CookieSync) -> Parameters:
    """Return the request's parameters that the redirect URL does not have, without those for the id and an error."""
    present = [name for name, _ in redirect.own]
    return _without(
        redirect.added, *present, declaration.redirect_parameter, declaration.id_parameter, declaration.error_parameter
    )


def _id_inserted(own: Parameters, added: Parameters, partner_id: str, declaration: CookieSync) -> Parameters:
    """Return all parameters with the id. The redirect URL alone decides its place: anyone can add parameters."""
    if any(declaration.macro in value for _, value in own):
        return [*((name, value.replace(declaration.macro, partner_id)) for name, value in own), *added]
    return [*_without(own, declaration.id_parameter), *added, (declaration.id_parameter, partner_id)]


def _id_removed(query: Parameters, declaration: CookieSync) -> Parameters:
    without_macro = [(name, value) for name, value in query if declaration.macro not in value]
    return _without(without_macro, declaration.id_parameter)


def _without(query: Parameters, *unwanted: str | None) -> Parameters:
    """Leave out names in upper or lower case: a server that ignores case would join the values of both."""
    lowered = {name.lower() for name in unwanted if name is not None}
    return [(name, value) for name, value in query if name.lower() not in lowered]


def _location(target: Target, query: Parameters) -> str:
    encoded = urlencode(query, safe="", errors="surrogateescape", quote_via=quote)
    location = f"https://{target.host}{target.path}?{encoded}"
    if len(location) > MAX_LOCATION_LENGTH:
        raise _refused("redirect_too_long")
    return location


def _refused(code: str) -> RefusedRequestError:
    return RefusedRequestError(HTTPStatus.BAD_REQUEST, code)
