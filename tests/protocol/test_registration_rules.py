"""The rules for a registration: each refuses a registration that breaks it, and names the field."""

from typing import Any

import pytest

from mparticle_firehose.errors import ConfigurationError, RegistrationError
from mparticle_firehose.protocol import (
    AudienceProcessingRegistration,
    BooleanSetting,
    DsrProcessingRegistration,
    EventProcessingRegistration,
    EventType,
    FloatSetting,
    IntegerSetting,
    ModuleRegistrationResponse,
    OAuth2Authentication,
    Permissions,
    SystemNotificationType,
    TextSetting,
    declare,
)

API_KEY = TextSetting(id="token", name="API key", required=True, confidential=True)
REMOTE_ID = TextSetting(id="remoteId", name="Remote id", visible=False)
OAUTH2 = {
    "type": "oauth2",
    "authorization_url": "https://sample.example/authorize",
    "token_url": "https://sample.example/token",
    "client_id": "mparticle",
}


def events(**fields: object) -> dict[str, object]:
    sound: dict[str, Any] = {
        "account_settings": (API_KEY,),
        "supported_event_types": (EventType.CUSTOM_EVENT,),
        "supported_runtime_environments": ("ios", "mobileweb"),
    }
    return {"event_processing_registration": EventProcessingRegistration(**{**sound, **fields})}


def event_settings(*settings: object) -> dict[str, object]:
    return events(account_settings=settings)


def audiences(**fields: Any) -> dict[str, object]:
    return {"audience_processing_registration": AudienceProcessingRegistration(**fields)}


def erasures(**fields: Any) -> dict[str, object]:
    return {"dsr_processing_registration": DsrProcessingRegistration(**fields)}


def permit(**fields: Any) -> dict[str, object]:
    return {"permissions": Permissions(**fields)}


def identity(kind: str | None, encoding: str = "raw") -> dict[str, str | None]:
    return {"type": kind, "encoding": encoding}


