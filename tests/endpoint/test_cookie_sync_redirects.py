"""Browsers are redirected to allowed hosts only, and no request can add to a header."""

import re
from collections.abc import Callable
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from urllib3.util import parse_url

from mparticle_firehose.cookie_sync import COOKIE_SYNC_HOST as HOST
from mparticle_firehose.endpoint.http_event import HttpResponse
from tests.endpoint.cookie_sync_requests import KNOWN_ID, TARGET, ask, ask_to, encoded

PRINTABLE = re.compile(r"[\x21-\x7e]*")

# Each redirects a browser to another host or to HTTP, or is read differently by different parsers.
TRICKS = {
    "user information": f"https://{HOST}@evil.example/",
    "user information with a password": f"https://{HOST}:443@evil.example/",
    "empty user information": f"https://@{HOST}/",
    "user information before the host": f"https://user:password@{HOST}/",
    "encoded user information": f"https://{HOST}%40evil.example/",
    "backslash before user information": f"https://{HOST}\\@evil.example/",
    "backslash after the evil host": f"https://evil.example\\@{HOST}/",
    "backslash after the host": f"https://{HOST}\\.evil.example/",
    "backslashes for slashes": f"https:\\\\evil.example\\{HOST}",
    "slash and backslash": f"https:/\\{HOST}/",
    "backslash in the query": f"https://{HOST}/?\\evil.example",
    "one slash": f"https:/{HOST}/",
    "three slashes": f"https:///{HOST}/",
    "no slashes": f"https:{HOST}/",
    "no scheme": f"//{HOST}/",
    "no scheme, evil": f"//evil.example/{HOST}",
    "host alone": f"{HOST}/v1/sync",
    "path alone": f"/{HOST}",
    "plain http": f"http://{HOST}/",
    "ftp": f"ftp://{HOST}/",
    "javascript": f"javascript://{HOST}/%0aalert(1)",
    "data": f"data:text/html,<a href=https://{HOST}>",
    "another port": f"https://{HOST}:8443/",
    "plain http's port": f"https://{HOST}:80/",
    "empty port": f"https://{HOST}:/",
    "port with zeros": f"https://{HOST}:0443/",
    "port that is none": f"https://{HOST}:443.evil.example/",
    "port in other digits": f"https://{HOST}:\uff14\uff14\uff13/",
    "port with a sign": f"https://{HOST}:+443/",
    "subdomain of the host": f"https://evil.{HOST}/",
    "host as a subdomain": f"https://{HOST}.evil.example/",
    "host as a suffix": f"https://evil{HOST}/",
    "host as a suffix with a dash": f"https://evil-{HOST}/",
    "host in the path": f"https://evil.example/https://{HOST}/",
    "host in the query": f"https://evil.example/?https://{HOST}/",
    "host in the fragment": f"https://evil.example/#https://{HOST}/",
    "fragment before user information": f"https://evil.example#@{HOST}/",
    "query before user information": f"https://evil.example?@{HOST}/",
    "semicolon": f"https://evil.example;{HOST}/",
    "comma": f"https://evil.example,{HOST}/",
    "trailing dot": f"https://{HOST}./",
    "two dots": f"https://{HOST.replace('.', '..', 1)}/",
    "leading dot": f"https://.{HOST}/",
    "encoded dot": f"https://{HOST.replace('.', '%2e')}/",
    "encoded slash": f"https://evil.example%2F{HOST}/",
    "encoded letter": f"https://%63{HOST[1:]}/",
    "encoded null": f"https://evil.example%00{HOST}/",
    "null": f"https://evil.example\0{HOST}/",
    "tab in the scheme": f"ht\ttps://{HOST}/",
    "tab in the host": f"https://cookie\tsync{HOST[10:]}/",
    "line feed in the host": f"https://{HOST[:5]}\n{HOST[5:]}/",
    "carriage return before the slashes": f"https:\r//{HOST}/",
    "line break at the end": f"https://{HOST}/\n",
    "line break in the path": f"https://{HOST}/\r\nSet-Cookie: a=b",
    "line break in the query": f"https://{HOST}/?a=\r\nSet-Cookie: a=b",
    "space in front": f" https://{HOST}/",
    "control character in front": f"\x01https://{HOST}/",
    "space in the host": f"https://{HOST} .evil.example/",
    "space in the query": f"https://{HOST}/?a= b",
    "no-break space": f"https://{HOST}\u00a0.evil.example/",
    "ideographic full stop": f"https://{HOST.replace('.', '。')}/",
    "fullwidth letters": f"https://{HOST.replace('m', '\uff4d')}/",
    "fullwidth solidus": f"https://evil.example\uff0f{HOST}/",
    "account-of sign": f"https://evil.ca℀.{HOST}/",
    "Kelvin sign": f"https://{HOST.replace('k', '\u212a')}/",
    "long s": f"http\u017f://{HOST}/",
    "Cyrillic letter": f"https://{HOST.replace('p', '\u0440')}/",
    "soft hyphen": f"https://{HOST.replace('.', '\u00ad.', 1)}/",
    "zero-width space": f"https://{HOST.replace('.', '\u200b.', 1)}/",
    "right-to-left override": f"https://\u202e{HOST}/",
    "line separator": f"https://{HOST}/\u2028",
    "punycode": f"https://xn--{HOST}/",
    "address in brackets": f"https://[::ffff:1.2.3.4]/{HOST}",
    "brackets around the host": f"https://[{HOST}]/",
    "address": f"https://0x7f000001/{HOST}",
    "fragment": f"https://{HOST}/#@evil.example",
    "empty fragment": f"https://{HOST}/#",
    "encoded twice": quote(f"https://{HOST}/", safe=""),
    "in quotation marks": f'"https://{HOST}/"',
    "in angle brackets": f"<https://{HOST}/>",
    "two URLs": f"https://evil.example/,https://{HOST}/",
    "braces in the path": f"https://{HOST}/{{evil}}",
    "nothing": "",
}

