"""What mParticle gets to know of this integration, and what its customers enter."""

from mparticle_firehose.protocol import (
    AudienceProcessingRegistration,
    DsrProcessingRegistration,
    DsrType,
    EventProcessingRegistration,
    ModuleRegistrationResponse,
    Permissions,
    RuntimeEnvironmentType,
    TextSetting,
    UserIdentityPermission,
    declare,
)

from .account import API_KEY, APP_ID, INSTANCE
from .audiences import ATTRIBUTE
from .events import EVENT_MAPPINGS
from .users import FIELDS

_WITH = "With the permissions users.track and users.delete."
_WHERE = "Where your workspace is, such as US-01 or EU-02: see the address of your dashboard."
_ACCESS = (
    TextSetting(id=API_KEY, name="REST API key", description=_WITH, required=True, confidential=True),
    TextSetting(id=INSTANCE, name="Instance", description=_WHERE, required=True),
)
_APP_ID = TextSetting(id=APP_ID, name="App id", description="The app that events and purchases are counted for.")
_ATTRIBUTE = TextSetting(id=ATTRIBUTE, name="Attribute name", description="Default: audience_ and its id.")


def registration() -> ModuleRegistrationResponse:
    """Return the declaration, which is checked against mParticle's rules."""
    return declare(
        ModuleRegistrationResponse(
            name="Braze",
            description='Events, attributes, audiences and erasures for <a href="https://www.braze.com">Braze</a>.',
            version="1.0",
            permissions=Permissions(
                user_identities=tuple(UserIdentityPermission(type=kind) for kind in FIELDS),
                allow_access_mpid=True,
                allow_user_attributes=True,
                allow_audience_user_attributes=True,
            ),
            event_processing_registration=EventProcessingRegistration(
                account_settings=(*_ACCESS, _APP_ID),
                supported_event_types=tuple(EVENT_MAPPINGS),
                supported_runtime_environments=tuple(RuntimeEnvironmentType),
            ),
            audience_processing_registration=AudienceProcessingRegistration(
                account_settings=_ACCESS, audience_subscription_settings=(_ATTRIBUTE,)
            ),
            dsr_processing_registration=DsrProcessingRegistration(
                account_settings=_ACCESS, supported_dsr_types=(DsrType.ERASURE,), domain="braze.com"
            ),
        ),
        handled_events=EVENT_MAPPINGS,
    )
