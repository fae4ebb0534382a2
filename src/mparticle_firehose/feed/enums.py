"""The vocabulary of the Events API, where it is not that of the requests that mParticle sends."""

from enum import StrEnum


class Environment(StrEnum):
    """Whether mParticle takes the data for live. A batch without it would count as ``production``."""

    PRODUCTION = "production"
    DEVELOPMENT = "development"


class Platform(StrEnum):
    """The platform of a device."""

    IOS = "iOS"
    ANDROID = "Android"
    WEB = "web"
    TVOS = "tvOS"
    ROKU = "roku"
    OUT_OF_BAND = "out_of_band"
    ALEXA = "alexa"
    SMART_TV = "smart_tv"
    FIRE_TV = "fire_tv"
    XBOX = "xbox"


class IdentityType(StrEnum):
    """The type of a user identity. Firehose requests name some of them differently."""

    CUSTOMER_ID = "customer_id"
    EMAIL = "email"
    FACEBOOK = "facebook"
    TWITTER = "twitter"
    GOOGLE = "google"
    MICROSOFT = "microsoft"
    YAHOO = "yahoo"
    OTHER = "other"
    OTHER_ID_2 = "other_id_2"
    OTHER_ID_3 = "other_id_3"
    OTHER_ID_4 = "other_id_4"
    OTHER_ID_5 = "other_id_5"
    OTHER_ID_6 = "other_id_6"
    OTHER_ID_7 = "other_id_7"
    OTHER_ID_8 = "other_id_8"
    OTHER_ID_9 = "other_id_9"
    OTHER_ID_10 = "other_id_10"
    MOBILE_NUMBER = "mobile_number"
    PHONE_NUMBER_2 = "phone_number_2"
    PHONE_NUMBER_3 = "phone_number_3"
    ALIAS = "alias"
    FACEBOOK_CUSTOM_AUDIENCE_ID = "facebook_custom_audience_id"


class CommerceEventType(StrEnum):
    """The ``custom_event_type`` of a commerce event. The action is ``remove_from_wish_list``."""

    ADD_TO_CART = "add_to_cart"
    REMOVE_FROM_CART = "remove_from_cart"
    CHECKOUT = "checkout"
    CHECKOUT_OPTION = "checkout_option"
    CLICK = "click"
    VIEW_DETAIL = "view_detail"
    PURCHASE = "purchase"
    REFUND = "refund"
    PROMOTION_VIEW = "promotion_view"
    PROMOTION_CLICK = "promotion_click"
    ADD_TO_WISHLIST = "add_to_wishlist"
    REMOVE_FROM_WISHLIST = "remove_from_wishlist"
    IMPRESSION = "impression"


class PushMessageType(StrEnum):
    """What happened to a push message. ``action`` means that its user acted on it."""

    SENT = "sent"
    RECEIVED = "received"
    ACTION = "action"


class PushMessageBehavior(StrEnum):
    """What a push message led to."""

    RECEIVED = "Received"
    DIRECT_OPEN = "DirectOpen"
    READ = "Read"
    INFLUENCED_OPEN = "InfluencedOpen"
    DISPLAYED = "Displayed"


class PushApplicationState(StrEnum):
    """The state of the application when a push message came."""

    NOT_RUNNING = "not_running"
    BACKGROUND = "background"
    FOREGROUND = "foreground"


class ApplicationTransitionType(StrEnum):
    """A change of an application's state."""

    INITIALIZED = "application_initialized"
    EXIT = "application_exit"
    BACKGROUND = "application_background"
    FOREGROUND = "application_foreground"


class LocationSource(StrEnum):
    """Where a location is known from."""

    UNKNOWN = "unknown"
    IP_LOOKUP = "ip_lookup"
    LAT_LONG = "lat_long"
