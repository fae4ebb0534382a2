"""The sample integration: each ability of the seam once, and as little as possible of everything else.

It differs from the reference partner on purpose (routes, header, settings, failure lists), so that the framework cannot
come to depend on either.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mparticle_firehose.cookie_sync import CookieSync
from mparticle_firehose.errors import DeliveryError, MalformedRequestError, SettingError
from mparticle_firehose.integration import (
    Answer,
    Delivered,
    Endpoint,
    Exchange,
    Header,
    Integration,
    Item,
    Json,
    JsonObject,
    Outcome,
    PartnerCall,
    Target,
    Undeliverable,
    Verdict,
    changes,
    failure_of,
    named_identities,
    path_segment,
    subject_identities,
)
from mparticle_firehose.protocol import (
    Account,
    AudienceAction,
    AudienceMembershipChangeRequest,
    AudienceProcessingRegistration,
    AudienceSubscriptionAction,
    AudienceSubscriptionRequest,
    DeviceIdentityPermission,
    DeviceIdentityType,
    DsrProcessingRegistration,
    DsrProcessingRequest,
    DsrType,
    EventProcessingRegistration,
    EventProcessingRequest,
    EventType,
    ModuleRegistrationResponse,
    PartnerIdentityPermission,
    Permissions,
    RuntimeEnvironmentType,
    SystemNotificationType,
    TextSetting,
    UserAttributeAction,
    UserIdentityPermission,
    UserIdentityType,
    declare,
)

if TYPE_CHECKING:
    from mparticle_firehose.feed import Feed

TOKEN = "token"
SEGMENT_ID = "segmentId"
ACTIONS = {AudienceAction.ADD: "add", AudienceAction.DELETE: "remove", AudienceAction.ATTRIBUTE_UPDATE: "update"}


def registration() -> ModuleRegistrationResponse:
    token = TextSetting(id=TOKEN, name="Token", required=True, confidential=True)
    segment = TextSetting(id=SEGMENT_ID, name="Segment", visible=False)
    return declare(
        ModuleRegistrationResponse(
            name="Sample",
            version="1.0",
            permissions=Permissions(
                user_identities=tuple(
                    UserIdentityPermission(type=kind) for kind in (UserIdentityType.EMAIL, UserIdentityType.CUSTOMER)
                ),
                device_identities=(
                    DeviceIdentityPermission(type=DeviceIdentityType.IOS_ADVERTISING_ID),
                    DeviceIdentityPermission(type=DeviceIdentityType.GOOGLE_ADVERTISING_ID),
                ),
                partner_identities=(PartnerIdentityPermission(type="Sample_UserId"),),
                allow_access_mpid=True,
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


def target(account: Account, /, **parameters: str) -> Target:
    token = account.string_setting(TOKEN, required=True).strip()
    if not (token.isascii() and token.isprintable()):
        raise SettingError(TOKEN, "must be printable ASCII characters")
    return Target(auth=Header("X-Sample-Token", token), parameters=parameters)


# --- events ----------------------------------------------------------------------------------------------------------


def event_items(request: EventProcessingRequest) -> Iterator[Item]:
    notifications = [(("system_notifications", n), each) for n, each in enumerate(request.system_notifications)]
    events = [(("events", number), each) for number, each in enumerate(request.events)]
    known = [(origin, each) for origin, each in [*notifications, *events] if _is_known(each.type)]
    attributes: JsonObject = {**request.user_attributes, **request.user_attribute_lists}
    whose = target(request.account)
    head: JsonObject = {
        "account": request.account.account_id,
        "request": str(request.id) if request.id else None,
        "user": {
            "mpid": request.mpid,
            "identities": named_identities(request.user_identities),
            "attributes": attributes,
        },
    }
    for origin, each in known:
        event: JsonObject = {"kind": each.type, "at": getattr(each, "timestamp_ms", None)}
        yield Item(endpoint=TRACK, target=whose, body={"head": head, "event": event}, covers=(origin,))
    if not known and attributes:
        yield Item(endpoint=TRACK, target=whose, body={"head": head})


def track(_target: Target, bodies: Sequence[JsonObject]) -> PartnerCall:
    head: Any = bodies[0]["head"]
    return PartnerCall(
        path="/track", body=Json({**head, "events": [body["event"] for body in bodies if "event" in body]})
    )


def failures(_bodies: Sequence[JsonObject], answer: Answer) -> Outcome | None:
    """Read ``{"not_taken": [[index, status], ...]}``."""
    if not answer.succeeded:
        return None
    pairs = [(pair.whole(0), pair.whole(1)) for pair in answer.each("not_taken")]
    placed = {index: failure_of(status) for index, status in pairs if index is not None and status is not None}
    return Delivered(placed, unplaced=len(pairs) - len(placed))


TRACK = Endpoint(name="track", call=track, judge=failures, max_items=1_000)


def _is_known(kind: str | None) -> bool:
    return isinstance(kind, EventType | SystemNotificationType)


# --- audiences -------------------------------------------------------------------------------------------------------


def subscription(request: AudienceSubscriptionRequest) -> Exchange[Mapping[str, str]]:
    segment = request.audience_subscription_settings.get(SEGMENT_ID)
    customer = target(request.account).auth
    match request.action:
        case AudienceSubscriptionAction.ADD:
            body: JsonObject = {"account": request.account.account_id, "audience": request.audience_id}
            answer = yield PartnerCall(path="/segments", auth=customer, body=Json(body))
            if not answer.identifier("segment"):
                raise DeliveryError("the partner's answer lacks the segment's id")
            return {SEGMENT_ID: answer.identifier("segment")}
        case AudienceSubscriptionAction.UPDATE:
            body = {"name": request.audience_name}
            yield PartnerCall(method="PUT", path=f"/segments/{segment}", auth=customer, body=Json(body))
            return {SEGMENT_ID: segment or ""}
        case AudienceSubscriptionAction.REMOVE:
            if segment:
                path = f"/segments/{path_segment(segment, SEGMENT_ID)}"
                yield PartnerCall(method="DELETE", path=path, auth=customer, accept=frozenset({404}))
            return {}
        case _:
            raise MalformedRequestError(("action", "must be add, update or remove"))


def membership_items(request: AudienceMembershipChangeRequest) -> Iterator[Item | Undeliverable]:
    for change in changes(request):
        profile, audience = change.profile, change.audience
        segment = audience.audience_subscription_settings.get(SEGMENT_ID)
        if not segment:
            yield Undeliverable((change.origin,), f"audience setting {SEGMENT_ID!r} is missing")
            continue
        if not isinstance(audience.action, AudienceAction):
            yield Undeliverable((change.origin,), "the audience's action is unknown")
            continue
        member: JsonObject = {
            "mpid": profile.mpid,
            "identities": named_identities(
                profile.user_identities, profile.device_identities, profile.partner_identities
            ),
        }
        attributes = {
            str(each.key): None if each.action == UserAttributeAction.DELETE else each.value
            for each in audience.attribute_changes
        }
        action = ACTIONS[audience.action]
        yield Item(
            endpoint=MEMBERS,
            target=target(request.account, account=str(request.account.account_id), segment=segment),
            body={"action": action, "user": member, "attributes": attributes, "at": request.timestamp_ms},
            covers=(change.origin,),
            key=str(member),
        )


def members(whose: Target, bodies: Sequence[JsonObject]) -> PartnerCall:
    body: JsonObject = {"account": int(whose["account"]), "changes": list(bodies)}
    return PartnerCall(path=f"/segments/{path_segment(whose['segment'], SEGMENT_ID)}/changes", body=Json(body))


MEMBERS = Endpoint(name="members", call=members, judge=failures, max_items=500, across_requests=True)


# --- erasures --------------------------------------------------------------------------------------------------------


def erasure_items(request: DsrProcessingRequest) -> Iterator[Item]:
    body: JsonObject = {"request": request.subject_request_id, "identities": subject_identities(request)}
    yield Item(endpoint=FORGET, target=target(request.account), body=body)


def forget(_target: Target, bodies: Sequence[JsonObject]) -> PartnerCall:
    return PartnerCall(path="/forget", body=Json(bodies[0]))


FORGET = Endpoint(name="forget", call=forget)


def cookie_sync() -> CookieSync:
    return CookieSync(cookie_name="sample_id", macro="${SAMPLE_ID}")


def feed() -> "Feed":
    from .feed import FEED  # noqa: PLC0415  only the feed's function loads its models

    return FEED


INTEGRATION = Integration(
    registration=registration,
    events=event_items,
    memberships=membership_items,
    erasures=erasure_items,
    subscription=subscription,
    retry_policy={432: Verdict.SUSPEND},
    cookie_sync=cookie_sync,
    feed_name="Sample",
    feed=feed,
)
