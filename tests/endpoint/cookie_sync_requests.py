"""Requests as browsers make them for mParticle's pixel."""

from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, urlsplit

from mparticle_firehose.cookie_sync import COOKIE_SYNC_HOST, CookieSync
from mparticle_firehose.endpoint.cookie_sync import sync
from mparticle_firehose.endpoint.errors import RefusedRequestError
from mparticle_firehose.endpoint.http_event import HttpRequest, HttpResponse
from mparticle_firehose.endpoint.responses import error_response

NEW_ID = "id-of-a-new-user-00001"
KNOWN_ID = "id-of-a-known-user-001"
DECLARATION = CookieSync(cookie_name="sample_id", cookie_days=30, new_id=lambda: NEW_ID)

# As mParticle configures them: escaped for HTML, with a macro of its own.
PIXEL_URL = "https://sample.example/cookie-sync?source=web&amp;mpid=%%mpid%%&amp;redirect="
REDIRECT_URL = (
    f"https://{COOKIE_SYNC_HOST}/v1/sync?esid=123456&amp;MPID=%%mpid%%&amp;ID=${{PARTNER_ID}}&amp;Key=mpKey&amp;env=2"
)
TARGET = f"https://{COOKIE_SYNC_HOST}/v1/sync?esid=123456&MPID=77&ID=${{PARTNER_ID}}"


def sdk_query(pixel_url: str = PIXEL_URL, redirect_url: str = REDIRECT_URL, *, mpid: str = "77") -> str:
    """Return the query of the URL that createCookieSyncUrl() of mParticle's web SDK makes."""
    pixel, redirect = (url.replace("&amp;", "&").replace("%%mpid%%", mpid) for url in (pixel_url, redirect_url))
    return urlsplit(pixel + encoded(redirect)).query


def encoded(text: str) -> str:
    """Return what JavaScript's encodeURIComponent() returns."""
    return quote(text, safe="-_.!~*'()")


def ask(
    query: str,
    *,
    declaration: CookieSync = DECLARATION,
    headers: Mapping[str, str] | None = None,
    cookies: tuple[str, ...] = (),
) -> HttpResponse:
    """Return the response to a browser."""
    request = HttpRequest(method="GET", path="/cookie-sync", query=query, headers=headers or {}, cookies=cookies)
    try:
        return sync(request, declaration)
    except RefusedRequestError as error:
        return error_response(error)


def ask_to(redirect: str, *, declaration: CookieSync = DECLARATION) -> HttpResponse:
    """Return the response to a browser with this redirect URL."""
    return ask(f"redirect={encoded(redirect)}", declaration=declaration)


def parameters(answer: HttpResponse) -> list[tuple[str, str]]:
    """Return the parameters of the URL that the browser is redirected to."""
    assert answer.status == 302
    return parse_qsl(urlsplit(answer.headers["Location"]).query, keep_blank_values=True, strict_parsing=True)
