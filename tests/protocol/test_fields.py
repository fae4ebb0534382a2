"""Fields accept what the Java SDK accepts and refuse what it refuses: one table for each type of field."""

import json
from decimal import Decimal
from typing import Any

import pytest

from mparticle_firehose.protocol import (
    ApplicationState,
    AudienceAction,
    AudienceMembershipChangeRequest,
    AudienceSubscriptionAction,
    AudienceSubscriptionRequest,
    CustomEventType,
    EventProcessingRequest,
    ProductActionType,
    Serializer,
)

type Json = dict[str, Any]

serializer = Serializer()


def read(kind: str, field: str, literal: str) -> Any:
    """Read one field of one event, given as JSON text."""
    text = f'{{"type": "event_processing_request", "events": [{{"type": "{kind}", "{field}": {literal}}}]}}'
    request = serializer.parse(text)
    assert isinstance(request, EventProcessingRequest)
    return getattr(request.events[0], field)


def problems(kind: str, field: str, literal: str) -> tuple[tuple[str, str], ...]:
    """Return the field and the rule for which an event with such a field is unreadable."""
    text = f'{{"type": "event_processing_request", "events": [{{"type": "{kind}", "{field}": {literal}}}]}}'
    (unreadable,) = serializer.parse(text).unreadable
    name, _, rule = unreadable.reason.partition(": ")
    return ((name, rule),)


PRIMITIVE_INTEGERS = {
    "null": 0,
    '""': 0,
    '" "': 0,
    '"\\u0000"': 0,
    '"null"': 0,
    '"\\u0000null "': 0,
    '"123"': 123,
    '" 12 "': 12,
    '"\\u000012\\u001f"': 12,
    '"१२"': 12,
    "-0": 0,
    '"+7"': 7,
    "5.5": 5,
    "-3.5": -3,
    "1.4e12": 1_400_000_000_000,
    "99999999999999999999": 99_999_999_999_999_999_999,
    "-9223372036854775808": -(2**63),
}


@pytest.mark.parametrize(("literal", "expected"), PRIMITIVE_INTEGERS.items(), ids=PRIMITIVE_INTEGERS)
def test_an_integer_is_read_from(literal: str, expected: int) -> None:
    assert read("session_end", "session_length_ms", literal) == expected


@pytest.mark.parametrize("literal", ["null", '""', '" "', '"null"'])
def test_an_optional_integer_is_none_for(literal: str) -> None:
    assert read("session_end", "session_id", literal) is None


@pytest.mark.parametrize("literal", ['"1.5"', '"12px"', '"1_000"', "true", "[]", "{}", "1e999", "9" * 5000])
def test_an_integer_is_refused_from(literal: str) -> None:
    assert problems("session_end", "session_length_ms", literal) == (
        ("events.*.session_length_ms", "must be a whole number"),
    )


BOOLEANS = {
    "true": True,
    "false": False,
    "null": False,
    '""': False,
    '" "': False,
    '"null"': False,
    "0": False,
    "1": True,
    "-7": True,
    "-0": False,
    '"\\u0000"': False,
    **{f'"{word}"': True for word in ("true", "True", "TRUE")},
    **{f'"{word}"': False for word in ("false", "False", "FALSE")},
}


@pytest.mark.parametrize(("literal", "expected"), BOOLEANS.items(), ids=BOOLEANS)
def test_a_boolean_is_read_from(literal: str, expected: bool) -> None:
    assert read("error", "is_crash", literal) is expected


@pytest.mark.parametrize("literal", ['"yes"', '"1"', "1.0", "[]", "{}"])
def test_a_boolean_is_refused_from(literal: str) -> None:
    assert problems("error", "is_crash", literal) == (("events.*.is_crash", "must be true or false"),)


TEXTS = {
    '"as it is "': "as it is ",
    '""': "",
    "null": None,
    "5": "5",
    "1.50": "1.50",
    "1e5": "1e5",
    "-0": "-0",
    "true": "true",
    "false": "false",
    "123456789012345678901234567890.5": "123456789012345678901234567890.5",
}


@pytest.mark.parametrize(("literal", "expected"), TEXTS.items(), ids=TEXTS)
def test_text_is_read_from(literal: str, expected: str | None) -> None:
    assert read("custom_event", "name", literal) == expected


