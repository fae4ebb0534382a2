"""How Acme Engage's own events become mParticle's: what happened to the e-mails that it has sent.

To send another of your events, write a function that maps it, and name it in `FEED`. An event of Acme Engage:

    {"id": "evt-1001", "type": "email.opened", "occurred_at": "2026-03-01T10:00:00Z",
     "contact": {"id": "contact-7", "email": "ada@example.com"}, "campaign": "Spring sale"}
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from mparticle_firehose.feed import (
    CustomEvent,
    CustomEventType,
    Feed,
    FeedError,
    FeedEvent,
    PartnerEvent,
    UserIdentities,
    milliseconds,
)


def _opened(event: PartnerEvent) -> FeedEvent:
    return _event(event, "Email Opened")


def _delivered(event: PartnerEvent) -> FeedEvent:
    return _event(event, "Email Delivered")


def _clicked(event: PartnerEvent) -> FeedEvent:
    return _event(event, "Email Clicked", {"url": event.get("url")})


def _bounced(event: PartnerEvent) -> FeedEvent:
    return _event(event, "Email Bounced", {"bounce": event.get("bounce")})


def _unsubscribed(event: PartnerEvent) -> FeedEvent:
    """Map the one event that must not be lost."""
    return _event(event, "Email Unsubscribed", certain=True)


FEED = Feed(
    name_of=lambda event: event["type"],
    mappings={
        "email.delivered": _delivered,
        "email.opened": _opened,
        "email.clicked": _clicked,
        "email.bounced": _bounced,
        "email.unsubscribed": _unsubscribed,
        "email.queued": None,  # says nothing about the person
    },
    event_names=("Email Delivered", "Email Opened", "Email Clicked", "Email Bounced", "Email Unsubscribed"),
)


def _event(
    event: PartnerEvent, name: str, details: Mapping[str, Any] | None = None, *, certain: bool = False
) -> FeedEvent:
    contact = event["contact"]
    attributes = {"campaign": event.get("campaign"), **(details or {})}
    return FeedEvent(
        event_id=event["id"],
        user=contact["id"],
        user_identities=UserIdentities(customer_id=contact.get("customer_id"), email=contact.get("email")),
        event=CustomEvent(
            timestamp_unixtime_ms=_moment(event["occurred_at"]),
            event_name=name,
            custom_event_type=CustomEventType.OTHER,
            custom_attributes={name: value for name, value in attributes.items() if value is not None},
        ),
        certain=certain,
    )


def _moment(text: str) -> int:
    try:
        return milliseconds(datetime.fromisoformat(text))
    except ValueError:
        raise FeedError(("occurred_at", "must be a time with its zone")) from None
