import json
from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import pytest

from mparticle_firehose.cookie_sync import COOKIE_SYNC_HOST, CookieSync, OptOutSignal
from mparticle_firehose.endpoint.cookie_sync import MAX_QUERY_LENGTH
from mparticle_firehose.endpoint.http_event import HttpResponse
from tests.endpoint.cookie_sync_requests import (
    DECLARATION,
    KNOWN_ID,
    NEW_ID,
    PIXEL_URL,
    REDIRECT_URL,
    TARGET,
    ask,
    ask_to,
    encoded,
    parameters,
    sdk_query,
)

WITH_ERRORS = replace(DECLARATION, error_parameter="error")
ATTRIBUTES = "Max-Age=2592000; Path=/; Secure; HttpOnly; SameSite=None"
NO_STORE = {"Cache-Control": "no-store"}


def code(answer: HttpResponse) -> str:
    assert answer.status == 400
    assert (answer.headers["Content-Type"], answer.cookies) == ("application/json;charset=utf-8", ())
    error = json.loads(answer.body)["error"]
    assert list(error) == ["code"]
    return str(error["code"])


class TestAVisit:
    def test_of_a_new_user_sends_a_new_id_to_mparticle_and_sets_the_cookie(self) -> None:
        answer = ask(sdk_query())

        assert answer == HttpResponse(
            status=302,
            headers={
                **NO_STORE,
                "Location": f"https://{COOKIE_SYNC_HOST}/v1/sync?esid=123456&MPID=77&ID={NEW_ID}&Key=mpKey&env=2"
                "&source=web",
            },
            cookies=(f"sample_id={NEW_ID}; {ATTRIBUTES}",),
        )

    def test_of_a_known_user_sends_the_id_and_sets_the_cookie_again(self) -> None:
        answer = ask(sdk_query(), cookies=("other=x", f"sample_id={KNOWN_ID}"))

        assert dict(parameters(answer))["ID"] == KNOWN_ID
        assert answer.cookies == (f"sample_id={KNOWN_ID}; {ATTRIBUTES}",)

    def test_with_several_cookies_of_one_name_uses_the_first_that_is_an_id(self) -> None:
        cookies = ("sample_id=not an id", f"sample_id={KNOWN_ID}", f"sample_id={NEW_ID}")

        assert dict(parameters(ask(sdk_query(), cookies=cookies)))["ID"] == KNOWN_ID

    @pytest.mark.parametrize(
        "cookie",
        [
            "sample_id",
            "sample_id=",
            "sample_id=short",
            f"sample_id={KNOWN_ID}x",
            f"sample_id={KNOWN_ID}\r\nSet-Cookie: a=b",
            f"sample_id={KNOWN_ID}\n",
            "sample_id=%0d%0aSet-Cookie:%20ab",
            "sample_id=</script><script>xxxxx",
            "sample_id=ïd-of-a-known-user-001",
            f'sample_id="{KNOWN_ID}"',
            f"SAMPLE_ID={KNOWN_ID}",
            f"xsample_id={KNOWN_ID}",
            f"x; sample_id={KNOWN_ID}",
        ],
    )
    def test_with_a_cookie_that_is_not_an_id_is_that_of_a_new_user(self, cookie: str) -> None:
        # A line break at the end of a header's value is no part of it.
        expected = KNOWN_ID if cookie.endswith("001\n") else NEW_ID

        assert dict(parameters(ask(sdk_query(), cookies=(cookie,))))["ID"] == expected

    @pytest.mark.parametrize("value", ["x;y", "x y", "x,y", 'x"', "x\\", "x\x7f", "xé", "x" * 257], ids=ascii)
    def test_replaces_a_cookie_with_forbidden_characters_even_if_it_matches_the_pattern(self, value: str) -> None:
        lax = replace(DECLARATION, id_pattern=r"x[\s\S]*", new_id=lambda: "x1")

        answer = ask(sdk_query(), declaration=lax, cookies=(f"sample_id={value}",))

        assert dict(parameters(answer))["ID"] == "x1"
        assert answer.cookies == (f"sample_id=x1; {ATTRIBUTES}",)

    def test_sets_the_cookie_for_the_configured_domain(self) -> None:
        answer = ask(sdk_query(), declaration=replace(DECLARATION, cookie_domain="sample.example"))

        assert answer.cookies == (
            f"sample_id={NEW_ID}; Max-Age=2592000; Domain=sample.example; Path=/; Secure; HttpOnly; SameSite=None",
        )

    def test_of_each_new_user_makes_a_different_id(self) -> None:
        declaration = CookieSync(cookie_name="sample_id")
        ids = {dict(parameters(ask(sdk_query(), declaration=declaration)))["ID"] for _ in range(100)}

        assert len(ids) == 100
        assert all(declaration.is_id(each) for each in ids)


