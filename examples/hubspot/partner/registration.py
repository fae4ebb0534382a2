"""What mParticle gets to know of this integration, and what its customers enter."""

from mparticle_firehose.protocol import (
    AudienceProcessingRegistration,
    DsrProcessingRegistration,
    DsrType,
    EventProcessingRegistration,
    IntegerSetting,
    ModuleRegistrationResponse,
    Permissions,
    RuntimeEnvironmentType,
    TextSetting,
    UserIdentityPermission,
    UserIdentityType,
    declare,
)

from .account import HUB_ID, PROPERTIES, REFRESH_TOKEN
from .events import EVENT_MAPPINGS
from .lists import LIST_ID

_GRANT = "What HubSpot showed when you installed the app."
_LISTED = "User attributes to send beside names and address, with commas. Each must be a contact property of this name."
_ACCESS = TextSetting(id=REFRESH_TOKEN, name="Refresh token", description=_GRANT, required=True, confidential=True)
_PROPERTIES = TextSetting(id=PROPERTIES, name="Contact properties", description=_LISTED)
_HUB_ID = IntegerSetting(id=HUB_ID, name="Hub id", description="Of your HubSpot account.", required=True)
_LIST_ID = TextSetting(id=LIST_ID, name="List id", description="Set when the audience is connected.", visible=False)


def registration() -> ModuleRegistrationResponse:
    """Return the declaration, which is checked against mParticle's rules."""
    return declare(
        ModuleRegistrationResponse(
            name="HubSpot",
            description='Contacts, events, lists and erasures for <a href="https://www.hubspot.com">HubSpot</a>.',
            version="1.0",
            permissions=Permissions(
                user_identities=(UserIdentityPermission(type=UserIdentityType.EMAIL, required=True),),
                allow_access_mpid=True,
                allow_user_attributes=True,
                allow_audience_user_attributes=True,
            ),
            event_processing_registration=EventProcessingRegistration(
                account_settings=(_ACCESS, _HUB_ID, _PROPERTIES),
                supported_event_types=tuple(EVENT_MAPPINGS),
                supported_runtime_environments=tuple(RuntimeEnvironmentType),
            ),
            audience_processing_registration=AudienceProcessingRegistration(
                account_settings=(_ACCESS, _PROPERTIES), audience_subscription_settings=(_LIST_ID,)
            ),
            dsr_processing_registration=DsrProcessingRegistration(
                account_settings=(_ACCESS,), supported_dsr_types=(DsrType.ERASURE,), domain="hubspot.com"
            ),
        ),
        handled_events=EVENT_MAPPINGS,
        returned_settings=(LIST_ID,),
    )