NAIVE: dict[str, Callable[[str], bool]] = {
    "the host is in it": lambda url: HOST in unquote(url),
    "it starts with the host": lambda url: url.strip().startswith(f"https://{HOST}"),
    "its host ends with the host": lambda url: (urlsplit(url).hostname or "").endswith(HOST),
    "its host is the host": lambda url: urlsplit(url).hostname == HOST,
    "its host looks like the host": lambda url: (urlsplit(url).hostname or "").encode("idna").decode() == HOST,
    "nothing in it is another host": lambda url: "evil" not in url,
}
"""Checks as they are often written."""


def passes(check: Callable[[str], bool], url: str) -> bool:
    try:
        return check(url)
    except ValueError:
        return False


def assert_harmless(answer: HttpResponse) -> None:
    """Read the response with other parsers: urllib3 (RFC 3986), urllib, and a search for the end of a header."""
    if answer.status != 302:
        assert "Location" not in answer.headers
        assert answer.status in {204, 400}
    else:
        location = answer.headers["Location"]
        read = parse_url(location)
        assert (read.scheme, read.auth, read.host, read.port, read.fragment) == ("https", None, HOST, None, None)
        assert (urlsplit(location).scheme, urlsplit(location).netloc) == ("https", HOST)
        assert len(location) <= 8_192
    values = (*answer.headers.values(), *answer.cookies)
    assert all(PRINTABLE.fullmatch(value.replace(" ", "")) for value in values)
    assert all(cookie.count(";") == 5 and cookie.startswith("sample_id=") for cookie in answer.cookies)


@pytest.mark.parametrize("url", TRICKS.values(), ids=TRICKS)
def test_a_url_that_could_lead_elsewhere_is_refused(url: str) -> None:
    answer = ask_to(url)

    assert (answer.status, answer.body) == (400, '{"error": {"code": "redirect_not_allowed"}}')
    assert_harmless(answer)
    assert answer.cookies == ()


@pytest.mark.parametrize(
    "url", [url for url in TRICKS.values() if url], ids=[name for name, url in TRICKS.items() if url]
)
def test_each_url_passes_a_naive_check(url: str) -> None:
    assert [name for name, check in NAIVE.items() if passes(check, url)]


@pytest.mark.parametrize(("name", "check"), NAIVE.items(), ids=NAIVE)
def test_each_naive_check_passes_many_of_the_urls(name: str, check: Callable[[str], bool]) -> None:
    assert sum(passes(check, url) for url in TRICKS.values()) >= 10


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (f"https://{HOST}", f"https://{HOST}/"),
        (f"https://{HOST}/", f"https://{HOST}/"),
        (f"https://{HOST}?", f"https://{HOST}/"),
        (f"https://{HOST}:443/v1/sync", f"https://{HOST}/v1/sync"),
        (f"HTTPS://{HOST.upper()}/v1/Sync", f"https://{HOST}/v1/Sync"),
        (f"https://{HOST}//evil.example/@evil.example", f"https://{HOST}//evil.example/@evil.example"),
        (f"https://{HOST}/../%2e%2e/;a=b", f"https://{HOST}/../%2e%2e/;a=b"),
    ],
)
def test_a_url_that_all_parsers_read_alike_is_accepted(url: str, expected: str) -> None:
    answer = ask_to(url)

    assert answer.headers["Location"].partition("?")[0] == expected
    assert_harmless(answer)


