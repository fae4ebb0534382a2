"""What the integration declares to mParticle, and what customers enter."""

from mparticle_firehose import protocol as mp

from .account import API_KEY, DATA_CENTER, KINDS, PROJECT_TYPE, PUSH_APPS
from .audiences import LIST_ID
from .events import EVENT_MAPPINGS

_KEY = "A server-side key of your Iterable project, without JWT."
_WHERE = "us or eu: where your Iterable project is."
_TYPE = "email, userId or hybrid: what identifies users in your Iterable project."
_NO_PUSH = "Its name in Iterable. Without it tokens of that platform are not sent."
_ACCESS = (
    mp.TextSetting(id=API_KEY, name="API key", description=_KEY, required=True, confidential=True),
    mp.TextSetting(id=DATA_CENTER, name="Data center", description=_WHERE, default_value="us", required=True),
    mp.TextSetting(id=PROJECT_TYPE, name="Project type", description=_TYPE, default_value="email", required=True),
)
_PUSH = tuple(mp.TextSetting(id=id_, name=f"Push app {name}", description=_NO_PUSH) for name, id_ in PUSH_APPS.items())
_LIST_ID = mp.TextSetting(id=LIST_ID, name="List id", description="Filled in by the integration.", visible=False)


def registration() -> mp.ModuleRegistrationResponse:
    """Return the declaration. Raises RegistrationError if it breaks a rule of mParticle's."""
    return mp.declare(
        mp.ModuleRegistrationResponse(
            name="Iterable",
            description='Events, purchases, lists and erasures for <a href="https://iterable.com">Iterable</a>.',
            version="1.0",
            permissions=mp.Permissions(
                user_identities=tuple(mp.UserIdentityPermission(type=kind) for kind in KINDS.values()),
                allow_device_info=True,
                allow_access_mpid=True,
                allow_user_attributes=True,
                allow_audience_user_attributes=True,
            ),
            event_processing_registration=mp.EventProcessingRegistration(
                account_settings=(*_ACCESS, *_PUSH),
                supported_event_types=tuple(EVENT_MAPPINGS),
                supported_runtime_environments=tuple(mp.RuntimeEnvironmentType),
                push_messaging_provider_id="itbl",
            ),
            audience_processing_registration=mp.AudienceProcessingRegistration(
                account_settings=_ACCESS, audience_subscription_settings=(_LIST_ID,)
            ),
            dsr_processing_registration=mp.DsrProcessingRegistration(
                account_settings=_ACCESS, supported_dsr_types=(mp.DsrType.ERASURE,), domain="iterable.com"
            ),
        ),
        handled_events=EVENT_MAPPINGS,
        returned_settings=(LIST_ID,),
    )
