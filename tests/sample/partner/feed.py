"""The sample's feed: an event of each kind of fate."""

from collections.abc import Callable

from mparticle_firehose.feed import CustomEvent, CustomEventType, Feed, FeedEvent, PartnerEvent, UserIdentities


def _custom(name: str, *, certain: bool = False) -> Callable[[PartnerEvent], FeedEvent]:
    def mapped(source: PartnerEvent) -> FeedEvent:
        return FeedEvent(
            event_id=source["id"],
            user=source["user"],
            user_identities=UserIdentities(email=source.get("email", f"{source['user']}@example.com")),
            event=CustomEvent(
                timestamp_unixtime_ms=source["at"],
                event_name=name,
                custom_event_type=CustomEventType.OTHER,
                custom_attributes={"id": source["id"], **source.get("attributes", {})},
            ),
            platform=source.get("platform", ""),
            certain=certain,
        )

    return mapped


FEED = Feed(
    name_of=lambda source: source["type"],
    mappings={"open": _custom("Opened"), "unsubscribe": _custom("Unsubscribed", certain=True), "noise": None},
    event_names=("Opened", "Unsubscribed"),
)
