"""The integration of Iterable, as one value."""

from typing import TYPE_CHECKING

from mparticle_firehose.integration import Integration

from . import audiences, erasures, events, registration
from .account import SITES

if TYPE_CHECKING:
    from mparticle_firehose.feed import Feed


def feed() -> "Feed":
    """Return what becomes of Iterable's webhooks. Its models are loaded by the feed's function alone."""
    from .feed import FEED  # noqa: PLC0415

    return FEED


INTEGRATION = Integration(
    registration=registration.registration,
    events=events.events,
    memberships=audiences.memberships,
    subscription=audiences.subscription,
    erasures=erasures.erasures,
    sites=SITES,
    feed_name="Iterable",
    feed=feed,
)
