import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.endpoint.entry import respond
from mparticle_firehose.endpoint.errors import (
    FeedSecretUnavailableError,
    RefusedRequestError,
    SignatureRefusedError,
    TokensUnavailableError,
    UnknownTokenError,
)
from mparticle_firehose.endpoint.http_event import HttpRequest, HttpResponse
from mparticle_firehose.endpoint.responses import ERROR_STATUSES, error_response
from mparticle_firehose.endpoint.router import COOKIE_SYNC_PATH, FEED_PATH, MAX_BODY_BYTES, ROUTES, Router, facts_of
from mparticle_firehose.errors import (
    ConfigurationError,
    DeliveryError,
    FirehoseError,
    MalformedRequestError,
    RefusedError,
    RegistrationError,
    SettingError,
    UnexpectedError,
    UnsupportedMessageError,
)
from mparticle_firehose.integration import Answer, Retry
from mparticle_firehose.protocol import REQUEST_MODELS, AnyRequest
from mparticle_firehose.services import Services
from tests.conftest import (
    EVENTS,
    Context,
    Json,
    PartnerDouble,
    Reply,
    ServicesDouble,
    StoreDouble,
    TelemetryDouble,
    load_event,
    serializer,
)
from tests.endpoint.http_events import function_url_event
from tests.endpoint.routers import Application

REQUESTS = sorted(path.stem for path in EVENTS.glob("*.json"))
TOKEN = "canary-token-router"
JSON_TYPE = {"content-type": "application/json"}
OURS = {**JSON_TYPE, "authorization": f"Token {TOKEN}"}
PATHS = {
    "module_registration_request": "/registration",
    "event_processing_request": "/events",
    "audience_subscription_request": "/audiences",
    "audience_membership_change_request": "/audiences",
    "dsr_processing_request": "/dsr",
}


def one_token(authorization: str | None) -> None:
    """Know one token."""
    if not authorization:
        raise RefusedRequestError(401, "token_required", {"WWW-Authenticate": "Token"})
    if authorization != f"Token {TOKEN}":
        raise UnknownTokenError


def closed(authorization: str | None) -> None:
    raise TokensUnavailableError("the source holds no token")


@dataclass
class Client:
    """Sends requests to a router and keeps the messages that were read."""

    router: Router
    deadline: Deadline
    read: list[AnyRequest] = field(default_factory=list)

    def send(self, path: str, body: object, headers: Mapping[str, str] = OURS, method: str = "POST") -> HttpResponse:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = HttpRequest(method=method, path=path, headers=headers, body=data)
        try:
            message = self.router.read(request)
            self.read += [message] if message else []
            return self.router.process(request, message, self.deadline)
        except FirehoseError as error:
            return error_response(error)

    def status(self, path: str, body: object, headers: Mapping[str, str] = OURS, method: str = "POST") -> int:
        return self.send(path, body, headers, method).status

    @property
    def counts(self) -> dict[str, int]:
        return cast("TelemetryDouble", self.router.services.telemetry).counts


def router_for(services: Services, **options: Any) -> Router:
    return Router(**{"serializer": serializer, "services": services, "authorize": one_token, **options})


@pytest.fixture
def client(services: Services, partner: PartnerDouble, deadline: Deadline) -> Client:
    partner.judge = lambda _: Answer(status=201, body={"segment": "seg-7"})
    return Client(router_for(services), deadline)


def content(answer: HttpResponse) -> Json:
    read: Json = json.loads(answer.body)
    return read


def test_every_type_of_request_has_a_path_and_the_root_takes_all() -> None:
    assert ROUTES["/"].messages == set(REQUEST_MODELS.values())
    assert set.union(*(set(ROUTES[path].messages) for path in PATHS.values())) == set(REQUEST_MODELS.values())


@pytest.mark.parametrize("at_root", [True, False], ids=["root", "own-path"])
@pytest.mark.parametrize("name", REQUESTS)
def test_each_request_is_answered_at_the_root_and_at_its_own_path(client: Client, name: str, at_root: bool) -> None:
    request = load_event(name)

    answer = client.send("/" if at_root else PATHS[request["type"]], request)

    assert answer.status == 200
    assert answer.headers == {"Content-Type": "application/json;charset=utf-8", "Cache-Control": "no-store"}
    assert serializer.parse_response(answer.body).type.value == request["type"].replace("_request", "_response")
    assert [message.type.value for message in client.read] == [request["type"]]


