"""The Postman collection fits the OpenAPI document and the format 2.1.0, works, and holds no secret."""

import copy
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
import yaml

from local.postman.__main__ import COLLECTION, OPENAPI
from local.postman.collection import collection, variables_in
from local.postman.examples import Example, body_of, examples_in, examples_of
from local.rooms import Room
from tests.conftest import Deployment, Json, load_event
from tests.endpoint.postman_requests import FEED_SECRET, TOKEN, folder, responses, statuses
from tests.sample.partner.integration import INTEGRATION

DESCRIPTION: dict[str, Any] = yaml.safe_load(OPENAPI.read_text())
COMMITTED: dict[str, Any] = json.loads(COLLECTION.read_text())
METHODS = {"GET", "POST"}
OUTDATED = "docs/postman_collection.json does not fit docs/openapi.yaml any more: run `make postman` and commit it"


@pytest.fixture
def sample() -> Json:
    """Return the collection of the sample's requests, and of a message of the feed."""
    feed = Example("opened", "feed", json.dumps({"account_id": 7, "events": [{"id": "1", "name": "open"}]}))
    return collection(DESCRIPTION, [*examples_of(Room.of("tests/sample")), feed])


def test_it_is_what_make_postman_makes_of_the_openapi_document() -> None:
    """With the bodies that it has: events/ is yours, and may change without a new collection."""
    assert collection(DESCRIPTION, examples_in(COMMITTED)) == COMMITTED, OUTDATED


def test_a_change_of_the_openapi_document_is_noticed() -> None:
    changed = copy.deepcopy(DESCRIPTION)
    changed["paths"]["/erasures"] = changed["paths"].pop("/dsr")

    assert collection(changed, examples_in(COMMITTED)) != COMMITTED


def test_the_bodies_can_be_read_back_from_a_collection(sample: Json) -> None:
    examples = examples_in(sample)

    assert len(examples) > 8
    assert collection(DESCRIPTION, examples) == sample


def test_each_path_is_there_and_each_request_has_a_path(sample: Json) -> None:
    named = {item["name"].split(" ")[0] for item in folder(sample, "HTTPS")}
    bodies = {item["request"]["body"]["raw"] for item in folder(sample, "HTTPS") if "body" in item["request"]}

    assert named == set(DESCRIPTION["paths"])
    assert {item["request"]["body"]["raw"] for item in folder(sample, "Lambda")} < bodies


def test_the_registration_needs_no_token_and_every_other_message_does(sample: Json) -> None:
    authorized = {
        item["name"].split(" ")[0]
        for item in folder(sample, "HTTPS")
        if {"key": "Authorization", "value": "Token {{http_token}}"} in item["request"]["header"]
    }

    assert authorized == {"/", "/events", "/audiences", "/dsr"}


def test_invocations_are_signed_for_lambda(sample: Json) -> None:
    [auth] = [each["auth"] for each in sample["item"] if each["name"] == "Lambda"]
    urls = {item["request"]["url"]["raw"] for item in folder(sample, "Lambda")}

    assert {each["key"]: each["value"] for each in auth[auth["type"]]} == {
        "accessKey": "{{aws_access_key_id}}",
        "secretKey": "{{aws_secret_access_key}}",
        "sessionToken": "{{aws_session_token}}",
        "region": "{{region}}",
        "service": "lambda",
    }
    assert urls == {"https://lambda.{{region}}.amazonaws.com/2015-03-31/functions/{{alias_arn}}/invocations"}


