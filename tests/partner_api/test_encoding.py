import gzip
import math
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

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
    PartnerCall,
    Query,
    Secret,
)
from mparticle_firehose.partner_api.deployment_secrets import SecretUnavailableError
from mparticle_firehose.partner_api.encoding import EncodedRequest, Label, UnsendableError, encode

APP_KEY = DeploymentSecret("app_key")
KNOWN = {"app_key": "canary-app key/&é", "ascii": "canary-app-key"}


def reveal(secret: Secret) -> str:
    return KNOWN[secret.name] if isinstance(secret, DeploymentSecret) else secret


def encoded(call: PartnerCall) -> EncodedRequest:
    return encode(call, reveal)


def reason_of(call: PartnerCall) -> str:
    with pytest.raises(UnsendableError) as caught:
        encoded(call)
    return caught.value.reason


def test_every_call_says_who_asks_for_what() -> None:
    assert encoded(PartnerCall(method="GET", path="/a%2Fb")) == EncodedRequest(
        "GET",
        "/a%2Fb",
        {
            "Accept": "application/json",
            "User-Agent": "mparticle-firehose",
        },
        None,
    )


@pytest.mark.parametrize(
    ("auth", "expected"),
    [
        (Bearer("canary-token"), {"Authorization": "Bearer canary-token"}),
        (Bearer(DeploymentSecret("ascii")), {"Authorization": "Bearer canary-app-key"}),
        (Basic("s", "k"), {"Authorization": "Basic czpr"}),  # Customer.io's site and key
        (Basic("canary-key"), {"Authorization": "Basic Y2FuYXJ5LWtleTo="}),
        (Basic("s", DeploymentSecret("ascii")), {"Authorization": "Basic czpjYW5hcnktYXBwLWtleQ=="}),
        (Header("Api-Key", "canary-key"), {"Api-Key": "canary-key"}),
        (
            Header("Authorization", DeploymentSecret("ascii"), "Klaviyo-API-Key "),
            {"Authorization": "Klaviyo-API-Key canary-app-key"},
        ),
        (InBody("canary-key", "canary-secret"), {}),
        (None, {}),
    ],
    ids=["bearer", "bearer-ours", "basic", "basic-alone", "basic-ours", "header", "prefix", "in-body", "none"],
)
def test_each_kind_of_credential_is_what_its_api_wants(auth: Auth | None, expected: Mapping[str, str]) -> None:
    without = encoded(PartnerCall(path="/x")).headers

    assert encoded(PartnerCall(path="/x", auth=auth)).headers == {**without, **expected}


@pytest.mark.parametrize(
    "path",
    [
        "/v1/lists/..", "/v1/lists/.", "/v1/../erasures", "/..", "/v1/lists/%2e%2e", "/v1/%2E./x",
        "/v1/lists/%252e%252e", "/v1/a%2F..%2F..%2Ferasures", "/v1/..%5Cx", "/v1/..\\x", "/v1/..;a=b/x",
        "/v1//members", "//host/x", "/v1/a%00", "/v1/a%0d%0aX", "/v1/a%7F", "/v1/a%250a",
        "/v1/..%20/x", "/v1/%20../x", "/v1/%EF%BC%8E%EF%BC%8E/x", "/v1/%E2%80%A5",
    ],
)  # fmt: skip
def test_a_value_that_leaves_its_segment_of_the_path_cannot_be_sent(path: str) -> None:
    assert reason_of(PartnerCall(path=path)) == "path_segment"


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/event/track/",
        "/v1/a%2Fb",
        "/v1/...",
        "/v1/..a",
        "/v1/a..b",
        "/v1/50%25%20off",
        "/a:b",
        "/%F0%9F%98%80",
        "/%ff",
    ],
)
def test_another_path_is_sent_as_it_is(path: str) -> None:
    assert encoded(PartnerCall(path=path)).target == path


