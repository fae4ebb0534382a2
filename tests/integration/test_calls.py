"""Calls: what is refused before it is sent, how bodies are encoded, and what is not shown."""

import json
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mparticle_firehose.errors import IntegrationError
from mparticle_firehose.integration import (
    Bearer,
    Body,
    DeploymentSecret,
    Form,
    Json,
    NdJson,
    PartnerCall,
    Rejected,
    Secret,
)
from mparticle_firehose.integration.calls import encoded_json

SECRET = DeploymentSecret("partner_key")
TEXT = st.text(st.characters(exclude_categories=()), max_size=5)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


def revealed(secret: Secret) -> str:
    return secret if isinstance(secret, str) else "canary-revealed"


@pytest.mark.parametrize(
    "path", ["/", "/v9/things", "/a%2Fb/%F0%9F%98%80", "/audienceMembers:ingest", "/users/a@x.io", "/a;b=1,2"]
)
def test_a_path_that_is_percent_encoded_is_taken(path: str) -> None:
    assert PartnerCall(path=path).path == path


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("", "path"),
        ("v9/things", "path"),
        ("https://canary-host.example/", "path"),
        ("/a b", "path"),
        ("/a\r\nX: canary", "path"),
        ("/canary-ä", "path"),
        ("/a?key=canary-key", "path_without_query"),
        ("/a#canary", "path_without_query"),
    ],
)
def test_another_path_is_refused_by_its_rule_and_not_shown(path: str, rule: str) -> None:
    with pytest.raises(IntegrationError, match=rf"^{rule}: ") as caught:
        PartnerCall(path=path)

    assert caught.value.rule == rule
    assert "canary" not in str(caught.value)


@given(st.text(max_size=12).map("/".__add__) | st.text(max_size=3))
def test_no_path_raises_anything_else(path: str) -> None:
    try:
        PartnerCall(path=path)
    except IntegrationError as error:
        assert error.rule in {"path", "path_without_query"}  # noqa: PT017  the other branch is fine, too
    else:
        assert path.startswith("/")
        assert not {" ", "?", "#", "\r", "\n", "\0"} & {*path}


@pytest.mark.parametrize("method", ["post", "HEAD", "CONNECT", ""])
def test_another_method_is_refused(method: str) -> None:
    with pytest.raises(IntegrationError, match=r"^method: "):
        PartnerCall(method=method, path="/")


@pytest.mark.parametrize("name", ["Idempotency-Key", "a b", "x\r\ny"])
def test_a_header_that_is_the_frameworks_is_refused(name: str) -> None:
    with pytest.raises(IntegrationError, match=r"^header_name: "):
        PartnerCall(path="/", headers={name: "canary-value"})


def test_nothing_secret_or_personal_of_a_call_is_shown() -> None:
    call = PartnerCall(
        method="DELETE",
        path="/users/canary-user",
        query={"email": "canary-email"},
        headers={"X-App": "canary-app"},
        auth=Bearer("canary-token"),
        body=Json({"canary-name": "canary-value"}),
        known={0: Rejected("gone")},
    )

    assert "canary" not in repr(call)
    assert "DELETE" in repr(call)


@pytest.mark.parametrize(
    "body",
    [Json({"a": "canary-1"}), NdJson([{"a": "canary-1"}]), Form({"a": "canary-1"})],
    ids=lambda it: type(it).__name__,
)
def test_no_body_is_shown(body: Body) -> None:
    assert "canary" not in repr(body)
    assert b"canary-1" in body.encoded()


@given(JSON)
def test_json_is_compact_utf8_and_says_what_it_was_given(value: object) -> None:
    encoded = encoded_json(value)

    assert json.loads(encoded) == json.loads(json.dumps(value))
    encoded.decode("utf-8")


def test_json_has_no_spaces_and_no_needless_escapes() -> None:
    assert encoded_json({"ä": [1, 2.5, None, True, "é"]}) == '{"ä":[1,2.5,null,true,"é"]}'.encode()


def test_half_a_surrogate_pair_is_escaped() -> None:
    assert encoded_json({"a": "\ud83d"}) == b'{"a":"\\ud83d"}'


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_json_does_not_know_is_refused(number: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        encoded_json({"a": [number]})


@pytest.mark.parametrize("value", [Decimal("1.5"), b"canary-bytes", {1, 2}, object()], ids=lambda it: type(it).__name__)
def test_a_value_that_has_no_json_is_refused_without_showing_it(value: object) -> None:
    with pytest.raises(TypeError, match=rf"^{type(value).__name__} has no JSON$"):
        encoded_json({"a": value})


def test_a_value_that_contains_itself_is_refused() -> None:
    loop: list[object] = []
    loop.append(loop)

    with pytest.raises(ValueError, match="Circular"):
        encoded_json(loop)


@pytest.mark.parametrize(
    ("value", "encoded"),
    [(MappingProxyType({"a": 1}), b'{"a":1}'), ((1, (2,)), b"[1,[2]]"), (range(3), b"[0,1,2]")],
    ids=["mapping", "tuple", "sequence"],
)
def test_every_mapping_and_sequence_is_json(value: object, encoded: bytes) -> None:
    assert encoded_json(value) == encoded


@pytest.mark.parametrize(
    ("body", "hidden", "sent"),
    [
        (Json({"key": SECRET, "n": [SECRET]}), b'{"key":"<partner_key>","n":["<partner_key>"]}', 2),
        (NdJson([{"key": SECRET}, 1]), b'{"key":"<partner_key>"}\n1\n', 1),
        (Form({"key": SECRET, "a": "b"}), b"key=%3Cpartner_key%3E&a=b", 1),
    ],
    ids=["json", "ndjson", "form"],
)
def test_a_secret_of_the_deployment_is_its_name_until_it_is_revealed(body: Body, hidden: bytes, sent: int) -> None:
    assert body.encoded() == hidden
    assert body.encoded(revealed).count(b"canary-revealed") == sent


def test_a_secret_beside_half_a_surrogate_pair_is_revealed() -> None:
    assert encoded_json(["\ud83d", SECRET], revealed) == b'["\\ud83d","canary-revealed"]'


@given(st.dictionaries(st.text(st.characters(codec="utf-8"), min_size=1), st.text(st.characters(codec="utf-8"))))
def test_a_form_can_be_read_again(fields: Mapping[str, str]) -> None:
    encoded = Form(fields).encoded().decode("ascii")

    assert dict(parse_qsl(encoded, keep_blank_values=True)) == fields


def test_a_form_cannot_carry_half_a_surrogate_pair() -> None:
    with pytest.raises(ValueError, match="surrogates not allowed"):
        Form({"a": "\ud83d"}).encoded()


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (Json(1), "application/json"),
        (Json(1, "application/vnd.api+json"), "application/vnd.api+json"),
        (NdJson([]), "application/x-ndjson"),
        (Form({}), "application/x-www-form-urlencoded"),
    ],
)
def test_a_body_says_its_type(body: Body, content_type: str) -> None:
    assert body.content_type == content_type


@pytest.mark.parametrize(("body", "size"), [(None, 0), (Json("é"), 4), (Form({"a": "é"}), 8)])
def test_a_size_is_of_the_encoded_body(body: Body | None, size: int) -> None:
    assert PartnerCall(path="/", body=body, gzip=True).size() == size
