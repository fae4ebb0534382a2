"""What Acme Engage declares to mParticle: who it is, what it wants to know, and what customers must enter.

Edit `registration` like a form. What it returns is checked, so that a mistake fails `make test` or the deployment
instead of mParticle's import.
"""

from mparticle_firehose.protocol import (
    COOKIE_SYNC_ID,
    AudienceProcessingRegistration,
    DeviceIdentityPermission,
    DeviceIdentityType,
    DsrProcessingRegistration,
    DsrType,
    EventProcessingRegistration,
    ModuleRegistrationResponse,
    PartnerIdentityPermission,
    Permissions,
    RuntimeEnvironmentType,
    TextSetting,
    UserIdentityPermission,
    UserIdentityType,
    declare,
)

from .account import API_KEY
from .audiences import PARTNER_AUDIENCE_ID
from .cookie_sync import RECEIVE_COOKIE_SYNC_ID
from .events import EVENT_MAPPINGS, NOTIFICATION_MAPPINGS

_API_KEY = TextSetting(
    id=API_KEY,
    name="API key",
    description="The secret key from the settings page of your Acme Engage project.",
    required=True,
    confidential=True,
)

_PARTNER_AUDIENCE_ID = TextSetting(
    id=PARTNER_AUDIENCE_ID,
    name="Acme Engage audience id",
    description="Filled in when the audience is connected.",
    visible=False,
)


def partner_identities(*, cookie_sync_id: bool) -> tuple[PartnerIdentityPermission, ...]:
    """Return the partner's own identity, and if it is wanted the one that the cookie sync has given mParticle."""
    own = PartnerIdentityPermission(type="AcmeEngage_UserId")
    return (own, PartnerIdentityPermission(type=COOKIE_SYNC_ID)) if cookie_sync_id else (own,)


def registration() -> ModuleRegistrationResponse:
    """Return the declaration.

    Raises:
        RegistrationError: it breaks a rule of mParticle's; the message names the rule.
    """
    return declare(
        ModuleRegistrationResponse(
            name="Acme Engage",
            description='<a href="https://www.acme-engage.example">Acme Engage</a> sends the right message to the '
            "right customer, from the events and audiences that you already have.",
            version="1.0",
            permissions=Permissions(
                user_identities=(
                    UserIdentityPermission(type=UserIdentityType.EMAIL),
                    UserIdentityPermission(type=UserIdentityType.CUSTOMER),
                ),
                device_identities=(
                    DeviceIdentityPermission(type=DeviceIdentityType.IOS_ADVERTISING_ID),
                    DeviceIdentityPermission(type=DeviceIdentityType.IOS_VENDOR_ID),
                    DeviceIdentityPermission(type=DeviceIdentityType.GOOGLE_ADVERTISING_ID),
                ),
                partner_identities=partner_identities(cookie_sync_id=RECEIVE_COOKIE_SYNC_ID),
                allow_access_location=True,
                allow_access_ip_address=True,
                allow_access_http_user_agent=True,
                allow_access_mpid=True,
                allow_device_info=True,
                allow_user_attributes=True,
                allow_audience_user_attributes=True,
                allow_consent_state=True,
            ),
            event_processing_registration=EventProcessingRegistration(
                account_settings=(_API_KEY,),
                supported_event_types=tuple(EVENT_MAPPINGS),
                supported_runtime_environments=tuple(RuntimeEnvironmentType),
                supported_system_notification_types=tuple(NOTIFICATION_MAPPINGS),
                push_messaging_provider_id="acme_engage",
            ),
            audience_processing_registration=AudienceProcessingRegistration(
                account_settings=(_API_KEY,),
                audience_subscription_settings=(_PARTNER_AUDIENCE_ID,),
            ),
            dsr_processing_registration=DsrProcessingRegistration(
                account_settings=(_API_KEY,),
                supported_dsr_types=(DsrType.ERASURE,),
                domain="acme-engage.example",
            ),
        ),
        handled_events=EVENT_MAPPINGS,
        handled_notifications=NOTIFICATION_MAPPINGS,
        returned_settings=(PARTNER_AUDIENCE_ID,),
    )
