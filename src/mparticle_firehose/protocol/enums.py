"""The enumerations of the protocol.

A field keeps a value that its enumeration lacks as the received text, so that a value which mParticle adds later does
not cost the message. Values are read in upper or lower case and with spaces around; the Java SDK accepts lower case
only.
"""

from enum import StrEnum


class MessageType(StrEnum):
    """The ``type`` of a message."""

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
    """The ``type`` of an event; a registration lists those that it supports."""

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
    """The ``type`` of a runtime environment; ``mobileweb`` is any browser."""

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
    """The type of a user identity. The Events API calls ``customer`` ``customer_id``, and ``other2`` ``other_id_2``."""

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
    """The type of a device identity; push tokens are device identities too."""

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
    """How an identity's value is encoded: unchanged, or as the hash of the trimmed value in lower case."""

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
    """The state that an application changed to."""

    INSTALL = "install"
    UPGRADE = "upgrade"
    INITIALIZE = "initialize"
    EXIT = "exit"
    BACKGROUND = "background"
    FOREGROUND = "foreground"


class ProductActionType(StrEnum):
    """An action on products. Note the spellings ``add_to_wishlist`` and ``remove_from_wish_list``."""

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
    """An action on promotions."""

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
    """A change of an audience's connection. Its end is ``remove`` here, that of a membership is ``delete``."""

    ADD = "add"
    UPDATE = "update"
    REMOVE = "remove"


class AudienceAction(StrEnum):
    """A change of a user's membership. ``attribute_update`` changes attributes and not the membership."""

    ADD = "add"
    DELETE = "delete"
    ATTRIBUTE_UPDATE = "attribute_update"


class UserAttributeAction(StrEnum):
    """A change of a user attribute that is shared with an audience."""

    UPSERT = "upsert"
    DELETE = "delete"


class DsrType(StrEnum):
    """The type of a data subject request; mParticle forwards erasures only."""

    ERASURE = "erasure"


class DsrIdentityType(StrEnum):
    """The type of an identity in a data subject request. OpenDSR's names differ from those in other messages."""

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
    """The law that a data subject request is based on."""

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
    """The OAuth2 grants that mParticle supports."""

    AUTHORIZATION_CODE = "authorization_code"


class AccessTokenType(StrEnum):
    """How mParticle sends the OAuth2 access token."""

    BEARER = "bearer"
    CUSTOM_HEADER = "custom_header"