@pytest.mark.parametrize("path", [path for path, route in ROUTES.items() if route.messages and path != "/"])
@pytest.mark.parametrize("name", REQUESTS)
def test_a_path_takes_its_own_types_only(client: Client, name: str, path: str) -> None:
    request = load_event(name)
    is_own = PATHS[request["type"]] == path

    answer = client.send(path, request)

    assert answer.status == (200 if is_own else 400)
    if not is_own:
        problem = {"field": "type", "problem": "must be one that this path takes"}
        assert content(answer) == {"error": {"code": "unsupported_message", "problems": [problem]}}


@pytest.mark.parametrize("name", REQUESTS)
def test_bytes_and_objects_are_read_as_the_same_message(name: str) -> None:
    assert serializer.parse((EVENTS / f"{name}.json").read_bytes()) == serializer.parse(load_event(name))


class TestHealth:
    def test_it_says_that_all_is_well_to_everybody(self, client: Client, partner: PartnerDouble) -> None:
        answer = client.send("/health", b"", headers={}, method="GET")

        assert (answer.status, answer.body) == (200, '{"status":"ok"}')
        assert partner.calls == []
        assert client.counts == {}

    def test_it_does_so_without_any_tokens(self, services: Services, deadline: Deadline) -> None:
        router = router_for(services, authorize=closed)

        assert Client(router, deadline).status("/health", b"", headers={}, method="GET") == 200


class TestCookieSync:
    def test_it_is_passed_on_without_a_token(self, services: Services, deadline: Deadline) -> None:
        seen: list[HttpRequest] = []

        def sync(request: HttpRequest) -> HttpResponse:
            seen.append(request)
            return HttpResponse(status=302, headers={"Location": "https://partner.example"})

        client = Client(router_for(services, authorize=closed, cookie_sync=sync), deadline)

        assert client.status(COOKIE_SYNC_PATH, b"", headers={}, method="GET") == 302
        assert [request.path for request in seen] == [COOKIE_SYNC_PATH]
        assert client.counts == {"CookieSyncs": 1}
        assert client.status(COOKIE_SYNC_PATH, b"", headers={}, method="POST") == 405

    def test_one_that_is_refused_shows_in_the_metrics(self, services: Services, deadline: Deadline) -> None:
        def refuse(_: HttpRequest) -> HttpResponse:
            raise RefusedRequestError(400, "query_malformed")

        client = Client(router_for(services, cookie_sync=refuse), deadline)

        assert client.status(COOKIE_SYNC_PATH, b"", headers={}, method="GET") == 400
        assert client.counts == {"Refused": 1}

    def test_a_deployment_that_does_not_want_it_does_not_know_it(self, client: Client) -> None:
        assert client.status(COOKIE_SYNC_PATH, b"", headers={}, method="GET") == 404
        assert client.counts == {"Refused": 1}