def test_a_query_holds_parameters_and_a_credential_percent_encoded() -> None:
    call = PartnerCall(path="/x", query={"q": "a b+c/é&=", "app": APP_KEY}, auth=Query("api_key", "canary-key"))

    assert encoded(call).target == "/x?q=a%20b%2Bc%2F%C3%A9%26%3D&app=canary-app%20key%2F%26%C3%A9&api_key=canary-key"


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        (Json({"a": [1, "é"], "key": APP_KEY}), "application/json", '{"a":[1,"é"],"key":"canary-app key/&é"}'.encode()),
        (Json([]), "application/json", b"[]"),
        (Json(None, "application/vnd.api+json"), "application/vnd.api+json", b"null"),
        (
            NdJson([{"a": 1}, {"b": DeploymentSecret("ascii")}]),
            "application/x-ndjson",
            b'{"a":1}\n{"b":"canary-app-key"}\n',
        ),
        (
            Form({"a": "b c", "key": APP_KEY}),
            "application/x-www-form-urlencoded",
            b"a=b+c&key=canary-app+key%2F%26%C3%A9",
        ),
    ],
    ids=["json", "list", "typed", "ndjson", "form"],
)
def test_each_kind_of_body_has_its_bytes_and_its_type(body: Any, content_type: str, expected: bytes) -> None:
    request = encoded(PartnerCall(path="/x", body=body))

    assert (request.headers["Content-Type"], request.body) == (content_type, expected)
    assert "Content-Encoding" not in request.headers


def test_a_compressed_body_says_so_and_is_the_same_each_time() -> None:
    call = PartnerCall(path="/x", body=Json({"a": "b" * 1000}), gzip=True)
    first, second = encoded(call), encoded(call)

    assert first == second
    assert first.headers["Content-Encoding"] == "gzip"
    assert first.body is not None
    assert len(first.body) < 100
    assert gzip.decompress(first.body) == b'{"a":"' + b"b" * 1000 + b'"}'
    assert first.body[4:8] == bytes(4)  # no time


def test_a_call_has_the_last_word_on_its_headers_in_any_case() -> None:
    headers = {
        "accept": "application/vnd.urbanairship+json; version=3",
        "content-type": "text/x",
        "revision": "2026-01-15",
    }
    request = encoded(PartnerCall(path="/x", headers=headers, body=Json(1)))

    assert request.headers == {
        "User-Agent": "mparticle-firehose",
        **headers,
    }


def test_a_header_may_hold_a_deployment_secret() -> None:
    request = encoded(PartnerCall(path="/x", headers={"developer-token": DeploymentSecret("ascii")}))

    assert request.headers["developer-token"] == "canary-app-key"


def test_the_credential_is_never_sent_beside_another_header_of_its_name() -> None:
    request = encoded(PartnerCall(path="/x", headers={"authorization": "canary-other"}, auth=Bearer("canary-token")))

    assert [(name, value) for name, value in request.headers.items() if name.lower() == "authorization"] == [
        ("Authorization", "Bearer canary-token")
    ]


def deep() -> list[Any]:
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    return nested


def circular() -> list[Any]:
    nested: list[Any] = []
    nested.append(nested)
    return nested


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, Decimal(1), {1}, b"x", object(), {("a",): 1}, circular(), deep(), 10**5000],
    ids=["nan", "infinite", "decimal", "set", "bytes", "object", "key", "circular", "deep", "huge"],
)
@pytest.mark.parametrize("kind", [Json, lambda value: NdJson([1, value])], ids=["json", "ndjson"])
def test_a_body_that_has_no_json_is_rejected(kind: Any, value: Any) -> None:
    assert reason_of(PartnerCall(path="/x", body=kind(value))) == "body_not_json"


def test_half_a_character_is_escaped_in_json_and_rejected_elsewhere() -> None:
    assert encoded(PartnerCall(path="/x", body=Json("\ud800"))).body == b'"\\ud800"'
    assert reason_of(PartnerCall(path="/x", body=Form({"a": "\ud800"}))) == "body_not_utf8"
    assert reason_of(PartnerCall(path="/x", query={"a": "\ud800"})) == "query_not_utf8"
    assert reason_of(PartnerCall(path="/x", auth=Query("a", "\ud800"))) == "query_not_utf8"
    assert reason_of(PartnerCall(path="/x", auth=Basic("\ud800"))) == "header_not_ascii"


