"""The wire vocabulary: every enumeration of the protocol, and how a field reads one.

A value that is none of its enumeration stays in the field as the received text, so that a new value of mParticle's
never costs a message. Case and surrounding spaces do not matter when reading; Java insists on lower case.
"""

from collections.abc import Mapping
from enum import StrEnum

from pydantic_core import CoreSchema, core_schema

from mparticle_firehose.protocol.wire.coercion import text_of
from mparticle_firehose.protocol.wire.unions import RULE, count


class MessageType(StrEnum):
    """The ``type`` of a message: five requests from mParticle and the responses to them."""

    MODULE_REGISTRATION_REQUEST = "module_registration_request"
    MODULE_REGISTRATION_RESPONSE = "module_registration_response"
    EVENT_PROCESSING_REQUEST = "event_processing_request"
    EVENT_PROCESSING_RESPONSE = "event_processing_response"
    AUDIENCE_SUBSCRIPTION_REQUEST = "audience_subscription_request"
    AUDIENCE_SUBSCRIPTION_RESPONSE = "audience_subscription_response"
    AUDIENCE_MEMBERSHIP_CHANGE_REQUEST = "audience_membership_change_request"
    AUDIENCE_MEMBERSHIP_CHANGE_RESPONSE = "audience_membership_change_response"
    DSR_PROCESSING_REQUEST = "dsr_processing_request"
    DSR_PROCESSING_RESPONSE = "dsr_processing_response"


class EventType(StrEnum):
    """The ``type`` of an event, and what a registration lists as supported."""

    SESSION_START = "session_start"
    SESSION_END = "session_end"
    CUSTOM_EVENT = "custom_event"
    SCREEN_VIEW = "screen_view"
    ERROR = "error"
    PRIVACY_SETTING_CHANGE = "privacy_setting_change"
    USER_ATTRIBUTE_CHANGE = "user_attribute_change"
    USER_IDENTITY_CHANGE = "user_identity_change"
    PUSH_SUBSCRIPTION = "push_subscription"
    APPLICATION_STATE_TRANSITION = "application_state_transition"
    PUSH_MESSAGE_RECEIPT = "push_message_receipt"
    PUSH_MESSAGE_OPEN = "push_message_open"
    PRODUCT_ACTION = "product_action"
    PROMOTION_ACTION = "promotion_action"
    IMPRESSION = "impression"
    ATTRIBUTION = "attribution"


class SystemNotificationType(StrEnum):
    """The ``type`` of a system notification."""

    GDPR_CONSENT_STATE = "gdpr_consent_state"
    CCPA_CONSENT_STATE = "ccpa_consent_state"


class RuntimeEnvironmentType(StrEnum):
    """The ``type`` of a runtime environment; ``mobileweb`` is the web in general."""

    UNKNOWN = "unknown"
    ANDROID = "android"
    IOS = "ios"
    TVOS = "tvos"
    MOBILEWEB = "mobileweb"
    ROKU = "roku"
    XBOX = "xbox"
    FIRETV = "firetv"
    ALEXA = "alexa"
    SMARTTV = "smarttv"


class UserIdentityType(StrEnum):
    """What identifies a user. ``customer`` is the Events API's ``customer_id``, ``other2`` its ``other_id_2``."""

    OTHER = "other"
    CUSTOMER = "customer"
    FACEBOOK = "facebook"
    TWITTER = "twitter"
    GOOGLE = "google"
    MICROSOFT = "microsoft"
    YAHOO = "yahoo"
    EMAIL = "email"
    OTHER2 = "other2"
    OTHER3 = "other3"
    OTHER4 = "other4"
    OTHER5 = "other5"
    OTHER6 = "other6"
    OTHER7 = "other7"
    OTHER8 = "other8"
    OTHER9 = "other9"
    OTHER10 = "other10"
    MOBILE_NUMBER = "mobile_number"
    PHONE_NUMBER_2 = "phone_number_2"
    PHONE_NUMBER_3 = "phone_number_3"


class DeviceIdentityType(StrEnum):
    """What identifies a device; push tokens are device identities too."""

    ANDROID_ID = "android_id"
    GOOGLE_ADVERTISING_ID = "google_advertising_id"
    IOS_ADVERTISING_ID = "ios_advertising_id"
    IOS_VENDOR_ID = "ios_vendor_id"
    GOOGLE_CLOUD_MESSAGING_TOKEN = "google_cloud_messaging_token"  # noqa: S105 - a kind of token, not one
    APPLE_PUSH_NOTIFICATION_TOKEN = "apple_push_notification_token"  # noqa: S105 - a kind of token, not one
    ROKU_ADVERTISING_ID = "roku_advertising_id"
    MICROSOFT_ADVERTISING_ID = "microsoft_advertising_id"
    MICROSOFT_PUBLISHER_ID = "microsoft_publisher_id"
    FIRE_ADVERTISING_ID = "fire_advertising_id"
    ROKU_PUBLISHER_ID = "roku_publisher_id"


class IdentityEncoding(StrEnum):
    """How an identity's value is encoded: as it is, or the hash of the trimmed, lower-cased value."""

    RAW = "raw"
    MD5 = "md5"
    SHA1 = "sha1"
    SHA256 = "sha256"


class CustomEventType(StrEnum):
    """The category of a custom event."""

    UNKNOWN = "unknown"
    NAVIGATION = "navigation"
    LOCATION = "location"
    SEARCH = "search"
    TRANSACTION = "transaction"
    USER_CONTENT = "user_content"
    USER_PREFERENCE = "user_preference"
    SOCIAL = "social"
    OTHER = "other"
    MEDIA = "media"