class TestFeed:
    def test_it_is_passed_on_without_a_token_and_with_the_deadline(
        self, services: Services, deadline: Deadline
    ) -> None:
        seen: list[tuple[bytes, Deadline]] = []

        def accept(request: HttpRequest, until: Deadline) -> HttpResponse:
            seen.append((request.body, until))
            return HttpResponse(status=202)

        client = Client(router_for(services, authorize=closed, feed=accept), deadline)

        assert client.status(FEED_PATH, b"canary-body", headers={}) == 202
        assert seen == [(b"canary-body", deadline)]
        assert client.counts == {}
        assert client.status(FEED_PATH, b"", headers={}, method="GET") == 405

    @pytest.mark.parametrize(
        ("error", "status", "counted"),
        [
            (SignatureRefusedError(), 401, {"FeedSignatureRefused": 1}),
            (FeedSecretUnavailableError("the source holds none"), 503, {"FeedSecretUnavailable": 1}),
            (RefusedRequestError(413, "too_large"), 413, {"Refused": 1}),
            (MalformedRequestError(("events", "is required")), 400, {}),
            (DeliveryError("the queue did not take it"), 503, {}),
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_what_is_refused_is_counted_by_its_reason(
        self, services: Services, deadline: Deadline, error: FirehoseError, status: int, counted: Json
    ) -> None:
        def refuse(_request: HttpRequest, _deadline: Deadline) -> HttpResponse:
            raise error

        client = Client(router_for(services, feed=refuse), deadline)

        assert (client.status(FEED_PATH, b""), client.counts) == (status, counted)

    @pytest.mark.parametrize("method", ["POST", "GET"])
    def test_a_deployment_without_it_does_not_know_it(self, client: Client, method: str) -> None:
        assert client.status(FEED_PATH, b"", headers={}, method=method) == 404
        assert client.counts == {"Refused": 1}


class TestTokens:
    def test_reading_them_takes_nothing_of_the_partners_time(self, services: Services, deadline: Deadline) -> None:
        seen: list[str] = []

        def read_slowly(_: str | None) -> None:
            seen.append("tokens")

        class Slow(Context):
            def get_remaining_time_in_millis(self) -> int:
                seen.append("deadline")
                return 10_000

        application = Application(router_for(services, authorize=read_slowly))
        body = json.dumps(load_event("dsr_processing_request")).encode()
        answer = respond(function_url_event("POST", "/dsr", body), Slow(), application)

        assert (answer["statusCode"], seen) == (200, ["tokens", "deadline"])

    @pytest.mark.parametrize(
        ("authorization", "status", "counted"),
        [("Token other", 403, {"TokenRefused": 1}), ("", 401, {"Refused": 1}), (None, 401, {"Refused": 1})],
        ids=["unknown", "empty", "none"],
    )
    @pytest.mark.parametrize("name", [name for name in REQUESTS if "registration" not in name])
    def test_everything_but_the_registration_needs_one(
        self, client: Client, name: str, authorization: str | None, status: int, counted: Json
    ) -> None:
        headers = JSON_TYPE if authorization is None else {**JSON_TYPE, "authorization": authorization}

        answer = client.send("/", load_event(name), headers)

        assert answer.status == status
        assert client.read == []
        assert client.counts == counted

    def test_who_is_not_let_in_is_told_how(self, client: Client) -> None:
        answer = client.send("/events", load_event("event_processing_request"), JSON_TYPE)

        assert answer.headers["WWW-Authenticate"] == "Token"
        assert content(answer) == {"error": {"code": "token_required"}}

    @pytest.mark.parametrize("path", ["/", "/registration"])
    @pytest.mark.parametrize("headers", [{}, JSON_TYPE, {"authorization": "Token other"}], ids=str)
    def test_the_registration_needs_none(
        self, services: Services, deadline: Deadline, path: str, headers: Json
    ) -> None:
        client = Client(router_for(services, authorize=closed), deadline)

        assert client.status(path, load_event("module_registration_request"), headers) == 200
        assert client.counts == {}

    @pytest.mark.parametrize("path", ["/events", "/audiences", "/dsr"])
    def test_elsewhere_the_registration_opens_nothing(self, client: Client, path: str) -> None:
        assert client.status(path, load_event("module_registration_request"), JSON_TYPE) == 401

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b'{"type":"nothing"}',
            b'module_registration_request"',
            b'{"type":"module_registration_request"',
            json.dumps(load_event("event_processing_request", note="module_registration_request")).encode(),
            b'{"type":"module_registration_request","note":"' + b"x" * 65_536 + b'"}',
            '{"type":"module_registration_request"}'.encode("utf-16"),
            b'{"type":"module_registration_request","x":' + b"[" * 60_000,
        ],
        ids=["empty", "broken", "unknown", "mark", "broken-mark", "mark-inside", "large", "utf-16", "deep"],
    )
    def test_a_stranger_learns_nothing_about_a_body(self, client: Client, body: bytes) -> None:
        answer = client.send("/", body, JSON_TYPE)

        assert content(answer) == {"error": {"code": "token_required"}}
        assert client.read == []

    def test_without_usable_tokens_the_request_is_to_come_again(self, services: Services, deadline: Deadline) -> None:
        client = Client(router_for(services, authorize=closed), deadline)

        answer = client.send("/", load_event("event_processing_request"))

        assert (answer.status, answer.headers["Retry-After"]) == (503, "10")
        assert content(answer) == {"error": {"code": "tokens_unavailable"}}
        assert client.counts == {"TokensUnavailable": 1}

    def test_they_can_be_switched_off(self, services: Services, deadline: Deadline) -> None:
        client = Client(router_for(services, authorize=None), deadline)

        assert client.status("/", load_event("event_processing_request"), JSON_TYPE) == 200


