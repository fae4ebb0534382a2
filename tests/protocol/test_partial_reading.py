"""What cannot be read of a request costs itself and nothing else, and is kept."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mparticle_firehose.errors import MalformedRequestError
from mparticle_firehose.protocol import (
    AnyRequest,
    AudienceMembershipChangeRequest,
    DsrProcessingRequest,
    EventProcessingRequest,
    Serializer,
)
from mparticle_firehose.protocol.partial_reading import MAX_LETTERS
from mparticle_firehose.protocol.wire.reading import (
    MAX_ELEMENTS,
    MAX_FIELDS,
    TOO_MANY_ELEMENTS,
    TOO_MANY_FIELDS,
)
from mparticle_firehose.queues.membership_queue import user_key
from tests.conftest import Json, load_event, parsed

serializer = Serializer()

ODD: dict[str, Any] = {"type": "custom_event", "attributes": {"canary-name": ["canary-pii"]}}
ODD_REASON = "events.*.attributes.*: must be text"
ODD_CHANGE: Json = {"audience_id": "canary-pii", "action": "add"}
ODD_CHANGE_REASON = "user_profiles.*.audiences.*.audience_id: must be a whole number"


def event(number: int, **fields: object) -> Json:
    return {"type": "custom_event", "source_id": str(number), **fields}


def change(number: int) -> Json:
    return {"audience_id": number, "action": "add"}


def events(*elements: Any, **overrides: object) -> EventProcessingRequest:
    message = load_event("event_processing_request", **{"events": list(elements), **overrides})
    request: EventProcessingRequest = parsed(EventProcessingRequest, message)
    return request


def memberships(*profiles: Any, **overrides: object) -> AudienceMembershipChangeRequest:
    message = load_event("audience_membership_change_request", **{"user_profiles": list(profiles), **overrides})
    request: AudienceMembershipChangeRequest = parsed(AudienceMembershipChangeRequest, message)
    return request


def kept(request: AnyRequest, name: str) -> list[tuple[str, int, Any]]:
    """Return the reason, the number and the elements of each group that is kept apart."""
    return [(each.reason, each.count, each.source.get(name)) for each in request.unreadable]


class TestEvents:
    def test_an_odd_event_costs_itself(self) -> None:
        request = events(event(0), ODD, event(2))

        assert [each.source_id for each in request.events] == ["0", "2"]
        assert request.source["events"] == [event(0), event(2)]
        assert kept(request, "events") == [(ODD_REASON, 1, [ODD])]

    def test_positions_are_those_of_the_source_also_behind_nulls(self) -> None:
        request = events(None, ODD, event(2), None, "canary-pii", event(5))

        assert request.source["events"] == [None, event(2), None, event(5)]
        assert kept(request, "events") == [(ODD_REASON, 1, [ODD]), ("events.*: must be an object", 1, ["canary-pii"])]

    def test_equal_faults_are_kept_together_wherever_they_are(self) -> None:
        request = events(ODD, event(1), ODD)

        assert kept(request, "events") == [(ODD_REASON, 2, [ODD, ODD])]

    def test_what_is_kept_has_everything_else_of_the_request_and_no_readable_element(self) -> None:
        message = load_event("event_processing_request", events=[event(0), ODD], new_in_4_0="kept")

        (unreadable,) = serializer.parse(message).unreadable

        assert unreadable.source == {**message, "events": [ODD], "system_notifications": []}

    def test_an_unknown_field_with_the_name_of_another_requests_list_is_no_list(self) -> None:
        request = events(event(0), ODD, user_profiles="canary-pii")

        assert request.source["user_profiles"] == "canary-pii"
        assert kept(request, "events") == [(ODD_REASON, 1, [ODD])]

    def test_an_odd_notification_costs_itself(self) -> None:
        odd = {"type": "gdpr_consent_state", "purpose": ["canary-pii"]}
        request = events(event(0), system_notifications=[odd, {"type": "gdpr_consent_state", "purpose": "ads"}])

        assert (len(request.events), len(request.system_notifications)) == (1, 1)
        assert kept(request, "system_notifications") == [("system_notifications.*.purpose: must be text", 1, [odd])]

    def test_what_is_not_recognised_is_counted_once(self) -> None:
        assert events({"type": "new"}, ODD).unrecognized == events({"type": "new"}).unrecognized

    def test_a_readable_request_is_kept_as_it_came(self) -> None:
        message = load_event("event_processing_request")

        request = serializer.parse(message)

        assert request.source is message
        assert request.received is message
        assert (request.unreadable, request.is_unreadable) == ((), False)

    @pytest.mark.parametrize(
        ("fields", "reason"),
        [
            ({"user_attributes": ["canary-pii"]}, "user_attributes: must be an object"),
            ({"user_identities": ["canary-pii"]}, "user_identities.*: must be an object"),
            ({"runtime_environment": "canary-pii"}, "runtime_environment: must be an object"),
            ({"timestamp_ms": "canary-pii"}, "timestamp_ms: must be a whole number"),
            ({"events": {"canary-pii": 1}}, "events: must be a list"),
            ({"mpid": {}, "firehose_version": []}, "firehose_version: must be text; mpid: must be text"),
        ],
        ids=["attributes", "identity", "environment", "time", "events", "two"],
    )
    def test_another_odd_field_keeps_the_request_whole(self, fields: Json, reason: str) -> None:
        message = load_event("event_processing_request", **fields)

        request = parsed(EventProcessingRequest, message)

        assert request.is_unreadable
        assert [(each.reason, each.source) for each in request.unreadable] == [(reason, message)]
        assert (request.account.account_id, str(request.id)) == (4242, message["id"])
        assert set(request.source) <= {"type", "id", "timestamp_ms", "firehose_version", "account"}

    def test_of_a_whole_request_its_elements_are_counted(self) -> None:
        request = events(event(0), ODD, mpid=[], system_notifications=[])

        assert [each.count for each in request.unreadable] == [2]


class TestMemberships:
    def test_an_odd_audience_costs_one_change_and_leaves_a_gap(self) -> None:
        profile = {"mpid": "1", "audiences": [change(0), ODD_CHANGE, None, change(3)]}
        request = memberships(profile)

        assert request.source["user_profiles"] == [{"mpid": "1", "audiences": [change(0), {}, None, change(3)]}]
        assert [each.audience_id for each in request.user_profiles[0].audiences] == [0, 0, 3]
        assert kept(request, "user_profiles") == [
            (ODD_CHANGE_REASON, 1, [{"mpid": "1", "audiences": [{}, ODD_CHANGE, {}]}])
        ]

    def test_an_odd_profile_costs_itself_and_keeps_its_user(self) -> None:
        odd = {"mpid": "2", "user_identities": "canary-pii", "audiences": [change(1), ODD_CHANGE]}
        readable = {"mpid": "1", "audiences": [change(0)]}

        request = memberships(None, readable, odd, readable)

        assert request.source["user_profiles"] == [None, readable, {"mpid": "2"}, readable]
        assert kept(request, "user_profiles") == [
            (f"user_profiles.*.user_identities: must be a list; {ODD_CHANGE_REASON}", 1, [{}, odd])
        ]

    @pytest.mark.parametrize("odd", ["canary-pii", "", 0, False, [], {"mpid": []}, {"audiences": {}}], ids=repr)
    def test_any_odd_profile_is_kept(self, odd: Any) -> None:
        request = memberships({"mpid": "1", "audiences": None}, odd, {"mpid": "2"})

        assert request.source["user_profiles"] == [{"mpid": "1", "audiences": None}, {}, {"mpid": "2"}]
        assert [profiles for _, _, profiles in kept(request, "user_profiles")] == [[{}, odd]]

    @pytest.mark.parametrize("odd", ["canary-pii", "", 0, False, [], {"action": []}], ids=repr)
    def test_any_odd_audience_is_kept(self, odd: Any) -> None:
        request = memberships({"mpid": "1", "audiences": [change(0), odd]})

        assert [profiles for _, _, profiles in kept(request, "user_profiles")] == [
            [{"mpid": "1", "audiences": [{}, odd]}]
        ]

    def test_what_is_kept_reads_again_as_nothing_else(self) -> None:
        (unreadable,) = memberships({"mpid": "1", "audiences": [change(0), ODD_CHANGE]}).unreadable

        again = parsed(AudienceMembershipChangeRequest, unreadable.source)

        assert again.unreadable == (unreadable,)
        assert [each.action for profile in again.user_profiles for each in profile.audiences] == [None, None]

    def test_profiles_that_are_no_list_keep_the_request_whole(self) -> None:
        message = load_event("audience_membership_change_request", user_profiles={"canary-pii": 1})

        request = parsed(AudienceMembershipChangeRequest, message)

        assert (request.is_unreadable, request.user_profiles) == (True, ())
        assert kept(request, "user_profiles") == [("user_profiles: must be a list", 1, {"canary-pii": 1})]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"subject_identities": {"email": {"value": {}}}}, "subject_identities.*.value: must be non-empty text"),
        ({"subject_identities": "canary-pii"}, "subject_identities: must be an object"),
        ({"extensions": ["canary-pii"]}, "extensions: must be an object"),
        (
            {"extensions": {"opendsr.mparticle.com": {"subject_identities": {"canary-other6": "x"}}}},
            "extensions.opendsr.mparticle.com.subject_identities.*: must be an object",
        ),
    ],
    ids=["identity", "identities", "extensions", "extension"],
)
def test_an_odd_field_keeps_an_erasure_whole(fields: Json, reason: str) -> None:
    message = load_event("dsr_processing_request", **fields)

    request = parsed(DsrProcessingRequest, message)

    assert [(each.reason, each.count, each.source) for each in request.unreadable] == [(reason, 1, message)]
    assert (request.is_unreadable, request.subject_request_type, request.subject_identities) == (True, "erasure", {})


def listed(kind: object, value: object) -> Json:
    return {"identity_type": kind, "identity_value": value, "identity_format": "raw"}


def erasure(identities: object) -> DsrProcessingRequest:
    request: DsrProcessingRequest = parsed(
        DsrProcessingRequest, load_event("dsr_processing_request", subject_identities=identities)
    )
    return request


@pytest.mark.parametrize("odd", [5, 0, "", [], "canary-pii", listed(5, "canary-pii"), {"type": "email"}], ids=repr)
@pytest.mark.parametrize("others", [[], [None, listed("email", "canary-pii")]], ids=["alone", "beside-a-readable-one"])
def test_an_erasure_with_an_odd_identity_in_its_list_is_kept_whole(others: list[Any], odd: object) -> None:
    (whole,) = erasure([*others, odd]).unreadable

    assert whole.reason == "subject_identities: must be a list of identities that have a type"


@pytest.mark.parametrize("of", [{}, {"identity_value": None}, {"identity_value": ""}], ids=repr)
def test_a_listed_identity_whose_value_may_be_in_another_field_keeps_the_erasure_whole(of: Json) -> None:
    (whole,) = erasure([listed("android_id", "x"), {"identity_type": "email", "value": "canary-pii", **of}]).unreadable

    assert whole.reason == "subject_identities: must be a list of identities with the value in identity_value"


@pytest.mark.parametrize("more", [{"value": None}, {"identity_value": "y", "new": 1}], ids=repr)
def test_a_listed_identity_with_a_value_or_without_anything_in_other_fields_is_read(more: Json) -> None:
    request = erasure([listed("android_id", "x"), {"identity_type": "email", **more}])

    assert [each.value for each in request.subject_identities.values()] == ["x", "y"][: 1 + ("new" in more)]
    assert request.unreadable == ()


def raw(value: object) -> Json:
    return {"encoding": "raw", "value": value}


SAME_TYPE: Mapping[str, tuple[str, str]] = {
    "upper-case": ("email", "EMAIL"),
    "spaces": ("email", " email"),
    "alias": ("roku_publishing_id", "roku_publisher_id"),
}


@pytest.mark.parametrize(("first", "second"), SAME_TYPE.values(), ids=SAME_TYPE)
class TestAnErasureThatNamesATypeTwice:
    def test_is_kept_whole_if_the_values_differ(self, first: str, second: str) -> None:
        of_map = erasure({first: raw("canary-a"), second: raw("canary-b")})
        of_list = erasure([listed(first, "canary-a"), listed(second, "canary-b")])

        reasons = [each.reason for request in (of_map, of_list) for each in request.unreadable]
        assert reasons == ["subject_identities: must not have two different identities of one type"] * 2

    @pytest.mark.parametrize("second_value", ["canary-a", None, ""])
    def test_is_read_if_they_are_the_same_or_one_has_no_value(
        self, first: str, second: str, second_value: str | None
    ) -> None:
        of_map = erasure({first: raw("canary-a"), second: raw(second_value)})
        reversed_map = erasure({second: raw(second_value), first: raw("canary-a")})
        of_list = erasure([listed(first, "canary-a"), listed(second, second_value)])

        assert [
            [(kind, each.value) for kind, each in request.subject_identities.items()]
            for request in (of_map, reversed_map, of_list)
        ] == [[(parsed_type(first), "canary-a")]] * 3


def parsed_type(name: str) -> str:
    return "roku_publisher_id" if "roku" in name else "email"


EQUAL_TO_PYTHON: Mapping[str, tuple[str, str]] = {
    "digits-that-no-float-has": ("12345678901234567890.1", "12345678901234567890.2"),
    "whole-and-fraction": ("1", "1.0"),
    "number-and-truth": ("1", "true"),
    "too-large-for-a-float": ("1e999", "2e999"),
    "zeros": ("0", "-0"),
}


def literal_erasure(identities: str) -> DsrProcessingRequest:
    message = json.dumps(load_event("dsr_processing_request", subject_identities="HERE", extensions=None))
    request = serializer.parse(message.replace('"HERE"', identities))
    assert isinstance(request, DsrProcessingRequest)
    return request


@pytest.mark.parametrize(("first", "second"), EQUAL_TO_PYTHON.values(), ids=EQUAL_TO_PYTHON)
def test_values_that_differ_as_texts_are_different_identities(first: str, second: str) -> None:
    different = literal_erasure(f'{{"email":{{"value":{first}}},"EMAIL":{{"value":{second}}}}}')
    same = literal_erasure(f'{{"email":{{"value":{first}}},"EMAIL":{{"value":"{first}","encoding":"RAW"}}}}')

    assert [each.reason for each in different.unreadable] == [
        "subject_identities: must not have two different identities of one type"
    ]
    assert ([each.value for each in same.subject_identities.values()], same.unreadable) == ([first], ())


BLANK: Mapping[str, Json] = {
    "beside-another": {"email": raw(" "), "EMAIL": raw("a")},
    "with-an-odd-encoding": {"email": {"value": " ", "encoding": {}}},
}


@pytest.mark.parametrize("identities", BLANK.values(), ids=BLANK)
def test_an_identity_of_white_space_is_not_left_out_of_an_erasure(identities: Json) -> None:
    assert erasure(identities).is_unreadable
    assert [each.value for each in erasure({"email": raw(" ")}).subject_identities.values()] == [" "]


def test_an_identity_of_white_space_that_cannot_be_read_is_not_left_out_of_events() -> None:
    odd = {"type": "email", "encoding": {}, "value": " "}

    assert events(user_identities=[odd]).is_unreadable
    assert not events(user_identities=[{**odd, "value": ""}]).is_unreadable


def both(own: Json, extension: Json) -> DsrProcessingRequest:
    extensions = {"opendsr.mparticle.com": {"subject_identities": extension}}
    message = load_event("dsr_processing_request", subject_identities=own, extensions=extensions)
    request: DsrProcessingRequest = parsed(DsrProcessingRequest, message)
    return request


def hashed(value: object) -> Json:
    return {"encoding": "sha256", "value": value}


DIFFERENT: Mapping[str, tuple[Json, Json, str]] = {
    "known-type": ({"email": raw("a")}, {"email": raw("b")}, "extensions"),
    "other-spelling": ({"email": raw("a")}, {" EMAIL": raw("b")}, "extensions"),
    "other-type": ({"mpid": raw(1)}, {"mpid": raw(2)}, "extensions"),
    "hashes": ({"email": hashed("a")}, {"email": hashed("b")}, "extensions"),
    "hash-and-its-name": ({"email": hashed("a")}, {"email_sha256": raw("b")}, "extensions"),
    "both-in-the-extension": ({}, {"email": raw("a"), "EMAIL": raw("b")}, "extensions"),
    "hash-and-its-name-in-one-map": ({"email": hashed("a"), "email_sha256": raw("b")}, {}, "subject_identities"),
}


@pytest.mark.parametrize(("own", "extension", "field"), DIFFERENT.values(), ids=DIFFERENT)
def test_two_different_identities_of_one_name_keep_an_erasure_whole_wherever_they_are(
    own: Json, extension: Json, field: str
) -> None:
    (whole,) = both(own, extension).unreadable

    assert whole.reason == f"{field}: must not have two different identities of one type"
    assert whole.source["subject_identities"] == own


@pytest.mark.parametrize(
    ("own", "extension"),
    [
        ({"email": raw("a")}, {"email": raw("a")}),
        ({"mpid": raw(1)}, {"mpid": {"value": "1"}}),
        ({"email": raw("a")}, {"email": hashed("b")}),
        ({"email": raw("a")}, {"email": raw("")}),
        ({"email": hashed("a"), "email_sha256": raw("a")}, {}),
    ],
    ids=["same", "same-text", "value-and-hash", "no-value", "hash-and-its-name"],
)
def test_identities_of_one_name_that_are_the_same_are_read(own: Json, extension: Json) -> None:
    assert both(own, extension).unreadable == ()


def test_unknown_types_that_differ_in_case_are_different_types() -> None:
    request = erasure({"new_id": raw("canary-a"), "NEW_ID": raw("canary-b")})

    assert [(kind, each.value) for kind, each in request.subject_identities.items()] == [
        ("new_id", "canary-a"),
        ("NEW_ID", "canary-b"),
    ]


BROKEN_NAME = "canary-\ud800"


@pytest.mark.parametrize(
    "fields",
    [
        {BROKEN_NAME: 1},
        {"account": {"account_id": 4242, "account_settings": {}, BROKEN_NAME: 1}},
        {
            "events": [
                event(1),
                {**event(2), BROKEN_NAME: [7]},
                {"type": "product_action", "products": [{BROKEN_NAME: 1}]},
            ]
        },
        {"runtime_environment": {"type": "ios", BROKEN_NAME: {BROKEN_NAME: 1}}},
    ],
    ids=["request", "account", "events", "environment"],
)
def test_an_unknown_field_whose_name_has_no_utf8_costs_nothing(fields: Json) -> None:
    message = load_event("event_processing_request", **fields)

    request = parsed(EventProcessingRequest, message)

    assert (request.unreadable, request.source, request.received) == ((), message, message)
    assert len(request.events) == len(message["events"])


def test_where_names_are_a_customers_such_a_name_is_read() -> None:
    odd_name = {"type": "custom_event", "attributes": {BROKEN_NAME: "v"}, BROKEN_NAME: 1}

    read: Any = events(odd_name).events[0]

    assert read.attributes == {BROKEN_NAME: "v"}


def test_such_names_in_more_events_than_fields_may_be_odd_cost_nothing() -> None:
    request = events(event(1), *[{"type": "custom_event", BROKEN_NAME: 1}] * (MAX_FIELDS + 1))

    assert (request.unreadable, len(request.events)) == ((), MAX_FIELDS + 2)


def test_elements_beside_such_a_name_that_cannot_be_read_cost_themselves_alone() -> None:
    request = events(event(1), ODD, **{BROKEN_NAME: 1})

    assert [(each.reason, each.count) for each in request.unreadable] == [(ODD_REASON, 1)]
    assert len(request.events) == 1


FIELDS = ("timestamp_ms", "source_id", "products", "attributes", "location", "is_non_interactive", "coupon_code")


def odd_in(number: int) -> Json:
    wrong = {name: [7] for bit, name in enumerate(FIELDS) if number >> bit & 1}
    return {"type": "product_action", **wrong}


def test_a_request_has_few_letters_however_many_reasons_there_are() -> None:
    request = events(*map(odd_in, range(128)), event(1))

    assert len(request.unreadable) == MAX_LETTERS
    assert sum(each.count for each in request.unreadable) == 128 - len(request.events) + 1
    assert all(len(each.reason) < 2_000 for each in request.unreadable)


ODD_ELEMENTS: Mapping[str, Callable[[int], Json]] = {
    "identities": lambda number: {"user_identities": [7] * number},
    "attributes": lambda number: {"events": [event(1, attributes={str(n): [n] for n in range(number)})]},
    "attribute-lists": lambda number: {"user_attribute_lists": {str(n): 7 for n in range(number)}},
    "attribute-list": lambda number: {"user_attribute_lists": {"a": [[]] * number}},
    "locations": lambda number: {"events": [event(1, location=7)] * number},
}


@pytest.mark.parametrize("odd", ODD_ELEMENTS.values(), ids=ODD_ELEMENTS)
def test_what_has_more_odd_fields_than_can_be_listed_is_kept_whole(odd: Callable[[int], Json]) -> None:
    (whole,) = events(**odd(MAX_FIELDS + 1)).unreadable
    (few, *_) = events(**odd(10)).unreadable

    assert whole.reason == TOO_MANY_FIELDS
    assert few.reason != TOO_MANY_FIELDS


ODD_PROFILES: Mapping[str, object] = {
    "no-object": 7,
    "identity": {"user_identities": [7]},
    "audience": {"audiences": [ODD_CHANGE]},
    "attribute": {"audiences": [{"user_attributes": [7]}]},
    "element-of-an-attribute": {"audiences": [{"user_attributes": [{"list_value": [{}]}]}]},
}


@pytest.mark.parametrize("odd", ODD_PROFILES.values(), ids=ODD_PROFILES)
def test_an_odd_field_counts_once_however_deep_it_is(odd: object) -> None:
    most, more = memberships({"mpid": "1"}, *[odd] * MAX_FIELDS), memberships({"mpid": "1"}, *[odd] * (MAX_FIELDS + 1))

    assert (most.is_unreadable, most.user_profiles[0].mpid) == (False, "1")
    assert [each.reason for each in more.unreadable] == [TOO_MANY_FIELDS]


def test_nulls_and_incomplete_identities_are_not_odd() -> None:
    nulls = [None] * (MAX_FIELDS + 1)
    without_type = {"type": None, "encoding": "raw", "value": "canary-pii"}

    request = events(user_attribute_lists={"a": [*nulls, "b"]}, user_identities=[*nulls, *[without_type] * len(nulls)])

    assert (request.unreadable, request.user_attribute_lists) == ((), {"a": ("b",)})
    assert request.unrecognized == {"incomplete_identity": len(nulls)}


MANY_ELEMENTS: Mapping[str, Callable[[int], AnyRequest]] = {
    "events": lambda number: events(*[7] * number),
    "products": lambda number: events(*[event(1, type="product_action", products=[{}] * (number // 4))] * 4),
    "impressions": lambda number: events({"type": "impression", "impressions": [{"products": [{}] * number}]}),
    "user_profiles": lambda number: memberships(*[{}] * number),
    "audiences": lambda number: memberships(*[{"audiences": [{}] * (number // 4)}] * 4),
    "user_attributes": lambda number: memberships({"audiences": [{"user_attributes": [7] * number}]}),
    "gdpr_consent_state": lambda number: events(
        consent_state={"gdpr_consent_state": {str(n): {} for n in range(number)}}
    ),
    "subject_identities": lambda number: erasure({str(n): {} for n in range(number)}),
}

SLOW_ELEMENTS: Mapping[str, Callable[[int], AnyRequest]] = {
    "subject_identities": lambda number: both({}, {str(n): None for n in range(number)}),
    "user_identities": lambda number: events(user_identities=[{}] * number),
    "partner_identities": lambda number: events(partner_identities=[None] * number),
    "device_identities": lambda number: memberships({"device_identities": [{}] * number}),
    "identities": lambda number: events(runtime_environment={"type": "ios", "identities": [{"type": ""}] * number}),
    "added": lambda number: events({"type": "user_identity_change", "added": [{}] * number}),
    "user_attribute_lists": lambda number: events(user_attribute_lists={"a": [1] * number}),
    "breadcrumbs": lambda number: events({"type": "error", "breadcrumbs": [None] * number}),
    "list_value": lambda number: memberships({"audiences": [{"user_attributes": [{"list_value": [1.5] * number}]}]}),
    "attributes": lambda number: events(event(1, attributes={str(n): n for n in range(number)})),
    "user_attributes": lambda number: events(user_attributes={str(n): {} for n in range(number)}),
}


@pytest.mark.parametrize("field", MANY_ELEMENTS)
def test_what_has_more_elements_than_any_of_mparticles_is_kept_whole_before_they_are_read(field: str) -> None:
    request = MANY_ELEMENTS[field](MAX_ELEMENTS + 4)

    (whole,) = request.unreadable
    assert request.is_unreadable
    assert whole.reason == f"{'products' if field == 'impressions' else field}: {TOO_MANY_ELEMENTS}"
    assert not MANY_ELEMENTS[field](4).is_unreadable


@pytest.mark.parametrize("field", SLOW_ELEMENTS)
def test_elements_that_are_read_one_by_one_are_read_up_to_a_number(field: str) -> None:
    most, more = SLOW_ELEMENTS[field](MAX_ELEMENTS), SLOW_ELEMENTS[field](MAX_ELEMENTS + 1)

    assert most.unreadable == ()
    assert [each.reason for each in more.unreadable] == [f"{field}: {TOO_MANY_ELEMENTS}"]


STATUS = Path("/proc/self/status")
"""Has the most memory that a process had. What ``getrusage`` says of a child includes its parent's before the start."""

