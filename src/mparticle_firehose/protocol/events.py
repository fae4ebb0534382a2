"""The events of sixteen types, and those of a type that this version does not know."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from mparticle_firehose.protocol.commerce import Impression, Product, Promotion
from mparticle_firehose.protocol.enums import (
    ApplicationState,
    CustomEventType,
    EventType,
    PrivacySetting,
    ProductActionType,
    PromotionActionType,
    PushSubscriptionAction,
)
from mparticle_firehose.protocol.identities import UserIdentities
from mparticle_firehose.protocol.wire.fields import (
    Bool,
    Double,
    EnumOrText,
    Int,
    ListOf,
    OptionalDecimal,
    OptionalId,
    OptionalInt,
    OptionalJsonText,
    OptionalOpenEnum,
    OptionalText,
    TextList,
    TextMap,
    UnknownType,
)
from mparticle_firehose.protocol.wire.json_reader import embedded_object
from mparticle_firehose.protocol.wire.model import Model
from mparticle_firehose.protocol.wire.unions import ByType, Counted, DefaultOnError, NullIs

SOURCE_FEED = "mParticle Source Feed"
"""The attribute by which mParticle marks the events of a feed: its value is the name of the feed's configuration."""


class Location(Model):
    """A place in degrees, and its accuracy in metres. An unknown value is 0."""

    latitude: Double = 0.0
    longitude: Double = 0.0
    accuracy: Double = 0.0


class Event(Model):
    """The fields of every event.

    A repeated event has the same ``id``; if that is None, ``source_id`` may identify it. ``timestamp_ms`` is when the
    event happened, at most the registered ``max_data_age_hours`` ago. ``session_id`` may be 0 or negative.
    """

    type: UnknownType = None
    id: OptionalId = None
    timestamp_ms: Int = 0
    source_id: OptionalText = None
    session_id: OptionalInt = None
    location: Location | None = None


class UnknownEvent(Event):
    """An event of a type that this version does not know. The fields of its type are in ``model_extra``.

    A common field that cannot be read is treated as missing.
    """

    id: Annotated[OptionalId, DefaultOnError(None)] = None
    timestamp_ms: Annotated[Int, DefaultOnError(0)] = 0
    source_id: Annotated[OptionalText, DefaultOnError(None)] = None
    session_id: Annotated[OptionalInt, DefaultOnError(None)] = None
    location: Annotated[Location | None, DefaultOnError(None)] = None


class SessionStartEvent(Event):
    """A session began."""

    type: Literal[EventType.SESSION_START] = EventType.SESSION_START


class SessionEndEvent(Event):
    """A session ended after ``session_length_ms``."""

    type: Literal[EventType.SESSION_END] = EventType.SESSION_END
    session_length_ms: Int = 0


class CustomEvent(Event):
    """An event that the customer defined and named."""

    type: Literal[EventType.CUSTOM_EVENT] = EventType.CUSTOM_EVENT
    name: OptionalText = None
    custom_event_type: OptionalOpenEnum[CustomEventType] = None
    attributes: TextMap = Field(default_factory=dict)
    custom_flags: TextMap = Field(default_factory=dict)


class ScreenViewEvent(Event):
    """A screen was shown."""

    type: Literal[EventType.SCREEN_VIEW] = EventType.SCREEN_VIEW
    screen_name: OptionalText = None
    attributes: TextMap = Field(default_factory=dict)
    custom_flags: TextMap = Field(default_factory=dict)


class ErrorEvent(Event):
    """The application failed, or crashed."""

    type: Literal[EventType.ERROR] = EventType.ERROR
    message: OptionalText = None
    is_crash: Bool = False
    stack_trace: OptionalText = None
    breadcrumbs: TextList = ()
    attributes: TextMap = Field(default_factory=dict)


class PrivacySettingChangeEvent(Event):
    """The user allowed or forbade the collection of data."""

    type: Literal[EventType.PRIVACY_SETTING_CHANGE] = EventType.PRIVACY_SETTING_CHANGE
    setting: OptionalOpenEnum[PrivacySetting] = None
    is_enabled: Bool = False


class UserAttributeChangeEvent(Event):
    """User attributes were set or removed; ``added`` or ``removed`` may be empty. A null value is a tag."""

    type: Literal[EventType.USER_ATTRIBUTE_CHANGE] = EventType.USER_ATTRIBUTE_CHANGE
    added: TextMap = Field(default_factory=dict)
    removed: TextMap = Field(default_factory=dict)


class UserIdentityChangeEvent(Event):
    """User identities were added or removed; ``added`` or ``removed`` may be empty."""

    type: Literal[EventType.USER_IDENTITY_CHANGE] = EventType.USER_IDENTITY_CHANGE
    added: UserIdentities = ()
    removed: UserIdentities = ()


class PushSubscriptionEvent(Event):
    """A push token became usable or unusable."""

    type: Literal[EventType.PUSH_SUBSCRIPTION] = EventType.PUSH_SUBSCRIPTION
    action: OptionalOpenEnum[PushSubscriptionAction] = None
    token: OptionalText = None


