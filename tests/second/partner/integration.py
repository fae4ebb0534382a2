"""An integration without audiences: events and erasures, with other routes, settings, identities and authorization."""

from mparticle_firehose.integration import Basic, Integration, PartnerCall, Verdict
from mparticle_firehose.protocol import (
    Account,
    DsrProcessingRegistration,
    DsrProcessingRequest,
    DsrType,
    EventProcessingRegistration,
    EventProcessingRequest,
    EventType,
    ModuleRegistrationResponse,
    Permissions,
    RuntimeEnvironmentType,
    TextSetting,
    UserIdentityPermission,
    UserIdentityType,
    declare,
)

SETTINGS = (
    TextSetting(id="workspace", name="Workspace", required=True),
    TextSetting(id="secret", name="Secret", required=True, confidential=True),
)


def registration() -> ModuleRegistrationResponse:
    return declare(
        ModuleRegistrationResponse(
            name="Second",
            version="3",
            permissions=Permissions(user_identities=(UserIdentityPermission(type=UserIdentityType.CUSTOMER),)),
            event_processing_registration=EventProcessingRegistration(
                account_settings=SETTINGS,
                supported_event_types=(EventType.SCREEN_VIEW,),
                supported_runtime_environments=(RuntimeEnvironmentType.IOS,),
            ),
            dsr_processing_registration=DsrProcessingRegistration(
                account_settings=SETTINGS, supported_dsr_types=(DsrType.ERASURE,), domain="second.example"
            ),
        ),
        handled_events=(EventType.SCREEN_VIEW,),
    )


def auth(account: Account) -> Basic:
    username = account.string_setting("workspace", required=True)
    return Basic(username, account.string_setting("secret", required=True))


def events_call(request: EventProcessingRequest) -> PartnerCall | None:
    views = [(number, event) for number, event in enumerate(request.events) if event.type == EventType.SCREEN_VIEW]
    if not views:
        return None
    customers = [each.value for each in request.user_identities if each.type == UserIdentityType.CUSTOMER]
    return PartnerCall(
        method="PUT",
        path="/2/views",
        auth=auth(request.account),
        body={"who": customers, "views": [{"at": event.timestamp_ms} for _, event in views]},
        items=tuple(("events", number) for number, _ in views),
    )


def erasure_call(request: DsrProcessingRequest) -> PartnerCall:
    customers = [
        identity.value for kind, identity in request.subject_identities.items() if kind == "controller_customer_id"
    ]
    return PartnerCall(method="DELETE", path="/2/people", auth=auth(request.account), body={"who": customers})


INTEGRATION = Integration(
    registration=registration, events=events_call, erasures=erasure_call, retry_policy={404: Verdict.RETRY}
)
