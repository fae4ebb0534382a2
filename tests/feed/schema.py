"""The rules of mParticle's published JSON schema for batches, for what the models can send.

It says once more, in another way and without the models, what may be on the wire.
"""

from typing import Any

UUID = {"type": "string", "pattern": "^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"}
TEXT = {"type": "string"}
WHOLE = {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1}
NUMBER = {"type": "number"}
BOOLEAN = {"type": "boolean"}
SCALAR = {"type": ["string", "number", "boolean", "null"]}
FLAT = {"type": "object", "additionalProperties": SCALAR, "maxProperties": 100}
TEXTS = {"type": "object", "additionalProperties": TEXT}

type Schema = dict[str, Any]


def closed(required: str = "", /, **properties: Schema) -> Schema:
    """Return the schema of an object that has no other properties."""
    return {
        "type": "object",
        "properties": properties,
        "required": required.split(),
        "additionalProperties": False,
    }


def each(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


def one_of(words: str) -> Schema:
    return {"enum": words.split()}


def texts(names: str) -> dict[str, Schema]:
    return dict.fromkeys(names.split(), TEXT)


LOCATION = closed(
    "latitude longitude",
    latitude=NUMBER,
    longitude=NUMBER,
    accuracy=NUMBER,
    location_source=one_of("unknown ip_lookup lat_long"),
    **texts("country_code region_code city_name postal_code dma_code"),
)
PRODUCT = closed(
    position=WHOLE,
    price=NUMBER,
    quantity=NUMBER,
    total_product_amount=NUMBER,
    added_to_cart_time_ms=WHOLE,
    custom_attributes=TEXTS,
    **texts("id name brand category variant coupon_code"),
)
IDENTITY_TYPES = (
    "customer_id email facebook twitter google microsoft yahoo other other_id_2 other_id_3 other_id_4 other_id_5"
    " other_id_6 other_id_7 other_id_8 other_id_9 other_id_10 mobile_number phone_number_2 phone_number_3 alias"
    " facebook_custom_audience_id"
)
CHANGED_IDENTITY = closed(
    "identity_type identity timestamp_unixtime_ms",
    identity_type=one_of(IDENTITY_TYPES),
    identity=TEXT,
    timestamp_unixtime_ms=WHOLE,
)
VALUE = {"anyOf": [SCALAR, each(SCALAR)]}

EVENTS: dict[str, tuple[str, dict[str, Schema]]] = {
    "custom_event": (
        "event_name custom_event_type",
        {
            "event_name": TEXT,
            "custom_event_type": one_of(
                "navigation location search transaction user_content user_preference social other media"
            ),
        },
    ),
    "screen_view": ("screen_name", texts("screen_name activity_type")),
    "commerce_event": (
        "",
        {
            "product_action": closed(
                "action",
                action=one_of(
                    "add_to_cart remove_from_cart checkout checkout_option click view_detail purchase refund"
                    " add_to_wishlist remove_from_wish_list"
                ),
                checkout_step=WHOLE,
                total_amount=NUMBER,
                tax_amount=NUMBER,
                shipping_amount=NUMBER,
                products=each(PRODUCT),
                **texts(
                    "checkout_options product_action_list product_list_source transaction_id affiliation coupon_code"
                ),
            ),
            "promotion_action": closed(
                "action",
                action=one_of("view click"),
                promotions=each(closed(**texts("id name creative position"))),
            ),
            "product_impressions": each(closed(product_impression_list=TEXT, products=each(PRODUCT))),
            "shopping_cart": closed(products=each(PRODUCT)),
            "is_non_interactive": BOOLEAN,
            "custom_event_type": one_of(
                "add_to_cart remove_from_cart checkout checkout_option click view_detail purchase refund"
                " promotion_view promotion_click add_to_wishlist remove_from_wishlist impression"
            ),
            **texts("currency_code screen_name event_name"),
        },
    ),
    "session_start": ("session_uuid", {}),
    "session_end": ("session_uuid session_duration_ms", {"session_duration_ms": WHOLE}),
    "opt_out": ("is_opted_out", {"is_opted_out": BOOLEAN}),
    "push_message": (
        "push_message_token push_message_type push_notification_payload",
        {
            "push_message_type": one_of("sent received action"),
            "application_state": one_of("not_running background foreground"),
            "push_message_behavior": one_of("Received DirectOpen Read InfluencedOpen Displayed"),
            "action_identifier": {"type": "string", "maxLength": 100},
            **texts("push_message_token push_notification_payload message network"),
        },
    ),
    "push_registration": ("register registration_token", {"register": BOOLEAN, "registration_token": TEXT}),
    "application_state_transition": (
        "application_transition_type",
        {
            "application_transition_type": one_of(
                "application_initialized application_exit application_background application_foreground"
            ),
            "is_first_run": BOOLEAN,
            "is_upgrade": BOOLEAN,
        },
    ),
    "uninstall": ("", {}),
    "user_attribute_change": (
        "user_attribute_name",
        {
            "user_attribute_name": TEXT,
            "new": VALUE,
            "old": VALUE,
            "deleted": BOOLEAN,
            "is_new_attribute": BOOLEAN,
        },
    ),
    "user_identity_change": ("new old", {"new": CHANGED_IDENTITY, "old": CHANGED_IDENTITY}),
}


def event_schema(kind: str) -> Schema:
    required, properties = EVENTS[kind]
    common: dict[str, Schema] = {
        "timestamp_unixtime_ms": WHOLE,
        "source_message_id": TEXT,
        "session_uuid": UUID,
        "location": LOCATION,
        "custom_attributes": FLAT,
        "custom_flags": FLAT,
    }
    data = closed(f"timestamp_unixtime_ms {required}", **common, **properties)
    return closed("event_type data", event_type={"const": kind}, data=data)


DEVICE = closed(
    platform=one_of("iOS Android web tvOS roku out_of_band alexa smart_tv fire_tv xbox"),
    att_authorization_status=one_of("authorized denied not_determined restricted"),
    att_timestamp_unixtime_ms=WHOLE,
    timezone_offset=NUMBER,
    **dict.fromkeys(["screen_height", "screen_width", "screen_dpi"], WHOLE),
    **dict.fromkeys(
        [
            "is_dst",
            "is_tablet",
            "supports_telephony",
            "has_nfc",
            "bluetooth_enabled",
            "push_notification_sound_enabled",
            "push_notification_vibrate_enabled",
            "limit_ad_tracking",
        ],
        BOOLEAN,
    ),
    **dict.fromkeys(
        [
            "ios_advertising_id",
            "ios_idfv",
            "android_advertising_id",
            "roku_advertising_id",
            "roku_publisher_id",
            "fire_advertising_id",
        ],
        UUID,
    ),
    **texts(
        "brand product device device_manufacturer device_model device_country os_version build_identifier"
        " build_version_release cpu_architecture locale_language locale_country network_country network_carrier"
        " network_code network_mobile_country_code radio_access_technology http_header_user_agent bluetooth_version"
        " amp_id push_token android_uuid microsoft_advertising_id microsoft_publisher_id"
    ),
)
_CONSENT = texts("document location hardware_id")
_REQUIRED_OF_CONSENT = "consented timestamp_unixtime_ms"

BATCH = closed(
    "environment source_request_id",
    environment=one_of("production development"),
    source_request_id=TEXT,
    mpid=WHOLE,
    user_identities=closed(**texts(IDENTITY_TYPES)),
    device_info=DEVICE,
    partner_identities=TEXTS,
    events={"type": "array", "items": {"oneOf": [event_schema(kind) for kind in EVENTS]}, "maxItems": 100},
    user_attributes={"type": "object", "additionalProperties": VALUE, "maxProperties": 100},
    deleted_user_attributes=each(TEXT),
    application_info=closed(
        **texts("application_name application_version application_build_number install_referrer package os")
    ),
    ip={"type": "string", "minLength": 2},
    context=closed(data_plan=closed("plan_id", plan_id=TEXT, plan_version=WHOLE), location=LOCATION),
    consent_state=closed(
        gdpr={
            "type": "object",
            "additionalProperties": closed(
                _REQUIRED_OF_CONSENT, consented=BOOLEAN, timestamp_unixtime_ms=WHOLE, regulation=TEXT, **_CONSENT
            ),
        },
        ccpa=closed(
            data_sale_opt_out=closed(_REQUIRED_OF_CONSENT, consented=BOOLEAN, timestamp_unixtime_ms=WHOLE, **_CONSENT)
        ),
    ),
)
