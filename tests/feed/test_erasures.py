"""The identities of erasures and of batches have the same names, so that they can be compared."""

import pytest

from mparticle_firehose.feed import Batch, CustomEvent, CustomEventType, DeviceInformation, Environment, UserIdentities
from mparticle_firehose.feed.erasures import erased_identities, identities_in
from mparticle_firehose.feed.identities import DEVICE_FIELDS, USER_FIELDS
from mparticle_firehose.protocol import DsrIdentityType, DsrProcessingRequest
from tests.conftest import load_event, parsed

AD_ID = "7d9f4a3c-0d5e-4f53-8d2a-1f1f0d7a9b11"
ZERO_ID = "00000000-0000-0000-0000-000000000000"

OPEN_DSR = {
    "controller_customer_id": "customer_id",
    "email": "email",
    "android_advertising_id": "android_advertising_id",
    "android_id": "android_uuid",
    "ios_advertising_id": "ios_advertising_id",
    "ios_vendor_id": "ios_idfv",
    "fire_advertising_id": "fire_advertising_id",
    "microsoft_advertising_id": "microsoft_advertising_id",
    "microsoft_publisher_id": "microsoft_publisher_id",
    "roku_advertising_id": "roku_advertising_id",
    "roku_publisher_id": "roku_publisher_id",
}


def raw(**values: str | None) -> dict[str, object]:
    return {kind: {"encoding": "raw", "value": value} for kind, value in values.items()}


def erasure(subject: dict[str, object], extension: dict[str, object] | None = None) -> DsrProcessingRequest:
    own = {"opendsr.mparticle.com": {"subject_identities": extension}} if extension else None
    message = load_event("dsr_processing_request", subject_identities=subject, extensions=own)
    read: DsrProcessingRequest = parsed(DsrProcessingRequest, message)
    return read


def batch(**fields: object) -> Batch:
    event = CustomEvent(
        timestamp_unixtime_ms=1_760_000_000_000, event_name="x", custom_event_type=CustomEventType.OTHER
    )
    return Batch.model_validate(
        {"environment": Environment.PRODUCTION, "source_request_id": "x", "events": (event,), **fields}
    )


def test_every_type_of_open_dsr_is_known() -> None:
    assert OPEN_DSR.keys() == {*DsrIdentityType}


@pytest.mark.parametrize(("kind", "name"), OPEN_DSR.items(), ids=[*OPEN_DSR])
def test_an_identity_of_open_dsr_has_the_name_of_the_batchs_field(kind: str, name: str) -> None:
    assert erased_identities(erasure(raw(**{kind: "v1"}))) == [(name, "v1")]
    assert name in UserIdentities.model_fields.keys() | DeviceInformation.model_fields.keys()


@pytest.mark.parametrize(
    ("kind", "name"),
    [*USER_FIELDS.items(), *DEVICE_FIELDS.items(), ("MPID", "mpid"), ("alias", "alias"), ("other_id_6", "other_id_6")],
    ids=str,
)
def test_an_identity_of_the_extension_has_the_name_of_the_batchs_field(kind: str, name: str) -> None:
    assert erased_identities(erasure({}, raw(**{str(kind): "v1"}))) == [(name, "v1")]


def test_identities_of_both_places_count_even_of_one_type() -> None:
    request = erasure(raw(email="a@example.com"), raw(email="a@example.com", mpid="-7", other6="z"))

    assert erased_identities(request) == [
        ("email", "a@example.com"),
        ("email", "a@example.com"),
        ("mpid", "-7"),
        ("other_id_6", "z"),
    ]


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ({"email": {"encoding": "sha256", "value": "x"}}, []),
        ({"email": {"value": "x"}}, [("email", "x")]),
        (raw(ios_advertising_id=ZERO_ID), []),
        (raw(email=" "), []),
        (raw(controller_customer_id="0"), [("customer_id", "0")]),
    ],
    ids=["hash", "no encoding", "zero", "blank", "zero is a customer"],
)
def test_what_is_nobodys_or_everybodys_is_left_out(subject: dict[str, object], expected: list[tuple[str, str]]) -> None:
    assert erased_identities(erasure(subject)) == expected


@pytest.mark.parametrize("text", ["-7346", " -7346 ", "-07346"])
def test_an_mpid_is_written_as_that_of_a_batch(text: str) -> None:
    assert erased_identities(erasure({}, raw(mpid=text))) == identities_in(batch(mpid=-7346))


@pytest.mark.parametrize("text", ["x", "9" * 5000], ids=["text", "digits"])
def test_an_mpid_that_is_no_number_is_kept(text: str) -> None:
    assert erased_identities(erasure({}, raw(mpid=text))) == [("mpid", text)]


def test_a_batch_has_the_identities_of_its_user_and_device_and_no_other_field() -> None:
    made = batch(
        user_identities=UserIdentities(customer_id="c", other_id_2="o"),
        device_info=DeviceInformation(brand="b", push_token="p1", ios_advertising_id=AD_ID),
        partner_identities={"sample_id": "q"},
        mpid=5,
    )

    assert set(identities_in(made)) == {
        ("customer_id", "c"),
        ("other_id_2", "o"),
        ("push_token", "p1"),
        ("ios_advertising_id", AD_ID),
        ("mpid", "5"),
    }


@pytest.mark.parametrize("name", dict.fromkeys([*USER_FIELDS.values(), *DEVICE_FIELDS.values()]))
def test_each_identity_that_an_erasure_can_name_is_found_in_a_batch(name: str) -> None:
    part = {name: AD_ID}
    made = (
        batch(user_identities=UserIdentities.model_validate(part))
        if name in USER_FIELDS.values()
        else batch(device_info=DeviceInformation.model_validate(part))
    )

    assert identities_in(made) == [(name, AD_ID)]
