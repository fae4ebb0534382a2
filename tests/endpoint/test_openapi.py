"""docs/openapi.yaml and the endpoint say the same, and nothing that is made up from it breaks the endpoint."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any, cast
from urllib.parse import urlsplit

import boto3
import pytest
import requests
import schemathesis
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode, Response
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from local.isolation import ROOT
from mparticle_firehose.endpoint.responses import ERROR_STATUSES, json_response
from mparticle_firehose.endpoint.router import COOKIE_SYNC_PATH, FEED_PATH, ROUTES
from mparticle_firehose.protocol import EventProcessingResponse
from tests.conftest import Deployment, Json, serializer
from tests.endpoint.feed_webhooks import signature
from tests.endpoint.http_events import function_url_event

DESCRIPTION: Json = yaml.safe_load((ROOT / "docs" / "openapi.yaml").read_text())
SCHEMA = schemathesis.openapi.from_dict(DESCRIPTION)
MESSAGES = [path for path, route in ROUTES.items() if route.messages]
CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
PLANTED, PLANTED_KEY = "canary-planted", "planted-key"
DECIDING = frozenset({"type", "action", "encoding", "subject_request_type"})
"""Fields that decide what becomes of a message."""

EXAMPLES = 60  # with fewer, none of the erasures may be one that is accepted

type AnyCase = Case[Any]

fuzzed = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def open_door(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    """Let everybody in, so that what is made up gets as far as it can."""
    monkeypatch.setenv("HTTP_TOKEN_SOURCE", "off")
    deployment.restart()
    yield deployment
    output = deployment.capture.readouterr().out
    assert PLANTED not in output
    assert "Traceback" not in output


def sent(case: AnyCase, deployment: Deployment) -> Response:
    """Send what the description came up with to the handler, with something planted that must not come back."""
    made = {**case.as_transport_kwargs(base_url="https://endpoint.example"), "cookies": None}
    request = requests.Request(**made).prepare()
    headers = {name: str(value) for name, value in request.headers.items()} | {"X-Planted": PLANTED}
    body = request.body.encode() if isinstance(request.body, str) else cast("bytes", request.body or b"")
    path = urlsplit(str(request.url)).path or "/"
    return response_of(deployment.invoke(function_url_event(str(request.method), path, body, headers)), request)


def response_of(answer: Json, request: requests.PreparedRequest) -> Response:
    """Return what a client would see of the handler's answer."""
    assert PLANTED not in json.dumps(answer)
    assert "Traceback" not in json.dumps(answer)
    headers = {name: [value] for name, value in answer["headers"].items()}
    return Response(answer["statusCode"], headers, answer["body"].encode(), request, elapsed=0.0, verify=True)


def test_the_description_has_the_paths_and_methods_of_the_door() -> None:
    described = {path: [method.upper() for method in operations] for path, operations in DESCRIPTION["paths"].items()}

    assert described == {path: [route.method] for path, route in ROUTES.items()}