class ApplicationStateTransitionEvent(Event):
    """The application changed its state. ``launch_parameters`` is text that should hold JSON."""

    type: Literal[EventType.APPLICATION_STATE_TRANSITION] = EventType.APPLICATION_STATE_TRANSITION
    application_state: OptionalOpenEnum[ApplicationState] = None
    launch_referral: OptionalText = None
    referral_application: OptionalText = None
    launch_parameters: OptionalJsonText = None
    source_package: OptionalText = None

    @property
    def launch_parameters_object(self) -> Mapping[str, object]:
        """The JSON object in ``launch_parameters``; empty if there is none."""
        return embedded_object(self.launch_parameters)


class _PushMessageEvent(Event):
    payload: OptionalJsonText = None

    @property
    def payload_object(self) -> Mapping[str, object]:
        """The JSON object in ``payload``, with the objects that it holds as text; empty if there is none."""
        return embedded_object(self.payload)


class PushMessageReceiptEvent(_PushMessageEvent):
    """A push message arrived. ``payload`` is text that should hold JSON."""

    type: Literal[EventType.PUSH_MESSAGE_RECEIPT] = EventType.PUSH_MESSAGE_RECEIPT


class PushMessageOpenEvent(_PushMessageEvent):
    """A push message was opened. ``payload`` is text that should hold JSON."""

    type: Literal[EventType.PUSH_MESSAGE_OPEN] = EventType.PUSH_MESSAGE_OPEN


class ProductActionEvent(Event):
    """An action on products, such as a purchase."""

    type: Literal[EventType.PRODUCT_ACTION] = EventType.PRODUCT_ACTION
    action: Annotated[
        ProductActionType | str | None,
        EnumOrText({"remove_from_wishlist": ProductActionType.REMOVE_FROM_WISH_LIST}),
    ] = None
    transaction_id: OptionalText = None
    affiliation: OptionalText = None
    total_amount: OptionalDecimal = None
    tax_amount: OptionalDecimal = None
    shipping_amount: OptionalDecimal = None
    currency_code: OptionalText = None
    coupon_code: OptionalText = None
    products: ListOf[Product] = ()
    attributes: TextMap = Field(default_factory=dict)
    custom_flags: TextMap = Field(default_factory=dict)


class PromotionActionEvent(Event):
    """Promotions were viewed or clicked."""

    type: Literal[EventType.PROMOTION_ACTION] = EventType.PROMOTION_ACTION
    action: OptionalOpenEnum[PromotionActionType] = None
    attributes: TextMap = Field(default_factory=dict)
    promotions: ListOf[Promotion] = ()
    custom_flags: TextMap = Field(default_factory=dict)


class ImpressionEvent(Event):
    """Products were shown in lists."""

    type: Literal[EventType.IMPRESSION] = EventType.IMPRESSION
    attributes: TextMap = Field(default_factory=dict)
    impressions: ListOf[Impression] = ()
    custom_flags: TextMap = Field(default_factory=dict)


class AttributionEvent(Event):
    """An installation was attributed to a campaign."""

    type: Literal[EventType.ATTRIBUTION] = EventType.ATTRIBUTION
    name: OptionalText = None
    partner_name: OptionalText = None
    publisher_name: OptionalText = None
    campaign_name: OptionalText = None
    attributes: TextMap = Field(default_factory=dict)


AnyEvent = (
    SessionStartEvent
    | SessionEndEvent
    | CustomEvent
    | ScreenViewEvent
    | ErrorEvent
    | PrivacySettingChangeEvent
    | UserAttributeChangeEvent
    | UserIdentityChangeEvent
    | PushSubscriptionEvent
    | ApplicationStateTransitionEvent
    | PushMessageReceiptEvent
    | PushMessageOpenEvent
    | ProductActionEvent
    | PromotionActionEvent
    | ImpressionEvent
    | AttributionEvent
    | UnknownEvent
)

EVENT_MODELS: dict[EventType, type[Event]] = {
    EventType.SESSION_START: SessionStartEvent,
    EventType.SESSION_END: SessionEndEvent,
    EventType.CUSTOM_EVENT: CustomEvent,
    EventType.SCREEN_VIEW: ScreenViewEvent,
    EventType.ERROR: ErrorEvent,
    EventType.PRIVACY_SETTING_CHANGE: PrivacySettingChangeEvent,
    EventType.USER_ATTRIBUTE_CHANGE: UserAttributeChangeEvent,
    EventType.USER_IDENTITY_CHANGE: UserIdentityChangeEvent,
    EventType.PUSH_SUBSCRIPTION: PushSubscriptionEvent,
    EventType.APPLICATION_STATE_TRANSITION: ApplicationStateTransitionEvent,
    EventType.PUSH_MESSAGE_RECEIPT: PushMessageReceiptEvent,
    EventType.PUSH_MESSAGE_OPEN: PushMessageOpenEvent,
    EventType.PRODUCT_ACTION: ProductActionEvent,
    EventType.PROMOTION_ACTION: PromotionActionEvent,
    EventType.IMPRESSION: ImpressionEvent,
    EventType.ATTRIBUTION: AttributionEvent,
}

Events = Annotated[
    tuple[Annotated[AnyEvent, ByType(EVENT_MODELS, unknown=UnknownEvent, kind="event_type")], ...],
    Counted(),
    NullIs(()),
]
