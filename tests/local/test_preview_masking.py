"""What a preview shows of a call: all that HTTP sends, with names in the place of secrets."""

from typing import Any

import pytest

from local.preview.json_lines import json_lines
from local.preview.masking import Mask
from mparticle_firehose.integration import (
    Auth,
    Basic,
    Bearer,
    DeploymentSecret,
    Form,
    Header,
    InBody,
    Json,
    NdJson,
    OAuth2,
    PartnerCall,
    Query,
)
from tests.local.preview_integration import SECRET, authorized, calling, events, preview, shown

OWN = DeploymentSecret("client_secret")


def text_of(auth: Auth, **parts: Any) -> str:
    return shown(preview(authorized(auth, **parts), events("a", settings={"token": SECRET, "site_id": "site-1"})))


@pytest.mark.parametrize(
    ("auth", "line"),
    [
        (Bearer(SECRET), "Authorization: Bearer <token>"),
        (Bearer("canary-secret-of-nowhere"), "Authorization: Bearer <credential>"),
        (Bearer(OWN), "Authorization: Bearer <client_secret>"),
        (Basic("site-1", SECRET), "Authorization: Basic <site_id>:<token>"),
        (Basic(SECRET), "Authorization: Basic <token>:"),
        (Header("Api-Key", SECRET, prefix="Key "), "Api-Key: Key <token>"),
        (Query("api_key", SECRET), "    ?api_key=<token>"),
        (
            OAuth2.client_credentials(path="/token", client_id="canary-id", client_secret=OWN, site="eu"),
            "Authorization: Bearer <access token from https://eu.partner.example/api/token>",
        ),
    ],
)
def test_a_credential_is_shown_by_the_name_of_its_setting_or_secret(auth: Auth, line: str) -> None:
    text = text_of(auth)

    assert f"  {line}\n" in text
    assert "canary-secret" not in text


def test_a_secret_is_masked_wherever_it_is() -> None:
    text = text_of(
        InBody(SECRET, "canary-secret-2"),
        path=f"/keys/{SECRET}",
        query={"key": SECRET, SECRET: "1"},
        headers={"X-Trace": f"a {SECRET}", f"X-{SECRET}": "1"},
        body=Json({"key": SECRET, SECRET: [f"<{SECRET}>", "canary-secret-2"], "kept": "name"}),
    )

    assert "canary-secret" not in text
    assert "/keys/<token>" in text
    assert '{"key": "<token>", "<token>": ["<<token>>", "<credential>"], "kept": "name"}' in text


@pytest.mark.parametrize("parts", [{"site": SECRET}, {"body": Form({SECRET: "1"})}])
def test_a_secret_is_masked_where_none_should_be(parts: dict[str, Any]) -> None:
    found = preview(authorized(Bearer(SECRET), **parts), events("a", settings={"token": SECRET}))

    assert "canary-secret" not in shown(found)
    assert "<token>" in shown(found)


def test_a_secret_that_is_percent_encoded_is_masked_as_well() -> None:
    settings = {"token": "canary secret/3"}

    text = shown(preview(calling(PartnerCall(path="/k/canary%20secret%2F3")), events("a", settings=settings)))

    assert "/k/<token>" in text


def test_a_setting_that_is_not_confidential_is_shown() -> None:
    text = shown(
        preview(calling(PartnerCall(path="/eu-west")), events("a", settings={"token": "t", "region": "eu-west"}))
    )

    assert "/eu-west" in text


def test_a_short_secret_does_not_hide_other_values() -> None:
    settings = {"token": "a"}

    text = shown(
        preview(calling(PartnerCall(path="/x", body=Json({"k": "a", "v": "banana"}))), events("a", settings=settings))
    )

    assert '{"k": "<token>", "v": "banana"}' in text


def test_a_header_that_seems_to_hold_a_credential_is_masked() -> None:
    text = text_of(InBody(SECRET), headers={"X-Signature": "canary-secret-hash", "X-Version": "7"})

    assert "X-Signature: <masked>" in text
    assert "X-Version: 7" in text


def test_a_secret_of_the_deployment_is_shown_by_its_name_in_every_place() -> None:
    call = PartnerCall(path="/x", query={"q": OWN}, headers={"X-A": OWN}, body=Form({"f": OWN, "g": "1 2"}))

    text = shown(preview(calling(call), events("a")))

    for line in ("    ?q=<client_secret>", "X-A: <client_secret>", "f=<client_secret>", "g=1 2"):
        assert f"  {line}\n" in text


def test_a_call_to_a_site_has_its_base_url_and_its_name() -> None:
    text = shown(preview(calling(PartnerCall(site="eu", path="/x")), events("a")))

    assert "POST https://eu.partner.example/api/x  (site eu)\n" in text


def test_lines_of_json_are_shown_one_after_the_other() -> None:
    text = shown(preview(calling(PartnerCall(path="/x", body=NdJson([{"n": 1}, {"n": 2}]))), events("a")))

    assert '  {"n": 1}\n  {"n": 2}\n' in text


def test_what_could_steer_a_terminal_is_escaped() -> None:
    text = shown(preview(calling(PartnerCall(path="/x", body=Json({"n": "\x9b31m\u202e\ud800"}))), events("a")))

    assert "\\x9b31m\\u202e" in text
    assert not set(text) & set("\x9b\u202e\ud800")


def lines(encoded: bytes) -> list[str]:
    return list(json_lines(encoded, Mask({}, frozenset())))


def test_json_that_fits_into_a_line_stays_in_one() -> None:
    assert lines(b'{"a":[1,2,{"b":null}],"c":true}') == ['{"a": [1, 2, {"b": null}], "c": true}']


def test_wider_json_has_a_line_for_each_member_that_fits() -> None:
    name = "n" * 60

    assert lines(f'{{"{name}":["{name}",{{}}],"b":{{"c":1}}}}'.encode()) == [
        "{",
        f'  "{name}": [',
        f'    "{name}",',
        "    {}",
        "  ],",
        '  "b": {"c": 1}',
        "}",
    ]


def test_numbers_keep_their_literals() -> None:
    assert lines(b"[1.50,1E5,-0,12345678901234567890]") == ["[1.50, 1E5, -0, 12345678901234567890]"]


def test_a_number_that_is_a_secret_is_masked() -> None:
    mask = Mask({"pin": "123456"}, frozenset({"pin"}))

    assert list(json_lines(b'{"pin":123456,"other":1234567}', mask)) == ['{"pin": "<pin>", "other": 1234567}']


def test_all_settings_are_secret_if_the_registration_does_not_say_which_are() -> None:
    assert Mask({"region": "europe"}, None).text("in europe") == "in <region>"
