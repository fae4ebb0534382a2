"""How audiences and their members become calls to the partner's API."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache

from mparticle_firehose.errors import DeliveryError, MalformedRequestError
from mparticle_firehose.integration import (
    Answer,
    Change,
    Endpoint,
    Exchange,
    Item,
    Json,
    JsonObject,
    JsonValue,
    Outcome,
    PartnerCall,
    Target,
    Undeliverable,
    attribute_changes,
    changes_by_user,
    named_identities,
    path_segment,
)
from mparticle_firehose.protocol import (
    AudienceAction,
    AudienceMembershipChangeRequest,
    AudienceSubscriptionAction,
    AudienceSubscriptionRequest,
    UserProfile,
)

from .account import target
from .answers import failures_in

PARTNER_AUDIENCE_ID = "partnerAudienceId"
"""The invisible subscription setting that holds the partner's id of the audience."""

MAX_CHANGES_PER_CALL = 500

_ACTIONS: dict[str | None, str] = {
    AudienceAction.ADD: "add",
    AudienceAction.DELETE: "remove",
    AudienceAction.ATTRIBUTE_UPDATE: "update",
}


# --- audiences -------------------------------------------------------------------------------------------------------


def subscription(request: AudienceSubscriptionRequest) -> Exchange[Mapping[str, str]]:
    """Create, update or delete the partner's audience, and return the settings that mParticle is to keep with it.

    An update without the partner's id creates the audience: the answer to the first request never arrived.

    Raises:
        MalformedRequestError: the action is none of the three.
        SettingError: the customer's key is missing, or the partner's id is none.
        DeliveryError: the partner created an audience but did not say which.
    """
    partner_id = request.audience_subscription_settings.get(PARTNER_AUDIENCE_ID)
    match request.action:
        case AudienceSubscriptionAction.REMOVE:
            if partner_id:
                yield _delete(request, partner_id)
            return {}
        case AudienceSubscriptionAction.UPDATE if partner_id:
            yield _update(request, partner_id)
            return {PARTNER_AUDIENCE_ID: partner_id}
        case AudienceSubscriptionAction.ADD | AudienceSubscriptionAction.UPDATE:
            answer = yield _create(request)
            return {PARTNER_AUDIENCE_ID: _created(answer)}
        case _:
            raise MalformedRequestError(("action", "must be add, update or remove"))


def _create(request: AudienceSubscriptionRequest) -> PartnerCall:
    body: JsonObject = {
        "account_id": request.account.account_id,
        "audience_id": request.audience_id,
        "name": request.audience_name,
    }
    return PartnerCall(path="/v1/audiences", auth=target(request.account).auth, body=Json(body))


def _created(answer: Answer) -> str:
    partner_id = answer.identifier("id")
    if not partner_id:
        raise DeliveryError("the partner's answer lacks the audience's id")
    return partner_id


def _update(request: AudienceSubscriptionRequest, partner_id: str) -> PartnerCall:
    settings = {
        key: value for key, value in request.audience_subscription_settings.items() if key != PARTNER_AUDIENCE_ID
    }
    body: JsonObject = {"name": request.audience_name, "settings": settings}
    auth = target(request.account).auth
    return PartnerCall(method="PATCH", path=_path(partner_id), auth=auth, body=Json(body))


def _delete(request: AudienceSubscriptionRequest, partner_id: str) -> PartnerCall:
    auth = target(request.account).auth
    return PartnerCall(method="DELETE", path=_path(partner_id), auth=auth, accept=frozenset({404}))


def _path(partner_id: str) -> str:
    return f"/v1/audiences/{path_segment(partner_id, PARTNER_AUDIENCE_ID)}"


# --- members ---------------------------------------------------------------------------------------------------------


def membership_items(request: AudienceMembershipChangeRequest) -> Iterator[Item | Undeliverable]:
    """Yield each user's changes, in the request's order.

    Raises:
        SettingError: the customer's key is missing.
    """

    @cache  # many changes are in one audience
    def target_of(partner_id: str) -> Target:
        return target(request.account, account=str(request.account.account_id), audience=partner_id)

    for profile, of_user in changes_by_user(request):
        member = _member(profile)
        key = str(member["mpid"] or member["identities"] or "")
        for change in of_user:
            yield _item(change, member, key, target_of=target_of, timestamp_ms=request.timestamp_ms)


def _item(
    change: Change, member: JsonObject, key: str, *, target_of: Callable[[str], Target], timestamp_ms: int
) -> Item | Undeliverable:
    """Return a user's change; the key is empty if nothing says who the user is."""
    partner_id = change.audience.audience_subscription_settings.get(PARTNER_AUDIENCE_ID)
    action = _ACTIONS.get(change.audience.action)
    if not partner_id:
        return Undeliverable((change.origin,), f"audience setting {PARTNER_AUDIENCE_ID!r} is missing")
    if not action:
        return Undeliverable((change.origin,), "the audience's action is none of add, delete and attribute_update")
    if not key:
        return Undeliverable((change.origin,), "the user has neither an mpid nor an identity")
    return Item(
        endpoint=MEMBERS,
        target=target_of(partner_id),
        body=_body(change, action, member, timestamp_ms),
        covers=(change.origin,),
        key=key,
    )


def _members_call(whose: Target, bodies: Sequence[JsonObject]) -> PartnerCall:
    body: JsonObject = {"account_id": int(whose["account"]), "changes": list(bodies)}
    return PartnerCall(path=f"{_path(whose['audience'])}/members", body=Json(body))


def _judge(_bodies: Sequence[JsonObject], answer: Answer) -> Outcome | None:
    return failures_in(answer)


MEMBERS = Endpoint(
    name="members", call=_members_call, judge=_judge, max_items=MAX_CHANGES_PER_CALL, across_requests=True
)
"""Changes of different users in one audience."""


def _member(user: UserProfile) -> dict[str, JsonValue]:
    everything = named_identities(user.user_identities, user.device_identities, user.partner_identities)
    return {"mpid": user.mpid, "identities": everything}


def _body(change: Change, action: str, member: JsonObject, timestamp_ms: int) -> JsonObject:
    return {
        "action": action,
        "user": member,
        "attributes": attribute_changes(change.audience),
        "timestamp_ms": timestamp_ms,
    }
