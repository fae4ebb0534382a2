"""What mParticle really sends, case by case, and how it reads: as bytes and as the dict that Lambda passes."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest

from mparticle_firehose.protocol import (
    AudienceAction,
    AudienceSubscriptionAction,
    CustomEvent,
    CustomEventType,
    DsrIdentityType,
    IdentityEncoding,
    ProductActionType,
    RuntimeEnvironmentType,
    Serializer,
    UserAttributeAction,
    UserIdentityType,
)
from mparticle_firehose.protocol.consent import UnknownNotification
from mparticle_firehose.protocol.events import UnknownEvent
from mparticle_firehose.protocol.runtime_environments import UnknownRuntimeEnvironment

type Json = dict[str, Any]

serializer = Serializer()

INCOMPLETE: dict[str, Json] = {
    "empty-value": {"value": ""},
    "null-value": {"value": None},
    "null-type": {"type": None},
    "blank-type": {"type": " "},
    "null-encoding": {"encoding": None},
}
ID = "5a3c1e70-0000-4000-8000-000000000001"
EMAIL = {"type": "email", "encoding": "raw", "value": "canary-pii-jane@example.com"}


@dataclass(frozen=True)
class Quirk:
    message: Json
    read: Callable[[Any], object]
    expected: object
    unrecognized: dict[str, int] = field(default_factory=dict)


def batch(**fields: object) -> Json:
    return {"type": "event_processing_request", "id": ID, "timestamp_ms": 1, **fields}


def event(kind: str, **fields: object) -> Json:
    return batch(events=[{"type": kind, **fields}])


def environment(kind: str, **fields: object) -> Json:
    return batch(runtime_environment={"type": kind, **fields})


def notification(kind: str, **fields: object) -> Json:
    return batch(system_notifications=[{"type": kind, **fields}])


def settings(**values: object) -> Json:
    return batch(account={"account_id": 4242, "account_settings": values})


def members(*audiences: Json) -> Json:
    return {"type": "audience_membership_change_request", "user_profiles": [{"audiences": list(audiences)}]}


def subscription(**fields: object) -> Json:
    return {"type": "audience_subscription_request", **fields}


def erasure(**fields: object) -> Json:
    return {"type": "dsr_processing_request", "subject_request_type": "erasure", **fields}


def first(request: Any) -> Any:
    return request.events[0]


def notified(request: Any) -> Any:
    return request.system_notifications[0]


def audience(request: Any) -> Any:
    return request.user_profiles[0].audiences[0]


PURCHASE = event("product_action", action="purchase", products=[{"price": "12.50", "quantity": 0.25}, {}])
EXTENSION = {
    "skip_waiting_period": True,
    "subject_identities": {"mpid": {"encoding": "raw", "value": "7700731"}},
    "vendor_key": 1,
}

QUIRKS = {
    "q01-registration-without-version": Quirk(
        {"type": "module_registration_request"}, lambda r: (r.firehose_version, r.id, r.timestamp_ms), (None, None, 0)
    ),
    "q02-type-comes-last": Quirk({"events": [], "type": "event_processing_request"}, lambda r: r.events, ()),
    "q04-unknown-event-among-others": Quirk(
        batch(events=[{"type": "hologram", "id": ID, "depth": [1]}, {"type": "custom_event", "name": "Known"}]),
        lambda r: [(type(e), str(e.id) if e.id else None, e.model_extra) for e in r.events],
        [(UnknownEvent, ID, {"depth": [1]}), (CustomEvent, None, {})],
        {"event_type": 1},
    ),
    "q04-event-type-in-capitals": Quirk(
        event("CUSTOM_EVENT"), lambda r: first(r).type, "CUSTOM_EVENT", {"event_type": 1}
    ),
    "q04-event-without-type": Quirk(batch(events=[{}]), lambda r: type(first(r)), UnknownEvent, {"event_type": 1}),
    "q04-unknown-event-with-strange-common-fields": Quirk(
        event("hologram", id=[], timestamp_ms="soon", location="here", session_id={}, source_id=[]),
        lambda r: (first(r).id, first(r).timestamp_ms, first(r).location, first(r).session_id, first(r).source_id),
        (None, 0, None, None, None),
        {"event_type": 1, "malformed_id": 1},
    ),
    "q05-unknown-notification": Quirk(
        notification("lgpd_consent_state", purpose="p"),
        lambda r: (type(notified(r)), notified(r).type, notified(r).model_extra),
        (UnknownNotification, "lgpd_consent_state", {"purpose": "p"}),
        {"system_notification_type": 1},
    ),
    "q05-unknown-runtime-environment": Quirk(
        environment("visionos", identities=[{"type": "ios_vendor_id", "encoding": "raw", "value": "v"}], eyes=2),
        lambda r: (
            type(r.runtime_environment),
            r.runtime_environment.type,
            r.runtime_environment.identities[0].value,
            r.runtime_environment.model_extra,
        ),
        (UnknownRuntimeEnvironment, "visionos", "v", {"eyes": 2}),
        {"runtime_environment_type": 1},
    ),
    "q05-unknown-identity-type-and-encoding": Quirk(
        batch(user_identities=[{"type": "alias", "encoding": "sha512", "value": "v"}, EMAIL]),
        lambda r: [(i.type, i.encoding) for i in r.user_identities],
        [("alias", "sha512"), (UserIdentityType.EMAIL, IdentityEncoding.RAW)],
        {"user_identity_type": 1, "identity_encoding": 1},
    ),
    "q06-unknown-fields": Quirk(
        batch(new_field={"deep": [1, None]}), lambda r: r.model_extra, {"new_field": {"deep": [1, None]}}
    ),
    "q07-events-absent": Quirk(batch(), lambda r: r.events, ()),
    "q07-events-null": Quirk(batch(events=None), lambda r: r.events, ()),
    "q07-events-empty": Quirk(batch(events=[]), lambda r: r.events, ()),
    "q08-notifications-without-events": Quirk(
        notification("gdpr_consent_state", purpose="newsletter"), lambda r: notified(r).purpose, "newsletter"
    ),
    "q09-profiles-absent": Quirk(
        {"type": "audience_membership_change_request"}, lambda r: (r.user_profiles, r.account.account_id), ((), 0)
    ),
    "q09-profiles-null": Quirk(
        {"type": "audience_membership_change_request", "user_profiles": None}, lambda r: r.user_profiles, ()
    ),
    "q10-null-elements": Quirk(
        batch(events=[None], system_notifications=[None], user_identities=[None], partner_identities=[None, None]),
        lambda r: (r.events, r.system_notifications, r.user_identities, r.partner_identities),
        ((), (), (), ()),
    ),
    "q10-null-profiles-and-audiences": Quirk(
        {
            "type": "audience_membership_change_request",
            "user_profiles": [None, {"audiences": [None], "mpid": "7700731"}],
        },
        lambda r: [(p.mpid, p.audiences) for p in r.user_profiles],
        [("7700731", ())],
    ),
    "q11-account-missing": Quirk(erasure(), lambda r: r.account.string_setting("token"), None),
    "q11-account-null": Quirk(erasure(account=None), lambda r: r.account.account_settings, {}),
    "q11-settings-null": Quirk(
        batch(account={"account_id": 4242, "account_settings": None}),
        lambda r: r.account.string_setting("token"),
        None,
    ),
    "q12-smarttv-stays": Quirk(
        environment("smarttv"), lambda r: r.runtime_environment.type, RuntimeEnvironmentType.SMARTTV
    ),
    "q12-alexa-stays": Quirk(environment("alexa"), lambda r: r.runtime_environment.type, RuntimeEnvironmentType.ALEXA),
    "q13-null-setting": Quirk(settings(list=None), lambda r: r.account.string_setting("list", default="d"), "d"),
    "q13-capital-boolean-setting": Quirk(settings(on="True"), lambda r: r.account.boolean_setting("on"), True),
    "q13-blank-setting": Quirk(settings(list=""), lambda r: r.account.string_setting("list", required=True), ""),
    "q14-connection-setting": Quirk(settings(connection="c"), lambda r: r.account.string_setting("connection"), "c"),
    "q15-zero-and-negative": Quirk(
        batch(
            account={"account_id": 0},
            mpid="-7700700000000000032",
            events=[{"type": "session_start", "session_id": 0}, {"type": "session_start", "session_id": -(2**62)}],
        ),
        lambda r: (r.account.account_id, r.mpid, [e.session_id for e in r.events]),
        (0, "-7700700000000000032", [0, -(2**62)]),
    ),
    "q16-mpid-as-number": Quirk(batch(mpid=-7700700000000000032), lambda r: r.mpid, "-7700700000000000032"),
    "q17-user-attribute-values": Quirk(
        batch(user_attributes={"member": "True", "age": "18", "tag": None, "nothing": "", "number": 18, "truth": True}),
        lambda r: r.user_attributes,
        {"member": "True", "age": "18", "tag": None, "nothing": "", "number": "18", "truth": "true"},
    ),
    "q18-reserved-attribute-in-another-case": Quirk(
        batch(user_attributes={"$firstname": "canary-pii-Jane"}),
        lambda r: (r.reserved_attribute("$FirstName"), r.reserved_attribute("$LastName")),
        ("canary-pii-Jane", None),
    ),
    "q19-list-among-user-attributes": Quirk(
        batch(user_attributes={"teas": ["sencha", None, 1.5]}),
        lambda r: r.user_attributes,
        {"teas": '["sencha",null,1.5]'},
    ),
    "q19-attribute-lists": Quirk(
        batch(user_attribute_lists={"teas": ["sencha", None, 7], "none": None}),
        lambda r: r.user_attribute_lists,
        {"teas": ("sencha", "7"), "none": ()},
    ),
    "q20-nested-integration-attributes": Quirk(
        batch(integration_attributes={"Sample.version": "1", "1234": {"version": "1"}}),
        lambda r: r.integration_attributes,
        {"Sample.version": "1", "1234": '{"version":"1"}'},
    ),
    "q21-is-debug": Quirk(environment("ios", is_debug=True), lambda r: r.runtime_environment.is_debug, True),
    "q21-debug-is-no-field": Quirk(
        environment("ios", debug=True),
        lambda r: (r.runtime_environment.is_debug, r.runtime_environment.model_extra),
        (False, {"debug": True}),
    ),
    "q22-identities-missing": Quirk(environment("ios"), lambda r: r.runtime_environment.identities, ()),
    "q22-identities-empty": Quirk(environment("ios", identities=[]), lambda r: r.runtime_environment.identities, ()),
    **{
        f"q23-identity-with-{what}": Quirk(
            event("user_identity_change", removed=[{**EMAIL, **change}, EMAIL]),
            lambda r: [i.value for i in first(r).removed],
            [EMAIL["value"]],
            {"incomplete_identity": 1},
        )
        for what, change in INCOMPLETE.items()
    },
    "q23-identity-of-white-space": Quirk(
        batch(user_identities=[{**EMAIL, "value": "  "}], partner_identities=[{**EMAIL, "type": " "}]),
        lambda r: (r.user_identities[0].value, r.partner_identities[0].type),
        ("  ", " "),
    ),
    "q23-identity-with-nothing": Quirk(
        batch(user_identities=[{}]), lambda r: r.user_identities, (), {"incomplete_identity": 1}
    ),
    "q24-web-booleans-as-text": Quirk(
        environment("mobileweb", is_dst=True, limit_ad_tracking="false", device_model="Laptop"),
        lambda r: (
            r.runtime_environment.is_dst,
            r.runtime_environment.limit_ad_tracking,
            r.runtime_environment.device_model,
        ),
        ("true", "false", "Laptop"),
    ),
    "q25-fractional-timezone": Quirk(
        environment("android", timezone_offset=5.5), lambda r: r.runtime_environment.timezone_offset, 5
    ),
    "q25-negative-fractional-timezone": Quirk(
        environment("android", timezone_offset=-3.5), lambda r: r.runtime_environment.timezone_offset, -3
    ),
    "q26-zero-means-unknown": Quirk(environment("ios"), lambda r: r.runtime_environment.screen_height, 0),
    "q27-products": Quirk(
        PURCHASE,
        lambda r: [(p.price, p.quantity, p.total_amount) for p in first(r).products],
        [(Decimal("12.50"), Decimal("0.25"), None), (None, None, None)],
    ),
    "q28-positions": Quirk(
        batch(
            events=[
                {"type": "product_action", "products": [{"position": 3}]},
                {"type": "promotion_action", "promotions": [{"position": 3}]},
            ]
        ),
        lambda r: (r.events[0].products[0].position, r.events[1].promotions[0].position),
        (3, "3"),
    ),
    "q29-wish-list": Quirk(
        event("product_action", action="remove_from_wishlist"),
        lambda r: first(r).action,
        ProductActionType.REMOVE_FROM_WISH_LIST,
    ),
    "q30-custom-event-type-null": Quirk(
        event("custom_event", custom_event_type=None, name="n"), lambda r: first(r).custom_event_type, None
    ),
    "q30-custom-event-type-unknown": Quirk(
        event("custom_event", custom_event_type="attribution", name="n"),
        lambda r: (first(r).custom_event_type, first(r).name),
        ("attribution", "n"),
        {"custom_event_type": 1},
    ),
    "q30-custom-event-type-in-capitals": Quirk(
        event("custom_event", custom_event_type=" Media "), lambda r: first(r).custom_event_type, CustomEventType.MEDIA
    ),
    "q31-payload-as-object": Quirk(
        event("push_message_open", payload={"sample": {"id": 1}}), lambda r: first(r).payload, '{"sample":{"id":1}}'
    ),
    "q31-payload-with-text-inside": Quirk(
        event("push_message_receipt", payload='{"sample": "{\\"id\\": 1}", "alert": "{broken", "badge": 2}'),
        lambda r: first(r).payload_object,
        {"sample": {"id": 1}, "alert": "{broken", "badge": 2},
    ),
    "q31-payload-broken": Quirk(
        event("push_message_receipt", payload="{broken"),
        lambda r: (first(r).payload, first(r).payload_object),
        ("{broken", {}),
    ),
    "q31-launch-parameters": Quirk(
        event("application_state_transition", launch_parameters='{"campaign": "autumn"}'),
        lambda r: first(r).launch_parameters_object,
        {"campaign": "autumn"},
    ),
    "q32-null-breadcrumbs": Quirk(
        event("error", breadcrumbs=["a", None, "b"]), lambda r: first(r).breadcrumbs, ("a", "b")
    ),
    "q33-consent": Quirk(
        batch(consent_state={"gdpr_consent_state": {"ads": {}, "mail": None}, "ccpa_consent_state": None}),
        lambda r: (
            {purpose: consent.consented for purpose, consent in r.consent_state.gdpr_consent_state.items()},
            r.consent_state.ccpa_consent_state,
        ),
        ({"ads": False}, {}),
    ),
    "q34-ccpa-purpose-missing": Quirk(
        notification("ccpa_consent_state"), lambda r: notified(r).purpose, "data_sale_opt_out"
    ),
    "q34-ccpa-purpose-null": Quirk(
        notification("ccpa_consent_state", purpose=None), lambda r: notified(r).purpose, None
    ),
    "q35-only-one-side": Quirk(
        notification("gdpr_consent_state", new_gdpr_consent_state={"consented": True}),
        lambda r: (notified(r).old_gdpr_consent_state, notified(r).new_gdpr_consent_state.consented),
        (None, True),
    ),
    "q36-empty-attribute-entry": Quirk(
        members({"user_attributes": [{"key": "tier", "value": "gold", "action": "upsert"}, {}, None]}),
        lambda r: (len(audience(r).user_attributes), [change.key for change in audience(r).attribute_changes]),
        (2, ["tier"]),
    ),
    "q36-unusable-attribute-entries": Quirk(
        members(
            {
                "user_attributes": [
                    {"key": "", "action": "upsert"},
                    {"action": "upsert"},
                    {"key": "k"},
                    {"key": "k", "action": "merge"},
                ]
            }
        ),
        lambda r: (len(audience(r).user_attributes), audience(r).attribute_changes),
        (4, ()),
        {"user_attribute_action": 1},
    ),
    "q37-attribute-values": Quirk(
        members(
            {
                "user_attributes": [
                    {"key": "both", "value": "v", "list_value": ["l", None], "action": "upsert"},
                    {"key": "tag", "action": "upsert"},
                    {"key": "gone", "value": "v", "action": "delete"},
                ]
            }
        ),
        lambda r: [(c.value, c.list_value, c.action) for c in audience(r).attribute_changes],
        [
            ("v", ("l",), UserAttributeAction.UPSERT),
            (None, None, UserAttributeAction.UPSERT),
            ("v", None, UserAttributeAction.DELETE),
        ],
    ),
    "q38-remove-for-a-membership": Quirk(
        members({"action": "remove"}), lambda r: audience(r).action, AudienceAction.DELETE
    ),
    "q38-remove-for-an-attribute": Quirk(
        members({"user_attributes": [{"key": "k", "action": "remove"}]}),
        lambda r: audience(r).user_attributes[0].action,
        UserAttributeAction.DELETE,
    ),
    "q38-delete-for-a-subscription": Quirk(
        subscription(action="delete"), lambda r: r.action, AudienceSubscriptionAction.REMOVE
    ),
    "q39-audience-without-action": Quirk(
        members({"audience_id": 1001}), lambda r: (audience(r).audience_id, audience(r).action), (1001, None)
    ),
    "q39-audience-with-unknown-action": Quirk(
        members({"action": "freeze"}), lambda r: audience(r).action, "freeze", {"audience_action": 1}
    ),
    "q44-extensions": Quirk(
        erasure(extensions={"opendsr.mparticle.com": EXTENSION, "vendor.example": {"x": 1}}),
        lambda r: (
            r.extensions.mparticle.skip_waiting_period,
            {kind: identity.value for kind, identity in r.extensions.mparticle.subject_identities.items()},
            r.extensions.model_extra,
        ),
        (True, {"mpid": "7700731"}, {"vendor.example": {"x": 1}}),
    ),
    "q44-another-extension-named-like-a-field": Quirk(
        erasure(extensions={"mparticle": 5}),
        lambda r: (r.extensions.mparticle, r.extensions.model_extra),
        (None, {"mparticle": 5}),
    ),
    "q45-unknown-dsr-identity": Quirk(
        erasure(subject_identities={"other6": {"encoding": "raw", "value": "v"}}),
        lambda r: {kind: identity.value for kind, identity in r.subject_identities.items()},
        {"other6": "v"},
        {"dsr_identity_type": 1},
    ),
    "q45-roku-in-both-spellings": Quirk(
        erasure(subject_identities={"roku_publishing_id": {"encoding": "raw", "value": "v"}}),
        lambda r: list(r.subject_identities),
        [DsrIdentityType.ROKU_PUBLISHER_ID],
    ),
    "q45-list-of-older-apis": Quirk(
        erasure(
            subject_identities=[
                {"identity_type": "email", "identity_value": "canary-pii-1", "identity_format": "raw"},
                {"identity_type": "EMAIL", "identity_value": "canary-pii-1", "identity_format": "raw"},
                {"identity_type": "android_id", "identity_format": "raw"},
                {"identity_type": "email", "identity_format": "raw"},
                None,
                {},
            ]
        ),
        lambda r: {kind: (i.encoding, i.value) for kind, i in r.subject_identities.items()},
        {DsrIdentityType.EMAIL: (IdentityEncoding.RAW, "canary-pii-1")},
        {"incomplete_identity": 1},
    ),
    "q46-other-request-type": Quirk(
        {"type": "dsr_processing_request", "subject_request_type": "access"},
        lambda r: r.subject_request_type,
        "access",
        {"dsr_type": 1},
    ),
    "q47-request-id-is-text": Quirk(erasure(subject_request_id="no-guid"), lambda r: r.subject_request_id, "no-guid"),
    "q53-large-ids": Quirk(members({"audience_id": 2**40}), lambda r: audience(r).audience_id, 2**40),
    "q54-event-without-id": Quirk(
        event("session_start", id=None, source_id="s"), lambda r: (first(r).id, first(r).source_id), (None, "s")
    ),
    "q55-upper-case-id": Quirk(event("session_start", id=ID.upper()), lambda r: str(first(r).id), ID),
    "q59-field-of-another-platform": Quirk(
        environment("roku", screen_height=5, android_sdk_level=1),
        lambda r: r.runtime_environment.model_extra,
        {"screen_height": 5, "android_sdk_level": 1},
    ),
    "q60-locale-is-opaque": Quirk(
        environment("ios", locale_country="en_US", locale_language="EN"),
        lambda r: (r.runtime_environment.locale_country, r.runtime_environment.locale_language),
        ("en_US", "EN"),
    ),
    "q61-legacy-consent-timestamp": Quirk(
        batch(consent_state={"gdpr_consent_state": {"ads": {"consented": True, "timestamp": 5}}}),
        lambda r: r.consent_state.gdpr_consent_state["ads"].timestamp_unixtime_ms,
        5,
    ),
    "q61-legacy-consent-timestamp-beside-null": Quirk(
        batch(
            consent_state={
                "ccpa_consent_state": {
                    "null": {"timestamp_unixtime_ms": None, "timestamp": 5},
                    "both": {"timestamp_unixtime_ms": 6, "timestamp": 5},
                }
            }
        ),
        lambda r: [consent.timestamp_unixtime_ms for consent in r.consent_state.ccpa_consent_state.values()],
        [5, 6],
    ),
    "q62-only-added-attributes": Quirk(
        event("user_attribute_change", added={"a": "1"}), lambda r: (first(r).added, first(r).removed), ({"a": "1"}, {})
    ),
    "q62-only-removed-identities": Quirk(
        event("user_identity_change", removed=[EMAIL]), lambda r: (first(r).added, len(first(r).removed)), ((), 1)
    ),
    "q63-webhook-vocabulary-is-unknown": Quirk(
        batch(events=[{"event_type": "custom_event", "data": {}}]),
        lambda r: (type(first(r)), first(r).model_extra),
        (UnknownEvent, {"event_type": "custom_event", "data": {}}),
        {"event_type": 1},
    ),
}


@pytest.mark.parametrize("quirk", QUIRKS.values(), ids=QUIRKS)
def test_a_quirk_reads_as_expected(quirk: Quirk) -> None:
    request = serializer.parse(json.dumps(quirk.message).encode())

    assert (quirk.read(request), dict(request.unrecognized)) == (quirk.expected, quirk.unrecognized)


@pytest.mark.parametrize("quirk", QUIRKS.values(), ids=QUIRKS)
def test_q56_a_quirk_reads_the_same_from_bytes_and_from_a_dict(quirk: Quirk) -> None:
    assert serializer.parse(quirk.message) == serializer.parse(json.dumps(quirk.message).encode())


# The Java SDK, too, reads a null purpose as null, leaves it out when writing, and reads its absence as the default.
STABLE = QUIRKS.keys() - {"q34-ccpa-purpose-null"}


@pytest.mark.parametrize("name", sorted(STABLE))
def test_a_written_quirk_is_written_the_same_again(name: str) -> None:
    written = serializer.dumps(serializer.parse(QUIRKS[name].message))

    assert serializer.dumps(serializer.parse(written)) == written