class TestRefusals:
    @pytest.mark.parametrize(
        "path",
        [
            "", "//", "//events", "/events/", "/Events", "/EVENTS", "/events;x=1", "/events%00", "/events\x00",
            "/events?x", "/%65vents", "/./events", "/../events", "/events/..", "/events/../events", "/events/%2e%2e",
            "\\events", "/events\n", "/event", "/eventsx", "https://host/events", "/canary-path", "/" + "a" * 100_000,
            "/production/events",
        ],
    )  # fmt: skip
    def test_every_other_path_is_unknown(self, client: Client, path: str) -> None:
        answer = client.send(path, load_event("event_processing_request"))

        assert (answer.status, content(answer)) == (404, {"error": {"code": "unknown_path"}})
        assert client.counts == {"Refused": 1}

    @pytest.mark.parametrize(
        "method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "POST ", "", "pOST"]
    )
    @pytest.mark.parametrize("path", [path for path, route in ROUTES.items() if route.messages])
    def test_messages_are_posted(self, client: Client, path: str, method: str) -> None:
        answer = client.send(path, load_event("event_processing_request"), method=method)

        assert (answer.status, answer.headers["Allow"]) == (405, "POST")

    @pytest.mark.parametrize("method", ["POST", "HEAD", "PUT", "DELETE", "OPTIONS"])
    def test_health_is_asked_for(self, client: Client, method: str) -> None:
        answer = client.send("/health", b"", headers={}, method=method)

        assert (answer.status, answer.headers["Allow"]) == (405, "GET")

    def test_six_mebibytes_are_read_and_one_byte_more_is_not(self, client: Client) -> None:
        body = json.dumps(load_event("event_processing_keep_alive")).encode()
        most = body + b" " * (MAX_BODY_BYTES - len(body))

        assert client.status("/events", most) == 200
        answer = client.send("/events", most + b" ")
        assert (answer.status, content(answer)) == (413, {"error": {"code": "too_large"}})

    @pytest.mark.parametrize(
        "content_type",
        [
            None, "", "application/json", "Application/JSON", "application/json;charset=utf-8",
            'application/json ; Charset="UTF-8"', "application/json; charset=utf8; version=2", "application/json;",
            "application/json; profile=x",
        ],
    )  # fmt: skip
    def test_json_in_utf8_is_taken_however_it_is_said(self, client: Client, content_type: str | None) -> None:
        headers = OURS | ({} if content_type is None else {"content-type": content_type})
        if content_type is None:
            headers.pop("content-type")

        assert client.status("/events", load_event("event_processing_keep_alive"), headers) == 200

    @pytest.mark.parametrize(
        ("header", "value", "code"),
        [
            ("content-type", "text/plain", "unsupported_media_type"),
            ("content-type", "text/json", "unsupported_media_type"),
            ("content-type", "application/x-www-form-urlencoded", "unsupported_media_type"),
            ("content-type", "multipart/form-data; boundary=x", "unsupported_media_type"),
            ("content-type", "application/json,application/json", "unsupported_media_type"),
            ("content-type", "application/jsonx", "unsupported_media_type"),
            ("content-type", "x" * 100_000, "unsupported_media_type"),
            ("content-type", "application/json; charset=utf-16", "unsupported_charset"),
            ("content-type", "application/json; charset=iso-8859-1", "unsupported_charset"),
            ("content-type", "application/json; charset=", "unsupported_charset"),
            ("content-type", "application/json; charset", "unsupported_charset"),
            ("content-type", "application/json; charset=utf-8; charset=utf-7", "unsupported_charset"),
            ("content-encoding", "gzip", "unsupported_content_encoding"),
            ("content-encoding", "br", "unsupported_content_encoding"),
            ("content-encoding", "identity, gzip", "unsupported_content_encoding"),
        ],
    )  # fmt: skip
    def test_anything_else_is_not(self, client: Client, header: str, value: str, code: str) -> None:
        answer = client.send("/events", load_event("event_processing_keep_alive"), {**OURS, header: value})

        assert (answer.status, content(answer)) == (415, {"error": {"code": code}})
        assert client.counts == {"Refused": 1}

    def test_an_identity_coding_is_none(self, client: Client) -> None:
        headers = {**OURS, "content-encoding": "Identity"}

        assert client.status("/events", load_event("event_processing_keep_alive"), headers) == 200

    def test_the_first_thing_that_is_wrong_decides(self, client: Client) -> None:
        """A path, a method, a size and a content type cost nothing to look at; a token does, and a message more."""
        huge, odd = b"x" * (MAX_BODY_BYTES + 1), {"content-type": "text/plain"}

        statuses = [
            client.status("/nowhere", huge, odd, "PUT"),
            client.status("/events", huge, odd, "PUT"),
            client.status("/events", huge, odd),
            client.status("/events", b"{", odd),
            client.status("/events", b"{", JSON_TYPE),
            client.status("/events", b"{", OURS),
        ]

        assert statuses == [404, 405, 413, 415, 401, 400]