def declared(*, returned: tuple[str, ...] = (), **fields: Any) -> ModuleRegistrationResponse:
    """Declare something sound but for the given fields."""
    sound: dict[str, Any] = {"name": "Sample", "version": "1.0", **events()}
    return declare(
        ModuleRegistrationResponse(**{**sound, **fields}),
        handled_events=set(EventType) - {EventType.ATTRIBUTION},
        handled_notifications={SystemNotificationType.GDPR_CONSENT_STATE},
        returned_settings=returned,
    )


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "q51-description-of-230-characters": (
        {"description": "<b>" + 223 * "x" + "</b>"},
        "description: must be shorter than 230 characters, markup included",
    ),
    "name-missing": ({"name": None}, "registration: name must not be blank"),
    "name-blank": ({"name": " "}, "registration: name must not be blank"),
    "version-blank": ({"version": ""}, "registration: version must not be blank"),
    "nothing-processed": (
        {"event_processing_registration": None},
        "registration: must process events, audiences or data subject requests",
    ),
    "q52-two-partner-identities": (
        permit(partner_identities=(identity("Sample_A"), identity("Sample_B"))),
        "partner_identities: must be at most one",
    ),
    "identity-without-type": (permit(user_identities=({},)), "user_identities: type must not be blank"),
    "identity-twice": (
        permit(user_identities=(identity("email"), identity("email", "md5"))),
        "user_identities: email must not come twice",
    ),
    "identity-type-unknown": (
        permit(device_identities=(identity("idfa"),)),
        "device_identity_type: must be one that the protocol knows",
    ),
    "encoding-unknown": (
        permit(user_identities=(identity("email", "sha512"),)),
        "identity_encoding: must be one that the protocol knows",
    ),
    "field-unknown": (permit(allow_everything=True), "Permissions.allow_everything: is no field of the protocol"),
    "event-type-unknown": (
        events(supported_event_types=("commerce_event",)),
        "event_type: must be one that the protocol knows; commerce_event: is declared but nothing handles it",
    ),
    "environment-unknown": (
        events(supported_runtime_environments=("web",)),
        "runtime_environment_type: must be one that the protocol knows",
    ),
    "setting-kind-unknown": (
        event_settings({"type": "colour", "id": "c", "name": "C"}),
        "setting_type: must be one that the protocol knows",
    ),
    "dsr-type-unknown": (
        erasures(supported_dsr_types=("access",)),
        "dsr_type: must be one that the protocol knows",
    ),
    "setting-twice": (
        event_settings(API_KEY, API_KEY),
        "event settings: token must not come twice",
    ),
    "setting-in-account-and-connection": (
        events(event_connection_settings=(API_KEY,)),
        "event settings: token must not come twice",
    ),
    "setting-without-id": (event_settings(TextSetting(name="N")), "event settings: id must not be blank"),
    "setting-without-name": (event_settings(TextSetting(id="i")), "event settings: name must not be blank"),
    "q50-required-boolean": (
        event_settings(BooleanSetting(id="b", name="B", required=True)),
        "BooleanSetting.required: is no field of the protocol",
    ),
    "q50-checked-text": (
        event_settings(TextSetting(id="t", name="T", checked=True)),
        "TextSetting.checked: is no field of the protocol",
    ),
    "required-but-invisible": (
        event_settings(TextSetting(id="t", name="T", visible=False, required=True)),
        "event settings.t: must not be required of a customer who cannot see it",
    ),
    "bounds-crossed": (
        event_settings(IntegerSetting(id="i", name="I", min_value=2, max_value=1)),
        "event settings.i: min_value must not be above max_value",
    ),
    "bound-is-no-number": (
        event_settings(FloatSetting(id="f", name="F", min_value=float("nan"))),
        "event settings.f: min_value must not be above max_value",
    ),
    "default-below": (
        event_settings(IntegerSetting(id="i", name="I", min_value=1, default_value=0)),
        "event settings.i: default_value must lie between min_value and max_value",
    ),
    "default-above": (
        event_settings(FloatSetting(id="f", name="F", max_value=0.5, default_value=1.0)),
        "event settings.f: default_value must lie between min_value and max_value",
    ),
    "q52-push-without-provider": (
        events(supported_event_types=(EventType.PUSH_MESSAGE_RECEIPT,)),
        "push_messaging_provider_id: is required with push_message_receipt",
    ),
    "q52-attribute-change-without-permission": (
        events(supported_event_types=(EventType.USER_ATTRIBUTE_CHANGE,)),
        "user_attribute_change: needs the permission allow_user_attributes",
    ),
    "identity-change-without-permission": (
        events(supported_event_types=(EventType.USER_IDENTITY_CHANGE,)),
        "user_identity_change: needs a permission for user_identities",
    ),
    "audience-attributes-without-audiences": (
        permit(allow_audience_user_attributes=True),
        "allow_audience_user_attributes: needs an audience_processing_registration",
    ),
    "event-attributes-without-events": (
        {"event_processing_registration": None, **audiences(), **permit(allow_user_attributes=True)},
        "allow_user_attributes: needs an event_processing_registration",
    ),
    "no-event-types": (events(supported_event_types=()), "supported_event_types: must not be empty"),
    "no-environments": (events(supported_runtime_environments=()), "supported_runtime_environments: must not be empty"),
    "no-dsr-types": (erasures(), "supported_dsr_types: must not be empty"),
    "event-type-twice": (
        events(supported_event_types=2 * (EventType.ERROR,)),
        "supported_event_types: error must not come twice",
    ),
    "environment-twice": (
        events(supported_runtime_environments=("ios", "ios")),
        "supported_runtime_environments: ios must not come twice",
    ),
    "notification-twice": (
        events(supported_system_notification_types=2 * (SystemNotificationType.GDPR_CONSENT_STATE,)),
        "supported_system_notification_types: gdpr_consent_state must not come twice",
    ),
    "q48-age-zero": (events(max_data_age_hours=0), "max_data_age_hours: must be positive, or -1 for any age"),
    "age-negative": (events(max_data_age_hours=-2), "max_data_age_hours: must be positive, or -1 for any age"),
    "event-without-handler": (
        events(supported_event_types=(EventType.ATTRIBUTION,)),
        "attribution: is declared but nothing handles it",
    ),
    "notification-without-handler": (
        events(supported_system_notification_types=(SystemNotificationType.CCPA_CONSENT_STATE,)),
        "ccpa_consent_state: is declared but nothing handles it",
    ),
    "oauth2-incomplete": (
        events(authentication=OAuth2Authentication()),
        "event authentication: authorization_url must not be blank; event authentication: token_url must not be blank; "
        "event authentication: client_id must not be blank",
    ),
    "header-without-name": (
        audiences(authentication={**OAUTH2, "access_token_type": "custom_header"}),
        "audience authentication: custom_header_name must not be blank",
    ),
    "scope-without-description": (
        audiences(authentication={**OAUTH2, "scopes": ({"name": "write"},)}),
        "audience authentication scope: description must not be blank",
    ),
    "returned-setting-undeclared": (
        {"returned": ("remoteId",), **audiences()},
        "remoteId: is returned, so it must be an invisible audience_subscription_setting",
    ),
    "returned-setting-visible": (
        {
            "returned": ("remoteId",),
            **audiences(audience_subscription_settings=(TextSetting(id="remoteId", name="R"),)),
        },
        "remoteId: is returned, so it must be an invisible audience_subscription_setting",
    ),
}


