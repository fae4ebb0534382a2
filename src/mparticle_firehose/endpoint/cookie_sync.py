"""``GET /cookie-sync``: tells mParticle, by way of the user's browser, the id that the partner's cookie holds.

What a browser sends is hostile until it has been read: a browser is sent to an allowed host only, at a URL that is
put together anew from parts that have been decoded and are encoded again.
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

LONGEST_LOCATION = 8_192
_MOST_PARAMETERS = 100
_SECONDS_A_DAY = 86_400
_NO_STORE = {"Cache-Control": "no-store"}
_REQUEST_QUERY = re.compile(r"[\x21-\x7e]*")
_TCF_STRING = re.compile(r"[A-Za-z0-9_.-]+")
_GDPR_APPLIES = {"1", "true", "yes"}
_US_SALE = slice(2, 3)
"""Where a US privacy string such as ``1YNN`` says whether the user has opted out of the sale of personal data."""

type Parameters = list[tuple[str, str]]


class _Return(NamedTuple):
    """The way back: where to, the parameters that stand in that URL, and those that came beside it."""

    target: Target
    own: Parameters
    beside: Parameters


def sync(request: HttpRequest, declaration: CookieSync) -> HttpResponse:
    """Answer a browser that mParticle's pixel has sent.

    The partner's id is read from its cookie or made; the cookie is set again, so that its lifetime starts anew. Of a
    user who objects no id is made, passed on or kept alive.

    Raises:
        RefusedRequestError: 400, the query or the redirect in it cannot be used.
    """
    parameters = _parsed(request.query)
    back = _back(parameters, declaration) if declaration.answer == "redirect" else None
    said = [*back.own, *parameters] if back else parameters
    if error := _objection(request, _signals(said), declaration):
        return _without_id(back, error, declaration)
    return _with_id(back, _partner_id(request, declaration), declaration)


def _with_id(back: _Return | None, partner_id: str, declaration: CookieSync) -> HttpResponse:
    cookies = (_set_cookie(partner_id, declaration),)
    if back is None:
        return HttpResponse(status=204, headers=_NO_STORE, cookies=cookies)
    query = _filled(_own(back, declaration), _beside(back, declaration), partner_id, declaration)
    return HttpResponse(status=302, headers=_NO_STORE | {"Location": _location(back.target, query)}, cookies=cookies)


def _without_id(back: _Return | None, error: SyncError, declaration: CookieSync) -> HttpResponse:
    if back is None or declaration.error_parameter is None:
        return HttpResponse(status=204, headers=_NO_STORE)
    echoed = [*_own(back, declaration), *_beside(back, declaration)]
    query = [*_emptied(echoed, declaration), (declaration.error_parameter, error)]
    return HttpResponse(status=302, headers=_NO_STORE | {"Location": _location(back.target, query)})


def _parsed(query: str) -> Parameters:
    """Return a query's parameters; bytes that are no UTF-8 survive being read and written again.

    An ampersand may come escaped for HTML, as the pixel's URL does in mParticle's configuration.
    """
    if not _REQUEST_QUERY.fullmatch(query):
        raise _refused("query_malformed")
    try:
        return parse_qsl(
            query.replace("&amp;", "&"),
            keep_blank_values=True,
            errors="surrogateescape",
            max_num_fields=_MOST_PARAMETERS,
        )
    except ValueError:  # too many
        raise _refused("query_malformed") from None


def _back(parameters: Parameters, declaration: CookieSync) -> _Return:
    target = _target(parameters, declaration)
    return _Return(target, _parsed(target.query), parameters)


def _target(parameters: Parameters, declaration: CookieSync) -> Target:
    """Return where the browser came to be sent; of two answers to that, neither is trusted."""
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


def _signals(said: Parameters) -> Parameters:
    """Return what was said in the redirect or beside it, with names in lower case: no spelling hides an objection."""
    return [(name.lower(), value.strip()) for name, value in said]


def _objection(request: HttpRequest, said: Parameters, declaration: CookieSync) -> SyncError | None:
    """Return why this user's id must not be passed on. Of two values of one signal the one that objects counts."""
    signals = {
        OptOutSignal.GLOBAL_PRIVACY_CONTROL: _is_on(request, "sec-gpc"),
        OptOutSignal.DO_NOT_TRACK: _is_on(request, "dnt"),
        OptOutSignal.US_PRIVACY: any(value[_US_SALE] in ("Y", "y") for value in _values(said, "us_privacy")),
    }
    if _opted_out_here(request, declaration) or declaration.opt_out_signals & _raised(signals):
        return SyncError.OPTED_OUT
    if OptOutSignal.GDPR in declaration.opt_out_signals and _lacks_consent(said, declaration):
        return SyncError.NO_CONSENT
    return None


