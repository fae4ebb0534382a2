"""Writing messages by the Java SDK's rules: what is written, what is left out, and in which form."""

import json
import time
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from mparticle_firehose.protocol import (
    Account,
    AudienceMembershipChangeResponse,
    AudienceProcessingRegistration,
    AudienceSubscriptionResponse,
    BooleanSetting,
    DsrProcessingResponse,
    EventProcessingRegistration,
    EventProcessingRequest,
    EventProcessingResponse,
    EventType,
    FloatSetting,
    IntegerSetting,
    ModuleRegistrationResponse,
    Permissions,
    Product,
    ProductActionEvent,
    ProductActionType,
    Request,
    Response,
    Serializer,
    TextSetting,
)
from mparticle_firehose.protocol.registration import BulkConfiguration
from tests.conftest import EVENTS, load_event

serializer = Serializer()

ID = UUID("5A3C1E70-0000-4000-8000-000000000001")
HEAD: dict[str, Any] = {"id": str(ID), "timestamp_ms": 1, "firehose_version": "3.2.0"}


def written(message: Request | Response) -> dict[str, Any]:
    """The message's fields beside its envelope, and proof that both ways of writing agree."""
    dumped = serializer.dump(message)
    assert json.loads(serializer.dumps(message)) == dumped
    return {name: value for name, value in dumped.items() if name not in {"type", *HEAD}}


def rewritten(message: dict[str, Any]) -> dict[str, Any]:
    return written(serializer.parse(message))


SMALLEST: list[tuple[Response, dict[str, Any]]] = [
    (EventProcessingResponse(id=ID, timestamp_ms=1), {"type": "event_processing_response", **HEAD}),
    (
        AudienceMembershipChangeResponse(id=ID, timestamp_ms=1),
        {"type": "audience_membership_change_response", **HEAD, "suspend_subscription": False},
    ),
    (AudienceSubscriptionResponse(id=ID, timestamp_ms=1), {"type": "audience_subscription_response", **HEAD}),
    (DsrProcessingResponse(id=ID, timestamp_ms=1), {"type": "dsr_processing_response", **HEAD}),
    (
        ModuleRegistrationResponse(id=ID, timestamp_ms=1, name="N", version="1.0", permissions=Permissions()),
        {
            "type": "module_registration_response",
            **HEAD,
            "sdk_version": "3.2.0",
            "name": "N",
            "version": "1.0",
            "permissions": {},
        },
    ),
]


@pytest.mark.parametrize(("response", "expected"), SMALLEST, ids=[str(response.type) for response, _ in SMALLEST])
def test_the_smallest_response_is_written_as(response: Response, expected: dict[str, Any]) -> None:
    dumped = serializer.dump(response)

    assert (dumped, list(dumped)) == (expected, list(expected))
    assert serializer.parse_response(serializer.dumps(response)) == response


@pytest.mark.parametrize("suspend", [True, False])
def test_q41_a_membership_response_always_says_whether_to_suspend(suspend: bool) -> None:
    assert written(AudienceMembershipChangeResponse(suspend_subscription=suspend)) == {"suspend_subscription": suspend}


@pytest.mark.parametrize(("suspend", "expected"), [(True, {"suspend_subscription": True}), (False, {})])
def test_q41_an_event_response_says_whether_to_suspend_only_if_it_does(suspend: bool, expected: dict[str, Any]) -> None:
    assert written(EventProcessingResponse(suspend_subscription=suspend)) == expected


def test_q42_every_response_has_an_id_and_a_time_of_its_own() -> None:
    before = time.time_ns() // 1_000_000
    first, second = DsrProcessingResponse(), DsrProcessingResponse()

    assert first.id != second.id
    assert (first.id.version, str(first.id)) == (4, str(first.id).lower())
    assert before <= first.timestamp_ms <= second.timestamp_ms <= time.time_ns() // 1_000_000


