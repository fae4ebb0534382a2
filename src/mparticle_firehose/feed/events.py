"""The events that a feed or a server may send."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, override

from pydantic import AfterValidator, Field

from mparticle_firehose.feed.commerce import ProductAction, ProductImpression, PromotionAction, ShoppingCart
from mparticle_firehose.feed.enums import (
    ApplicationTransitionType,
    CommerceEventType,
    IdentityType,
    PushApplicationState,
    PushMessageBehavior,
    PushMessageType,
)
from mparticle_firehose.feed.fields import (
    AttributeMap,
    AttributeName,
    Count,
    KnownWord,
    ListOf,
    Name,
    NonBlank,
    Text,
    Timestamp,
    UserAttributeValue,
    Uuid,
    Word,
    limit,
)
from mparticle_firehose.feed.model import FeedModel
from mparticle_firehose.feed.user import GeoLocation
from mparticle_firehose.protocol import CustomEventType

MAX_ACTION_IDENTIFIER = 100


class Event(FeedModel):
    """The fields of every event.

    Attributes:
        timestamp_unixtime_ms: when it happened, in milliseconds. It is required: without it mParticle would take the
            time at which a request, or its repetition, arrives.
        source_message_id: the event's own id, see `feed_event_id`.
        session_uuid: of the session that it is part of.
        custom_attributes: at most 100, flat. None is left out.
    """

    event_type: ClassVar[str]

    timestamp_unixtime_ms: Timestamp
    source_message_id: NonBlank | None = None
    session_uuid: Uuid | None = None
    location: GeoLocation | None = None
    custom_attributes: AttributeMap = Field(default_factory=dict)
    custom_flags: AttributeMap = Field(default_factory=dict)

    @override
    def _broken_rules(self) -> Iterator[tuple[str, str]]:
        if not hasattr(self, "event_type"):
            yield "event_type", "must be known: use one of the classes that are made from this one"


class CustomEvent(Event):
    """Anything that a customer gives a name to. The event of nearly every feed, with type ``other``.

    A workspace takes 1,000 different names and ignores further ones: a name holds no ids.
    """

    event_type = "custom_event"

    event_name: Name
    custom_event_type: KnownWord[CustomEventType]


class ScreenViewEvent(Event):
    """A screen was shown. Its names count like those of custom events."""

    event_type = "screen_view"

    screen_name: Name
    activity_type: Text | None = None


class CommerceEvent(Event):
    """Exactly one of an action on products, an action on promotions, and products that were shown."""

    event_type = "commerce_event"

    product_action: ProductAction | None = None
    promotion_action: PromotionAction | None = None
    product_impressions: ListOf[ProductImpression] = ()
    shopping_cart: ShoppingCart | None = None
    currency_code: NonBlank | None = None
    screen_name: Name | None = None
    is_non_interactive: bool | None = None
    event_name: Name | None = None
    custom_event_type: Word[CommerceEventType] | None = None

    @override
    def _broken_rules(self) -> Iterator[tuple[str, str]]:
        shapes = (self.product_action, self.promotion_action, self.product_impressions)
        if sum(bool(shape) for shape in shapes) != 1:
            yield (
                "product_action",
                "exactly one of product_action, promotion_action and product_impressions must be set",
            )


class SessionStartEvent(Event):
    """A session began. Its end, with the same ``session_uuid``, must be in the same batch."""

    event_type = "session_start"

    session_uuid: Uuid


class SessionEndEvent(Event):
    """A session ended, after ``session_duration_ms``."""

    event_type = "session_end"

    session_uuid: Uuid
    session_duration_ms: Count


class PushMessageEvent(Event):
    """A push message was sent, came or was opened."""

    event_type = "push_message"

    push_message_token: NonBlank
    push_message_type: Word[PushMessageType]
    push_notification_payload: Text
    message: Text | None = None
    network: Text | None = None
    application_state: Word[PushApplicationState] | None = None
    action_identifier: Annotated[Text, AfterValidator(limit(MAX_ACTION_IDENTIFIER))] | None = None
    push_message_behavior: Word[PushMessageBehavior] | None = None


class PushRegistrationEvent(Event):
    """A push token became usable or, if it is made with ``register=False``, unusable."""

    event_type = "push_registration"

    is_registration: bool = Field(alias="register")  # a model cannot have a field with the name of ABCMeta's method
    registration_token: NonBlank


class ApplicationStateTransitionEvent(Event):
    """An application started, ended, or went to the background or the foreground."""

    event_type = "application_state_transition"

    application_transition_type: Word[ApplicationTransitionType]
    is_first_run: bool | None = None
    is_upgrade: bool | None = None


class OptOutEvent(Event):
    """The user opts out of mParticle altogether. An unsubscribe from a newsletter is a custom event."""

    event_type = "opt_out"

    is_opted_out: bool


class UninstallEvent(Event):
    """The application was uninstalled."""

    event_type = "uninstall"


class UserAttributeChangeEvent(Event):
    """A user attribute changed."""

    event_type = "user_attribute_change"

    user_attribute_name: AttributeName
    new: UserAttributeValue | None = None
    old: UserAttributeValue | None = None
    deleted: bool | None = None
    is_new_attribute: bool | None = None


class ChangedIdentity(FeedModel):
    """An identity before or after a change."""

    identity_type: Word[IdentityType]
    identity: NonBlank
    timestamp_unixtime_ms: Timestamp


class UserIdentityChangeEvent(Event):
    """A user identity changed, such as an address."""

    event_type = "user_identity_change"

    new: ChangedIdentity
    old: ChangedIdentity
