"""Who a batch is about: identities from mParticle's requests, and ids of events."""

import json
import re
from collections.abc import Sequence
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mparticle_firehose.errors import FeedError
from mparticle_firehose.feed import DeviceInformation, UserIdentities, feed_event_id, identities_of, mpid_of
from mparticle_firehose.feed.identities import DEVICE_FIELDS, USER_FIELDS
from mparticle_firehose.protocol import DeviceIdentityType, EventProcessingRequest, UserIdentityType, UserProfile
from tests.conftest import load_event, parsed

AD_ID = "7d9f4a3c-0d5e-4f53-8d2a-1f1f0d7a9b11"
ZERO_ID = "00000000-0000-0000-0000-000000000000"
PARTS = st.text(min_size=1).filter(str.strip)

type Identities = Sequence[tuple[str, str, str]]


def request(user: Identities = (), device: Identities = ()) -> EventProcessingRequest:
    message = load_event(
        "event_processing_request",
        user_identities=[_identity(each) for each in user],
        runtime_environment={"type": "android", "identities": [_identity(each) for each in device]},
    )
    read: EventProcessingRequest = parsed(EventProcessingRequest, message)
    return read


def _identity(parts: tuple[str, str, str]) -> dict[str, str]:
    kind, encoding, value = parts
    return {"type": kind, "encoding": encoding, "value": value}


def profile(**fields: object) -> UserProfile:
    return UserProfile.model_validate(fields)


def test_every_type_of_the_requests_has_a_field() -> None:
    assert USER_FIELDS.keys() == {*UserIdentityType}
    assert DEVICE_FIELDS.keys() == {*DeviceIdentityType}
    assert {*USER_FIELDS.values()} <= UserIdentities.model_fields.keys()
    assert {*DEVICE_FIELDS.values()} <= DeviceInformation.model_fields.keys()


@pytest.mark.parametrize(("kind", "name"), USER_FIELDS.items(), ids=[str(kind) for kind in USER_FIELDS])
def test_an_identity_of_a_user_is_sent_under_its_other_name(kind: str, name: str) -> None:
    assert identities_of(request([(kind, "raw", "v")])) == (
        UserIdentities.model_validate({name: "v"}),
        DeviceInformation(),
    )


@pytest.mark.parametrize(("kind", "name"), DEVICE_FIELDS.items(), ids=[str(kind) for kind in DEVICE_FIELDS])
def test_an_identity_of_a_device_is_sent_under_its_other_name(kind: str, name: str) -> None:
    expected = DeviceInformation.model_validate({name: AD_ID})

    assert identities_of(request(device=[(kind, "raw", AD_ID)])) == (UserIdentities(), expected)


@pytest.mark.parametrize("encoding", ["md5", "sha1", "sha256", "other"])
def test_a_hash_is_never_sent_as_if_it_were_the_identity(encoding: str) -> None:
    hashed = request([("customer", encoding, "h")], [("android_id", encoding, "h")])

    assert identities_of(hashed) == (UserIdentities(), DeviceInformation())


def test_the_first_usable_identity_of_a_type_counts() -> None:
    received = request(
        [("email", "sha256", "h"), ("email", "raw", "a@example.com"), ("email", "raw", "b@example.com")],
        [("google_advertising_id", "raw", ZERO_ID), ("google_advertising_id", "raw", AD_ID)],
    )

    assert identities_of(received) == (
        UserIdentities(email="a@example.com"),
        DeviceInformation(android_advertising_id=AD_ID),
    )


def test_a_customers_own_id_may_be_zero() -> None:
    assert identities_of(request([("customer", "raw", "0")]))[0] == UserIdentities(customer_id="0")


def test_a_type_that_is_not_known_is_left_out() -> None:
    assert identities_of(request([("new_type", "raw", "v")])) == (UserIdentities(), DeviceInformation())


def test_a_request_without_a_device_has_none() -> None:
    message = load_event("event_processing_request")
    del message["runtime_environment"]

    assert identities_of(parsed(EventProcessingRequest, message))[1] == DeviceInformation()


def test_the_user_of_a_membership_has_identities_too() -> None:
    member = profile(
        user_identities=[_identity(("customer", "raw", "c-1"))],
        device_identities=[_identity(("android_id", "raw", "5f"))],
    )

    assert identities_of(member) == (UserIdentities(customer_id="c-1"), DeviceInformation(android_uuid="5f"))


@pytest.mark.parametrize(
    ("received", "mpid"),
    [
        ("-7346244611012968789", -7346244611012968789),
        ("9223372036854775807", 2**63 - 1),
        ("9223372036854775808", None),
        ("0", None),
        ("1_0", None),
        ("abc", None),
        (None, None),
    ],
    ids=str,
)
def test_an_mpid_is_a_number_of_64_bits(received: str | None, mpid: int | None) -> None:
    assert mpid_of(profile(mpid=received)) == mpid


@given(PARTS, PARTS, PARTS, PARTS)
def test_the_same_event_always_has_the_same_id(feed: str, account: str, event: str, user: str) -> None:
    assert feed_event_id(feed, account, event, user) == feed_event_id(feed, account, event, user)


@given(st.tuples(PARTS, PARTS, PARTS, PARTS), st.tuples(PARTS, PARTS, PARTS, PARTS))
def test_other_events_have_other_ids(one: tuple[str, str, str, str], other: tuple[str, str, str, str]) -> None:
    assert (feed_event_id(*one) == feed_event_id(*other)) is (one == other)


def test_an_id_is_what_it_was_in_the_last_release() -> None:
    assert feed_event_id("Feed", 1, "open-1", "c-1") == UUID("03403da8-bd3f-544a-aa19-307e2ed45291")


@pytest.mark.parametrize("place", range(4))
def test_a_blank_part_of_an_id_is_refused(place: int) -> None:
    parts: list[str] = ["f", "1", "e", "u"]
    parts[place] = " "
    name = ["feed_name", "account_id", "event_id", "user"][place]

    with pytest.raises(FeedError, match=re.escape(f"{name}: must not be blank")):
        feed_event_id(*parts)


def test_an_id_may_be_made_of_text_that_utf_8_cannot_express() -> None:
    assert json.dumps(str(feed_event_id("f", 1, "\ud800", "u")))
