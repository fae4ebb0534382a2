"""Properties of every message: it is read or refused as malformed, and reading what was written gives the same."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from mparticle_firehose.errors import MalformedRequestError
from mparticle_firehose.protocol import (
    REQUEST_MODELS,
    CustomEventType,
    DeviceIdentityType,
    EventType,
    IdentityEncoding,
    ProductActionType,
    RuntimeEnvironmentType,
    Serializer,
    SystemNotificationType,
    UserIdentityType,
)

serializer = Serializer()

type Strategy = SearchStrategy[Any]


def optional(**fields: Strategy) -> Strategy:
    """An object that lacks any of these fields, or has more."""
    return st.fixed_dictionaries({}, optional={**fields, "unheard_of": anything})


def typed(kinds: Any, **fields: Strategy) -> Strategy:
    kind = st.sampled_from([*map(str, kinds), "unheard_of"])
    return st.builds(lambda name, rest: {**rest, "type": name}, kind, optional(**fields))


def one_of_many(element: Strategy) -> Strategy:
    return st.none() | st.lists(st.none() | element, max_size=4)


def known(words: Any) -> Strategy:
    return st.none() | st.sampled_from(["", " ", "unheard_of", *map(str, words), *(f" {word} " for word in words)])


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
)
anything: Strategy = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
texts = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
integers = (
    st.none()
    | st.sampled_from(["", " ", "12", " 12 ", 1.9, -3.5, 1.4e12])
    | st.integers(-(2**70), 2**70)
    | st.integers().map(str)
)
flags = st.none() | st.booleans() | st.integers(-1, 2) | st.sampled_from(["true", "False", "", "TRUE"])
amounts = (
    st.none()
    | st.sampled_from(["", "12.50", " 1.5 ", "1E+3"])
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
)
ids = st.none() | st.uuids().map(str) | st.sampled_from(["", "no guid", 7])
maps = st.none() | st.dictionaries(st.text(max_size=8), texts, max_size=4)
lists = st.none() | st.dictionaries(st.text(max_size=8), one_of_many(texts), max_size=3)


def identities(kinds: Any) -> Strategy:
    return one_of_many(optional(type=known(kinds), encoding=known(IdentityEncoding), value=texts))


user_identities = identities(UserIdentityType)
consents = optional(consented=flags, document=texts, timestamp_unixtime_ms=integers, timestamp=integers)
account = st.none() | optional(account_id=integers, account_settings=maps)
products = one_of_many(
    optional(id=texts, position=integers, price=amounts, quantity=amounts, total_amount=amounts, attributes=maps)
)
events = one_of_many(
    typed(
        EventType,
        id=ids,
        timestamp_ms=integers,
        session_id=integers,
        location=st.none() | optional(latitude=st.none() | st.floats(allow_nan=False, allow_infinity=False)),
        name=texts,
        custom_event_type=known(CustomEventType),
        attributes=maps,
        custom_flags=maps,
        payload=anything,
        breadcrumbs=one_of_many(texts),
        is_crash=flags,
        products=products,
        impressions=one_of_many(optional(products=products)),
        promotions=one_of_many(optional(position=texts)),
        action=known(ProductActionType),
        total_amount=amounts,
    )
)
requests = st.one_of(
    typed(()).map(lambda message: {**message, "type": "module_registration_request"}),
    optional(
        id=ids,
        timestamp_ms=integers,
        account=account,
        user_identities=user_identities,
        partner_identities=identities(["Sample_Id"]),
        user_attributes=st.none() | st.dictionaries(st.text(max_size=8), anything, max_size=4),
        user_attribute_lists=lists,
        integration_attributes=st.none() | st.dictionaries(st.text(max_size=8), anything, max_size=4),
        runtime_environment=st.none()
        | typed(
            RuntimeEnvironmentType,
            identities=identities(DeviceIdentityType),
            is_debug=flags,
            screen_height=integers,
            timezone_offset=integers,
            is_tablet=flags,
        ),
        events=events,
        system_notifications=one_of_many(typed(SystemNotificationType, new_gdpr_consent_state=st.none() | consents)),
        consent_state=st.none()
        | optional(
            gdpr_consent_state=st.none() | st.dictionaries(st.text(max_size=8), st.none() | consents, max_size=2)
        ),
        mpid=texts,
    ).map(lambda message: {**message, "type": "event_processing_request"}),
    optional(
        account=account, audience_id=integers, audience_subscription_settings=maps, action=known(["add", "delete"])
    ).map(lambda message: {**message, "type": "audience_subscription_request"}),
    optional(
        account=account,
        user_profiles=one_of_many(
            optional(
                user_identities=user_identities,
                mpid=texts,
                audiences=one_of_many(
                    optional(
                        audience_id=integers,
                        action=known(["add", "remove", "delete", "attribute_update"]),
                        audience_subscription_settings=maps,
                        user_attributes=one_of_many(
                            optional(
                                key=texts,
                                value=texts,
                                list_value=one_of_many(texts),
                                action=known(["upsert", "delete"]),
                            )
                        ),
                    )
                ),
            )
        ),
    ).map(lambda message: {**message, "type": "audience_membership_change_request"}),
    optional(
        account=account,
        subject_request_type=known(["erasure", "access"]),
        submitted_time=anything,
        subject_identities=st.none()
        | st.dictionaries(
            st.sampled_from(["email", "other6", "roku_publishing_id"]), optional(encoding=texts, value=texts)
        ),
        regulation=known(["gdpr"]),
        extensions=st.none() | st.just({"opendsr.mparticle.com": {"skip_waiting_period": "True"}, "other": [1]}),
    ).map(lambda message: {**message, "type": "dsr_processing_request"}),
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(requests)
def test_what_the_java_sdk_accepts_reads_the_same_from_bytes_and_from_a_dict(message: Any) -> None:
    read = serializer.parse(json.loads(json.dumps(message)))

    assert serializer.parse(message) == read
    assert serializer.parse(message).unrecognized == read.unrecognized


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(requests)
def test_a_written_message_is_written_the_same_again(message: Any) -> None:
    written = serializer.dumps(serializer.parse(message))

    assert serializer.dumps(serializer.parse(written)) == written
    as_primitives = json.dumps(serializer.dump(serializer.parse(message)))
    # As doubles, which is what most readers make of numbers: 2.5E+16 is an integer in only one of the two.
    assert json.loads(written, parse_int=float) == json.loads(as_primitives, parse_int=float)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(anything)
def test_any_json_value_is_read_or_refused_as_malformed(value: Any) -> None:
    for data in (value, json.dumps(value), json.dumps(value).encode()):
        try:
            serializer.parse(data)
        except MalformedRequestError:
            continue


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from([*REQUEST_MODELS]), st.data())
def test_any_value_in_any_field_is_read_or_refused_as_malformed(kind: Any, data: Any) -> None:
    fields = [name for name in REQUEST_MODELS[kind].model_fields if name != "type"]
    message = {"type": str(kind), **data.draw(st.dictionaries(st.sampled_from(fields), anything, max_size=3))}

    try:
        request = serializer.parse(message)
    except MalformedRequestError as error:
        wrong = {path.split(".")[0] for path, _ in error.problems}
    else:
        wrong = set()
        assert serializer.parse(serializer.dump(request)).type == kind

    assert wrong <= set(message) - {"type"}


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=64))
def test_any_bytes_are_read_or_refused_as_malformed(data: bytes) -> None:
    try:
        serializer.parse(data)
    except MalformedRequestError:
        return
