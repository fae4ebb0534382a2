"""An integration without audiences: events and erasures, with other routes, settings, identities and authorization."""

from collections.abc import Iterator, Sequence

from mparticle_firehose.integration import (
    Basic,
    Endpoint,
    Integration,
    Item,
    Json,
    JsonObject,
    PartnerCall,
    Target,
    Verdict,
    identity,
    subject_identities,
)
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


def target(account: Account) -> Target:
    username = account.string_setting("workspace", required=True)
    return Target(auth=Basic(username, account.string_setting("secret", required=True)))


def event_items(request: EventProcessingRequest) -> Iterator[Item]:
    customer = identity(request.user_identities, UserIdentityType.CUSTOMER)
    customers = [customer] if customer else []
    for number, event in enumerate(request.events):
        if event.type == EventType.SCREEN_VIEW:
            body: JsonObject = {"who": customers, "at": event.timestamp_ms}
            yield Item(endpoint=VIEWS, target=target(request.account), body=body, covers=(("events", number),))


def views(_target: Target, bodies: Sequence[JsonObject]) -> PartnerCall:
    seen = [{"at": body["at"]} for body in bodies]
    return PartnerCall(method="PUT", path="/2/views", body=Json({"who": bodies[0]["who"], "views": seen}))


VIEWS = Endpoint(name="views", call=views, max_items=100)


def erasure_items(request: DsrProcessingRequest) -> Iterator[Item]:
    customers = [value for kind, value in subject_identities(request).items() if kind == "controller_customer_id"]
    yield Item(endpoint=PEOPLE, target=target(request.account), body={"who": customers})


def people(_target: Target, bodies: Sequence[JsonObject]) -> PartnerCall:
    return PartnerCall(method="DELETE", path="/2/people", body=Json(bodies[0]))


PEOPLE = Endpoint(name="people", call=people)

INTEGRATION = Integration(
    registration=registration, events=event_items, erasures=erasure_items, retry_policy={404: Verdict.RETRY}
)
