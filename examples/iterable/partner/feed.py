"""How Iterable's system webhooks become mParticle's events.

https://support.iterable.com/hc/en-us/articles/208013936-System-Webhooks has the fields of each.
"""

from collections.abc import Callable
from datetime import datetime

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

_DETAILS = {
    "campaignId": "campaign_id",
    "campaignName": "campaign_name",
    "templateId": "template_id",
    "url": "url",
    "recipientState": "recipient_state",
    "isBot": "is_bot",
}


def _as(name: str, *, certain: bool = False) -> Callable[[PartnerEvent], FeedEvent]:
    """Return the mapping of a webhook to the event with this name."""

    def mapped(webhook: PartnerEvent) -> FeedEvent:
        fields = webhook["dataFields"]
        details = {ours: fields[theirs] for theirs, ours in _DETAILS.items() if fields.get(theirs) is not None}
        return FeedEvent(
            event_id=_id(webhook),
            user=webhook.get("userId") or webhook["email"],
            user_identities=UserIdentities(customer_id=webhook.get("userId"), email=webhook.get("email")),
            event=CustomEvent(
                timestamp_unixtime_ms=_moment(fields["createdAt"]),
                event_name=name,
                custom_event_type=CustomEventType.OTHER,
                custom_attributes=details,
            ),
            certain=certain,
        )

    return mapped


def _id(webhook: PartnerEvent) -> str:
    """Return an id of the event, which a webhook lacks: one message is opened and clicked many times."""
    fields = webhook["dataFields"]
    parts = (webhook["eventName"], fields["createdAt"], fields.get("messageId"), fields.get("url"))
    return "|".join(str(part) for part in parts)


def _moment(text: str) -> int:
    try:
        return milliseconds(datetime.strptime(text, "%Y-%m-%d %H:%M:%S %z"))
    except ValueError:
        raise FeedError(("dataFields.createdAt", "must be like 2026-03-01 10:00:00 +00:00")) from None


FEED = Feed(
    name_of=lambda webhook: webhook["eventName"],
    mappings={
        "emailSend": _as("Email Sent"),
        "emailOpen": _as("Email Opened"),
        "emailClick": _as("Email Clicked"),
        "emailBounce": _as("Email Bounced"),
        "emailComplaint": _as("Email Marked As Spam", certain=True),
        "emailUnSubscribe": _as("Email Unsubscribed", certain=True),
    },
    event_names=(
        *("Email Sent", "Email Opened", "Email Clicked", "Email Bounced", "Email Marked As Spam"),
        "Email Unsubscribed",
    ),
)