READ_LARGE_LISTS = """
import json, re, sys
from pathlib import Path
from mparticle_firehose.protocol import Serializer

read = Serializer().parse
for body in json.loads(sys.stdin.read()):
    text = json.dumps(body).replace('"MANY"', ",".join([json.dumps(body["element"])] * 1_000_000))
    read(text)
print(int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) // 1024)
"""


@pytest.mark.skipif(not STATUS.exists(), reason="only Linux tells the memory of a process")
def test_a_list_of_a_million_elements_is_read_within_a_functions_memory() -> None:
    """Without a limit the largest takes more than 1 GB."""
    shapes: list[Json] = [
        {"element": 7, "user_identities": ["MANY"]},
        {"element": 7, "events": [{"type": "product_action", "products": ["MANY"]}]},
        {"element": {}, "events": [{"type": "product_action", "products": ["MANY"]}]},
        {"element": [], "user_attribute_lists": {"a": ["MANY"]}},
    ]
    bodies = [{"type": "event_processing_request", "account": {"account_id": 1}, **shape} for shape in shapes]

    program = [sys.executable, "-c", READ_LARGE_LISTS]
    finished = subprocess.run(  # noqa: S603  this very interpreter, on the program above
        program, input=json.dumps(bodies), capture_output=True, text=True, check=True
    )

    assert int(finished.stdout) < 300


