"""The integration of Acme Engage, as one value: what the framework needs to know of the partner."""

from typing import TYPE_CHECKING

from mparticle_firehose.integration import Integration

from .audiences import membership_items, subscription
from .cookie_sync import cookie_sync
from .erasures import erasure_items
from .events import event_items
from .registration import registration

if TYPE_CHECKING:
    from mparticle_firehose.feed import Feed


def feed() -> "Feed":
    """Return what becomes of Acme Engage's own events. Its models are loaded by the feed's function alone."""
    from .feed import FEED  # noqa: PLC0415

    return FEED


INTEGRATION = Integration(
    registration=registration,
    events=event_items,
    memberships=membership_items,
    erasures=erasure_items,
    subscription=subscription,
    cookie_sync=cookie_sync,
    feed_name="Acme Engage",
    feed=feed,
)
