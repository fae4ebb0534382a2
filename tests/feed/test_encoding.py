"""Batches as bytes: what is sent is right by the published rules, always the same, and within the limits."""

import json
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mparticle_firehose.errors import FeedError
from mparticle_firehose.feed import (
    Batch,
    CustomEvent,
    DeviceInformation,
    EncodedBatch,
    Event,
    PushRegistrationEvent,
    UserIdentities,
    encode,
    pack,
)
from mparticle_firehose.feed.encoding import array
from tests.feed.samples import NOW_MS, batch, event, sent
from tests.feed.schema import BATCH, EVENTS, IDENTITY_TYPES
from tests.feed.strategies import BATCHES, CLASSES, TEXT

SCHEMA = jsonschema_rs.validator_for(BATCH)
SIZES = st.lists(st.tuples(st.integers(2, 128_000), st.integers(0, 100)), max_size=250)


INCOMPLETE: dict[str, Any] = {"event_name": "x"}
NOTHING: dict[str, Any] = {}


def is_right(wire: Any) -> bool:
    return SCHEMA.is_valid(wire)


@given(BATCHES)
def test_what_is_valid_is_sent_by_the_published_rules(any_batch: Batch) -> None:
    body = encode(any_batch).body

    assert [error.message for error in SCHEMA.iter_errors(json.loads(body))] == []
    assert len(body) <= 128_000


@given(BATCHES)
def test_the_same_batch_is_always_the_same_bytes(any_batch: Batch) -> None:
    again = Batch.model_validate(dict(reversed([*any_batch])))

    assert encode(any_batch).body == encode(again).body


def test_the_order_of_attributes_does_not_matter() -> None:
    first, second = (batch(events=(event(custom_attributes=given),)) for given in ({"a": 1, "b": 2}, {"b": 2, "a": 1}))

    assert encode(first) == encode(second)


def test_the_published_rules_tell_right_from_wrong() -> None:
    right = sent(batch())
    data = right["events"][0]["data"]
    wrong = [
        {**right, "environment": "unknown"},
        {**right, "schema_version": 2},
        {**right, "mpid": "1"},
        {**right, "events": [{"event_type": "custom_event", "data": {**data, "custom_event_type": "attribution"}}]},
        {**right, "events": [{"event_type": "screen_view", "data": data}]},
    ]

    assert is_right(right)
    assert [is_right(each) for each in wrong] == [False] * len(wrong)


def test_every_event_of_the_published_rules_has_a_model() -> None:
    assert CLASSES.keys() == EVENTS.keys()


def test_every_identity_of_the_published_rules_has_a_field() -> None:
    assert [*UserIdentities.model_fields] == IDENTITY_TYPES.split()


def test_an_event_is_sent_with_its_type_and_without_what_is_not_set() -> None:
    assert sent(batch()) == {
        "environment": "development",
        "source_request_id": "r-1",
        "user_identities": {"customer_id": "canary-customer"},
        "events": [
            {
                "event_type": "custom_event",
                "data": {
                    "timestamp_unixtime_ms": NOW_MS - 60_000,
                    "event_name": "Email Opened",
                    "custom_event_type": "other",
                },
            }
        ],
    }


def test_a_push_token_can_be_withdrawn() -> None:
    withdrawn = PushRegistrationEvent(timestamp_unixtime_ms=NOW_MS, register=False, registration_token="t")

    assert sent(batch(events=(withdrawn,)))["events"] == [
        {
            "event_type": "push_registration",
            "data": {"timestamp_unixtime_ms": NOW_MS, "register": False, "registration_token": "t"},
        }
    ]


def test_lists_are_taken_for_tuples() -> None:
    assert batch(events=[event()]) == batch(events=(event(),))


def changed(field: str, value: object) -> Batch:
    return batch().model_copy(update={field: value})


def with_changed_map() -> Batch:
    made = batch(events=(event(custom_attributes={"a": 1}),))
    made.events[0].custom_attributes["canary-name"] = float("nan")
    return made


@pytest.mark.parametrize(
    ("spoilt", "error"),
    [
        (
            changed("environment", "unknown"),
            "Batch.environment: must be one of 'production' or 'development'",
        ),
        (changed("canary_field", 1), "Batch.*: is no field of the Events API"),
        (changed("events", (CustomEvent.model_construct(**INCOMPLETE),)), "CustomEvent.timestamp_unixtime_ms: is "),
        (changed("user_identities", UserIdentities()), "Batch.user_identities: at least one identity of "),
        (Batch.model_construct(**NOTHING), "Batch.environment: is required"),
        (with_changed_map(), "CustomEvent.custom_attributes: every number must be finite, and fit 64 bits"),
    ],
    ids=["value", "unknown field", "event", "identities", "nothing", "map"],
)
def test_a_model_that_was_spoilt_afterwards_is_not_sent(spoilt: Batch, error: str) -> None:
    with pytest.raises(FeedError) as caught:
        encode(spoilt)

    assert str(caught.value).startswith(error)


def test_an_event_of_no_type_cannot_be_made() -> None:
    with pytest.raises(FeedError, match=r"Event\.event_type: must be known"):
        Event(timestamp_unixtime_ms=NOW_MS)


@given(st.text(TEXT.map(lambda text: text[-1])))
def test_no_value_and_no_chosen_name_is_shown(secret: str) -> None:
    name = f"canary-{secret}"
    with pytest.raises(FeedError) as caught:
        Batch.model_validate(
            {
                "environment": name,
                "user_identities": {name: name},
                "events": [name],
                "user_attributes": {name: {}},
                "consent_state": name,
                name: name,
            }
        )

    assert "canary" not in str(caught.value)
    assert "canary" not in repr(batch(user_attributes={name: name}))


def test_nothing_is_shown_of_what_was_encoded() -> None:
    assert repr(encode(batch())) == "EncodedBatch(events=1)"


@given(SIZES)
def test_requests_keep_all_batches_in_order_and_every_limit(sizes: list[tuple[int, int]]) -> None:
    batches = [EncodedBatch(b"x" * size, events) for size, events in sizes]
    requests = pack(batches)

    assert [place for part in requests for place in part] == [*range(len(batches))]
    for part in requests:
        members = batches[part.start : part.stop]
        assert 1 <= len(members) <= 100
        assert sum(each.events for each in members) <= 100
        assert len(array(members)) <= 256_000


@pytest.mark.parametrize(
    ("batches", "lengths"),
    [
        ([], []),
        ([EncodedBatch(b"{}", 1)] * 100, [100]),
        ([EncodedBatch(b"{}", 0)] * 101, [100, 1]),
        ([EncodedBatch(b"{}", 1)] * 101, [100, 1]),
        ([EncodedBatch(b"{}", 60)] * 2, [1, 1]),
        ([EncodedBatch(b"x" * 127_998, 1), EncodedBatch(b"x" * 127_999, 1)], [2]),
        ([EncodedBatch(b"x" * 127_999, 1)] * 2, [1, 1]),
    ],
    ids=["none", "100", "101 without events", "101", "events", "256,000 bytes", "256,001 bytes"],
)
def test_a_request_is_filled_up_to_its_limits(batches: list[EncodedBatch], lengths: list[int]) -> None:
    assert [len(part) for part in pack(batches)] == lengths


def test_a_device_is_known_by_a_push_token() -> None:
    device = DeviceInformation(push_token="t", is_tablet=False)

    assert sent(batch(user_identities=None, device_info=device))["device_info"] == {
        "push_token": "t",
        "is_tablet": False,
    }