@pytest.mark.parametrize("path", MESSAGES)
def test_each_path_takes_the_types_that_the_door_has_for_it(path: str) -> None:
    schema = DESCRIPTION["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    names = {alternative["$ref"].rpartition("/")[2] for alternative in schema.get("oneOf", [schema])}

    types = {
        kind for name in names for kind in DESCRIPTION["components"]["schemas"][name]["properties"]["type"]["enum"]
    }

    assert types == {model.model_fields["type"].default.value for model in ROUTES[path].messages}


def test_each_consequence_of_an_error_is_described() -> None:
    codes = DESCRIPTION["components"]["schemas"]["Error"]["properties"]["error"]["properties"]["code"]["enum"]
    statuses = set(DESCRIPTION["paths"]["/"]["post"]["responses"])

    assert {consequence.code for consequence in ERROR_STATUSES.values()} <= set(codes)
    assert {str(consequence.status) for consequence in ERROR_STATUSES.values()} <= statuses


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("path", MESSAGES)
def test_whatever_is_sent_the_answer_is_a_described_one(open_door: Deployment, path: str, mode: GenerationMode) -> None:
    statuses: Counter[int] = Counter()

    @fuzzed
    @given(case=SCHEMA[path]["POST"].as_strategy(generation_mode=mode))
    def every(case: AnyCase) -> None:
        if isinstance(case.body, dict):
            case.body["planted"] = PLANTED
        response = sent(case, open_door)
        statuses[response.status_code] += 1
        case.validate_response(response, checks=CHECKS)

    every()

    if mode is GenerationMode.POSITIVE:
        assert statuses[200] > 0, statuses  # the search came past the first refusal
    else:
        assert statuses[400] > 0, statuses


def test_without_a_token_the_answer_is_a_described_one(open_door: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_TOKEN_SOURCE", "/firehose/token")
    open_door.restart()

    @fuzzed
    @given(case=st.one_of([SCHEMA[path]["POST"].as_strategy() for path in MESSAGES]))
    def every(case: AnyCase) -> None:
        case.headers.pop("Authorization", None)
        response = sent(case, open_door)
        case.validate_response(response, checks=CHECKS)
        assert response.status_code == 401 or b"module_registration_response" in response.content

    every()


@fuzzed
@given(
    method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"]),
    path=st.one_of(st.sampled_from([*ROUTES]), st.text(max_size=30).map(lambda text: f"/{text}")),
    headers=st.dictionaries(
        st.sampled_from(["content-type", "content-encoding", "authorization", "cookie", "x"]), st.text(max_size=40)
    ),
    body=st.one_of(st.binary(max_size=60), st.just(json.dumps({"type": PLANTED}).encode())),
)
def test_no_request_at_all_is_a_fault_of_ours(
    open_door: Deployment, method: str, path: str, headers: dict[str, str], body: bytes
) -> None:
    answer = open_door.invoke(function_url_event(method, path, body, {**headers, "X-Planted": PLANTED}))

    assert answer["statusCode"] in {200, 400, 404, 405, 415}
    assert answer["headers"]["Cache-Control"] == "no-store"
    assert PLANTED not in json.dumps(answer)


@fuzzed
@given(
    case=st.one_of([SCHEMA[path]["POST"].as_strategy() for path in MESSAGES]),
    path=st.sampled_from(MESSAGES),
    data=st.data(),
)
def test_nothing_that_a_message_says_comes_back_wherever_it_is_sent(
    open_door: Deployment, case: AnyCase, path: str, data: st.DataObject
) -> None:
    body = json.dumps(with_plants(case.body, data)).encode()

    answer = open_door.invoke(function_url_event("POST", path, body))

    assert answer["statusCode"] in {200, 400, 422}
    assert PLANTED not in json.dumps(answer)
    assert PLANTED_KEY not in json.dumps(answer)


def with_plants(value: Any, data: st.DataObject) -> Any:
    """Return the value with something planted in every text that decides nothing, and as a key now and then."""
    if isinstance(value, dict):
        planted = {PLANTED_KEY: data.draw(st.sampled_from([PLANTED, [], {}]))} if data.draw(st.booleans()) else {}
        return planted | {
            name: entry if name in DECIDING else with_plants(entry, data) for name, entry in value.items()
        }
    if isinstance(value, list):
        return [with_plants(entry, data) for entry in value]
    return f"{PLANTED} {value}" if isinstance(value, str) else value


FEED_SECRET = "canary-secret-of-the-partner-0001"


@pytest.fixture
def feed_door(open_door: Deployment, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    """Take webhooks too."""
    boto3.client("ssm").put_parameter(Name="/feed/webhook", Value=FEED_SECRET, Type="SecureString")
    monkeypatch.setenv("FEED_WEBHOOK_SECRET_SOURCE", "/feed/webhook")
    monkeypatch.setenv("FEED_QUEUE_URL", open_door.queues.sqs.create_queue(QueueName="feed")["QueueUrl"])
    open_door.restart()
    return open_door


@pytest.mark.parametrize("is_signed", [True, False], ids=["signed", "unsigned"])
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_whatever_webhook_is_sent_the_answer_is_a_described_one(
    feed_door: Deployment, mode: GenerationMode, is_signed: bool
) -> None:
    statuses: Counter[int] = Counter()

    @fuzzed
    @given(case=SCHEMA[FEED_PATH]["POST"].as_strategy(generation_mode=mode))
    def every(case: AnyCase) -> None:
        case.headers.pop("X-Feed-Signature", None)
        if is_signed:
            body = (
                requests.Request(**case.as_transport_kwargs(base_url="https://endpoint.example")).prepare().body or b""
            )
            at = str(int(time.time()))
            signed = body.encode() if isinstance(body, str) else cast("bytes", body)
            case.headers["X-Feed-Signature"] = signature(signed, FEED_SECRET, at=at)
        response = sent(case, feed_door)
        statuses[response.status_code] += 1
        case.validate_response(response, checks=CHECKS)

    every()

    expected = {(True, GenerationMode.POSITIVE): 202, (True, GenerationMode.NEGATIVE): 400}
    assert statuses[expected.get((is_signed, mode), 401)] > 0, statuses
    assert is_signed or set(statuses) <= {401, 413}  # a long body is refused before its signature is checked


def test_what_is_only_asked_for_is_as_described(open_door: Deployment) -> None:
    """The cookie sync is off, and so an unknown path."""
    for path in ("/health", COOKIE_SYNC_PATH):
        case = SCHEMA[path]["GET"].Case()
        case.validate_response(sent(case, open_door), checks=CHECKS)


def test_a_webhook_is_answered_as_described_where_none_is_taken(open_door: Deployment) -> None:
    case = SCHEMA[FEED_PATH]["POST"].Case(body={}, media_type="application/json")
    response = sent(case, open_door)

    case.validate_response(response, checks=CHECKS)
    assert response.status_code == 404


class TestTheSearchItself:
    """It finds what it looks for."""

    @pytest.mark.parametrize(
        "fault",
        [
            {"statusCode": 500},
            {"statusCode": 418},
            {"headers": {"Content-Type": "text/html", "Cache-Control": "no-store"}},
            {"headers": {"Content-Type": "application/json;charset=utf-8"}},
            {"body": '{"type":"dsr_processing_response"}'},
            {"body": "<html>"},
        ],
        ids=["server-error", "undescribed-status", "content-type", "no-cache-control", "schema", "no-json"],
    )
    def test_a_planted_fault_is_found(self, fault: Json) -> None:
        case = SCHEMA["/events"]["POST"].Case(body={"type": "event_processing_request"}, media_type="application/json")
        request = requests.Request("POST", "https://endpoint.example/events").prepare()
        good = json_response(200, serializer.dumps(EventProcessingResponse()).decode()).to_event()
        case.validate_response(response_of(good, request), checks=CHECKS)

        with pytest.raises(FailureGroup):
            case.validate_response(response_of({**good, **fault}, request), checks=CHECKS)

    def test_an_echo_is_found(self) -> None:
        with pytest.raises(AssertionError):
            response_of({"statusCode": 200, "headers": {}, "body": PLANTED}, requests.PreparedRequest())
