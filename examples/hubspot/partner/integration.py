"""The integration of HubSpot as one value."""

from mparticle_firehose.integration import Integration

from . import contacts, events, lists
from .account import SITES
from .registration import registration

INTEGRATION = Integration(
    registration=registration,
    events=events.items,
    memberships=lists.items,
    erasures=contacts.erasures,
    subscription=lists.subscription,
    sites=SITES,
)
