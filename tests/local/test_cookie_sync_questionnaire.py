import re
from dataclasses import replace
from pathlib import Path

import pytest

from local.isolation import ROOT
from local.registration.cookie_sync_questionnaire import main, questionnaire
from mparticle_firehose.cookie_sync import CookieSync, OptOutSignal, SyncError
from mparticle_firehose.endpoint import cookie_sync as endpoint_module
from tests.endpoint.cookie_sync_requests import DECLARATION, NEW_ID

ENDPOINTS = {"US1": "https://us.sample.example/", "EU1": "https://eu.sample.example"}


def answers(declaration: CookieSync = DECLARATION, **endpoints: str) -> dict[str, str]:
    """Return the answer to each question, by the question."""
    _, *sections = questionnaire(declaration, endpoints or ENDPOINTS).split("\n## ")
    return {question: answer.strip() for question, _, answer in (section.partition("\n") for section in sections)}


def test_everything_that_mparticle_asks_is_answered_from_the_configuration() -> None:
    assert answers() == {
        "What is the endpoint's URL?": "- `https://us.sample.example/cookie-sync?redirect=`\n"
        "- `https://eu.sample.example/cookie-sync?redirect=`",
        "Does it differ between data centres?": "Yes:\n\n- US1: `https://us.sample.example/cookie-sync?redirect=`\n"
        "- EU1: `https://eu.sample.example/cookie-sync?redirect=`",
        "Does the endpoint redirect?": "Yes, 302, to the URL in the parameter `redirect`, over HTTPS and only to "
        "`cookiesync.mparticle.com`.",
        "Which macro does the endpoint replace by its id?": "`${PARTNER_ID}`, in the redirect's query. Without it the "
        "id is put into the parameter `ID`.",
        "How many days should lie between two syncs of a user?": "14",
        "Which further parameters are needed?": "None. Those that the redirect has come back as they are; those beside "
        "it are added to it, unless it has one of that name; `ID` never is. `gdpr` with `gdpr_consent`, "
        "`gpp` with `gpp_sid`, `us_privacy` and `gpc` are read in both.",
        "What does a redirect look like?": "The browser asks for\n\n"
        "    https://us.sample.example/cookie-sync?redirect=https%3A%2F%2Fcookiesync.mparticle.com%2Fv1%2Fsync%3Fesid"
        "%3D123456%26MPID%3D1234567890123456789%26ID%3D%24%7BPARTNER_ID%7D%26Key%3Dkey%26env%3D2&domain=shop.example"
        "\n\nand is answered 302, to\n\n"
        "    https://cookiesync.mparticle.com/v1/sync?esid=123456&MPID=1234567890123456789"
        f"&ID={NEW_ID}&Key=key&env=2&domain=shop.example",
        "When does the endpoint answer 204?": "When the user objects, which we read in: our cookie (`opt-out`), "
        "`Sec-GPC`, `DNT`, `us_privacy`, `gdpr`, `gpp`.",
        "Which error codes does the redirect carry?": "None.",
    }


def test_one_url_for_all_data_centres_is_said_to_be_one() -> None:
    answered = answers(US1="https://sample.example", EU1="https://sample.example")

    assert answered["What is the endpoint's URL?"] == "- `https://sample.example/cookie-sync?redirect=`"
    assert answered["Does it differ between data centres?"] == "No: the same for US1, EU1."


def test_every_error_code_is_explained_if_any_is_sent() -> None:
    answered = answers(replace(DECLARATION, error_parameter="error"))

    told = answered["Which error codes does the redirect carry?"]
    assert re.findall(r"- `(\w+)`: \w", told) == list(SyncError)
    assert answered["When does the endpoint answer 204?"] == "Never."


def test_an_endpoint_that_redirects_nobody_says_so_everywhere() -> None:
    answered = answers(replace(DECLARATION, answer="no_content"))

    assert answered["What is the endpoint's URL?"].startswith("- `https://us.sample.example/cookie-sync?mpid=%%mpid%%`")
    assert answered["Does the endpoint redirect?"] == "No."
    assert answered["Which macro does the endpoint replace by its id?"] == "None: no id is returned."
    assert answered["Which further parameters are needed?"] == "None but `mpid`."
    assert answered["What does a redirect look like?"] == "None: it does not redirect."
    assert answered["When does the endpoint answer 204?"] == "Always, unless the query cannot be read (400)."


def test_what_differs_from_the_defaults_shows() -> None:
    declaration = CookieSync(
        cookie_name="sample_id",
        macro="[UID]",
        id_parameter="uid",
        redirect_parameter="redir",
        allowed_hosts=("sync.example", "other.example"),
        default_redirect="https://other.example/",
        days_between_syncs=7,
        opt_out_signals=frozenset({OptOutSignal.GDPR}),
    )

    text = questionnaire(declaration, ENDPOINTS)

    for each in (
        "`[UID]`",
        "`uid`",
        "?redir=",
        "`sync.example`, `other.example`",
        "to `https://other.example/`",
        "\n7\n",
    ):
        assert each in text
    assert "our cookie (`opt-out`), `gdpr`." in text
    assert re.search(r"    https://sync\.example/v1/sync\?\S*&uid=[\w-]{22}&Key=key", text)


def test_the_command_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(
            [
                "--partner",
                "tests/sample",
                "--endpoint",
                "US1=https://us.sample.example",
                "--endpoint",
                "EU1=https://eu.sample.example",
            ]
        )
        == 0
    )

    printed = capsys.readouterr().out
    assert "- EU1: `https://eu.sample.example/cookie-sync?redirect=`" in printed
    assert "`${SAMPLE_ID}`" in printed


def test_the_command_says_where_the_url_is_to_be_found_if_it_is_not_told(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--partner", "tests/sample"])

    assert "HttpEndpointUrl" in capsys.readouterr().out


@pytest.mark.parametrize(
    "endpoint", ["https://us.sample.example", "US1=us.sample.example", "US1=http://a.example", "=", ""]
)
def test_the_command_takes_no_endpoint_that_mparticle_could_not_call(
    endpoint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--endpoint", endpoint])

    assert "must look like US1=https://" in capsys.readouterr().err


def test_every_code_and_signal_is_documented() -> None:
    guide = (ROOT / "docs" / "cookie-sync.md").read_text()
    refusals = re.findall(r'_refused\("(\w+)"\)', Path(endpoint_module.__file__).read_text())

    assert len(refusals) == 5
    assert [name for name in (*SyncError, *refusals) if f"`{name}`" not in guide] == []
    assert [signal for signal in OptOutSignal if f"`{signal}" not in guide] == []