@pytest.mark.parametrize("literal", ["[]", "{}"])
def test_text_is_refused_from(literal: str) -> None:
    assert problems("custom_event", "name", literal) == (("events.*.name", "must be text"),)


DECIMALS = {
    "12.50": "12.50",
    "0.1000": "0.1000",
    "1E+3": "1E+3",
    "7": "7",
    "12345678901234567890.123456789": "12345678901234567890.123456789",
    '"12.50"': "12.50",
    '" 1.5 "': "1.5",
    '"\\u00001.5"': "1.5",
    "1e999": "1E+999",
    '"१.५"': "1.5",
    "-0": "0",
}


@pytest.mark.parametrize(("literal", "expected"), DECIMALS.items(), ids=DECIMALS)
def test_a_decimal_keeps_every_digit_of(literal: str, expected: str) -> None:
    assert str(read("product_action", "total_amount", literal)) == expected


@pytest.mark.parametrize("literal", ["null", '""', '" "', '"\\u0000"'])
def test_a_decimal_is_none_for(literal: str) -> None:
    assert read("product_action", "total_amount", literal) is None


@pytest.mark.parametrize(
    "literal", ['"abc"', '"1,5"', '"1_000"', '" 1_0.5"', '"NaN"', '" Infinity\\u0000"', "true", "[]", "{}"]
)
def test_a_decimal_is_refused_from(literal: str) -> None:
    assert problems("product_action", "total_amount", literal) == (
        ("events.*.total_amount", "must be a decimal number"),
    )


def test_a_decimal_from_a_dict_has_the_digits_of_the_float() -> None:
    request = serializer.parse(
        {"type": "event_processing_request", "events": [{"type": "product_action", "total_amount": 0.1}]}
    )

    assert isinstance(request, EventProcessingRequest)
    assert getattr(request.events[0], "total_amount", None) == Decimal("0.1")


DOUBLES = {
    "1": 1.0,
    "1.0E-7": 1e-7,
    '"47.5"': 47.5,
    "null": 0.0,
    '""': 0.0,
    '"\\u0000"': 0.0,
    '"Infinity"': float("inf"),
    '"INF"': float("inf"),
    "1e999": float("inf"),
    "9" * 5000: float("inf"),
    **{f'"1.5{suffix}"': 1.5 for suffix in "fFdD"},
    '" 1.f "': 1.0,
    '"0x1.8p1"': 3.0,
    '"-0X.8P1d"': -1.0,
}


@pytest.mark.parametrize(("literal", "expected"), DOUBLES.items(), ids=DOUBLES)
def test_a_double_is_read_from(literal: str, expected: float) -> None:
    assert read("custom_event", "location", f'{{"latitude": {literal}}}').latitude == expected


@pytest.mark.parametrize("literal", ['"1,5"', '"1_0"', '"1.5ff"', '"0x1"', "true", "[]"])
def test_a_double_is_refused_from(literal: str) -> None:
    assert problems("custom_event", "location", f'{{"latitude": {literal}}}') == (
        ("events.*.location.latitude", "must be a number"),
    )


ENUMS = {
    '"media"': CustomEventType.MEDIA,
    '" media "': CustomEventType.MEDIA,
    '"MEDIA"': CustomEventType.MEDIA,
    '"hologram"': "hologram",
    "7": "7",
    "null": None,
    '""': None,
    '" "': None,
}


@pytest.mark.parametrize(("literal", "expected"), ENUMS.items(), ids=ENUMS)
def test_an_enumeration_is_read_from(literal: str, expected: object) -> None:
    value = read("custom_event", "custom_event_type", literal)

    assert (value, type(value)) == (expected, type(expected))


@pytest.mark.parametrize("literal", ["[]", "{}"])
def test_an_enumeration_is_refused_from(literal: str) -> None:
    assert problems("custom_event", "custom_event_type", literal) == (("events.*.custom_event_type", "must be text"),)


IDS = {
    '"5A3C1E70-0000-4000-8000-000000000001"': "5a3c1e70-0000-4000-8000-000000000001",
    '" 5a3c1e70-0000-4000-8000-000000000001 "': "5a3c1e70-0000-4000-8000-000000000001",
    '"WjwecAAAQACAAAAAAAAAAQ=="': "5a3c1e70-0000-4000-8000-000000000001",
    '"WjwecAAAQACAAAAAAAAAAQ"': "5a3c1e70-0000-4000-8000-000000000001",
    '"+/+/+/+/S/+/+/+/+/+/+w=="': "fbffbffb-ffbf-4bff-bffb-ffbffbffbffb",
    '"-_-_-_-_S_-_-_-_-_-_-w"': "fbffbffb-ffbf-4bff-bffb-ffbffbffbffb",
    '"00000000-0000-0000-0000-000000000000"': "00000000-0000-0000-0000-000000000000",
}