class TestTheId:
    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("ID=${PARTNER_ID}", [("ID", KNOWN_ID)]),
            ("ID=%24%7BPARTNER_ID%7D", [("ID", KNOWN_ID)]),
            ("ID=%24%7bPARTNER_ID%7d", [("ID", KNOWN_ID)]),
            ("user=sample-${PARTNER_ID}&ID=", [("user", f"sample-{KNOWN_ID}"), ("ID", "")]),
            ("a=${PARTNER_ID}&b=${PARTNER_ID}", [("a", KNOWN_ID), ("b", KNOWN_ID)]),
            ("esid=1", [("esid", "1"), ("ID", KNOWN_ID)]),
            ("ID=&esid=1", [("esid", "1"), ("ID", KNOWN_ID)]),
            ("ID=somebody&esid=1&ID=else", [("esid", "1"), ("ID", KNOWN_ID)]),
            ("id=somebody", [("ID", KNOWN_ID)]),
            ("esid=1&amp;ID=${PARTNER_ID}", [("esid", "1"), ("ID", KNOWN_ID)]),
            ("", [("ID", KNOWN_ID)]),
        ],
    )
    def test_replaces_the_macro_or_else_the_parameter(self, query: str, expected: list[tuple[str, str]]) -> None:
        redirect = f"https://{COOKIE_SYNC_HOST}/v1/sync?{query}"

        assert parameters(ask(f"redirect={encoded(redirect)}", cookies=(f"sample_id={KNOWN_ID}",))) == expected

    def test_is_the_last_parameter_if_the_redirect_was_not_encoded(self) -> None:
        query = f"redirect={TARGET}&Key=k"

        assert parameters(ask(query)) == [("esid", "123456"), ("MPID", "77"), ("Key", "k"), ("ID", NEW_ID)]

    @pytest.mark.parametrize("outside", ["foo=%24%7BPARTNER_ID%7D", "${PARTNER_ID}=foo"])
    @pytest.mark.parametrize("name", ["ID", "id", "%49d"])
    def test_has_the_same_place_whatever_parameters_are_beside_the_redirect(self, outside: str, name: str) -> None:
        redirect = encoded(f"https://{COOKIE_SYNC_HOST}/v1/sync?esid=1")

        answer = ask(f"{name}=evil&redirect={redirect}&{outside}&{name}=evil")

        assert parameters(answer) == [("esid", "1"), *parse_qsl(outside), ("ID", NEW_ID)]

    @pytest.mark.parametrize("name", ["ID", "id", "%49d"])
    def test_is_not_followed_by_another_id_from_beside_the_redirect(self, name: str) -> None:
        redirect = encoded(f"https://{COOKIE_SYNC_HOST}/v1/sync?user=${{PARTNER_ID}}")

        answer = ask(f"{name}=evil&redirect={redirect}&{name}=evil&a=1")

        assert parameters(answer) == [("user", NEW_ID), ("a", "1")]

    def test_is_percent_encoded(self) -> None:
        strange = "a&b=c#d%20e+f/../?g"
        declaration = replace(DECLARATION, id_pattern=r"a.*g", new_id=lambda: strange)

        assert parameters(ask_to(TARGET, declaration=declaration))[-1] == ("ID", strange)

    def test_uses_the_configured_names_and_hosts(self) -> None:
        declaration = replace(
            DECLARATION,
            redirect_parameter="redir",
            macro="%%UID%%",
            id_parameter="uid",
            allowed_hosts=("sync.example",),
        )
        own = f"redir={encoded('https://sync.example/?x=%%UID%%')}"

        assert parameters(ask(own, declaration=declaration)) == [("x", NEW_ID)]
        assert code(ask_to(TARGET, declaration=declaration)) == "redirect_missing"