@pytest.fixture
def endpoint(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    """Deploy everything that an HTTPS endpoint can have."""
    ssm = boto3.client("ssm")
    for name, value in {"/mparticle/tokens": TOKEN, "/feed/webhook": FEED_SECRET}.items():
        ssm.put_parameter(Name=name, Value=value, Type="SecureString")
    for name, value in {
        "HTTP_TOKEN_SOURCE": "/mparticle/tokens",
        "HTTP_DEADLINE_MS": "1000",
        "COOKIE_SYNC": "on",
        "FEED_WEBHOOK_SECRET_SOURCE": "/feed/webhook",
        "FEED_QUEUE_URL": deployment.queues.sqs.create_queue(QueueName="feed")["QueueUrl"],
    }.items():
        monkeypatch.setenv(name, value)
    deployment.restart()
    return deployment


def test_every_request_of_the_collection_succeeds(endpoint: Deployment, sample: Json) -> None:
    found = statuses(endpoint, sample)

    assert len(found) > 10
    assert {name: status for name, status in found.items() if status != 200} == {
        "/cookie-sync": 302,
        "/feed opened": 202,
    }
    assert all(kind.endswith("_response") for kind in responses(endpoint, sample))


def test_with_another_token_only_what_needs_none_succeeds(endpoint: Deployment, sample: Json) -> None:
    found = statuses(endpoint, sample, http_token="canary-token-of-nobody")

    assert {name for name, status in found.items() if status < 400} == {
        "/ module_registration_request",
        "/registration module_registration_request",
        "/health",
        "/cookie-sync",
        "/feed opened",
    }


class TestSecrets:
    """None is in the file."""

    def test_a_confidential_setting_is_a_variable(self) -> None:
        body = body_of(load_event("event_processing_request"), INTEGRATION)

        assert json.loads(body)["account"]["account_settings"]["token"] == "{{setting_token}}"
        assert "canary-secret-live" not in body

    def test_a_setting_that_is_missing_stays_missing(self) -> None:
        request = load_event("event_processing_request", account={"account_id": 7, "account_settings": {"token": None}})

        assert json.loads(body_of(request, INTEGRATION))["account"]["account_settings"] == {"token": None}

    def test_its_variable_is_declared_with_a_placeholder(self, sample: Json) -> None:
        [variable] = [each for each in sample["variable"] if each["key"] == "setting_token"]

        assert variable["value"] == "placeholder"

    @pytest.mark.parametrize("made", ["committed", "sample"])
    def test_no_variable_has_a_secret_for_its_default(self, made: str, sample: Json) -> None:
        found = COMMITTED if made == "committed" else sample

        defaults = {each["key"]: each["value"] for each in found["variable"]}
        secret = {name for name in defaults if re.search(r"key|token|secret|signature|setting", name)}
        assert len(secret) > 5
        assert {defaults[name] for name in secret} <= {"", "placeholder"}


def violations(root: Json) -> Iterator[str]:
    """Yield each rule of the format that a collection breaks."""
    info, names = root.get("info", {}), [each["key"] for each in root.get("variable", [])]
    if not info.get("name") or not str(info.get("schema")).endswith("/v2.1.0/collection.json"):
        yield "info"
    if len(set(names)) < len(names):
        yield "variable"
    for each in root["item"]:
        yield from _item_violations(each)


def _item_violations(item: Json) -> Iterator[str]:
    if not item.get("name"):
        yield "name"
    yield from _auth_violations(item.get("auth", {"type": "noauth"}))
    for each in item.get("item", []):
        yield from _item_violations(each)
    if "item" not in item:
        yield from _request_violations(item.get("request", {}))
    if any(event["listen"] not in {"prerequest", "test"} for event in item.get("event", [])):
        yield "event"


def _auth_violations(auth: Json) -> Iterator[str]:
    kind = auth.get("type")
    attributes = auth.get(str(kind), [])
    if kind not in {"noauth", "awsv4"} or any(not {"key", "value"} <= each.keys() for each in attributes):
        yield "auth"


def _request_violations(request: Json) -> Iterator[str]:
    if request.get("method") not in METHODS:
        yield "method"
    url = request.get("url", {})
    parts = f"{'.'.join(url.get('host', []))}/{'/'.join(url.get('path', []))}"
    query = "&".join(f"{each['key']}={each['value']}" for each in url.get("query", []))
    protocol = f"{url['protocol']}://" if "protocol" in url else ""
    if url.get("raw") != f"{protocol}{parts}{f'?{query}' if query else ''}":
        yield "url"
    if any({"key", "value"} != each.keys() for each in request.get("header", [None])):
        yield "header"
    body = request.get("body")
    if body and (body.get("mode") != "raw" or not isinstance(body.get("raw"), str)):
        yield "body"


@pytest.mark.parametrize("made", ["committed", "sample"])
def test_it_keeps_to_the_format(made: str, sample: Json) -> None:
    found = COMMITTED if made == "committed" else sample

    assert [*violations(found)] == []


@pytest.mark.parametrize(
    ("path", "value", "rule"),
    [
        (("info", "schema"), "https://schema.getpostman.com/json/collection/v2.0.0/collection.json", "info"),
        (("item", 0, "name"), "", "name"),
        (("item", 0, "auth", "type"), "aws", "auth"),
        (("item", 0, "item", 0, "request", "method"), "SEND", "method"),
        (("item", 1, "item", 0, "request", "url", "raw"), "https://other.example/", "url"),
        (("item", 1, "item", 0, "request", "header"), [{"name": "A", "value": "b"}], "header"),
        (("item", 0, "item", 0, "request", "body", "mode"), "json", "body"),
        (("variable", 0, "key"), "alias_arn", "variable"),
    ],
)
def test_a_broken_rule_of_the_format_is_found(
    path: tuple[str | int, ...], value: object, rule: str, sample: Json
) -> None:
    node: Any = sample
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = value

    assert [*violations(sample)] == [rule]


def without_bodies(node: Any) -> Any:
    """Return a part of a collection without the bodies, in which a customer's text may look like a variable."""
    if isinstance(node, dict):
        return {name: without_bodies(value) for name, value in node.items() if name != "body"}
    return [without_bodies(each) for each in node] if isinstance(node, list) else node


def test_every_variable_that_is_read_is_declared_and_every_declared_one_is_read(sample: Json) -> None:
    declared = {each["key"] for each in sample["variable"]}
    read = variables_in(without_bodies(sample)) | {"setting_token"}
    in_script = {name for name in declared if f"'{name}'" in json.dumps(sample)}

    assert read | in_script == declared


def test_a_text_of_a_request_that_looks_like_a_variable_is_none_of_the_collection() -> None:
    request = load_event("event_processing_request", source_channel="{{first_name}}")
    made = collection(DESCRIPTION, [Example("a", "event_processing_request", body_of(request, INTEGRATION))])

    assert "first_name" not in {each["key"] for each in made["variable"]}
    assert replace(examples_in(made)[0], body="") == Example("a", "event_processing_request", "")