@pytest.mark.parametrize(("literal", "expected"), IDS.items(), ids=IDS)
def test_an_id_is_read_from(literal: str, expected: str) -> None:
    assert str(read("session_start", "id", literal)) == expected


@pytest.mark.parametrize(
    ("literal", "counted"),
    [("null", {}), ('""', {}), ('" "', {}), ('"no guid"', {"malformed_id": 1}), ("7", {"malformed_id": 1}),
     ("[]", {"malformed_id": 1}), ('"########################"', {"malformed_id": 1})],
)  # fmt: skip
def test_a_malformed_id_is_counted_and_read_as_none(literal: str, counted: Json) -> None:
    request = serializer.parse(f'{{"type": "module_registration_request", "id": {literal}}}')

    assert (request.id, dict(request.unrecognized)) == (None, counted)


@pytest.mark.parametrize("field", ["attributes", "custom_flags"])
@pytest.mark.parametrize("literal", ["[]", '""', "1", '"text"'])
def test_a_map_is_refused_from(field: str, literal: str) -> None:
    assert problems("custom_event", field, literal) == ((f"events.*.{field}", "must be an object"),)


@pytest.mark.parametrize("literal", ["{}", '""', "1", '"text"'])
def test_a_list_is_refused_from(literal: str) -> None:
    assert problems("product_action", "products", literal) == (("events.*.products", "must be a list"),)


@pytest.mark.parametrize("literal", ["[]", '""', "1"])
def test_an_object_is_refused_from(literal: str) -> None:
    assert problems("custom_event", "location", literal) == (("events.*.location", "must be an object"),)


MAPS = {'{"a": null}': {"a": None}, '{"a": 1.50}': {"a": "1.50"}, '{"a": true}': {"a": "true"}, "null": {}}


@pytest.mark.parametrize(("literal", "expected"), MAPS.items(), ids=MAPS)
def test_a_map_of_texts_is_read_from(literal: str, expected: Json) -> None:
    assert read("custom_event", "attributes", literal) == expected


@pytest.mark.parametrize("literal", ['{"colour": {}}', '{"colour": []}'])
def test_a_map_of_texts_is_refused_with(literal: str) -> None:
    assert problems("custom_event", "attributes", literal) == (("events.*.attributes.*", "must be text"),)


MISSPELT = [
    ("application_state_transition", "application_state", "Foreground", ApplicationState.FOREGROUND),
    ("product_action", "action", "remove_from_wishlist", ProductActionType.REMOVE_FROM_WISH_LIST),
    ("product_action", "action", "remove_from_wish_list", ProductActionType.REMOVE_FROM_WISH_LIST),
]


@pytest.mark.parametrize(("kind", "field", "word", "expected"), MISSPELT)
def test_other_spellings_are_read_as_the_same_value(kind: str, field: str, word: str, expected: object) -> None:
    assert read(kind, field, json.dumps(word)) is expected


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("add", AudienceSubscriptionAction.ADD),
        ("update", AudienceSubscriptionAction.UPDATE),
        ("remove", AudienceSubscriptionAction.REMOVE),
        ("delete", AudienceSubscriptionAction.REMOVE),
    ],
)
def test_remove_and_delete_both_disconnect_an_audience(word: str, expected: object) -> None:
    request = serializer.parse({"type": "audience_subscription_request", "action": word})

    assert isinstance(request, AudienceSubscriptionRequest)
    assert request.action is expected


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("add", AudienceAction.ADD),
        ("attribute_update", AudienceAction.ATTRIBUTE_UPDATE),
        ("delete", AudienceAction.DELETE),
        ("remove", AudienceAction.DELETE),
    ],
)
def test_remove_and_delete_both_end_a_membership(word: str, expected: object) -> None:
    profiles = [{"audiences": [{"action": word}]}]
    request = serializer.parse({"type": "audience_membership_change_request", "user_profiles": profiles})

    assert isinstance(request, AudienceMembershipChangeRequest)
    assert request.user_profiles[0].audiences[0].action is expected
