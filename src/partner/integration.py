"""The integration of Acme Engage, as one value: what the framework needs to know of the partner."""

from mparticle_firehose.integration import Integration

from .audiences import membership_items, subscription
from .cookie_sync import cookie_sync
from .erasures import erasure_items
from .events import event_items
from .registration import registration

INTEGRATION = Integration(
    registration=registration,
    events=event_items,
    memberships=membership_items,
    erasures=erasure_items,
    subscription=subscription,
    cookie_sync=cookie_sync,
)
