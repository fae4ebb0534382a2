"""Keeps events of the partner's own feed from going back to the partner.

A customer may connect the feed as an input to the partner's own output. mParticle marks every event of a feed with the
name of the feed's configuration.
"""

from collections.abc import Mapping
from typing import Any, cast

from mparticle_firehose.protocol import SOURCE_FEED, EventProcessingRequest
from mparticle_firehose.services import Services


def without_own_events(request: EventProcessingRequest, services: Services) -> EventProcessingRequest | None:
    """Return a request without the events of the partner's own feed; None if they are all that it is about.

    An event is the feed's own if its configuration's name begins with `Integration.feed_name`, in upper or lower case:
    a customer with several has to name them differently.
    """
    feed_name = services.integration.feed_name.casefold()
    if not feed_name or not any(_feed_of(getattr(event, "attributes", None)) for event in request.events):
        return request
    received = cast("Mapping[str, Any]", request.received)
    kept = [event for event in received["events"] if not _is_own(event, feed_name)]
    own = len(received["events"]) - len(kept)
    services.telemetry.count("FeedLooped", own)
    if not own:
        return request
    if not any(kept) and not request.system_notifications:
        return None
    return cast("EventProcessingRequest", services.parse({**received, "events": kept}))


def _is_own(event: object, feed_name: str) -> bool:
    return isinstance(event, dict) and _feed_of(event.get("attributes")).casefold().startswith(feed_name)


def _feed_of(attributes: object) -> str:
    name = attributes.get(SOURCE_FEED) if isinstance(attributes, dict) else None
    return name if isinstance(name, str) else ""
