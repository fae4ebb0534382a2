"""The sample integration: each ability of the seam once, and as little as possible of everything else.

It differs from the reference partner on purpose (routes, header, settings, failure lists), so that the framework cannot
come to depend on either.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from mparticle_firehose.cookie_sync import CookieSync
from mparticle_firehose.errors import DeliveryError, MalformedRequestError, SettingError
from mparticle_firehose.integration import (
    Audiences,
    Auth,
    Effect,
    Header,
    Integration,
    JsonObject,
    JsonValue,
    MembershipChange,
    MembershipTarget,
    PartnerCall,
    UndeliverableChange,
    Verdict,
)
from mparticle_firehose.protocol import (
    Account,
    AudienceAction,
    AudienceMembershipChangeRequest,
    AudienceProcessingRegistration,
    AudienceSubscriptionAction,
    AudienceSubscriptionRequest,
    DsrProcessingRegistration,
    DsrProcessingRequest,
    DsrType,
    EventProcessingRegistration,
    EventProcessingRequest,
    EventType,
    ModuleRegistrationResponse,
    Permissions,
    RuntimeEnvironmentType,
    SystemNotificationType,
    TextSetting,
    UserAttributeAction,
    UserIdentityPermission,
    UserIdentityType,
    declare,
)

TOKEN = "token"
SEGMENT_ID = "segmentId"
ACTIONS = {
    AudienceAction.ADD: ("add", Effect.JOIN),
    AudienceAction.DELETE: ("remove", Effect.LEAVE),
    AudienceAction.ATTRIBUTE_UPDATE: ("update", Effect.UPDATE),
}


def registration() -> ModuleRegistrationResponse:
    token = TextSetting(id=TOKEN, name="Token", required=True, confidential=True)
    segment = TextSetting(id=SEGMENT_ID, name="Segment", visible=False)
    return declare(
        ModuleRegistrationResponse(
            name="Sample",
            version="1.0",
            permissions=Permissions(
                user_identities=(UserIdentityPermission(type=UserIdentityType.EMAIL),),
                allow_user_attributes=True,
                allow_audience_user_attributes=True,
            ),
            event_processing_registration=EventProcessingRegistration(
                account_settings=(token,),
                supported_event_types=tuple(EventType),
                supported_runtime_environments=tuple(RuntimeEnvironmentType),
                supported_system_notification_types=tuple(SystemNotificationType),
                push_messaging_provider_id="sample",
            ),
            audience_processing_registration=AudienceProcessingRegistration(
                account_settings=(token,), audience_subscription_settings=(segment,)
            ),
            dsr_processing_registration=DsrProcessingRegistration(
                account_settings=(token,), supported_dsr_types=(DsrType.ERASURE,), domain="sample.example"
            ),
        ),
        handled_events=tuple(EventType),
        handled_notifications=tuple(SystemNotificationType),
        returned_settings=(SEGMENT_ID,),
    )


def auth(account: Account) -> Auth:
    token = account.string_setting(TOKEN, required=True).strip()
    if not (token.isascii() and token.isprintable()):
        raise SettingError(TOKEN, "must be printable ASCII characters")
    return Header("X-Sample-Token", token)


def events_call(request: EventProcessingRequest) -> PartnerCall | None:
    notifications = [(("system_notifications", n), each) for n, each in enumerate(request.system_notifications)]
    events = [(("events", number), each) for number, each in enumerate(request.events)]
    known = [(origin, each) for origin, each in [*notifications, *events] if _is_known(each.type)]
    attributes: JsonObject = {**request.user_attributes, **request.user_attribute_lists}
    if not known and not attributes:
        return None
    return PartnerCall(
        method="POST",
        path="/track",
        auth=auth(request.account),
        body={
            "account": request.account.account_id,
            "request": str(request.id) if request.id else None,
            "user": {"mpid": request.mpid, "identities": identities(request.user_identities), "attributes": attributes},
            "events": [{"kind": each.type, "at": getattr(each, "timestamp_ms", None)} for _, each in known],
        },
        items=tuple(origin for origin, _ in known),
    )


def _is_known(kind: str | None) -> bool:
    return isinstance(kind, EventType | SystemNotificationType)


def identities(*groups: Iterable[Any]) -> dict[str, JsonValue]:
    return {str(identity.type): identity.value for group in groups for identity in group}


def subscription_call(request: AudienceSubscriptionRequest) -> PartnerCall | None:
    segment = request.audience_subscription_settings.get(SEGMENT_ID)
    customer = auth(request.account)
    match request.action:
        case AudienceSubscriptionAction.ADD:
            body: JsonObject = {"account": request.account.account_id, "audience": request.audience_id}
            return PartnerCall(method="POST", path="/segments", auth=customer, body=body)
        case AudienceSubscriptionAction.UPDATE:
            body = {"name": request.audience_name}
            return PartnerCall(method="PUT", path=f"/segments/{segment}", auth=customer, body=body)
        case AudienceSubscriptionAction.REMOVE if segment:
            path = f"/segments/{segment}"
            return PartnerCall(method="DELETE", path=path, auth=customer, done_statuses=frozenset({404}))
        case AudienceSubscriptionAction.REMOVE:
            return None
        case _:
            raise MalformedRequestError(("action", "must be add, update or remove"))


def subscription_settings(request: AudienceSubscriptionRequest, answer: Mapping[str, object]) -> dict[str, str]:
    if request.action == AudienceSubscriptionAction.REMOVE:
        return {}
    segment = answer.get("segment") or request.audience_subscription_settings.get(SEGMENT_ID)
    if not isinstance(segment, str):
        raise DeliveryError("the partner's answer lacks the segment's id")
    return {SEGMENT_ID: segment}


def membership_changes(request: AudienceMembershipChangeRequest) -> list[MembershipChange | UndeliverableChange]:
    return list(_changes(request, auth(request.account)))


def _changes(
    request: AudienceMembershipChangeRequest, customer: Auth
) -> Iterator[MembershipChange | UndeliverableChange]:
    for number, profile in enumerate(request.user_profiles):
        member: JsonObject = {
            "mpid": profile.mpid,
            "identities": identities(profile.user_identities, profile.device_identities, profile.partner_identities),
        }
        for place, audience in enumerate(profile.audiences):
            if audience.action is None:
                continue
            segment = audience.audience_subscription_settings.get(SEGMENT_ID)
            if not segment:
                yield UndeliverableChange(number, place, f"audience setting {SEGMENT_ID!r} is missing")
                continue
            if not isinstance(audience.action, AudienceAction):
                yield UndeliverableChange(number, place, "the audience's action is unknown")
                continue
            action, effect = ACTIONS[audience.action]
            attributes = {
                str(each.key): None if each.action == UserAttributeAction.DELETE else each.value
                for each in audience.attribute_changes
            }
            yield MembershipChange(
                number,
                place,
                MembershipTarget(request.account.account_id, f"/segments/{segment}/changes", customer),
                effect,
                {"action": action, "user": member, "attributes": attributes, "at": request.timestamp_ms},
                frozenset(attributes),
            )


def members_call(target: MembershipTarget, items: Sequence[JsonObject]) -> PartnerCall:
    body: JsonObject = {"account": target.account_id, "changes": list(items)}
    return PartnerCall(method="POST", path=target.path, auth=target.auth, body=body)


def without_attributes(item: JsonObject, names: Collection[str]) -> JsonObject:
    attributes = item["attributes"]
    assert isinstance(attributes, Mapping)
    return {**item, "attributes": {name: value for name, value in attributes.items() if name not in names}}


def erasure_call(request: DsrProcessingRequest) -> PartnerCall:
    known: JsonObject = {str(kind): identity.value for kind, identity in request.subject_identities.items()}
    body: JsonObject = {"request": request.subject_request_id, "identities": known}
    return PartnerCall(method="POST", path="/forget", auth=auth(request.account), body=body)


def failures(answer: Mapping[str, object]) -> dict[int, int]:
    """Read ``{"not_taken": [[index, status], ...]}``."""
    listed = answer.get("not_taken", [])
    if not isinstance(listed, list) or not all(isinstance(each, list) for each in listed):
        raise ValueError("not_taken must be a list of pairs")
    return {int(index): int(status) for index, status in listed}


def cookie_sync() -> CookieSync:
    return CookieSync(cookie_name="sample_id", macro="${SAMPLE_ID}")


INTEGRATION = Integration(
    registration=registration,
    events=events_call,
    audiences=Audiences(
        subscription_call=subscription_call,
        subscription_settings=subscription_settings,
        membership_changes=membership_changes,
        members_call=members_call,
        without_attributes=without_attributes,
        max_changes_per_call=500,
    ),
    erasures=erasure_call,
    failures=failures,
    retry_policy={432: Verdict.SUSPEND},
    cookie_sync=cookie_sync,
)