def test_a_renewed_response_has_another_id_and_time_and_the_same_fields() -> None:
    response = AudienceSubscriptionResponse(id=ID, timestamp_ms=1, audience_subscription_settings={"list": "42"})
    renewed = response.renewed()

    assert (renewed.id != ID, renewed.timestamp_ms > 1, written(renewed)) == (True, True, written(response))


def test_q40_returned_settings_are_text_and_never_empty() -> None:
    settings: dict[str, Any] = {"text": "42", "number": 42, "truth": True, "blank": "", "none": None}

    assert written(AudienceSubscriptionResponse(audience_subscription_settings=settings)) == {
        "audience_subscription_settings": {"text": "42", "number": "42", "truth": "true"}
    }


def test_q40_settings_that_are_all_empty_are_left_out() -> None:
    assert written(AudienceSubscriptionResponse(audience_subscription_settings={"blank": "", "none": None})) == {}


SETTINGS = [
    (
        TextSetting(id="t", name="T"),
        {"type": "text", "id": "t", "name": "T", "visible": True, "required": False, "confidential": False},
    ),
    (
        IntegerSetting(id="i", name="I", default_value=0, min_value=0, max_value=9, visible=False),
        {
            "type": "integer",
            "id": "i",
            "name": "I",
            "visible": False,
            "default_value": 0,
            "min_value": 0,
            "max_value": 9,
            "required": False,
        },
    ),
    (
        FloatSetting(id="f", name="F", default_value=0.5, required=True),
        {"type": "float", "id": "f", "name": "F", "visible": True, "default_value": 0.5, "required": True},
    ),
    (
        BooleanSetting(id="b", name="B", description="D"),
        {
            "type": "boolean",
            "id": "b",
            "name": "B",
            "description": "D",
            "visible": True,
            "default_value": False,
            "checked": False,
        },
    ),
]


@pytest.mark.parametrize(("setting", "expected"), SETTINGS, ids=["text", "integer", "float", "boolean"])
def test_q49_q50_a_setting_is_written_as(setting: Any, expected: dict[str, Any]) -> None:
    registration = ModuleRegistrationResponse(
        audience_processing_registration=AudienceProcessingRegistration(account_settings=(setting,))
    )
    settings = written(registration)["audience_processing_registration"]["account_settings"]

    assert (settings, list(settings[0])) == ([expected], list(expected))
    assert serializer.parse_response(serializer.dumps(registration)) == registration


def test_q48_the_age_of_data_is_always_written() -> None:
    events = EventProcessingRegistration(supported_event_types=(EventType.ERROR,))

    assert written(ModuleRegistrationResponse(event_processing_registration=events)) == {
        "sdk_version": "3.2.0",
        "event_processing_registration": {"supported_event_types": ["error"], "max_data_age_hours": 24},
    }


def test_permissions_are_written_if_given_and_the_flag_required_of_an_identity_always() -> None:
    permissions = Permissions(user_identities=({"type": "email"},), allow_access_mpid=True)

    assert written(ModuleRegistrationResponse(permissions=permissions))["permissions"] == {
        "user_identities": [{"type": "email", "encoding": "raw", "required": False}],
        "allow_access_mpid": True,
    }


def test_an_empty_object_is_written() -> None:
    audiences = AudienceProcessingRegistration(bulk_configuration=BulkConfiguration())

    assert written(ModuleRegistrationResponse(audience_processing_registration=audiences)) == {
        "sdk_version": "3.2.0",
        "audience_processing_registration": {"bulk_configuration": {}},
    }
    assert rewritten({"type": "event_processing_request", "consent_state": {}}) == {"consent_state": {}}