@pytest.mark.parametrize(("fields", "message"), REFUSED.values(), ids=REFUSED)
def test_a_registration_is_refused_for(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(RegistrationError) as refusal:
        declared(**fields)

    assert str(refusal.value) == message
    assert isinstance(refusal.value, ConfigurationError)


SOUND: dict[str, dict[str, Any]] = {
    "the-least": {},
    "q51-description-of-229-characters": {"description": 229 * "x"},
    "q48-any-age": events(max_data_age_hours=-1),
    "cookie-sync-beside-the-own-identity": permit(
        partner_identities=(identity("Sample_Id"), identity("$cookie_sync_id"))
    ),
    "push-with-provider": events(
        supported_event_types=(EventType.PUSH_MESSAGE_RECEIPT,), push_messaging_provider_id="sample"
    ),
    "attribute-change-with-permission": {
        **events(supported_event_types=(EventType.USER_ATTRIBUTE_CHANGE,)),
        **permit(allow_user_attributes=True),
    },
    "identity-change-with-permission": {
        **events(supported_event_types=(EventType.USER_IDENTITY_CHANGE,)),
        **permit(user_identities=(identity("email"),)),
    },
    "settings-of-every-kind": event_settings(
        API_KEY,
        IntegerSetting(id="i", name="I", min_value=0, max_value=2, default_value=0),
        FloatSetting(id="f", name="F", max_value=0.5),
        BooleanSetting(id="b", name="B", checked=True),
    ),
    "returned-setting": {
        "returned": ("remoteId",),
        **audiences(audience_subscription_settings=(REMOTE_ID,)),
    },
    "oauth2": audiences(
        authentication={
            **OAUTH2,
            "access_token_type": "custom_header",
            "custom_header_name": "X-Token",
            "scopes": ({"name": "write", "description": "Write audiences"},),
        }
    ),
    "erasures-alone": {"event_processing_registration": None, **erasures(supported_dsr_types=("erasure",))},
}


@pytest.mark.parametrize("fields", SOUND.values(), ids=SOUND)
def test_a_valid_registration_is_returned_unchanged(fields: dict[str, Any]) -> None:
    assert declared(**fields).name == "Sample"


def test_all_broken_rules_are_named_at_once() -> None:
    with pytest.raises(RegistrationError) as refusal:
        declared(name="", version="")

    assert str(refusal.value) == "registration: name must not be blank; registration: version must not be blank"