class TestTheRedirect:
    def test_has_the_parameters_that_mparticle_sent_beside_it(self) -> None:
        query = f"{sdk_query()}&domain=shop.example&a=1&a=2&empty=&flag&%C3%BC=%F0%9F%8D%B5&amp;b=c"

        assert parameters(ask(query))[5:] == [
            ("source", "web"),
            ("domain", "shop.example"),
            ("a", "1"),
            ("a", "2"),
            ("empty", ""),
            ("flag", ""),
            ("ü", "🍵"),
            ("b", "c"),
        ]

    def test_keeps_bytes_that_are_not_utf8(self) -> None:
        answer = ask(f"redirect={encoded(TARGET)}&raw=%FF%FE%80")

        assert answer.headers["Location"].endswith("&raw=%FF%FE%80")

    def test_keeps_its_own_parameters_if_others_have_their_names(self) -> None:
        query = f"esid=9&mpid=9&ID=9&redirect={encoded(TARGET)}&id=9&source=web"

        # A server that does not tell MPID from mpid would read "77,9".
        assert parameters(ask(query)) == [("esid", "123456"), ("MPID", "77"), ("ID", NEW_ID), ("source", "web")]

    def test_uses_the_default_if_mparticle_sends_none(self) -> None:
        declaration = replace(DECLARATION, default_redirect=f"https://{COOKIE_SYNC_HOST}/v1/sync?esid=5")

        assert parameters(ask("env=2", declaration=declaration)) == [("esid", "5"), ("env", "2"), ("ID", NEW_ID)]

    def test_to_another_host_is_refused_even_if_there_is_a_default(self) -> None:
        declaration = replace(DECLARATION, default_redirect=TARGET)

        assert code(ask_to("https://evil.example/", declaration=declaration)) == "redirect_not_allowed"

    def test_is_required_if_there_is_no_default(self) -> None:
        assert code(ask("mpid=77")) == "redirect_missing"

    def test_has_a_maximum_length(self) -> None:
        longest = f"{TARGET}&x={'x' * (2_048 - len(TARGET) - 3)}"

        assert ask_to(longest).status == 302
        assert code(ask_to(f"{longest}x")) == "redirect_not_allowed"
        assert code(ask(f"redirect={encoded(longest)}&y={'y' * 8_192}")) == "redirect_too_long"

    @pytest.mark.parametrize(
        "query", ["\r\nX: y", "a=b\tc", "ü=1", "a=\ud800", "a= b", "&".join(f"p{n}=" for n in range(101))], ids=ascii
    )
    def test_needs_a_query_of_printable_ascii_with_at_most_100_parameters(self, query: str) -> None:
        assert code(ask(f"redirect={encoded(TARGET)}&{query}")) == "query_malformed"

    @pytest.mark.parametrize(("length", "status"), [(MAX_QUERY_LENGTH, 204), (MAX_QUERY_LENGTH + 1, 400)])
    def test_is_not_even_looked_for_in_a_query_that_is_too_long(self, length: int, status: int) -> None:
        no_content = replace(DECLARATION, answer="no_content")

        assert ask(f"x={'y' * (length - 2)}", declaration=no_content).status == status

    def test_is_not_quoted_if_it_is_refused(self) -> None:
        answer = ask("redirect=https%3A%2F%2Fcanary-host.example%2F&x=canary-x", cookies=("sample_id=canary-cookie",))

        assert answer == HttpResponse(
            status=400,
            body='{"error": {"code": "redirect_not_allowed"}}',
            headers={**NO_STORE, "Content-Type": "application/json;charset=utf-8"},
        )


class TestNoContent:
    DECLARATION = replace(DECLARATION, answer="no_content", error_parameter="error")

    @pytest.mark.parametrize("query", ["", "mpid=77", "redirect=https%3A%2F%2Fevil.example%2F", sdk_query()])
    def test_sets_the_cookie_and_does_not_redirect(self, query: str) -> None:
        answer = ask(query, declaration=self.DECLARATION, cookies=(f"sample_id={KNOWN_ID}",))

        assert answer == HttpResponse(status=204, headers=NO_STORE, cookies=(f"sample_id={KNOWN_ID}; {ATTRIBUTES}",))

    def test_sets_no_cookie_for_a_user_who_objects(self) -> None:
        answer = ask(sdk_query(), declaration=self.DECLARATION, headers={"sec-gpc": "1"})

        assert answer == HttpResponse(status=204, headers=NO_STORE)


type Signal = tuple[dict[str, str], str, tuple[str, ...]]