REWRITTEN: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "empty-lists-and-maps-and-texts": (
        {"events": [], "user_attributes": {}, "mpid": "", "source_id": None, "runtime_environment": None},
        {},
    ),
    "empty-map-entries": (
        {
            "user_attributes": {"tag": None, "blank": "", "zero": "0"},
            "user_attribute_lists": {"none": [], "some": ["", "a"]},
        },
        {"user_attributes": {"zero": "0"}, "user_attribute_lists": {"some": ["", "a"]}},
    ),
    "nested-maps": (
        {
            "runtime_environment": {
                "type": "tvos",
                "att_authorization_status": "denied",
            }
        },
        {
            "runtime_environment": {
                "type": "tvos",
                "timezone_offset": 0,
                "screen_height": 0,
                "screen_width": 0,
                "att_authorization_status": "denied",
                "att_timestamp_unixtime_ms": 0,
            }
        },
    ),
    "search-ads": (
        {"runtime_environment": {"type": "ios", "apple_search_ads_attribution": {"v1": {"a": "b", "c": ""}, "v2": {}}}},
        {
            "runtime_environment": {
                "type": "ios",
                "timezone_offset": 0,
                "screen_height": 0,
                "screen_width": 0,
                "att_timestamp_unixtime_ms": 0,
                "apple_search_ads_attribution": {"v1": {"a": "b"}},
            }
        },
    ),
    "primitives-of-events": (
        {
            "events": [
                {"type": "session_end"},
                {"type": "error"},
                {"type": "privacy_setting_change"},
                {"type": "product_action", "products": [{}]},
                {"type": "session_start", "location": {}, "session_id": 0},
            ]
        },
        {
            "events": [
                {"type": "session_end", "timestamp_ms": 0, "session_length_ms": 0},
                {"type": "error", "timestamp_ms": 0, "is_crash": False},
                {"type": "privacy_setting_change", "timestamp_ms": 0, "is_enabled": False},
                {"type": "product_action", "timestamp_ms": 0, "products": [{"position": 0}]},
                {
                    "type": "session_start",
                    "timestamp_ms": 0,
                    "session_id": 0,
                    "location": {"latitude": 0.0, "longitude": 0.0, "accuracy": 0.0},
                },
            ]
        },
    ),
    "debug-only-if-true": (
        {"runtime_environment": {"type": "roku", "is_debug": False}},
        {"runtime_environment": {"type": "roku", "timezone_offset": 0}},
    ),
    "platform-fields": ({"platform_fields": {}}, {"platform_fields": {"mp_account_id": 0, "workspace_id": 0}}),
    "account-id-zero": (
        {"account": {"account_id": 0, "account_settings": {"unset": None}}},
        {"account": {"account_id": 0}},
    ),
    "account-null": ({"account": None}, {}),
    "nil-event-id": (
        {"events": [{"type": "session_start", "id": str(UUID(int=0))}]},
        {"events": [{"type": "session_start", "timestamp_ms": 0}]},
    ),
    "unknown-fields-as-they-came": ({"new": {"none": None, "blank": ""}}, {"new": {"none": None, "blank": ""}}),
    "unknown-events": (
        {"events": [{"type": "hologram", "timestamp_ms": 5, "depth": None}]},
        {"events": [{"type": "hologram", "timestamp_ms": 5, "depth": None}]},
    ),
    "not-a-number": (
        {"events": [{"type": "session_start", "location": {"latitude": "NaN", "longitude": "-Infinity"}}]},
        {
            "events": [
                {
                    "type": "session_start",
                    "timestamp_ms": 0,
                    "location": {"latitude": "NaN", "longitude": "-Infinity", "accuracy": 0.0},
                }
            ]
        },
    ),
    "kept-spelling-of-wish-lists": (
        {
            "events": [
                {"type": "product_action", "action": "remove_from_wishlist"},
                {"type": "product_action", "action": "add_to_wishlist"},
            ]
        },
        {
            "events": [
                {"type": "product_action", "timestamp_ms": 0, "action": "remove_from_wish_list"},
                {"type": "product_action", "timestamp_ms": 0, "action": "add_to_wishlist"},
            ]
        },
    ),
}


