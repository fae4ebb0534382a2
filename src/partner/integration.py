"""The integration of Acme Engage, as one value: what the framework needs to know of the partner."""

from mparticle_firehose.integration import Audiences, Integration

from .audiences import (
    MAX_CHANGES_PER_CALL,
    members_call,
    membership_changes,
    subscription_call,
    subscription_settings,
    without_attributes,
)
from .cookie_sync import cookie_sync
from .erasures import erasure_call
from .events import events_call
from .partial_success import failures_in
from .registration import registration

INTEGRATION = Integration(
    registration=registration,
    events=events_call,
    audiences=Audiences(
        subscription_call=subscription_call,
        subscription_settings=subscription_settings,
        membership_changes=membership_changes,
        members_call=members_call,
        without_attributes=without_attributes,
        max_changes_per_call=MAX_CHANGES_PER_CALL,
    ),
    erasures=erasure_call,
    failures=failures_in,
    cookie_sync=cookie_sync,
)
