"""A fake API is held to its OpenAPI document: paths, parameters, credentials and bodies."""

import base64
import gzip
import json
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import pytest
import urllib3

from local.partner.contract import Contract
from local.partner.server import PartnerServer
from tests.local.partner_api import DOCUMENT, BoxesApi

KEY = "canary-token"
ITEMS: dict[str, object] = {"items": [{"name": "tea"}]}
UNREADABLE = "body: must have a Content-Length of at most 8 MiB"
BASIC = f"Basic {base64.b64encode(b'jane:canary-password').decode()}"


@pytest.fixture
def partner() -> Iterator[PartnerServer]:
    with PartnerServer(BoxesApi()) as running:
        yield running


class Caller:
    """Calls the partner as an integration would."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._pool = urllib3.PoolManager(retries=False, timeout=5)
        self._calls = 0

    def close(self) -> None:
        self._pool.clear()

    def fill(self, body: object = ITEMS, *, box: str = "b1", key: str | None = None) -> urllib3.BaseHTTPResponse:
        self._calls += 1
        headers = {"Authorization": f"Bearer {KEY}", "Idempotency-Key": key or f"call-{self._calls}"}
        json_headers = {**headers, "Content-Type": "application/json"}
        return self.send("PUT", f"/boxes/{box}", json_headers, body=json.dumps(body))

    def send(self, method: str, path: str, headers: dict[str, str], **content: Any) -> urllib3.BaseHTTPResponse:
        return self._pool.request(method, self._url + path, headers=headers, **content)


@pytest.fixture
def caller(partner: PartnerServer) -> Iterator[Caller]:
    calling = Caller(partner.url)
    yield calling
    calling.close()


def test_a_valid_call_takes_effect_and_its_answer_comes_from_the_api(partner: PartnerServer, caller: Caller) -> None:
    answer = caller.fill({"items": [{"name": "tea", "size": "small"}, {"name": "cup", "weight": None}]})

    assert (answer.status, answer.json()) == (201, {"box": "b1"})
    assert (partner.api.boxes, partner.violations) == ({"b1": ["tea", "cup"]}, ())
    assert partner.summary() == {"b1": {"items": 2}}


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        pytest.param(None, "body: must be object", id="no-body"),
        pytest.param([], "body: must be object", id="no-object"),
        pytest.param({}, "items: is required", id="missing"),
        pytest.param({**ITEMS, "extra": KEY}, "extra: is not part of the API", id="unknown"),
        pytest.param({"items": [{"name": ""}]}, "items[0].name: must not be empty", id="empty"),
        pytest.param({"items": [{"name": "TEA"}]}, "items[0].name: must match ^[a-z]+$", id="pattern"),
        pytest.param(
            {"items": [{"name": "tea", "size": KEY}]}, "items[0].size: must be one of small, large", id="enumeration"
        ),
        pytest.param(
            {"items": [{"name": "tea", "weight": 0}]},
            "items[0].weight: must fit one of: items[0].weight: must be at least 1 | "
            "items[0].weight: must be null",
            id="alternatives",
        ),
        pytest.param({"items": [{"name": "tea"}] * 4}, "items: must have at most 3 items", id="too-many"),
        pytest.param({"items": [{"name": "tea"}] * 2}, "items: must not hold the same name twice", id="rule-in-python"),
    ],
)  # fmt: skip
def test_a_body_that_breaks_a_rule_is_refused_with_the_field_and_the_rule(
    partner: PartnerServer, caller: Caller, body: object, rule: str
) -> None:
    answer = caller.fill(body)

    assert (answer.status, answer.json()) == (422, {"error": rule})
    assert partner.violations == (f"PUT /boxes/{{box}}: {rule}",)
    assert partner.api.calls == []


def test_a_name_that_is_no_valid_unicode_is_checked_like_any_other(partner: PartnerServer, caller: Caller) -> None:
    assert caller.fill({"items": [{"name": "tea", "\ud800": 1}]}).status == 201
    assert caller.fill({"items": [{"name": "", "\ud800": 1}]}).json() == {"error": "items[0].name: must not be empty"}


@pytest.mark.parametrize(
    ("method", "path", "status", "violation"),
    [
        pytest.param("GET", "/nothing", 404, "GET /nothing: path: is unknown", id="path"),
        pytest.param("POST", "/oauth/v2/token", 404, "POST /oauth/v2/token: path: is unknown", id="between"),
        pytest.param("POST", "/oauth/by-key", 404, "POST /oauth/by-key: path: is unknown", id="base-of-another"),
        pytest.param("POST", "/boxes/b1", 405, "POST /boxes/{box}: method: is not offered for this path", id="method"),
        pytest.param("GET", "/boxes/b1?limit=0", 400, "GET /boxes/{box}: limit: must be at least 1", id="query-value"),
        pytest.param(
            "GET", "/boxes/b1?canary=1", 400, "GET /boxes/{box}: canary: is not part of the API", id="query-name"
        ),
        pytest.param(
            "GET", "/boxes/canary-box", 400, "GET /boxes/{box}: box: must have at most 9 characters", id="path-value"
        ),
    ],
)
def test_a_target_that_the_document_does_not_have_is_refused(
    partner: PartnerServer, caller: Caller, method: str, path: str, status: int, violation: str
) -> None:
    assert caller.send(method, path, {}).status == status
    assert partner.violations == (violation,)


def test_parameters_of_path_query_and_header_reach_the_api_decoded(partner: PartnerServer, caller: Caller) -> None:
    caller.fill(box="a%2Fb", key="k")
    caller.send("GET", "/boxes/b1?limit=2", {})
    caller.send("GET", "/boxes/all", {})

    assert partner.api.calls == [
        ("fill", {"box": "a/b", "Idempotency-Key": "k"}),
        ("look", {"box": "b1", "limit": "2"}),
        ("list", {}),
    ]


@pytest.mark.parametrize(
    ("path", "headers", "status", "rule"),
    [
        pytest.param("/boxes/b1", {}, 401, "Authorization: must be a Bearer credential", id="none"),
        pytest.param("/boxes/b1", {"Authorization": "Bearer "}, 401, "Authorization: must be a Bearer credential",
                     id="empty"),
        pytest.param("/boxes/b1", {"Authorization": BASIC}, 401, "Authorization: must be a Bearer credential",
                     id="of-another-kind"),
        pytest.param("/by-user", {"Authorization": "Basic !"}, 401, "Authorization: must be a Basic credential",
                     id="not-base64"),
        pytest.param("/by-key", {"Authorization": f"Bearer {KEY}"}, 401, "Box-Key: must be present", id="no-key"),
        pytest.param("/by-either", {"Box-Key": KEY}, 401, "Authorization: must be a Basic credential",
                     id="half-of-an-alternative"),
        pytest.param("/boxes/b1", {"Authorization": f"Bearer {KEY}"}, 400, "Idempotency-Key: is required",
                     id="parameter"),
        pytest.param("/boxes/b1",
                     {"Authorization": f"Bearer {KEY}", "Idempotency-Key": "k", "Content-Type": "text/plain"}, 400,
                     "body: Content-Type must be application/json", id="media-type"),
    ],
)  # fmt: skip
def test_a_header_that_is_missing_or_wrong_is_refused(
    partner: PartnerServer, caller: Caller, path: str, headers: dict[str, str], status: int, rule: str
) -> None:
    method = "PUT" if path.startswith("/boxes") else "POST"
    answer = caller.send(method, path, headers, body=json.dumps(ITEMS))

    assert (answer.status, answer.json()) == (status, {"error": rule})
    assert partner.violations == (f"{method} {partner.contract.route(path)}: {rule}",)


@pytest.mark.parametrize(
    ("path", "headers", "credentials"),
    [
        pytest.param("/twice", {"Authorization": f"Bearer {KEY}"}, KEY, id="bearer"),
        pytest.param("/by-user", {"Authorization": BASIC}, "jane:canary-password", id="basic"),
        pytest.param("/by-key", {"Box-Key": KEY}, KEY, id="key-in-a-header"),
        pytest.param("/by-either", {"Box-Key": KEY, "Authorization": BASIC}, KEY, id="one-alternative"),
        pytest.param("/by-either", {"Authorization": f"Bearer {KEY}"}, KEY, id="the-other-alternative"),
    ],
)
def test_credentials_are_valid_until_they_are_revoked(
    partner: PartnerServer, caller: Caller, path: str, headers: dict[str, str], credentials: str
) -> None:
    partner.revoke("canary-other")
    before = caller.send("POST", path, headers).status

    partner.revoke(credentials)

    assert (before, caller.send("POST", path, headers).status) == (204, 401)
    assert partner.violations == ()


@pytest.mark.parametrize(
    ("headers", "body", "rule"),
    [
        pytest.param({}, b"{", "body: must be JSON", id="no-json"),
        pytest.param({"Transfer-Encoding": "chunked"}, b"", UNREADABLE, id="chunked"),
        pytest.param({"Content-Length": "8388609"}, b"", UNREADABLE, id="huge"),
    ],
)  # fmt: skip
def test_a_body_that_cannot_be_read_is_refused(
    partner: PartnerServer, caller: Caller, headers: dict[str, str], body: bytes, rule: str
) -> None:
    connection = HTTPConnection("127.0.0.1", int(partner.url.rpartition(":")[2]), timeout=5)
    connection.request("PUT", "/boxes/b1", body, headers)
    assert connection.getresponse().status == 400
    connection.close()
    assert partner.violations == (f"PUT /boxes/{{box}}: {rule}",)


def test_a_body_may_be_an_array(partner: PartnerServer, caller: Caller) -> None:
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}

    assert caller.send("PUT", "/labels", headers, body=b'["a", "b"]').status == 204
    assert caller.send("PUT", "/labels", headers, body=b'["a", ""]').json() == {"error": "[1]: must not be empty"}
    assert caller.send("PUT", "/labels", headers, body=b"{}").json() == {"error": "body: must be array"}
    assert partner.requests[0].body == ["a", "b"]


def test_a_get_is_asked_anew_although_its_key_is_known(partner: PartnerServer, caller: Caller) -> None:
    headers = {"Authorization": f"Bearer {KEY}", "Idempotency-Key": "same"}

    for _ in range(2):
        caller.send("GET", "/boxes/b1", headers)
        caller.send("PUT", "/boxes/b1", {**headers, "Content-Type": "application/json"}, body=json.dumps(ITEMS))

    assert [operation for operation, _ in partner.api.calls] == ["look", "fill", "look"]
    assert partner.repeats == 1


LINES = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/x-ndjson"}
ZIPPED = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json", "Content-Encoding": "gzip"}


def test_lines_of_json_are_checked_like_an_array(partner: PartnerServer, caller: Caller) -> None:
    assert caller.send("PUT", "/labels", LINES, body=b'"a"\n"b"\n').status == 204
    assert caller.send("PUT", "/labels", LINES, body=b'"a"\n""\n').json() == {"error": "[1]: must not be empty"}
    assert partner.requests[0].body == ["a", "b"]


def test_a_body_may_be_compressed(partner: PartnerServer, caller: Caller) -> None:
    assert caller.send("PUT", "/labels", ZIPPED, body=gzip.compress(b'["a"]')).status == 204
    assert caller.send("PUT", "/labels", {**LINES, **ZIPPED}, body=gzip.compress(b'[""]')).status == 422
    assert partner.requests[0].body == ["a"]


@pytest.mark.parametrize(
    ("headers", "body", "rule"),
    [
        pytest.param(LINES, b'"a"\n\n"b"', "must be JSON in each line", id="empty-line"),
        pytest.param(ZIPPED, b'["a"]', "must be compressed with gzip, as Content-Encoding says", id="not-compressed"),
        pytest.param({**ZIPPED, "Content-Encoding": "br"}, b"x", "Content-Encoding must be gzip", id="other-encoding"),
        pytest.param(ZIPPED, gzip.compress(b"["), "must be JSON", id="no-json-inside"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused_by_its_rule(
    partner: PartnerServer, caller: Caller, headers: dict[str, str], body: bytes, rule: str
) -> None:
    assert caller.send("PUT", "/labels", headers, body=body).json() == {"error": f"body: {rule}"}
    assert partner.violations == (f"PUT /labels: body: {rule}",)


FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}


def test_a_form_is_checked_like_an_object_and_needs_no_credential_if_the_path_has_no_security(
    partner: PartnerServer, caller: Caller
) -> None:
    answer = caller.send("POST", "/token", FORM, body=b"grant_type=refresh_token&refresh_token=canary-%C3%A9+%2B")

    assert (answer.status, partner.violations) == (204, ())
    assert partner.requests[0].body == {"grant_type": "refresh_token", "refresh_token": "canary-\u00e9 +"}


@pytest.mark.parametrize(
    ("headers", "body", "rule"),
    [
        pytest.param(FORM, b"grant_type=refresh_token", "refresh_token: is required", id="field-missing"),
        pytest.param(
            FORM, b"grant_type=canary&refresh_token=t", "grant_type: must be refresh_token", id="field-wrong"
        ),
        pytest.param(FORM, b"", "grant_type: is required", id="empty"),
        pytest.param(FORM, b"a=1&a=2", "body: must not name a field twice", id="field-twice"),
        pytest.param(FORM, b"canary", "body: must be a form in UTF-8", id="no-form"),
        pytest.param(FORM, b"a=%ff", "body: must be a form in UTF-8", id="no-utf-8"),
        pytest.param(
            {"Content-Type": "application/json"}, b'{"grant_type": "refresh_token", "refresh_token": "t"}',
            "body: Content-Type must be application/x-www-form-urlencoded", id="json",
        ),
    ],
)  # fmt: skip
def test_a_form_that_breaks_a_rule_is_refused(
    partner: PartnerServer, caller: Caller, headers: dict[str, str], body: bytes, rule: str
) -> None:
    assert caller.send("POST", "/token", headers, body=body).json() == {"error": rule}
    assert (partner.violations, partner.api.calls) == ((f"POST /token: {rule}",), [])


@pytest.mark.parametrize(
    ("path", "host", "status"),
    [
        pytest.param("/by-key", "api.boxes.example", 204, id="the-documents"),
        pytest.param("/by-key", "login.boxes.example", 404, id="of-another-path"),
        pytest.param("/by-key", "api.boxes.test", 404, id="unknown"),
        pytest.param("/by-key", "localhost:8080", 204, id="this-machine"),
        pytest.param("/token", "login.boxes.example", 204, id="the-paths-own"),
        pytest.param("/token", "api.boxes.example", 404, id="not-the-documents"),
        pytest.param("/oauth/token", "login.boxes.example", 204, id="below-the-servers-path"),
    ],
)
def test_a_path_is_offered_by_its_own_host(
    partner: PartnerServer, caller: Caller, path: str, host: str, status: int
) -> None:
    is_token = path.endswith("/token")
    headers = {"Host": host, **(FORM if is_token else {"Box-Key": KEY})}
    body = b"grant_type=refresh_token&refresh_token=t" if is_token else b""

    assert caller.send("POST", path, headers, body=body).status == status
    assert partner.violations == (() if status == 204 else (f"POST {path}: host: does not offer this path",))


def test_an_operation_without_a_body_refuses_one(partner: PartnerServer, caller: Caller) -> None:
    headers = {"Box-Key": KEY, "Content-Type": "application/json"}

    assert caller.send("POST", "/by-key", headers, body=b'{"a": 1}').json() == {"error": "body: must be empty"}
    assert caller.send("POST", "/by-key", headers, body=b"{}").status == 204


def test_a_security_scheme_that_the_server_cannot_check_is_refused_when_it_starts() -> None:
    schemes = {**DOCUMENT["components"]["securitySchemes"], "token": {"type": "oauth2", "flows": {}}}
    document = {**DOCUMENT, "components": {**DOCUMENT["components"], "securitySchemes": schemes}}

    with pytest.raises(ValueError, match="security scheme token: must be"):
        Contract(document)
