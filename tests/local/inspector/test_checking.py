"""A request is checked before it is sent, and each problem is shown at its place."""

import copy
from typing import Any

import pytest

from local.inspector import schemas
from local.inspector.app import Call
from local.inspector.checking import check, problems
from local.inspector.errors import InspectorError
from local.inspector.samples import Samples
from local.rooms import Room
from mparticle_firehose.protocol import REQUEST_MODELS
from mparticle_firehose.protocol.events import EVENT_MODELS
from tests.conftest import SAMPLE, load_event

ROOMS = ["tests/sample", "examples/braze", "examples/customerio", "examples/hubspot", "examples/iterable"]
DEAD_ELEMENT = "so that this element becomes a dead letter; the rest is delivered"
DEAD_REQUEST = "so that the whole request becomes a dead letter"
REFUSED = "so that the whole request is refused"


def found(content: object) -> list[tuple[tuple[str | int, ...], str]]:
    return list(problems(SAMPLE.integration(), content))


def membership(**profile: object) -> dict[str, Any]:
    content = load_event("audience_membership_change_request")
    content["user_profiles"][0] |= profile
    return content


@pytest.mark.parametrize("folder", ROOMS)
def test_the_samples_are_all_right(folder: str) -> None:
    room = Room.of(folder)
    samples = Samples(room).show(Call())

    assert len(samples) > 10
    assert {str(sample["name"]): check(room, Call(content=sample))["problems"] for sample in samples} == {
        str(sample["name"]): [] for sample in samples
    }


def test_an_element_that_cannot_be_read_is_shown_at_its_place() -> None:
    content = load_event("event_processing_request")
    content["events"].insert(0, None)
    content["events"].insert(1, {"type": "screen_view", "timestamp_ms": [1]})

    [(place, message)] = found(content)
    assert place == ("events", 1, "timestamp_ms")
    assert message == f"must be a whole number, {DEAD_ELEMENT}"


def test_a_field_of_the_request_that_cannot_be_read_costs_it_all() -> None:
    assert found(load_event("event_processing_request", user_attributes=[1])) == [
        (("user_attributes",), f"must be an object, {DEAD_REQUEST}")
    ]
    assert found(load_event("event_processing_request", account=[1])) == [
        (("account",), f"must be an object, {REFUSED}")
    ]


@pytest.mark.parametrize(
    ("content", "place", "message"),
    [
        ([], (), "must be a JSON object"),
        ("text", (), "must be a JSON object"),
        ({}, ("type",), "is required"),
        ({"type": "dsr_processing_response"}, ("type",), "must be a request's, not a response's"),
        ({"type": "other"}, ("type",), "must be one of " + ", ".join(REQUEST_MODELS)),
    ],
)
def test_what_is_no_request_is_shown_as_such(content: object, place: tuple[str, ...], message: str) -> None:
    assert found(content) == [(place, message)]


def test_a_field_that_the_protocol_does_not_know_is_shown_at_its_place() -> None:
    content = load_event("event_processing_request")
    content["user_atributes"] = {"a": "b"}
    content["events"][1]["nmae"] = "x"

    assert found(content) == [
        ((*place, name), "is no field of the protocol; it is kept, and nothing reads it")
        for place, name in (((), "user_atributes"), (("events", 1), "nmae"))
    ]


def test_values_that_this_version_does_not_know_are_counted() -> None:
    content = load_event("event_processing_request", id="no-guid")

    assert found(content) == [((), "malformed_id: 1 value is unknown to this version; they are kept")]


def test_an_element_that_the_integration_cannot_deliver_is_shown_at_its_place() -> None:
    content = load_event("audience_membership_change_request")
    content["user_profiles"].insert(0, None)
    [audience, *_] = content["user_profiles"][1]["audiences"]
    content["user_profiles"][1]["audiences"] = [audience, None, {**audience, "audience_subscription_settings": {}}]

    assert found(content) == [
        (
            ("user_profiles", 1, "audiences", 2),
            "cannot be delivered: audience setting 'segmentId' is missing",
        )
    ]


def test_places_of_elements_beside_one_that_cannot_be_read_are_those_in_the_request() -> None:
    content = load_event("audience_membership_change_request")
    broken, whole = content["user_profiles"][:2]
    content["user_profiles"] = [{**broken, "user_identities": 7}, copy.deepcopy(whole)]
    content["user_profiles"][1]["audiences"][0]["audience_subscription_settings"] = {}

    places = [place for place, _ in found(content)]
    assert places[0][:2] == ("user_profiles", 0)
    assert places[-1] == ("user_profiles", 1, "audiences", 0)


def test_a_setting_that_is_missing_is_shown_at_its_place() -> None:
    content = load_event("event_processing_request", account={"account_id": 7, "account_settings": {}})

    assert found(content) == [(("account", "account_settings", "token"), "account setting 'token' is required")]


def test_what_the_registration_does_not_ask_for_is_named() -> None:
    content = membership(user_identities=[{"type": "twitter", "encoding": "raw", "value": "canary-x"}])

    assert [place for place, message in found(content) if "twitter" in message] == [()]


def test_the_number_of_problems_is_limited() -> None:
    content = load_event("event_processing_request", **{f"unknown_{number}": 1 for number in range(150)})

    shown = check(SAMPLE, Call(content={"content": content}))["problems"]
    assert isinstance(shown, list)
    assert (len(shown), shown[-1]) == (101, {"place": [], "message": "and 50 more"})


def test_a_check_without_content_is_refused() -> None:
    with pytest.raises(InspectorError, match="content: is required"):
        check(SAMPLE, Call())


@pytest.mark.parametrize("kind", REQUEST_MODELS)
def test_each_type_of_request_has_a_schema(kind: str) -> None:
    schema = schemas.show(Call(path={"type": kind}))

    assert schema["properties"]["type"]["const"] == kind
    assert set(schema["properties"]) >= {"id", "timestamp_ms"}


def test_the_schema_of_events_describes_each_type() -> None:
    schema = schemas.show(Call(path={"type": "event_processing_request"}))

    described = [each["$ref"].rpartition("/")[2] for each in schema["properties"]["events"]["items"]["oneOf"]]
    assert described == [*(model.__name__ for model in EVENT_MODELS.values()), "UnknownEvent"]
    assert {"name", "custom_type"} & set(schema["$defs"]["CustomEvent"]["properties"])


def test_an_unknown_type_has_no_schema() -> None:
    with pytest.raises(InspectorError) as caught:
        schemas.show(Call(path={"type": "other"}))
    assert caught.value.status == 404
