"""What the integration declares to mParticle, and what customers enter."""

from mparticle_firehose import protocol as mp

from .account import APP_API_KEY, REGION, SITE_ID, TRACK_API_KEY
from .audiences import SEGMENT_ID
from .events import EVENT_MAPPINGS

_WHERE = "us or eu: the region of your Customer.io account."
_TRACK = (
    mp.TextSetting(id=SITE_ID, name="Site id", description="Of a Track API key.", required=True),
    mp.TextSetting(id=TRACK_API_KEY, name="Track API key", required=True, confidential=True),
    mp.TextSetting(id=REGION, name="Region", description=_WHERE, default_value="us", required=True),
)
_APP = mp.TextSetting(
    id=APP_API_KEY,
    name="App API key",
    description="Only finds and makes the segments of your audiences.",
    required=True,
    confidential=True,
)
_SEGMENT_ID = mp.TextSetting(
    id=SEGMENT_ID, name="Segment id", description="Filled in by the integration.", visible=False
)


def registration() -> mp.ModuleRegistrationResponse:
    """Return the declaration.

    Raises:
        RegistrationError: it breaks a rule of mParticle's.
    """
    kinds = (mp.UserIdentityType.CUSTOMER, mp.UserIdentityType.EMAIL)
    return mp.declare(
        mp.ModuleRegistrationResponse(
            name="Customer.io",
            description='People, events, segments and erasures for <a href="https://customer.io">Customer.io</a>.',
            version="1.0",
            permissions=mp.Permissions(
                user_identities=tuple(mp.UserIdentityPermission(type=kind) for kind in kinds),
                allow_device_info=True,
                allow_access_mpid=True,
                allow_user_attributes=True,
                allow_audience_user_attributes=True,
            ),
            event_processing_registration=mp.EventProcessingRegistration(
                account_settings=_TRACK,
                supported_event_types=tuple(EVENT_MAPPINGS),
                supported_runtime_environments=tuple(mp.RuntimeEnvironmentType),
                push_messaging_provider_id="CIO-Delivery-ID",
            ),
            audience_processing_registration=mp.AudienceProcessingRegistration(
                account_settings=(*_TRACK, _APP), audience_subscription_settings=(_SEGMENT_ID,)
            ),
            dsr_processing_registration=mp.DsrProcessingRegistration(
                account_settings=_TRACK, supported_dsr_types=(mp.DsrType.ERASURE,), domain="customer.io"
            ),
        ),
        handled_events=EVENT_MAPPINGS,
        returned_settings=(SEGMENT_ID,),
    )
