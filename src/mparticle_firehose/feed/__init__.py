"""The way back to mParticle: batches of events, and what a partner needs to make them.

Everything here is data and pure functions. `feed.events_api` sends batches.
"""

from mparticle_firehose.errors import FeedError
from mparticle_firehose.feed.batch import Batch, BatchContext, DataPlanContext
from mparticle_firehose.feed.commerce import (
    Product,
    ProductAction,
    ProductImpression,
    Promotion,
    PromotionAction,
    ShoppingCart,
)
from mparticle_firehose.feed.encoding import EncodedBatch, encode, pack
from mparticle_firehose.feed.enums import (
    ApplicationTransitionType,
    CommerceEventType,
    Environment,
    IdentityType,
    LocationSource,
    Platform,
    PushApplicationState,
    PushMessageBehavior,
    PushMessageType,
)
from mparticle_firehose.feed.events import (
    ApplicationStateTransitionEvent,
    ChangedIdentity,
    CommerceEvent,
    CustomEvent,
    Event,
    OptOutEvent,
    PushMessageEvent,
    PushRegistrationEvent,
    ScreenViewEvent,
    SessionEndEvent,
    SessionStartEvent,
    UninstallEvent,
    UserAttributeChangeEvent,
    UserIdentityChangeEvent,
)
from mparticle_firehose.feed.fields import milliseconds
from mparticle_firehose.feed.identities import feed_event_id, identities_of, mpid_of
from mparticle_firehose.feed.mapping import Feed, FeedEvent, PartnerEvent
from mparticle_firehose.feed.rules import Route, checked, route_of
from mparticle_firehose.feed.user import (
    ApplicationInformation,
    CcpaConsent,
    ConsentState,
    DeviceInformation,
    GdprConsent,
    GeoLocation,
    UserIdentities,
)
from mparticle_firehose.protocol import AttAuthorizationStatus, CustomEventType, ProductActionType, PromotionActionType

__all__ = [
    "ApplicationInformation",
    "ApplicationStateTransitionEvent",
    "ApplicationTransitionType",
    "AttAuthorizationStatus",
    "Batch",
    "BatchContext",
    "CcpaConsent",
    "ChangedIdentity",
    "CommerceEvent",
    "CommerceEventType",
    "ConsentState",
    "CustomEvent",
    "CustomEventType",
    "DataPlanContext",
    "DeviceInformation",
    "EncodedBatch",
    "Environment",
    "Event",
    "Feed",
    "FeedError",
    "FeedEvent",
    "GdprConsent",
    "GeoLocation",
    "IdentityType",
    "LocationSource",
    "OptOutEvent",
    "PartnerEvent",
    "Platform",
    "Product",
    "ProductAction",
    "ProductActionType",
    "ProductImpression",
    "Promotion",
    "PromotionAction",
    "PromotionActionType",
    "PushApplicationState",
    "PushMessageBehavior",
    "PushMessageEvent",
    "PushMessageType",
    "PushRegistrationEvent",
    "Route",
    "ScreenViewEvent",
    "SessionEndEvent",
    "SessionStartEvent",
    "ShoppingCart",
    "UninstallEvent",
    "UserAttributeChangeEvent",
    "UserIdentities",
    "UserIdentityChangeEvent",
    "checked",
    "encode",
    "feed_event_id",
    "identities_of",
    "milliseconds",
    "mpid_of",
    "pack",
    "route_of",
]