@pytest.mark.parametrize(
    "query",
    [
        f"redirect={encoded(TARGET)}&redirect=https%3A%2F%2Fevil.example%2F",
        f"redirect=https%3A%2F%2Fevil.example%2F&redirect={encoded(TARGET)}",
        f"redirect={encoded(TARGET)}&redirect={encoded(TARGET)}",
        f"redirect={encoded(TARGET)}&redirect=",
        f"redirect={encoded(TARGET)}&%72edirect=https%3A%2F%2Fevil.example%2F",
        f"redirect={encoded(TARGET)}&amp;redirect=https%3A%2F%2Fevil.example%2F",
    ],
)
def test_two_redirects_are_refused(query: str) -> None:
    assert ask(query).status == 400


@pytest.mark.parametrize("place", ["{}=x", "x={}", "ID={}", "error={}"])
@pytest.mark.parametrize(
    "injected",
    [
        "%0D%0ASet-Cookie:%20a=b",
        "%0d%0aLocation:%20https://evil.example/",
        "%0A%0A%3Cscript%3E",
        "%E5%98%8A%E5%98%8DSet-Cookie:%20a=b",  # cut down to bytes it ends in CR LF
        "%C0%8D%C0%8A",
        "%00",
        "%250D%250A",
        "%E2%80%A8",
        "%85",
        "%7F",
        "%23%40evil.example",
        "%3B%20Domain=evil.example",
    ],
)
def test_no_parameter_becomes_part_of_a_header(place: str, injected: str) -> None:
    answer = ask(f"redirect={encoded(TARGET)}&{place.format(injected)}", cookies=(f"sample_id={KNOWN_ID}",))

    assert answer.status == 302
    assert_harmless(answer)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
pairs = st.lists(st.tuples(texts, texts), max_size=8)
urls = st.one_of(
    st.sampled_from(list(TRICKS.values())),
    st.builds("https://{}{}{}".format, st.sampled_from([HOST, HOST.upper(), f"{HOST}:443"]), texts, texts),
    st.builds("{}{}{}".format, texts, st.sampled_from([HOST, f"//{HOST}", f"@{HOST}/", f"https://{HOST}/?"]), texts),
    st.builds(f"https://{HOST}/v1/sync?{{}}".format, pairs.map(urlencode)),
    texts,
)
cookies = st.lists(st.one_of(texts, st.builds("sample_id={}".format, texts)), max_size=3).map(tuple)


@settings(max_examples=1_000, deadline=None)
@given(url=urls, extras=pairs, cookies=cookies, raw=texts)
@example(url=TARGET, extras=[], cookies=(), raw="")
def test_every_request_gets_a_harmless_response(
    url: str, extras: list[tuple[str, str]], cookies: tuple[str, ...], raw: str
) -> None:
    query = urlencode([*extras, ("redirect", url)])

    assert_harmless(ask(query, cookies=cookies))
    assert_harmless(ask(f"{query}&{raw}", cookies=cookies))


SIGNALS = {"us_privacy", "gdpr", "gdpr_consent", "gpp", "gpp_sid", "gpc", "sec_gpc", "dnt"}


def _is_signal(name: str) -> bool:
    plain = "".join(filter(str.isprintable, name.partition("[")[0]))
    return plain.strip().lower().replace("-", "_") in SIGNALS


@settings(max_examples=500, deadline=None)
@given(own=pairs, extras=pairs)
def test_added_parameters_are_in_the_redirect(own: list[tuple[str, str]], extras: list[tuple[str, str]]) -> None:
    assume(not any("${PARTNER_ID}" in value or _is_signal(name) for name, value in [*own, *extras]))
    url = f"https://{HOST}/v1/sync?{urlencode([*own, ('ID', '${PARTNER_ID}')], quote_via=quote)}"
    reserved = {"id", "redirect"} | {name.lower() for name, _ in own}
    echoed = [(name, value) for name, value in extras if name.lower() not in reserved]

    answer = ask(urlencode([*extras, ("redirect", url)]), cookies=(f"sample_id={KNOWN_ID}",))

    if answer.status == 302:  # an extra may be a second redirect, and any of them an objection
        query = urlsplit(answer.headers["Location"]).query
        read = parse_qsl(query, keep_blank_values=True, strict_parsing=True)
        assert read == [*own, ("ID", KNOWN_ID), *echoed]
    else:
        assert len(url) > 2_048 or {name.lower() for name, _ in [*own, *extras]} & {"redirect", "us_privacy", "gdpr"}
