"""The integration of Iterable, as one value."""

from mparticle_firehose.integration import Integration

from . import audiences, erasures, events, registration
from .account import SITES

INTEGRATION = Integration(
    registration=registration.registration,
    events=events.events,
    memberships=audiences.memberships,
    subscription=audiences.subscription,
    erasures=erasures.erasures,
    sites=SITES,
)