OPTED_OUT: dict[str, Signal] = {
    "global privacy control": ({"sec-gpc": "1"}, "", ()),
    "global privacy control twice": ({"sec-gpc": "0, 1"}, "", ()),
    "do not track": ({"dnt": "1"}, "", ()),
    "sale opted out of": ({}, "us_privacy=1YYN", ()),
    "sale opted out of, in lower case": ({}, "us_privacy=1-y-", ()),
    "sale opted out of, with the name in capitals": ({}, "US_PRIVACY=1YYN", ()),
    "sale opted out of, after a space": ({}, "us_privacy=%201NYN", ()),
    "one of two says so": ({}, "us_privacy=1YNN&us_privacy=1YYN", ()),
    "one of two says so, in capitals": ({}, "us_privacy=1YNN&US_PRIVACY=1YYN", ()),
    "global privacy control in other words": ({"sec-gpc": "yes"}, "", ()),
    "global privacy control, structured": ({"sec-gpc": "?1"}, "", ()),
    "gpc in the query": ({}, "gpc=1", ()),
    "gpc in words": ({}, "gpc=True", ()),
    "gpc in other words": ({}, "gpc=on", ()),
    "gpc in capitals": ({}, "GPC=1", ()),
    "gpc without a value": ({}, "gpc=", ()),
    "gpc that was not replaced": ({}, "gpc=$%7BGPC%7D", ()),
    "gpc by its header's name": ({}, "Sec-GPC=1", ()),
    "gpc in one of two": ({}, "gpc=0&gpc=1", ()),
    "gpc as a list": ({}, "gpc[]=1", ()),
    "do not track in the query": ({}, "dnt=1", ()),
    "do not track with an extension": ({"dnt": "1x"}, "", ()),
    "us privacy that was not replaced": ({}, "us_privacy=$%7BUS_PRIVACY%7D", ()),
    "us privacy without a value": ({}, "us_privacy=", ()),
    "us privacy of another version": ({}, "us_privacy=2YNN", ()),
    "us privacy that is too short": ({}, "us_privacy=1YN", ()),
    "us privacy that is too long": ({}, "us_privacy=1YNNN", ()),
    "us privacy in another form": ({}, "us_privacy=1Y0N", ()),
    "opted out at the partner": ({}, "", ("sample_id=opt-out",)),
    "opted out at the partner, in quotes": ({}, "", ('sample_id="opt-out"',)),
    "opted out at the partner, in capitals": ({}, "", ("sample_id=OPT-OUT",)),
    "opted out at the partner, with an old id": ({}, "", (f"sample_id={KNOWN_ID}", "sample_id=opt-out")),
}
NO_CONSENT: dict[str, Signal] = {
    "gdpr without a consent": ({}, "gdpr=1", ()),
    "gdpr with an empty consent": ({}, "gdpr=1&gdpr_consent=", ()),
    "gdpr with a macro that was not replaced": ({}, "gdpr=1&gdpr_consent=$%7BGDPR_CONSENT_1%7D", ()),
    "gdpr with a consent string": ({}, "gdpr=1&gdpr_consent=CQDemoAAAA.YAAA", ()),
    "one of two says gdpr": ({}, "gdpr=0&gdpr=1", ()),
    "gdpr in capitals": ({}, "GDPR=1", ()),
    "gdpr in words": ({}, "gdpr=true", ()),
    "gdpr in other words": ({}, "gdpr=Yes", ()),
    "gdpr before a space": ({}, "gdpr=1%20", ()),
    "gdpr before a line break": ({}, "gdpr=1%0D%0A", ()),
    "gdpr that is on": ({}, "gdpr=on", ()),
    "gdpr without a value": ({}, "gdpr=", ()),
    "gdpr that was not replaced": ({}, "gdpr=$%7BGDPR%7D", ()),
    "gdpr of another number": ({}, "gdpr=2", ()),
    "gdpr after a space": ({}, "%20gdpr=1", ()),
    "gdpr as a list": ({}, "gdpr[]=1", ()),
    "gdpr as an encoded list": ({}, "gdpr%5B%5D=1", ()),
    "gdpr as a list with indexes": ({}, "gdpr[0]=1", ()),
    "gdpr before a control character": ({}, "gdpr%00=1", ()),
    "gdpr's consent with a hyphen": ({}, "gdpr-consent=CQDemoAAAA.YAAA", ()),
    "a consent string without gdpr": ({}, "gdpr_consent=CQDemoAAAA.YAAA", ()),
    "gpp with its section": ({}, "gpp=DBABMA~CPXxRfAPXxRfAAfKABENB&gpp_sid=2", ()),
    "gpp alone": ({}, "gpp=DBABMA~CPXxRfAPXxRfAAfKABENB", ()),
    "gpp in capitals": ({}, "GPP=DBABMA~CPXxRfAPXxRfAAfKABENB", ()),
    "gpp without a value": ({}, "gpp=", ()),
    "gpp that was not replaced": ({}, "gpp=$%7BGPP_STRING_77%7D&gpp_sid=$%7BGPP_SID%7D", ()),
    "a section of gpp alone": ({}, "gpp_sid=7", ()),
    "a section of gpp that is not known": ({}, "gpp_sid=0", ()),
    "one of two says that a section applies": ({}, "gpp_sid=-1&gpp_sid=2", ()),
}
NO_OBJECTION: dict[str, Signal] = {
    "nothing said": ({}, "", ()),
    "signals that are off": ({"sec-gpc": "0", "dnt": "0"}, "gdpr=0&us_privacy=1YNN", ()),
    "signals that are off, in capitals and words": ({}, "GDPR=False&US_PRIVACY=1YNN", ()),
    "us privacy that does not apply": ({}, "us_privacy=1---", ()),
    "us privacy in lower case": ({}, "us_privacy=1ynn", ()),
    "headers that say nothing": ({"sec-gpc": "", "dnt": "unspecified"}, "", ()),
    "switches that are off": ({"sec-gpc": "false", "dnt": "null"}, "gpc=0&GPC=False&dnt=0", ()),
    "gdpr that does not apply, with a string": ({}, "gdpr=0&gdpr_consent=CQDemoAAAA.YAAA", ()),
    "an empty string without gdpr": ({}, "gdpr_consent=", ()),
    "gpp of which no section applies": ({}, "gpp=DBABMA~CPXxRfAPXxRfAAfKABENB&gpp_sid=-1", ()),
    "a parameter of a similar name": ({}, "gppx=1&xgpc=1&gdpr_applies=1", ()),
    "another value of the cookie": ({}, "", ('sample_id="opt-in"', "sample_id=OPT-OUT-NOT")),
    "another cookie": ({}, "", ("sample=opt-out", f"sample_id={KNOWN_ID}")),
}


