"""A request for each of mParticle's types of events, in events/types: what the integration makes of each."""

import copy
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from local.partner.listener import parsed_body
from local.rooms import Room
from local.run.declared import undeclared
from local.run.expected import broken_rules, broken_seam, calls_for
from mparticle_firehose.protocol import EventProcessingRequest, EventType, Serializer
from mparticle_firehose.protocol.events import EVENT_MODELS
from tests.partner.fake_api import FakeApi

type Json = dict[str, Any]

ROOM = Room.of()
INTEGRATION = ROOM.integration()
FILES = sorted((ROOM.events / "types").glob("*.json"))
REQUESTS: Mapping[str, Json] = {path.stem: json.loads(path.read_text()) for path in FILES}
RARE = {"location"}
"""Fields that few events have, of whatever type."""

each_type = pytest.mark.parametrize("kind", REQUESTS)


def read(content: Json) -> EventProcessingRequest:
    request = Serializer().parse(content)
    assert isinstance(request, EventProcessingRequest)
    return request


def unread(request: EventProcessingRequest) -> list[str]:
    """Return what of a request could not be read, or was read as something unknown."""
    return [*(str(each) for each in request.unreadable), *request.unrecognized]


def empty(value: object, path: str = "") -> Iterator[str]:
    """Yield the path of each empty text, list or map. A null may be an attribute without a value."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from empty(each, f"{path}.{name}")
    if isinstance(value, list):
        for place, each in enumerate(value):
            yield from empty(each, f"{path}.{place}")
    if value in ("", [], {}):
        yield path


def test_each_type_of_event_has_a_request_and_nothing_else_has() -> None:
    assert set(REQUESTS) == {kind.value for kind in EventType}


@each_type
def test_a_request_is_read_completely_and_has_one_event_of_the_type_in_its_name(kind: str) -> None:
    request = read(REQUESTS[kind])

    assert unread(request) == []
    assert [event.type for event in request.events] == [kind]


def test_a_field_that_cannot_be_read_would_be_found() -> None:
    broken, unknown = copy.deepcopy(REQUESTS["product_action"]), copy.deepcopy(REQUESTS["product_action"])
    broken["events"][0]["products"] = "a cup"
    unknown["events"][0]["action"] = "lend"

    assert len(unread(read(broken))) == 1
    assert len(unread(read(unknown))) == 1


@each_type
def test_an_event_has_every_field_of_its_type_with_a_value(kind: str) -> None:
    (event,) = REQUESTS[kind]["events"]

    assert set(event) == set(EVENT_MODELS[EventType(kind)].model_fields) - RARE
    assert [*empty(event)] == []


def test_no_two_requests_have_an_id_or_a_user_in_common() -> None:
    events = [event for request in REQUESTS.values() for event in request["events"]]
    ids = [each[name] for each in (*REQUESTS.values(), *events) for name in ("id", "source_id")]
    users = [request["mpid"] for request in REQUESTS.values()]

    assert len(set(ids)) == len(ids)
    assert len(set(users)) == len(users)


@each_type
def test_a_request_becomes_one_call_that_the_fake_api_takes_with_the_event_if_its_type_is_declared(kind: str) -> None:
    events = INTEGRATION.declaration().event_processing_registration
    is_declared = events is not None and kind in events.supported_event_types
    expected = [(kind, REQUESTS[kind]["events"][0]["id"])] if is_declared else []
    assert broken_seam(INTEGRATION, REQUESTS[kind]) == []

    (call,) = calls_for(INTEGRATION, REQUESTS[kind])

    assert broken_rules(FakeApi(), call) == []
    assert call.body
    body = parsed_body(call.body.encoded(), call.body.content_type)
    assert isinstance(body, dict)
    assert [(event["type"], event["id"]) for event in body["events"]] == expected


@each_type
def test_a_request_holds_what_the_registration_asks_for(kind: str) -> None:
    assert undeclared(INTEGRATION, REQUESTS[kind]) == []
    declaration = INTEGRATION.declaration()
    assert declaration.permissions
    asked = {str(each.type) for each in declaration.permissions.user_identities}
    assert {each["type"] for each in REQUESTS[kind]["user_identities"]} <= asked
    asked_of_devices = {str(each.type) for each in declaration.permissions.device_identities}
    assert {each["type"] for each in REQUESTS[kind]["runtime_environment"]["identities"]} <= asked_of_devices