@pytest.mark.parametrize(
    "value", ["canary-é", "canary-\r\nX: y", "canary-\n", "canary-\0", "canary-\x7f", "canary-\t"], ids=ascii
)
@pytest.mark.parametrize(
    "call_with",
    [
        lambda value: PartnerCall(path="/x", auth=Bearer(value)),
        lambda value: PartnerCall(path="/x", auth=Header("X-Key", value)),
        lambda value: PartnerCall(path="/x", auth=Header("X-Key", "ok", value)),
        lambda value: PartnerCall(path="/x", headers={"X-Other": value}),
        lambda value: PartnerCall(path="/x", body=Json(1, value)),
    ],
    ids=["bearer", "header", "prefix", "other", "type"],
)
def test_what_no_header_can_carry_is_rejected(call_with: Any, value: str) -> None:
    assert reason_of(call_with(value)) == "header_not_ascii"


@pytest.mark.parametrize(
    "call",
    [
        PartnerCall(path="/x", auth=Bearer(APP_KEY)),
        PartnerCall(path="/x", auth=Header("X-Key", APP_KEY)),
        PartnerCall(path="/x", headers={"X-Key": APP_KEY}),
    ],
    ids=["bearer", "header", "other"],
)
def test_a_deployment_secret_that_no_header_can_carry_is_the_deployments_fault(call: PartnerCall) -> None:
    with pytest.raises(SecretUnavailableError) as caught:
        encoded(call)

    assert str(caught.value) == "deployment secret 'app_key': has characters that no header can carry"


def test_what_is_written_is_not_shown() -> None:
    call = PartnerCall(
        path="/x",
        query={"q": "canary-query"},
        headers={"X-Other": "canary-header"},
        auth=Bearer("canary-token"),
        body=Json("canary-body"),
    )

    assert "canary" not in repr(encoded(call))


CALL = PartnerCall(path="/x", body=Json({"a": 1}))


def labelled(call: PartnerCall, identity: str = "r1") -> dict[str, str]:
    return dict(encode(call, reveal, Label(identity, "r1 r2")).headers)


def test_a_label_becomes_headers() -> None:
    assert labelled(CALL)["Correlation-Id"] == "r1 r2"


def test_a_label_that_no_header_can_carry_is_rejected() -> None:
    with pytest.raises(UnsendableError, match=r"^header_not_ascii$"):
        encode(CALL, reveal, Label("i", "canary-é"))


def test_equal_calls_of_one_identity_have_one_key_and_all_others_another() -> None:
    others = [
        labelled(CALL, "r2"),
        labelled(replace(CALL, path="/y")),
        labelled(replace(CALL, method="PUT")),
        labelled(replace(CALL, query={"a": "b"})),
        labelled(replace(CALL, body=Json({"a": 2}))),
    ]

    keys = {headers["Idempotency-Key"] for headers in others}
    assert labelled(CALL) == labelled(CALL)
    assert len({labelled(CALL)["Idempotency-Key"], *keys}) == len(others) + 1


def test_a_get_has_no_key_so_that_it_is_answered_anew() -> None:
    assert "Idempotency-Key" not in labelled(PartnerCall(method="GET", path="/x"))


def test_headers_of_every_call_give_way_to_the_call_s_own_in_any_case() -> None:
    shared: dict[str, Secret] = {"revision": "2026-01-15", "X-App": DeploymentSecret("ascii")}

    plain = encode(PartnerCall(path="/x"), reveal, None, shared).headers
    own = encode(PartnerCall(path="/x", headers={"Revision": "2025-10-15"}), reveal, None, shared).headers

    assert (plain["revision"], plain["X-App"]) == ("2026-01-15", KNOWN["ascii"])
    assert [value for name, value in own.items() if name.lower() == "revision"] == ["2025-10-15"]