def visit(signal: Signal, declaration: CookieSync) -> HttpResponse:
    headers, query, cookies = signal
    return ask(f"{sdk_query()}&{query}", declaration=declaration, headers=headers, cookies=cookies)


class TestAUserWhoObjects:
    @pytest.mark.parametrize("signal", [*OPTED_OUT.values(), *NO_CONSENT.values()], ids=[*OPTED_OUT, *NO_CONSENT])
    def test_gets_no_cookie_and_no_redirect(self, signal: Signal) -> None:
        headers, query, cookies = signal

        answer = visit((headers, query, (*cookies, f"sample_id={KNOWN_ID}")), DECLARATION)

        assert answer == HttpResponse(status=204, headers=NO_STORE)

    @pytest.mark.parametrize(
        ("signal", "error"),
        [
            *((signal, "opted_out") for signal in OPTED_OUT.values()),
            *((signal, "no_consent") for signal in NO_CONSENT.values()),
        ],
        ids=[*OPTED_OUT, *NO_CONSENT],
    )
    def test_is_redirected_with_a_reason_and_no_id_if_an_error_parameter_is_configured(
        self, signal: Signal, error: str
    ) -> None:
        answer = visit(signal, WITH_ERRORS)

        found = parameters(answer)
        assert found[-1] == ("error", error)
        assert not {"ID", "id"} & {name for name, _ in found}
        assert answer.cookies == ()
        assert all(each not in answer.headers["Location"] for each in (KNOWN_ID, NEW_ID, "PARTNER_ID"))

    @pytest.mark.parametrize(
        ("signals", "error"),
        [
            ("gdpr=1", "no_consent"),
            ("GDPR=true&gdpr_consent=", "no_consent"),
            ("us_privacy=1YYN", "opted_out"),
            ("gdpr=1&us_privacy=1YYN", "opted_out"),
        ],
    )
    def test_may_say_so_in_the_redirect_too(self, signals: str, error: str) -> None:
        redirect = encoded(f"https://{COOKIE_SYNC_HOST}/v1/sync?{signals}&ID=${{PARTNER_ID}}")
        query, cookies = f"redirect={redirect}&gdpr=0&us_privacy=1YNN", (f"sample_id={KNOWN_ID}",)

        assert ask(query, cookies=cookies) == HttpResponse(status=204, headers=NO_STORE)
        assert parameters(ask(query, declaration=WITH_ERRORS, cookies=cookies))[-1] == ("error", error)

    @pytest.mark.parametrize("signal", NO_OBJECTION.values(), ids=NO_OBJECTION)
    def test_is_not_one_with_other_signals(self, signal: Signal) -> None:
        assert len(visit(signal, WITH_ERRORS).cookies) == 1

    def test_is_redirected_without_the_macro(self) -> None:
        redirect = encoded(f"https://{COOKIE_SYNC_HOST}/?user=sample-${{PARTNER_ID}}&esid=1")

        answer = ask(f"redirect={redirect}&x=${{PARTNER_ID}}", declaration=WITH_ERRORS, headers={"dnt": "1"})

        assert parameters(answer) == [("esid", "1"), ("error", "opted_out")]

    def test_is_redirected_with_our_error_and_no_other(self) -> None:
        claim = {"sec-gpc": "1"}, "error=&ERROR=none", ()

        assert [value for name, value in parameters(visit(claim, WITH_ERRORS)) if name.lower() == "error"] == [
            "opted_out"
        ]

    @pytest.mark.parametrize(
        ("signal", "ignored"),
        [
            (OPTED_OUT["global privacy control"], OptOutSignal.GLOBAL_PRIVACY_CONTROL),
            (OPTED_OUT["do not track"], OptOutSignal.DO_NOT_TRACK),
            (OPTED_OUT["sale opted out of"], OptOutSignal.US_PRIVACY),
            (OPTED_OUT["gpc in the query"], OptOutSignal.GLOBAL_PRIVACY_CONTROL),
            (NO_CONSENT["gdpr without a consent"], OptOutSignal.GDPR),
            (NO_CONSENT["gpp alone"], OptOutSignal.GPP),
        ],
    )
    def test_is_recognised_by_the_configured_signals_only(self, signal: Signal, ignored: OptOutSignal) -> None:
        only, all_others = {ignored}, set(OptOutSignal) - {ignored}

        assert visit(signal, replace(DECLARATION, opt_out_signals=frozenset(only))).status == 204
        assert visit(signal, replace(DECLARATION, opt_out_signals=frozenset(all_others))).status == 302

    def test_is_always_recognised_by_the_cookie(self) -> None:
        no_signals = replace(DECLARATION, opt_out_signals=frozenset())

        assert visit(OPTED_OUT["opted out at the partner"], no_signals).status == 204

    def test_consents_if_the_partner_accepts_the_consent_string(self) -> None:
        declaration = replace(DECLARATION, accepts_consent=lambda string: string == "CQagreed")

        assert visit(({}, "gdpr=1&gdpr_consent=CQagreed", ()), declaration).status == 302
        assert visit(({}, "GDPR=True&GDPR_Consent=%20CQagreed%20", ()), declaration).status == 302
        assert visit(({}, "gdpr=1&gdpr_consent=CQdenied", ()), declaration).status == 204
        assert visit(({}, "gdpr=1&gdpr_consent=CQagreed&gdpr_consent=CQdenied", ()), declaration).status == 204

    def test_consents_if_the_partner_accepts_the_gpp_string(self) -> None:
        declaration = replace(DECLARATION, accepts_gpp=lambda string: string == "DBagreed~A")

        assert visit(({}, "gpp=DBagreed~A&gpp_sid=2", ()), declaration).status == 302
        assert visit(({}, "GPP=%20DBagreed~A", ()), declaration).status == 302
        assert visit(({}, "gpp=DBdenied~A&gpp_sid=2", ()), declaration).status == 204
        assert visit(({}, "gpp=DBagreed~A&gpp=DBdenied~A", ()), declaration).status == 204
        assert visit(({}, "gpp=DBagreed~A&gdpr=1", ()), declaration).status == 204

    @pytest.mark.parametrize("name", list(NO_CONSENT)[:3])
    def test_does_not_consent_with_a_value_that_is_not_a_consent_string(self, name: str) -> None:
        assert visit(NO_CONSENT[name], replace(DECLARATION, accepts_consent=lambda _: True)).status == 204


def test_these_requests_equal_those_of_mparticles_sdk() -> None:
    # The expectation of mParticle's own test of createCookieSyncUrl, with our macro's name.
    pixel = PIXEL_URL.replace("source=web&amp;", "")

    assert sdk_query(pixel, REDIRECT_URL, mpid="testMPID") == (
        "mpid=testMPID&redirect=https%3A%2F%2Fcookiesync.mparticle.com%2Fv1%2Fsync%3Fesid%3D123456%26MPID%3DtestMPID"
        "%26ID%3D%24%7BPARTNER_ID%7D%26Key%3DmpKey%26env%3D2"
    )
    assert urlsplit(TARGET).hostname == COOKIE_SYNC_HOST