@pytest.mark.parametrize(("fields", "expected"), REWRITTEN.values(), ids=REWRITTEN)
def test_a_request_is_written_by_the_rules(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    assert rewritten({"type": "event_processing_request", **fields}) == expected


def test_q36_an_empty_attribute_entry_is_written_as_an_empty_object() -> None:
    profiles = [{"audiences": [{"audience_id": 1001, "user_attributes": [{}]}]}]

    assert rewritten({"type": "audience_membership_change_request", "user_profiles": profiles}) == {
        "user_profiles": profiles
    }


ROUND_TRIPS = sorted(
    path.stem for path in EVENTS.glob("*.json") if "keep_alive" not in path.stem and "web" not in path.stem
)


@pytest.mark.parametrize("name", ROUND_TRIPS)
def test_our_own_requests_are_written_as_they_were_read(name: str) -> None:
    request = serializer.parse((EVENTS / f"{name}.json").read_bytes())

    assert serializer.dump(request) == load_event(name)
    assert json.loads(serializer.dumps(request)) == load_event(name)
    assert list(serializer.dump(request)) == list(load_event(name))


def purchase(*amounts: str) -> EventProcessingRequest:
    return EventProcessingRequest(
        events=(
            ProductActionEvent(
                action=ProductActionType.PURCHASE, products=tuple(Product(price=Decimal(amount)) for amount in amounts)
            ),
        )
    )


def prices(message: dict[str, Any]) -> list[Any]:
    return [product["price"] for product in message["events"][0]["products"]]


def test_q57_decimals_are_written_as_integers_and_floats_for_lambda() -> None:
    dumped = prices(serializer.dump(purchase("12.50", "7", "7.00", "0", "1E+3", "1E+400", "12345678901234567890123")))

    assert dumped == [12.5, 7, 7, 0, 1000, "1E+400", 12345678901234567890123]
    assert [type(price) for price in dumped] == [float, int, int, int, int, str, int]


def test_q57_decimals_keep_all_their_digits_in_text() -> None:
    text = serializer.dumps(purchase("12.50", "0.1000", "1E+3", "12345678901234567890.123456789")).decode()

    assert [literal.split("}")[0] for literal in text.split('"price":')[1:]] == [
        "12.50",
        "0.1000",
        "1E+3",
        "12345678901234567890.123456789",
    ]


def test_text_that_looks_like_a_number_stays_text() -> None:
    request = EventProcessingRequest(mpid="12.50", user_attributes={"decimal": 'decimal-0:1"2'})

    assert json.loads(serializer.dumps(request))["mpid"] == "12.50"


def primitives_only(value: object) -> bool:
    if isinstance(value, dict):
        return all(type(key) is str and primitives_only(entry) for key, entry in value.items())
    if isinstance(value, list):
        return all(map(primitives_only, value))
    return type(value) in {str, int, float, bool, type(None)}


@pytest.mark.parametrize("name", ROUND_TRIPS)
def test_q57_only_json_primitives_are_written(name: str) -> None:
    assert primitives_only(serializer.dump(serializer.parse((EVENTS / f"{name}.json").read_bytes())))


def test_q55_text_is_written_as_utf8_even_if_it_has_a_lone_surrogate() -> None:
    request = serializer.parse(b'{"type": "event_processing_request", "mpid": "K\xc3\xb6ln \\ud83d"}')

    assert serializer.dumps(request).endswith(b'"mpid":"K\xc3\xb6ln \\ud83d"}')
    assert serializer.parse(serializer.dumps(request)) == request


def test_q43_submitted_time_is_written_in_seconds() -> None:
    text = '{"type": "dsr_processing_request", "timestamp_ms": 1, "submitted_time": 1714592744.067235000}'
    request = serializer.parse(text)

    assert serializer.dump(request) == json.loads(text)
    assert b'"submitted_time":1714592744.067235}' in serializer.dumps(request)


def test_q44_extensions_are_written_with_their_names() -> None:
    extensions = {
        "opendsr.mparticle.com": {
            "skip_waiting_period": False,
            "subject_identities": {"mpid": {"encoding": "raw", "value": "7700731"}},
        },
        "vendor.example": {"x": 1},
    }

    assert rewritten({"type": "dsr_processing_request", "extensions": extensions}) == {"extensions": extensions}


def test_an_account_that_was_not_parsed_is_written() -> None:
    assert written(EventProcessingRequest(account=Account(account_id=4242))) == {"account": {"account_id": 4242}}