class TestMalformedMessages:
    @pytest.mark.parametrize(
        ("body", "code", "problems"),
        [
            (b"", "malformed", [("", "must not be empty")]),
            (b"canary-pii", "malformed", [("", "must be JSON")]),
            (b"[]", "malformed", [("", "must be a JSON object")]),
            (b"null", "malformed", [("", "must be a JSON object")]),
            (b'"canary-pii"', "malformed", [("", "must be a JSON object")]),
            (b'{"type":"\xff"}', "malformed", [("", "must be UTF-8 text")]),
            (b"[" * 1_000_000, "malformed", [("", "is nested too deeply")]),
            (b'{"a":' * 1_000_000, "malformed", [("", "is nested too deeply")]),
            (b'{"type":NaN}', "malformed", [("", "must be JSON")]),
            (b'{"type":' + b"9" * 5_000 + b"}", "unsupported_message", None),
            (b"{}", "unsupported_message", [("type", "is required")]),
            (b'{"type":"canary-pii"}', "unsupported_message", None),
            (b'{"type":["canary-pii"]}', "unsupported_message", None),
            (
                b'{"type":"event_processing_response"}',
                "unsupported_message",
                [("type", "must be a request's, not a response's")],
            ),
            (
                b'{"type":"event_processing_request","account":"canary-pii"}',
                "malformed",
                [("account", "must be an object")],
            ),
            (
                b'{"type":"event_processing_request","account":{"account_settings":{"canary-pii":[1]}}}',
                "malformed",
                [("account.account_settings.*", "must be text")],
            ),
            (
                b'{"type":"event_processing_request","account":{"account_settings":{"491701234567":[1]}}}',
                "malformed",
                [("account.account_settings.*", "must be text")],
            ),
        ],
        ids=[
            "empty", "no-json", "list", "null", "text", "utf-8", "deep-list", "deep-object", "nan", "huge-number",
            "no-type", "unknown-type", "odd-type", "response", "no-object", "key", "number-as-key",
        ],
    )  # fmt: skip
    def test_they_are_refused_by_field_and_rule(
        self, client: Client, body: bytes, code: str, problems: list[tuple[str, str]] | None
    ) -> None:
        answer = client.send("/", body)

        error = content(answer)["error"]
        assert (answer.status, error["code"]) == (400, code)
        assert "canary" not in answer.body
        if problems is not None:
            assert [(problem["field"], problem["problem"]) for problem in error["problems"]] == problems

    @pytest.mark.parametrize(
        "body",
        [
            b'\xef\xbb\xbf{"type":"event_processing_request"}',
            b'{"mpid":"1","type":"event_processing_request","mpid":"2","type":"dsr_processing_request"}',
            b' \r\n{"type":"event_processing_request"}\n and more',
            b'{"type":"event_processing_request","zz":' + b"[" * 200 + b"]" * 200 + b"}",
            b'{"type":"event_processing_request","zz":"\\ud800","id":"\\ud800"}',
        ],
        ids=["bom", "duplicate-key", "trailing", "nested", "lone-surrogate"],
    )
    def test_what_is_merely_odd_is_answered(self, client: Client, body: bytes) -> None:
        assert client.status("/events", body) == 200