def test_a_text_list_of_any_length_is_read() -> None:
    request = events(user_attribute_lists={"tags": ["a"] * (2 * MAX_ELEMENTS)})

    assert (request.unreadable, len(request.user_attribute_lists["tags"])) == ((), 2 * MAX_ELEMENTS)


@pytest.mark.parametrize("account", [[], {"account_id": "canary"}])
def test_without_an_account_nothing_of_it_is_kept(account: Any) -> None:
    with pytest.raises(MalformedRequestError, match=r"^account"):
        events(*[7] * (MAX_ELEMENTS + 1), account=account)


@pytest.mark.parametrize(
    ("profile", "user"),
    [
        ({"mpid": 12345, "device_identities": 7}, "12345"),
        ({"mpid": "12345", "device_identities": 7}, "12345"),
        (
            {"user_identities": [{"type": "email", "encoding": "raw", "value": "a@b"}], "device_identities": 7},
            "email:a@b",
        ),
    ],
    ids=["number", "text", "identity"],
)
def test_an_unreadable_profile_keeps_its_user(profile: Json, user: str) -> None:
    (placeholder,) = memberships({**profile, "audiences": [change(1)]}).user_profiles

    assert (user_key(placeholder), placeholder.audiences) == (user, ())


ANYTHING: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
EVENTS = st.fixed_dictionaries(
    {"type": st.sampled_from(["custom_event", "product_action", "new"])},
    optional={"attributes": ANYTHING, "products": ANYTHING, "name": ANYTHING},
)
AUDIENCES = st.fixed_dictionaries({}, optional={"audience_id": ANYTHING, "action": ANYTHING})
PROFILES = st.fixed_dictionaries(
    {}, optional={"mpid": ANYTHING, "audiences": st.lists(AUDIENCES | ANYTHING, max_size=4) | ANYTHING}
)
many = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@many
@given(st.lists(EVENTS | ANYTHING, max_size=6))
def test_every_event_is_either_read_or_kept(elements: list[Any]) -> None:
    request = events(*elements, system_notifications=[])

    read = [each for each in cast("list[Any]", request.source["events"]) if each is not None]
    apart = [each for unreadable in request.unreadable for each in cast("list[Any]", unreadable.source["events"])]
    assert len(read) == len(request.events)
    assert sum(each.count for each in request.unreadable) == len(apart)
    assert sorted(map(repr, [*read, *apart])) == sorted(repr(each) for each in elements if each is not None)


@many
@given(st.lists(PROFILES | ANYTHING, max_size=4))
def test_every_profile_is_read_or_kept_and_both_are_in_their_places(elements: list[Any]) -> None:
    request = memberships(*elements)

    present = [each for each in elements if each is not None]
    assert len(request.user_profiles) == len(present)
    for unreadable in request.unreadable:
        again = parsed(AudienceMembershipChangeRequest, unreadable.source)
        assert [(each.reason, each.count) for each in again.unreadable] == [(unreadable.reason, unreadable.count)]
        assert len(again.user_profiles) <= len(present)
