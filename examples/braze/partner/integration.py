"""The integration of Braze as one value. Audiences need no call of their own: an attribute begins with its value."""

from mparticle_firehose.integration import Integration

from . import audiences, erasures, events
from .account import SITES
from .registration import registration

INTEGRATION = Integration(
    registration=registration,
    events=events.items,
    memberships=audiences.items,
    erasures=erasures.items,
    sites=SITES,
    wait_headers=("Retry-After", "X-RateLimit-Retry-After", "X-RateLimit-Reset"),
)
