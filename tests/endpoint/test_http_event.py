import json

import pytest

from mparticle_firehose.endpoint import is_http_event
from mparticle_firehose.endpoint.http_event import HttpRequest, HttpResponse
from mparticle_firehose.errors import MalformedRequestError
from tests.conftest import EVENTS, Json, load_event
from tests.endpoint.http_events import SHAPES, Shape, function_url_event

BODY = json.dumps({"type": "x", "text": "ü€😀"}, ensure_ascii=False).encode()


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_every_shape_is_one_request(shape: Shape) -> None:
    event = shape("POST", "/events", BODY, {"Content-Type": "application/json", "Authorization": "Token t"})

    assert is_http_event(event)
    request = HttpRequest.from_event(event)

    assert (request.method, request.path, request.query) == ("POST", "/events", "canary-query=canary-value")
    assert request.headers["authorization"] == "Token t"
    assert request.headers["content-type"] == "application/json"
    assert request.cookies == ("canary-cookie=1", "other=2")
    assert request.body == BODY


@pytest.mark.parametrize("name", sorted(path.stem for path in EVENTS.glob("*.json")))
def test_no_message_of_mparticles_is_taken_for_an_http_request(name: str) -> None:
    assert not is_http_event(load_event(name))


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        b"{}",
        {},
        {"version": "2.0"},
        {"version": "2.0", "requestContext": None},
        {"version": "2.0", "requestContext": {"http": "x"}},
        {"version": "1.0", "requestContext": {"http": {}}},
        {"requestContext": {"http": {}}},
    ],
    ids=str,
)
def test_what_only_resembles_an_http_event_is_none(event: object) -> None:
    assert not is_http_event(event)


def test_a_request_may_lack_everything() -> None:
    request = HttpRequest.from_event({"version": "2.0", "requestContext": {"http": {}}})

    assert request == HttpRequest(method="", path="/", headers={})


def test_bytes_that_are_no_text_come_as_they_were_sent() -> None:
    request = HttpRequest.from_event(function_url_event("POST", "/", b"\xff\x00\xfe"))

    assert request.body == b"\xff\x00\xfe"


def test_a_header_with_a_blank_before_the_colon_is_found() -> None:
    event: Json = {**function_url_event("GET", "/"), "headers": {"Authorization ": "Token t"}}

    assert HttpRequest.from_event(event).headers == {"authorization": "Token t"}


def test_a_header_that_comes_twice_has_all_its_values() -> None:
    event = function_url_event("GET", "/", b"", {})
    event["headers"] = {"Sec-GPC": "1", "sec-gpc": "0"}

    assert HttpRequest.from_event(event).headers["sec-gpc"] == "1,0"


def test_cookies_that_an_emulator_left_in_their_header_are_found() -> None:
    event: Json = {**function_url_event("GET", "/"), "headers": {"Cookie": "a=b; c=d"}}
    del event["cookies"]

    assert HttpRequest.from_event(event).cookies == ("a=b", "c=d")


@pytest.mark.parametrize("body", ["not base64", "====", "é"])
def test_a_body_that_is_not_what_the_event_says_is_malformed(body: str) -> None:
    event = {**function_url_event("POST", "/"), "body": body, "isBase64Encoded": True}

    with pytest.raises(MalformedRequestError, match=r"^body: must be base64"):
        HttpRequest.from_event(event)


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("headers", ["canary"], "must be an object of texts"),
        ("headers", "canary", "must be an object of texts"),
        ("headers", {"canary": ["canary"]}, "must be an object of texts"),
        ("headers", {"canary": None}, "must be an object of texts"),
        ("cookies", "canary=1", "must be a list of texts"),
        ("cookies", {"canary": "1"}, "must be a list of texts"),
        ("cookies", [1], "must be a list of texts"),
        ("rawPath", ["/events"], "must be text"),
        ("rawPath", 0, "must be text"),
        ("rawQueryString", {"canary": "1"}, "must be text"),
        ("body", ["canary"], "must be text"),
        ("body", {"type": "canary"}, "must be text"),
        ("body", False, "must be text"),
        ("isBase64Encoded", "false", "must be true or false"),
        ("isBase64Encoded", [True], "must be true or false"),
        ("isBase64Encoded", 1, "must be true or false"),
    ],
    ids=str,
)
def test_a_field_of_another_type_is_malformed(field: str, value: object, rule: str) -> None:
    with pytest.raises(MalformedRequestError) as caught:
        HttpRequest.from_event({**function_url_event("POST", "/"), field: value})

    assert caught.value.problems == ((field, rule),)


@pytest.mark.parametrize("body", [["canary"], {"a": 1}, 7, True], ids=str)
def test_a_body_of_another_type_is_malformed_also_if_it_is_said_to_be_base64(body: object) -> None:
    with pytest.raises(MalformedRequestError, match=r"^body: must be text$"):
        HttpRequest.from_event({**function_url_event("POST", "/"), "body": body, "isBase64Encoded": True})


def test_a_method_that_is_no_text_is_malformed() -> None:
    with pytest.raises(MalformedRequestError, match=r"^requestContext\.http\.method: must be text$"):
        HttpRequest.from_event({"version": "2.0", "requestContext": {"http": {"method": ["GET"]}}})


@pytest.mark.parametrize("field", ["headers", "cookies", "rawPath", "rawQueryString", "body", "isBase64Encoded"])
def test_a_field_that_is_null_is_as_good_as_missing(field: str) -> None:
    event = function_url_event("POST", "/", b"{}")

    assert HttpRequest.from_event({**event, field: None}) == HttpRequest.from_event(
        {name: value for name, value in event.items() if name != field}
    )


def test_an_answer_is_what_lambda_makes_a_response_of() -> None:
    answer = HttpResponse(status=204, body="", headers={"A": "b"}, cookies=("c=d",))

    assert answer.to_event() == {
        "statusCode": 204,
        "headers": {"A": "b"},
        "cookies": ["c=d"],
        "body": "",
        "isBase64Encoded": False,
    }
