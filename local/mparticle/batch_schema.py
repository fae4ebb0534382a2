"""The rules for a batch of the Events API, as JSON Schemas.

Names, types and enumerations are those of the JSON Schema that mParticle publishes for batches; limits are those of its
pages on the HTTP API and on default service limits. Where the pages and the schema differ, the schema counts, save
that ``environment`` is required: a batch without one counts as production. The schema accepts event types and fields
that the pages do not describe; what is inside ``application_info`` and ``device_current_state`` is not checked.
"""

from collections.abc import Iterable, Mapping
from typing import Any

type Schema = dict[str, Any]

MAX_NAME_CHARACTERS = 256
MAX_VALUE_CHARACTERS = 4096
MAX_ATTRIBUTES = 100
MAX_LIST_ENTRIES = 1000
MAX_LIST_ENTRY_CHARACTERS = 512

_TEXT: Schema = {"type": "string"}
_NUMBER: Schema = {"type": "number"}
_INTEGER: Schema = {"type": "integer"}
_INT64: Schema = {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1}
_FLAG: Schema = {"type": "boolean"}
_ANY_OBJECT: Schema = {"type": "object"}
_NAME: Schema = {"type": "string", "minLength": 1, "maxLength": MAX_NAME_CHARACTERS}
_ATTRIBUTE_NAME: Schema = {"maxLength": MAX_NAME_CHARACTERS}
_UUID: Schema = {
    "type": ["string", "null"],
    "pattern": "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$",
}
_IP: Schema = {"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]}
_TEXTS: Schema = {"type": "object", "additionalProperties": _TEXT}
_SCALARS = ("string", "number", "boolean", "null")


def _one_of(words: str) -> Schema:
    return {"type": "string", "enum": words.split()}


def _list_of(element: Schema) -> Schema:
    return {"type": "array", "items": element}


def _object(required: Iterable[str] = (), **properties: Schema) -> Schema:
    """Return an object without any other fields."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def _each(names: str, schema: Schema) -> dict[str, Schema]:
    return dict.fromkeys(names.split(), schema)


_IDENTITY: Schema = {"type": list(_SCALARS)}

USER_IDENTITIES = (
    "customer_id email facebook twitter google microsoft yahoo other other_id_2 other_id_3 other_id_4 other_id_5 "
    "other_id_6 other_id_7 other_id_8 other_id_9 other_id_10 mobile_number phone_number_2 phone_number_3 alias "
    "facebook_custom_audience_id"
)

_UUID_IDENTITIES = (
    "ios_advertising_id ios_idfv android_advertising_id roku_advertising_id roku_publisher_id fire_advertising_id"
)

_TEXT_IDENTITIES = "android_uuid push_token amp_id microsoft_advertising_id microsoft_publisher_id"

DEVICE_IDENTITIES = frozenset(f"{_UUID_IDENTITIES} {_TEXT_IDENTITIES}".split())

_LOCATION = _object(
    ["latitude", "longitude"],
    **_each("latitude longitude accuracy", _NUMBER),
    **_each("country_code region_code city_name postal_code dma_code", _TEXT),
    location_source=_one_of("unknown ip_lookup lat_long"),
)

_DEVICE = _object(
    **_each(_UUID_IDENTITIES, _UUID),
    **_each(_TEXT_IDENTITIES, _TEXT),
    **_each(
        "brand product device device_manufacturer os_version device_model device_country locale_language "
        "locale_country network_country network_carrier network_code network_mobile_country_code build_identifier "
        "http_header_user_agent cpu_architecture radio_access_technology bluetooth_version build_version_release",
        _TEXT,
    ),
    **_each("screen_height screen_width screen_dpi timezone_offset", _NUMBER),
    **_each(
        "is_tablet push_notification_sound_enabled push_notification_vibrate_enabled supports_telephony has_nfc "
        "bluetooth_enabled limit_ad_tracking is_dst",
        _FLAG,
    ),
    platform=_one_of("iOS Android web tvOS roku out_of_band alexa smart_tv fire_tv xbox"),
    att_authorization_status=_one_of("authorized denied not_determined restricted"),
    att_timestamp_unixtime_ms=_INT64,
)

_CONSENT = _object(
    ["consented", "timestamp_unixtime_ms"],
    consented=_FLAG,
    timestamp_unixtime_ms=_INT64,
    **_each("document location hardware_id regulation", _TEXT),
)

_USER_ATTRIBUTE_ENTRY: Schema = {"type": list(_SCALARS), "maxLength": MAX_LIST_ENTRY_CHARACTERS}

_USER_ATTRIBUTES: Schema = {
    "type": "object",
    "maxProperties": MAX_ATTRIBUTES,
    "propertyNames": _ATTRIBUTE_NAME,
    "additionalProperties": {
        "type": [*_SCALARS, "array"],
        "maxLength": MAX_VALUE_CHARACTERS,
        "maxItems": MAX_LIST_ENTRIES,
        "items": _USER_ATTRIBUTE_ENTRY,
    },
}

_CUSTOM_ATTRIBUTES: Schema = {
    "type": "object",
    "maxProperties": MAX_ATTRIBUTES,
    "propertyNames": _ATTRIBUTE_NAME,
    "additionalProperties": {"type": list(_SCALARS), "maxLength": MAX_VALUE_CHARACTERS},
}

BATCH = _object(
    ["environment"],
    environment=_one_of("production development"),
    source_request_id=_TEXT,
    user_identities=_object(**_each(USER_IDENTITIES, _IDENTITY)),
    device_info=_DEVICE,
    partner_identities=_TEXTS,
    mpid=_INT64,
    events={"type": ["array", "null"]},  # each event by the schema of its type
    user_attributes=_USER_ATTRIBUTES,
    deleted_user_attributes=_list_of(_TEXT),
    application_info=_ANY_OBJECT,
    ip=_IP,
    context=_object(
        data_plan=_object(["plan_id"], plan_id=_TEXT, plan_version=_INTEGER),
        location=_LOCATION,
    ),
    consent_state=_object(
        gdpr={"type": "object", "additionalProperties": _CONSENT},
        ccpa=_object(data_sale_opt_out=_CONSENT),
    ),
    integration_attributes={"type": "object", "additionalProperties": _TEXTS},
    attribution_info=_object(
        ["service_provider", "publisher", "campaign"], **_each("service_provider publisher campaign", _TEXT)
    ),
    **_each("partner_identity mp_deviceid sdk_version job_id", _TEXT),
    **_each("origin_mpid batch_id timestamp_unixtime_ms", _INT64),
    source_info=_ANY_OBJECT,
)
"""The schema of a batch, without what is in its events."""

EVENT = _object(["event_type", "data"], event_type=_TEXT, data=_ANY_OBJECT)
"""The frame of an event of any type."""

_COMMON: Mapping[str, Schema] = {
    **_each("timestamp_unixtime_ms session_start_unixtime_ms event_start_unixtime_ms session_id event_id", _INT64),
    **_each("source_message_id lifetime_value_attribute_name data_connection_type view_controller", _TEXT),
    "canonical_name": _TEXT,
    "session_uuid": _UUID,
    "event_num": _INTEGER,
    "lifetime_value_change": _NUMBER,
    **_each("is_goal_defined is_main_thread", _FLAG),
    "location": _LOCATION,
    "device_current_state": _ANY_OBJECT,
    "custom_attributes": _CUSTOM_ATTRIBUTES,
    "custom_flags": _ANY_OBJECT,
}

_CUSTOM_EVENT_TYPES = "navigation location search transaction user_content user_preference social other media"

_COMMERCE_EVENT_TYPES = (
    f"{_CUSTOM_EVENT_TYPES} add_to_cart remove_from_cart checkout checkout_option click view_detail purchase refund "
    "promotion_view promotion_click add_to_wishlist remove_from_wishlist impression"
)

_PRODUCT_ACTIONS = (
    "add_to_cart remove_from_cart checkout checkout_option click view_detail purchase refund add_to_wishlist "
    "remove_from_wish_list"
)

_PRODUCT = _object(
    **_each("id name brand category variant coupon_code", _TEXT),
    **_each("position price quantity total_product_amount", _NUMBER),
    added_to_cart_time_ms=_INT64,
    custom_attributes={**_TEXTS, "maxProperties": MAX_ATTRIBUTES, "propertyNames": _ATTRIBUTE_NAME},
)

_PRODUCT_ACTION = _object(
    ["action"],
    action=_one_of(_PRODUCT_ACTIONS),
    checkout_step=_INTEGER,
    **_each("checkout_options product_action_list product_list_source transaction_id affiliation coupon_code", _TEXT),
    **_each("total_amount tax_amount shipping_amount", _NUMBER),
    products=_list_of(_PRODUCT),
)

_PROMOTION_ACTION = _object(
    ["action"],
    action=_one_of("view click"),
    promotions=_list_of(_object(**_each("id name creative position", _TEXT))),
)

_PRODUCT_IMPRESSION = _object(**_each("product_impression_list", _TEXT), products=_list_of(_PRODUCT))

_CHANGED_IDENTITY = _object(
    ["identity_type", "identity", "timestamp_unixtime_ms"],
    identity_type=_TEXT,
    identity=_TEXT,
    timestamp_unixtime_ms=_INT64,
    created_this_batch=_FLAG,
)


def _data(*required: str, **properties: Schema) -> Schema:
    return _object(required, **{**_COMMON, **properties})


def _open_data(*required: str, **properties: Schema) -> Schema:
    """Return the data of an event whose further fields are not known here."""
    return {**_data(*required, **properties), "additionalProperties": True}


EVENT_DATA: Mapping[str, Schema] = {
    "custom_event": _data(
        "event_name", "custom_event_type", event_name=_NAME, custom_event_type=_one_of(_CUSTOM_EVENT_TYPES)
    ),
    "screen_view": _data("screen_name", screen_name=_NAME, activity_type=_TEXT),
    "commerce_event": _data(
        product_action=_PRODUCT_ACTION,
        promotion_action=_PROMOTION_ACTION,
        product_impressions=_list_of(_PRODUCT_IMPRESSION),
        shopping_cart=_object(products=_list_of(_PRODUCT)),
        **_each("currency_code screen_name event_name", _TEXT),
        custom_event_type=_one_of(_COMMERCE_EVENT_TYPES),
        is_non_interactive=_FLAG,
    ),
    "session_start": _data(),
    "session_end": _data("session_duration_ms", session_duration_ms=_INT64),
    "opt_out": _data("is_opted_out", is_opted_out=_FLAG),
    "push_message": _data(
        "push_message_token",
        "push_message_type",
        "push_notification_payload",
        push_message_type=_one_of("sent received action"),
        **_each("push_message_token push_notification_payload message network application_state", _TEXT),
        action_identifier={"type": "string", "maxLength": 100},
        push_message_behavior={"type": ["string", "number"]},
    ),
    "push_registration": _data("register", "registration_token", register=_FLAG, registration_token=_TEXT),
    "application_state_transition": _open_data(
        "application_transition_type",
        application_transition_type=_one_of(
            "application_initialized application_exit application_background application_foreground"
        ),
    ),
    "uninstall": _data(),
    "first_run": _data(),
    "crash_report": _open_data("severity", "message", **_each("severity message", _TEXT)),
    "network_performance": _open_data("url", "response_code", url=_TEXT, response_code=_INTEGER),
    "breadcrumb": _data("label", label=_TEXT, session_number=_INTEGER),
    "profile": _open_data(
        "previous_mpid",
        "current_mpid",
        "profile_event_type",
        profile_event_type=_one_of("signup login logout update delete"),
    ),
    "user_attribute_change": _data(
        "user_attribute_name", user_attribute_name=_NAME, new={}, old={}, **_each("deleted is_new_attribute", _FLAG)
    ),
    "user_identity_change": _data("new", "old", new=_CHANGED_IDENTITY, old=_CHANGED_IDENTITY),
}
"""The schema of an event's data, by its type. Other types are accepted by no schema of mParticle's."""
