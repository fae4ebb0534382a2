"""From bytes to a message: encodings, data that is not JSON or not a request, and the contents of errors."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mparticle_firehose.errors import MalformedRequestError, UnsupportedMessageError
from mparticle_firehose.protocol import AnyRequest, DsrProcessingRequest, EventProcessingRequest, Serializer
from mparticle_firehose.protocol.enums import MessageType
from mparticle_firehose.protocol.messages import REQUEST_MODELS, RESPONSE_MODELS
from tests.conftest import EVENTS, load_event

serializer = Serializer()


def reasons(request: AnyRequest) -> list[str]:
    return [unreadable.reason for unreadable in request.unreadable]


TEXT = '{"type": "event_processing_request", "mpid": "7700731", "user_attributes": {"$City": "Köln"}}'
KEEP_ALIVE = {"type": "event_processing_request"}
ALL_EVENTS = sorted(path.stem for path in EVENTS.glob("*.json"))


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


ENCODED = {
    "utf-8": TEXT.encode(),
    "q55-utf-8-with-mark": b"\xef\xbb\xbf" + TEXT.encode(),
    "utf-16-with-mark": TEXT.encode("utf-16"),
    "utf-16-little-endian": TEXT.encode("utf-16-le"),
    "utf-32": TEXT.encode("utf-32"),
    "bytearray": bytearray(TEXT.encode()),
    "text": TEXT,
    "text-with-mark": "\ufeff" + TEXT,
    "surrounding-space": f" \r\n\t{TEXT}\n",
    "q55-trailing-text": TEXT + " and so on",
    "q58-duplicate-keys": TEXT.replace('{"type"', '{"mpid": "1", "type"'),
}


@pytest.mark.parametrize("data", ENCODED.values(), ids=ENCODED)
def test_a_request_is_read_from(data: object) -> None:
    assert serializer.parse(data) == serializer.parse(json.loads(TEXT))


REFUSED: dict[str, tuple[object, str]] = {
    "nothing": (b"", "must not be empty"),
    "blank": (" \n", "must not be empty"),
    "half": (b'{"type": "event_proc', "must be JSON"),
    "comment": (b'/* hello */ {"type": 1}', "must be JSON"),
    "single-quotes": (b"{'type': 'x'}", "must be JSON"),
    "control-character": (b'{"type": "a\x01"}', "must be JSON"),
    "nan": (b'{"type": "event_processing_request", "x": NaN}', "must be JSON"),
    "infinity": (b'{"type": "event_processing_request", "x": -Infinity}', "must be JSON"),
    "broken-utf-8": (b'{"type": "\xff"}', "must be UTF-8 text"),
    "null-text": (b"null", "must be a JSON object"),
    "list-text": (b"[]", "must be a JSON object"),
    "text-text": (b'"event_processing_request"', "must be a JSON object"),
    "none": (None, "must be a JSON object"),
    "list": ([KEEP_ALIVE], "must be a JSON object"),
    "number": (7, "must be a JSON object"),
    "too-deep": (b"[" * 200_000, "is nested too deeply"),
}


@pytest.mark.parametrize(("data", "rule"), REFUSED.values(), ids=REFUSED)
def test_data_that_is_not_a_json_object_is_refused(data: object, rule: str) -> None:
    with pytest.raises(MalformedRequestError) as refusal:
        serializer.parse(data)

    assert refusal.value.problems == (("", rule),)


UNSUPPORTED: dict[str, tuple[object, str]] = {
    "missing": ({}, "is required"),
    "null": ({"type": None}, "is required"),
    "unknown": ({"type": "canary-pii"}, "must be one of " + ", ".join(REQUEST_MODELS)),
    "capitals": ({"type": "EVENT_PROCESSING_REQUEST"}, "must be one of " + ", ".join(REQUEST_MODELS)),
    "number": ({"type": 7}, "must be one of " + ", ".join(REQUEST_MODELS)),
    "list": ({"type": []}, "must be one of " + ", ".join(REQUEST_MODELS)),
    "response": ({"type": "dsr_processing_response"}, "must be a request's, not a response's"),
}


@pytest.mark.parametrize(("data", "rule"), UNSUPPORTED.values(), ids=UNSUPPORTED)
def test_q03_another_type_of_message_is_unsupported(data: object, rule: str) -> None:
    with pytest.raises(UnsupportedMessageError) as refusal:
        serializer.parse(data)

    assert refusal.value.problems == (("type", rule),)


def test_every_type_of_message_has_its_model() -> None:
    assert {*REQUEST_MODELS, *RESPONSE_MODELS} == set(MessageType)


@pytest.mark.parametrize("depth", [900, 50_000])
def test_deep_nesting_in_unknown_fields_is_accepted(depth: int) -> None:
    request = serializer.parse({**KEEP_ALIVE, "new": nested(depth), "events": [{"type": "new", "x": nested(depth)}]})

    assert list(serializer.dump(request)) == ["type", "timestamp_ms", "events", "new"]


def test_deep_nesting_in_a_field_that_becomes_text_is_refused() -> None:
    with pytest.raises(MalformedRequestError) as refusal:
        serializer.parse({**KEEP_ALIVE, "user_attributes": {"deep": nested(50_000)}})

    assert refusal.value.problems == (("", "is nested too deeply"),)


def test_an_integer_with_too_many_digits_for_python_is_no_text() -> None:
    request = serializer.parse({**KEEP_ALIVE, "mpid": 10**5000})

    assert reasons(request) == ["mpid: must be text"]


UNREADABLE: dict[str, tuple[dict[str, Any], str]] = {
    "events-as-object": ({"events": {}}, "events: must be a list"),
    "events-as-text": ({"events": [None, "canary-pii", 5]}, "events.*: must be an object"),
    "attributes-as-list": (
        {"events": [{"type": "session_start"}, {"type": "custom_event", "attributes": ["canary-pii"]}]},
        "events.*.attributes: must be an object",
    ),
    "environment-as-list": ({"runtime_environment": []}, "runtime_environment: must be an object"),
    "environment-field": (
        {"runtime_environment": {"type": "ios", "brand": {"name": "canary-pii"}}},
        "runtime_environment.brand: must be text",
    ),
    "identity-as-text": ({"user_identities": ["canary-pii"]}, "user_identities.*: must be an object"),
    "identity-value-as-list": (
        {"user_identities": [{"type": "email", "encoding": "raw", "value": ["canary-pii"]}]},
        "user_identities.*.value: must be non-empty text",
    ),
    "consent": (
        {"consent_state": {"gdpr_consent_state": {"canary-ads": {"consented": "canary-pii"}}}},
        "consent_state.gdpr_consent_state.*.consented: must be true or false",
    ),
    "notification": (
        {"system_notifications": [{"type": "gdpr_consent_state", "old_gdpr_consent_state": "canary-pii"}]},
        "system_notifications.*.old_gdpr_consent_state: must be an object",
    ),
    "product": (
        {"events": [{"type": "product_action", "products": [{"price": "canary-pii"}, {"price": []}]}]},
        "events.*.products.*.price: must be a decimal number",
    ),
    "two-rules": (
        {"events": [{"type": "product_action", "attributes": {"canary-a": [], "canary-b": []}, "products": {}}]},
        "events.*.products: must be a list; events.*.attributes.*: must be text",
    ),
}


@pytest.mark.parametrize(("fields", "reason"), UNREADABLE.values(), ids=UNREADABLE)
def test_an_unreadable_field_is_named_with_its_rule_and_without_values_and_customers_names(
    fields: dict[str, Any], reason: str
) -> None:
    request = serializer.parse({**KEEP_ALIVE, **fields})

    assert reasons(request) == [reason]
    assert "canary" not in repr((request, request.unreadable))


REFUSED_FIELDS: dict[str, tuple[dict[str, Any], tuple[tuple[str, str], ...]]] = {
    "account-as-text": (
        {"type": "event_processing_request", "account": "canary-secret"},
        (("account", "must be an object"),),
    ),
    "settings-as-list": (
        {"type": "event_processing_request", "account": {"account_settings": ["canary-secret"]}},
        (("account.account_settings", "must be an object"),),
    ),
    "unknown-setting-as-object": (
        {"type": "event_processing_request", "account": {"account_settings": {"canary-name": {"key": 1}}}},
        (("account.account_settings.*", "must be text"),),
    ),
    "setting-named-like-a-field": (
        {"type": "event_processing_request", "account": {"account_settings": {"type": {"key": 1}}}},
        (("account.account_settings.*", "must be text"),),
    ),
    "declared-setting-as-object": (
        {"type": "event_processing_request", "account": {"account_settings": {"apiKey": {"key": "canary-secret"}}}},
        (("account.account_settings.apiKey", "must be text"),),
    ),
    "account-and-events": (
        {"type": "event_processing_request", "account": {"account_id": "x"}, "events": [{}, "canary-pii"]},
        (("account.account_id", "must be a whole number"), ("events.1", "must be an object")),
    ),
    "kind-of-subject-request": (
        {"type": "dsr_processing_request", "subject_request_type": ["canary-pii"]},
        (("subject_request_type", "must be text"),),
    ),
    "setting-of-an-audience": (
        {"type": "audience_subscription_request", "audience_subscription_settings": {"canary-name": []}},
        (("audience_subscription_settings.*", "must be text"),),
    ),
}


@pytest.mark.parametrize(("message", "problems"), REFUSED_FIELDS.values(), ids=REFUSED_FIELDS)
def test_what_cannot_be_kept_is_refused_by_field_and_rule(
    message: dict[str, Any], problems: tuple[tuple[str, str], ...]
) -> None:
    with pytest.raises(MalformedRequestError) as refusal:
        Serializer(lambda: {"apiKey"}).parse(message)

    error = refusal.value
    assert error.problems == problems
    assert "canary" not in repr(error)
    assert (error.__cause__, error.__suppress_context__) == (None, True)


@pytest.mark.parametrize("name", ["name", "events", "7"])
def test_a_customers_name_is_masked_also_if_it_looks_like_a_field_or_an_index(name: str) -> None:
    request = serializer.parse({**KEEP_ALIVE, "events": [{"type": "custom_event", "attributes": {name: []}}]})

    assert reasons(request) == ["events.*.attributes.*: must be text"]


def test_an_error_stays_short_however_much_is_wrong() -> None:
    with pytest.raises(MalformedRequestError) as refusal:
        serializer.parse({**KEEP_ALIVE, "account": [], "events": 1000 * ["canary-pii"]})

    assert refusal.value.problems == (
        ("account", "must be an object"),
        *((f"events.{number}", "must be an object") for number in range(19)),
        ("", "and 981 more"),
    )


MOMENT = datetime(2024, 5, 1, 19, 45, 44, tzinfo=UTC)
EXACT = MOMENT + timedelta(microseconds=67_235)

TIMES = {
    "1714592744.067235000": EXACT,
    '"1714592744.067235"': EXACT,
    "1714592744": MOMENT,
    '"1714592744"': MOMENT,
    "1714592744067": MOMENT + timedelta(milliseconds=67),
    '"2024-05-01T19:45:44Z"': MOMENT,
    '"2024-05-01t19:45:44z"': MOMENT,
    '"2024-05-01T21:45:44+02:00"': MOMENT,
    '"2024-05-01T21:45:44+0200"': MOMENT,
    '"2024-05-01T19:45:44+00"': MOMENT,
    '"2024-05-01T19:45:44.067235Z"': EXACT,
    '"2024-05-01T19:45:44.067235999Z"': EXACT,
    '"2024-05-01T19:45:44.067235999999Z"': EXACT,
    '"2024-05-01T19:45:44"': MOMENT,
    '"2024-05-01 19:45:44Z"': MOMENT,
    '"2024-05-01T19:45Z"': MOMENT.replace(second=0),
    '"2024-05-01"': MOMENT.replace(hour=0, minute=0, second=0),
    '"2024-05-01T19:45:44Z[UTC]"': MOMENT,
    '"2024-04-30T24:00:00Z"': MOMENT.replace(hour=0, minute=0, second=0),
    '"2024-04-30T24:00+00:00[UTC]"': MOMENT.replace(hour=0, minute=0, second=0),
    '" 2024-05-01t19:45:44z\\u0000"': MOMENT,
    "-1.5": datetime(1969, 12, 31, 23, 59, 58, 500_000, tzinfo=UTC),
    "null": None,
    '""': None,
    '" "': None,
}


def submitted(literal: str) -> DsrProcessingRequest:
    request = serializer.parse(f'{{"type": "dsr_processing_request", "submitted_time": {literal}}}')
    assert isinstance(request, DsrProcessingRequest)
    return request


@pytest.mark.parametrize(("literal", "expected"), TIMES.items(), ids=TIMES)
def test_q43_submitted_time_is_read_from(literal: str, expected: datetime | None) -> None:
    request = submitted(literal)

    assert (request.submitted_time, request.unrecognized) == (expected, Counter())


MALFORMED_TIMES = [
    *('"soon"', "true", "[]", "{}", "1e300", "1e999", '"nan"', '"Infinity"'),
    *('"1_000"', '"१७०००००००००००"', '"२०२४-०१-०१"'),
    *('"99999-01-01"', '"2024-01-01T24:00:01Z"', '"9999-12-31T24:00:00Z"', '"]"', '"[UTC]"'),
]


@pytest.mark.parametrize("literal", MALFORMED_TIMES)
def test_an_erasure_with_a_malformed_time_is_read_without_it(literal: str) -> None:
    request = submitted(literal)

    assert (request.submitted_time, request.unrecognized) == (None, Counter(malformed_time=1))


@pytest.mark.parametrize("name", ALL_EVENTS)
def test_q56_our_own_requests_read_the_same_from_bytes_and_from_a_dict(name: str) -> None:
    request = serializer.parse((EVENTS / f"{name}.json").read_bytes())

    assert request == serializer.parse(load_event(name))
    assert (request.source, request.unrecognized) == (load_event(name), Counter())


@pytest.mark.parametrize("name", ALL_EVENTS)
def test_our_own_requests_never_show_their_values_in_a_repr(name: str) -> None:
    request = serializer.parse(load_event(name))

    assert "canary" in json.dumps(load_event(name)) or name == "module_registration_request" or "keep_alive" in name
    assert "canary" not in f"{request!r} {request}"


def test_a_request_cannot_be_changed() -> None:
    request = serializer.parse(KEEP_ALIVE)

    with pytest.raises(ValueError, match="frozen"):
        setattr(request, "mpid", "1")  # noqa: B010 - what a type checker would refuse


def test_requests_are_compared_by_their_fields_and_not_by_their_source() -> None:
    assert serializer.parse(KEEP_ALIVE) == EventProcessingRequest()
    assert serializer.parse(KEEP_ALIVE) != EventProcessingRequest(mpid="7700731")


def test_the_source_of_a_request_is_none_of_its_fields() -> None:
    request = serializer.parse({**KEEP_ALIVE, "new": 1})
    fields = type(request).model_fields.keys() | {"new"}

    assert dict(request).keys() == request.model_dump(warnings="error").keys() == fields
    assert request.model_copy().source == request.source


def test_a_request_that_was_not_parsed_has_no_source() -> None:
    request = EventProcessingRequest()

    assert (request.source, request.unrecognized) == ({}, Counter())


def test_a_response_is_read_back() -> None:
    response = serializer.parse_response({"type": "dsr_processing_response", "id": str(ID), "timestamp_ms": 1})

    assert (str(response.id), response.timestamp_ms) == (ID, 1)


ID = "5a3c1e70-0000-4000-8000-000000000001"

BROKEN_RESPONSES = {
    "no-id": ({"timestamp_ms": 1}, (("id", "is required"),)),
    "no-time": ({"id": ID}, (("timestamp_ms", "is required"),)),
    "malformed-id": ({"id": "x", "timestamp_ms": 1}, (("id", "must be a GUID"),)),
    "request": ({"type": "dsr_processing_request"}, (("type", "is no response"),)),
}


@pytest.mark.parametrize(("fields", "problems"), BROKEN_RESPONSES.values(), ids=BROKEN_RESPONSES)
def test_a_broken_response_is_refused(fields: dict[str, Any], problems: tuple[tuple[str, str], ...]) -> None:
    with pytest.raises(MalformedRequestError) as refusal:
        serializer.parse_response({"type": "dsr_processing_response", **fields})

    assert refusal.value.problems == problems