class TestWhatBecomesOfErrors:
    @pytest.mark.parametrize(
        ("error", "status", "retry_after"),
        [
            (MalformedRequestError(("a", "b")), 400, None),
            (UnsupportedMessageError(("a", "b")), 400, None),
            (SettingError("token", "is required"), 422, None),
            (RefusedError("x"), 422, None),
            (DeliveryError("x"), 503, "5"),
            (TokensUnavailableError("x"), 503, "10"),
            (ConfigurationError("x"), 503, "60"),
            (RegistrationError("x"), 503, "60"),
            (UnexpectedError("x"), 500, None),
            (FirehoseError("x"), 500, None),
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_each_has_a_status(self, error: FirehoseError, status: int, retry_after: str | None) -> None:
        answer = error_response(error)

        assert (answer.status, answer.headers.get("Retry-After")) == (status, retry_after)

    def test_only_what_is_transient_asks_to_be_repeated(self) -> None:
        repeated = {429, 502, 503, 504}

        for consequence in ERROR_STATUSES.values():
            assert (consequence.retry_after is not None) == (consequence.status in repeated)

    @pytest.mark.parametrize(
        ("reply", "status", "code"),
        [
            (503, 503, "not_delivered"),
            (Retry("read_timeout"), 503, "not_delivered"),
            (422, 422, "refused_by_partner"),
            (401, 422, "refused_by_partner"),
        ],
        ids=str,
    )
    def test_a_subscription_is_repeated_only_if_that_can_help(
        self, client: Client, partner: PartnerDouble, reply: Reply, status: int, code: str
    ) -> None:
        partner.judge, partner.replies = None, [reply]

        answer = client.send("/audiences", load_event("audience_subscription_add"))

        assert (answer.status, content(answer)) == (status, {"error": {"code": code}})

    def test_a_subscription_without_the_customers_key_is_not(self, client: Client) -> None:
        answer = client.send("/audiences", load_event("audience_subscription_add", account={"account_id": 1}))

        assert (answer.status, content(answer)) == (422, {"error": {"code": "unusable_setting"}})

    def test_a_request_that_no_queue_takes_is_repeated(self, client: Client) -> None:
        cast("StoreDouble", client.router.services.events).fails = True

        answer = client.send("/dsr", load_event("dsr_processing_request"))

        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")

    def test_what_is_no_erasure_is_malformed(self, client: Client) -> None:
        answer = client.send("/dsr", load_event("dsr_processing_request", subject_request_type="access"))

        (problem,) = content(answer)["error"]["problems"]
        assert (answer.status, problem["field"]) == (400, "subject_request_type")


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FIELDS = ("rawPath", "rawQueryString", "headers", "cookies", "body", "isBase64Encoded", "requestContext")


@given(
    st.dictionaries(st.sampled_from(FIELDS), ANY_JSON, min_size=1),
    ANY_JSON,
    st.sampled_from(sorted(ROUTES)),
    st.booleans(),
)
def test_no_http_event_is_a_fault_of_ours_whatever_is_in_its_fields(
    fields: Json, method: object, path: str, has_token: bool
) -> None:
    event = {**function_url_event("POST", path, b"{}", OURS if has_token else JSON_TYPE), **fields}
    if "requestContext" in fields:
        event["requestContext"] = {"http": {"method": method}, "more": fields["requestContext"]}

    answer = respond(event, Context(), Application(router_for(ServicesDouble(PartnerDouble()))))

    assert answer["statusCode"] in {200, 400, 401, 403, 404, 405, 415}


def test_a_field_of_another_type_is_named_with_its_rule(services: Services) -> None:
    event = {**function_url_event("POST", "/events"), "body": ["canary"], "isBase64Encoded": True}

    answer = respond(event, Context(), Application(router_for(services)))

    problem = {"field": "body", "problem": "must be text"}
    assert (answer["statusCode"], json.loads(answer["body"])) == (
        400,
        {"error": {"code": "malformed", "problems": [problem]}},
    )


@pytest.mark.parametrize(
    ("method", "path", "facts"),
    [
        ("POST", "/events", {"message_type": "unreadable", "method": "POST", "route": "/events"}),
        ("GET", "/health", {"message_type": "http", "method": "GET", "route": "/health"}),
        ("GET", "/cookie-sync", {"message_type": "cookie_sync", "method": "GET", "route": "/cookie-sync"}),
        ("POST", "/feed", {"message_type": "feed_webhook", "method": "POST", "route": "/feed"}),
        ("CANARY", "/canary-path", {"message_type": "http", "method": "other", "route": "other"}),
    ],
)
def test_what_is_said_of_a_request_is_nothing_that_its_sender_made_up(method: str, path: str, facts: Json) -> None:
    assert facts_of(HttpRequest(method=method, path=path)) == facts
