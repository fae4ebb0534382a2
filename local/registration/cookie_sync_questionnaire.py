"""Answers what mParticle asks a partner about its cookie sync, from the configuration, without AWS.

``python -m local.registration.cookie_sync_questionnaire --endpoint US1=https://... --endpoint EU1=https://...`` prints
Markdown. The example is what the code answers when it is asked.
"""

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote, urlencode, urlsplit

from local.rooms import Room
from mparticle_firehose.cookie_sync import OPT_OUT, CookieSync, OptOutSignal, SyncError
from mparticle_firehose.endpoint.cookie_sync import sync
from mparticle_firehose.endpoint.http_event import HttpRequest
from mparticle_firehose.endpoint.router import COOKIE_SYNC_PATH

PLACEHOLDER = {"every pod": "https://HttpEndpointUrl-of-the-stack"}
"""The output of the stack that holds the URL; each region has a stack of its own."""

_MEANINGS = {
    SyncError.OPTED_OUT: "the user objects: in the browser, on the site, or at us",
    SyncError.NO_CONSENT: "the site says that GDPR or a section of the GPP applies, and not that the user agrees",
}

type Row = tuple[str, str]


def questionnaire(declaration: CookieSync, endpoints: Mapping[str, str]) -> str:
    """Return questions and answers as Markdown.

    Args:
        declaration: the partner's side of the cookie sync.
        endpoints: the base URL of the endpoint in each of mParticle's data centres.
    """
    answers = "\n\n".join(f"## {question}\n\n{answer}" for question, answer in _rows(declaration, endpoints))
    return f"# Cookie sync\n\n{answers}\n"


def _rows(declaration: CookieSync, endpoints: Mapping[str, str]) -> list[Row]:
    urls = {pod: _pixel_url(base, declaration) for pod, base in endpoints.items()}
    return [
        ("What is the endpoint's URL?", _list(f"`{url}`" for url in dict.fromkeys(urls.values()))),
        ("Does it differ between data centres?", _data_centres(urls)),
        ("Does the endpoint redirect?", _redirect(declaration)),
        ("Which macro does the endpoint replace by its id?", _macro(declaration)),
        ("How many days should lie between two syncs of a user?", str(declaration.days_between_syncs)),
        ("Which further parameters are needed?", _parameters(declaration)),
        ("What does a redirect look like?", _example(next(iter(endpoints.values())), declaration)),
        ("When does the endpoint answer 204?", _no_content(declaration)),
        ("Which error codes does the redirect carry?", _error_codes(declaration)),
    ]


def _pixel_url(base: str, declaration: CookieSync) -> str:
    """Return what mParticle configures; its web SDK replaces the mpid, or appends the redirect that has it."""
    parameter = f"{declaration.redirect_parameter}=" if declaration.answer == "redirect" else "mpid=%%mpid%%"
    return f"{base.rstrip('/')}{COOKIE_SYNC_PATH}?{parameter}"


def _data_centres(urls: Mapping[str, str]) -> str:
    if len(set(urls.values())) == 1:
        return f"No: the same for {', '.join(urls)}."
    return "Yes:\n\n" + _list(f"{pod}: `{url}`" for pod, url in urls.items())


def _redirect(declaration: CookieSync) -> str:
    if declaration.answer == "no_content":
        return "No."
    hosts = ", ".join(f"`{host}`" for host in declaration.allowed_hosts)
    default = f" Without it: to `{declaration.default_redirect}`." if declaration.default_redirect else ""
    return (
        f"Yes, 302, to the URL in the parameter `{declaration.redirect_parameter}`, over HTTPS and only to {hosts}."
        f"{default}"
    )


def _macro(declaration: CookieSync) -> str:
    if declaration.answer == "no_content":
        return "None: no id is returned."
    return (
        f"`{declaration.macro}`, in the redirect's query. Without it the id is put into the parameter "
        f"`{declaration.id_parameter}`."
    )


def _parameters(declaration: CookieSync) -> str:
    if declaration.answer == "no_content":
        return "None but `mpid`."
    return (
        "None. Those that the redirect has come back as they are; those beside it are added to it, unless it has one "
        f"of that name; `{declaration.id_parameter}` never is. `gdpr` with `gdpr_consent`, `gpp` with `gpp_sid`, "
        "`us_privacy` and `gpc` are read in both."
    )


def _example(base: str, declaration: CookieSync) -> str:
    if declaration.answer == "no_content":
        return "None: it does not redirect."
    request = _example_request(declaration)
    asked = f"{base.rstrip('/')}{request.path}?{request.query}"
    answer = sync(request, declaration)
    return f"The browser asks for\n\n    {asked}\n\nand is answered {_told(answer.status, answer.headers)}"


def _told(status: int, headers: Mapping[str, str]) -> str:
    return f"{status}, to\n\n    {headers['Location']}" if "Location" in headers else f"{status}."


def _example_request(declaration: CookieSync) -> HttpRequest:
    """Return the second visit of a browser, as mParticle's web SDK makes it, with a parameter beside the redirect."""
    target = {
        "esid": "123456",
        "MPID": "1234567890123456789",
        declaration.id_parameter: declaration.macro,
        "Key": "key",
        "env": "2",
    }
    redirect = f"https://{declaration.allowed_hosts[0]}/v1/sync?{urlencode(target, safe='${}', quote_via=quote)}"
    query = urlencode({declaration.redirect_parameter: redirect, "domain": "shop.example"}, quote_via=quote, safe="")
    cookie = f"{declaration.cookie_name}={declaration.new_id()}"
    return HttpRequest(method="GET", path=COOKIE_SYNC_PATH, query=query, cookies=(cookie,))


def _no_content(declaration: CookieSync) -> str:
    if declaration.answer == "no_content":
        return "Always, unless the query cannot be read (400)."
    if declaration.error_parameter is None:
        signals = ", ".join(f"`{signal}`" for signal in OptOutSignal if signal in declaration.opt_out_signals)
        return f"When the user objects, which we read in: our cookie (`{OPT_OUT}`){f', {signals}' if signals else ''}."
    return "Never."


def _error_codes(declaration: CookieSync) -> str:
    if declaration.answer == "no_content" or declaration.error_parameter is None:
        return "None."
    codes = _list(f"`{code}`: {meaning}" for code, meaning in _MEANINGS.items())
    return f"In the parameter `{declaration.error_parameter}`, and then no id:\n\n{codes}"


def _list(entries: Iterable[str]) -> str:
    return "\n".join(f"- {entry}" for entry in entries)


def _endpoint(text: str) -> Row:
    pod, _, url = text.partition("=")
    if not pod or urlsplit(url).scheme != "https" or not urlsplit(url).hostname:
        raise argparse.ArgumentTypeError("must look like US1=https://...")
    return pod, url


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the questionnaire, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m local.registration.cookie_sync_questionnaire", description=__doc__)
    parser.add_argument(
        "--endpoint", type=_endpoint, action="append", metavar="POD=URL", help="the output HttpEndpointUrl of its stack"
    )
    parser.add_argument(
        "--partner",
        metavar="FOLDER",
        default="",
        help="an example, or laid out like one; default: your own integration",
    )
    options = parser.parse_args(arguments)
    cookie_sync = Room.of(options.partner).integration().cookie_sync
    if cookie_sync is None:
        parser.error("this integration takes no part in the cookie sync")
    print(questionnaire(cookie_sync(), dict(options.endpoint or PLACEHOLDER.items())), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