def _opted_out_here(request: HttpRequest, declaration: CookieSync) -> bool:
    return any(value.strip('"').lower() == OPT_OUT for value in _cookie_values(request, declaration))


def _raised(signals: dict[OptOutSignal, bool]) -> set[OptOutSignal]:
    return {signal for signal, is_raised in signals.items() if is_raised}


def _is_on(request: HttpRequest, header: str) -> bool:
    return "1" in (value.strip() for value in request.headers.get(header, "").split(","))


def _lacks_consent(said: Parameters, declaration: CookieSync) -> bool:
    if not any(value.lower() in _GDPR_APPLIES for value in _values(said, "gdpr")):
        return False
    strings = _values(said, "gdpr_consent")
    return not strings or not all(_TCF_STRING.fullmatch(each) and declaration.accepts_consent(each) for each in strings)


def _partner_id(request: HttpRequest, declaration: CookieSync) -> str:
    known = filter(declaration.is_id, _cookie_values(request, declaration))
    return next(known, None) or declaration.new_id()


def _cookie_values(request: HttpRequest, declaration: CookieSync) -> list[str]:
    pairs = (cookie.partition("=") for cookie in request.cookies)
    return [value.strip() for name, _, value in pairs if name.strip() == declaration.cookie_name]


def _set_cookie(partner_id: str, declaration: CookieSync) -> str:
    """Return a cookie for use on other sites than the partner's; the declaration and `is_id` let no delimiter in."""
    domain = f"; Domain={declaration.cookie_domain}" if declaration.cookie_domain else ""
    seconds = declaration.cookie_days * _SECONDS_A_DAY
    return f"{declaration.cookie_name}={partner_id}; Max-Age={seconds}{domain}; Path=/; Secure; HttpOnly; SameSite=None"


def _own(back: _Return, declaration: CookieSync) -> Parameters:
    return _without(back.own, declaration.error_parameter)


def _beside(back: _Return, declaration: CookieSync) -> Parameters:
    """Return what came beside the target, that it has not got, and that could not be taken for the id or an error."""
    present = [name for name, _ in back.own]
    return _without(
        back.beside, *present, declaration.redirect_parameter, declaration.id_parameter, declaration.error_parameter
    )


def _filled(own: Parameters, beside: Parameters, partner_id: str, declaration: CookieSync) -> Parameters:
    """Return both with the id, whose place the target alone determines: what came beside it may be an outsider's."""
    if any(declaration.macro in value for _, value in own):
        return [*((name, value.replace(declaration.macro, partner_id)) for name, value in own), *beside]
    return [*_without(own, declaration.id_parameter), *beside, (declaration.id_parameter, partner_id)]


def _emptied(query: Parameters, declaration: CookieSync) -> Parameters:
    free_of_macro = [(name, value) for name, value in query if declaration.macro not in value]
    return _without(free_of_macro, declaration.id_parameter)


def _without(query: Parameters, *unwanted: str | None) -> Parameters:
    """Leave names out in any case of letters: a server that does not tell them apart would join their values."""
    lowered = {name.lower() for name in unwanted if name is not None}
    return [(name, value) for name, value in query if name.lower() not in lowered]


def _location(target: Target, query: Parameters) -> str:
    encoded = urlencode(query, safe="", errors="surrogateescape", quote_via=quote)
    location = f"https://{target.host}{target.path}?{encoded}"
    if len(location) > LONGEST_LOCATION:
        raise _refused("redirect_too_long")
    return location


def _refused(code: str) -> RefusedRequestError:
    return RefusedRequestError(HTTPStatus.BAD_REQUEST, code)
