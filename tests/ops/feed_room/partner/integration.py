"""An integration with nothing but a feed, of e-mail and of a shop."""

from collections.abc import Mapping
from typing import Any

from mparticle_firehose.feed import (
    CommerceEvent,
    CustomEvent,
    CustomEventType,
    Event,
    Feed,
    FeedEvent,
    PartnerEvent,
    ProductAction,
    ProductActionType,
    ScreenViewEvent,
    UserIdentities,
)
from mparticle_firehose.integration import Integration


def _of_user(source: PartnerEvent, event: Event, *, certain: bool = False) -> FeedEvent:
    identities: Mapping[str, str] = source.get("partner_identities", {})
    return FeedEvent(
        event_id=source["id"],
        user=source["user"],
        event=event,
        user_identities=UserIdentities(customer_id=source["user"], email=source.get("email")),
        partner_identities=identities,
        certain=certain,
    )


def _custom(source: PartnerEvent, name: str) -> CustomEvent:
    attributes: dict[str, Any] = source.get("attributes", {})
    return CustomEvent(
        timestamp_unixtime_ms=source["at"],
        event_name=name,
        custom_event_type=CustomEventType.OTHER,
        custom_attributes=attributes,
    )


def _opened(source: PartnerEvent) -> FeedEvent | None:
    return None if source.get("by_machine") else _of_user(source, _custom(source, "Email Opened"))


def _unsubscribed(source: PartnerEvent) -> FeedEvent:
    return _of_user(source, _custom(source, "Email Unsubscribed"), certain=True)


def _shown(source: PartnerEvent) -> FeedEvent:
    return _of_user(source, ScreenViewEvent(timestamp_unixtime_ms=source["at"], screen_name="Preferences"))


def _bought(source: PartnerEvent) -> FeedEvent:
    action = ProductAction(action=ProductActionType.PURCHASE)
    return _of_user(source, CommerceEvent(timestamp_unixtime_ms=source["at"], product_action=action))


def feed() -> Feed:
    return Feed(
        name_of=lambda source: source["type"],
        mappings={"open": _opened, "unsubscribe": _unsubscribed, "view": _shown, "buy": _bought, "send": None},
        event_names={"Email Opened", "Email Unsubscribed", "Preferences"},
        partner_identity="Sample_Id",
    )


INTEGRATION = Integration(
    registration=lambda: None,  # type: ignore[arg-type,return-value]  # not asked for
    feed_name="Sample Feed",
    feed=feed,
)