class PrivacySetting(StrEnum):
    """The setting of a privacy setting change."""

    APP_DATA_COLLECTION = "app_data_collection"


class PushSubscriptionAction(StrEnum):
    """Whether a push token became usable or unusable."""

    SUBSCRIBE = "subscribe"
    UNSUBSCRIBE = "unsubscribe"


class ApplicationState(StrEnum):
    """The state an application went to."""

    INSTALL = "install"
    UPGRADE = "upgrade"
    INITIALIZE = "initialize"
    EXIT = "exit"
    BACKGROUND = "background"
    FOREGROUND = "foreground"


class ProductActionType(StrEnum):
    """What happened to products. Note ``wishlist`` when adding and ``wish_list`` when removing."""

    ADD_TO_WISHLIST = "add_to_wishlist"
    REMOVE_FROM_WISH_LIST = "remove_from_wish_list"
    ADD_TO_CART = "add_to_cart"
    REMOVE_FROM_CART = "remove_from_cart"
    CHECKOUT = "checkout"
    PURCHASE = "purchase"
    REFUND = "refund"
    CHECKOUT_OPTION = "checkout_option"
    CLICK = "click"
    VIEW_DETAIL = "view_detail"


class PromotionActionType(StrEnum):
    """What happened to promotions."""

    UNKNOWN = "unknown"
    VIEW = "view"
    CLICK = "click"


class AttAuthorizationStatus(StrEnum):
    """Apple's App Tracking Transparency status."""

    AUTHORIZED = "authorized"
    DENIED = "denied"
    NOT_DETERMINED = "not_determined"
    RESTRICTED = "restricted"


class AudienceSubscriptionAction(StrEnum):
    """What happened to an audience's connection. Leaving is ``remove`` here and ``delete`` in memberships."""

    ADD = "add"
    UPDATE = "update"
    REMOVE = "remove"


class AudienceAction(StrEnum):
    """What happened to a user's membership; ``attribute_update`` leaves the membership as it is."""

    ADD = "add"
    DELETE = "delete"
    ATTRIBUTE_UPDATE = "attribute_update"


class UserAttributeAction(StrEnum):
    """What happened to a user attribute that is shared with an audience."""

    UPSERT = "upsert"
    DELETE = "delete"


class DsrType(StrEnum):
    """The data subject requests that mParticle forwards."""

    ERASURE = "erasure"


class DsrIdentityType(StrEnum):
    """The OpenDSR names of identities, which differ from Firehose's elsewhere."""

    CONTROLLER_CUSTOMER_ID = "controller_customer_id"
    EMAIL = "email"
    ANDROID_ADVERTISING_ID = "android_advertising_id"
    ANDROID_ID = "android_id"
    IOS_ADVERTISING_ID = "ios_advertising_id"
    IOS_VENDOR_ID = "ios_vendor_id"
    FIRE_ADVERTISING_ID = "fire_advertising_id"
    MICROSOFT_ADVERTISING_ID = "microsoft_advertising_id"
    MICROSOFT_PUBLISHER_ID = "microsoft_publisher_id"
    ROKU_ADVERTISING_ID = "roku_advertising_id"
    ROKU_PUBLISHER_ID = "roku_publisher_id"


class Regulation(StrEnum):
    """The law that a data subject request appeals to."""

    UNKNOWN = "unknown"
    CCPA = "ccpa"
    GDPR = "gdpr"


class SettingType(StrEnum):
    """The ``type`` of a registered setting."""

    TEXT = "text"
    INTEGER = "integer"
    FLOAT = "float"
    BOOLEAN = "boolean"


class AuthenticationType(StrEnum):
    """The ``type`` of a registered authentication."""

    OAUTH2 = "oauth2"


class GrantType(StrEnum):
    """The OAuth2 grants that mParticle performs."""

    AUTHORIZATION_CODE = "authorization_code"


class AccessTokenType(StrEnum):
    """Where mParticle puts the OAuth2 access token."""

    BEARER = "bearer"
    CUSTOM_HEADER = "custom_header"


class Known:
    """Annotated metadata: a member of the enumeration, or the received text if it is none.

    Text that is no member is counted, as ``kind``. Blank reads as None.

    Args:
        enumeration: the known values; its name in snake case is the ``kind``.
        aliases: other spellings to accept when reading.
        required: blank is an error instead of None.
    """

    __slots__ = ("_kind", "_members", "_native", "_required")

    def __init__(
        self, enumeration: type[StrEnum], aliases: Mapping[str, StrEnum] | None = None, *, required: bool = False
    ) -> None:
        self._kind = snake_case(enumeration.__name__)
        self._native = core_schema.enum_schema(enumeration, list(enumeration), sub_type="str")
        self._members = {str(member): member for member in enumeration} | dict(aliases or {})
        self._required = required

    def __get_pydantic_core_schema__(self, source: object, handler: object) -> CoreSchema:
        return core_schema.union_schema(
            [self._native, core_schema.with_info_plain_validator_function(self._read)],
            mode="left_to_right",
            custom_error_type=RULE,
            custom_error_message="must be text",
        )

    def _read(self, value: object, info: core_schema.ValidationInfo) -> str | None:
        text = "" if value is None else text_of(value)
        word = text.strip().lower()
        if member := self._members.get(word):
            return member
        if not word and self._required:
            raise ValueError
        if not word:
            return None
        count(info.context, self._kind)
        return text


def snake_case(name: str) -> str:
    """The snake case of a class name: ``UserIdentityType`` becomes ``user_identity_type``."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
