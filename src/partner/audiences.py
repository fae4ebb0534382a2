"""How audiences and their members become calls to the partner's API."""

from collections.abc import Collection, Mapping, Sequence
from urllib.parse import quote

from mparticle_firehose.errors import DeliveryError, MalformedRequestError
from mparticle_firehose.integration import (
    Auth,
    Effect,
    JsonObject,
    JsonValue,
    MembershipChange,
    MembershipTarget,
    PartnerCall,
    UndeliverableChange,
)
from mparticle_firehose.protocol import (
    Audience,
    AudienceAction,
    AudienceMembershipChangeRequest,
    AudienceSubscriptionAction,
    AudienceSubscriptionRequest,
    UserAttributeAction,
    UserAttributeAudienceEvent,
    UserProfile,
)

from .account import auth
from .identities import identities

PARTNER_AUDIENCE_ID = "partnerAudienceId"
"""The invisible subscription setting that holds the partner's id of the audience."""

MAX_CHANGES_PER_CALL = 500

_ACTIONS: dict[str | None, tuple[str, Effect]] = {
    AudienceAction.ADD: ("add", Effect.JOIN),
    AudienceAction.DELETE: ("remove", Effect.LEAVE),
    AudienceAction.ATTRIBUTE_UPDATE: ("update", Effect.UPDATE),
}


def subscription_call(request: AudienceSubscriptionRequest) -> PartnerCall | None:
    """Return the call that creates, updates or deletes the partner's audience; None if there is nothing to delete.

    An update without the partner's id creates the audience: the answer to the first request never arrived.

    Raises:
        MalformedRequestError: the action is none of the three.
        SettingError: the customer's key is missing.
    """
    partner_id = request.audience_subscription_settings.get(PARTNER_AUDIENCE_ID)
    match request.action:
        case AudienceSubscriptionAction.ADD:
            return _create(request)
        case AudienceSubscriptionAction.UPDATE:
            return _update(request, partner_id) if partner_id else _create(request)
        case AudienceSubscriptionAction.REMOVE:
            return _delete(request, partner_id) if partner_id else None
        case _:
            raise MalformedRequestError(("action", "must be add, update or remove"))


def subscription_settings(request: AudienceSubscriptionRequest, answer: Mapping[str, object]) -> dict[str, str]:
    """Return the settings that mParticle is to keep with the subscription and to send with every membership change.

    Raises:
        DeliveryError: the partner created an audience but did not say which.
    """
    if request.action == AudienceSubscriptionAction.REMOVE:
        return {}
    partner_id = answer.get("id") or request.audience_subscription_settings.get(PARTNER_AUDIENCE_ID)
    if not isinstance(partner_id, str):
        raise DeliveryError("the partner's answer lacks the audience's id")
    return {PARTNER_AUDIENCE_ID: partner_id}


def membership_changes(request: AudienceMembershipChangeRequest) -> list[MembershipChange | UndeliverableChange]:
    """Return each user's changes, in the request's order.

    Raises:
        SettingError: the customer's key is missing.
    """
    customer = auth(request.account)
    return [
        _change(request, user_number, audience_number, customer)
        for user_number, user in enumerate(request.user_profiles)
        for audience_number, audience in enumerate(user.audiences)
        if audience.action is not None
    ]


def without_attributes(item: JsonObject, names: Collection[str]) -> JsonObject:
    """Return what the partner gets of a change, without these user attributes."""
    attributes = item["attributes"]
    kept = {name: value for name, value in attributes.items() if name not in names}  # type: ignore[union-attr]  # ours
    return {**item, "attributes": kept}


def members_call(target: MembershipTarget, items: Sequence[JsonObject]) -> PartnerCall:
    """Return the call that carries changes of different users in one audience."""
    return PartnerCall(
        method="POST",
        path=target.path,
        auth=target.auth,
        body={"account_id": target.account_id, "changes": list(items)},
    )


def _create(request: AudienceSubscriptionRequest) -> PartnerCall:
    return PartnerCall(
        method="POST",
        path="/v1/audiences",
        auth=auth(request.account),
        body={
            "account_id": request.account.account_id,
            "audience_id": request.audience_id,
            "name": request.audience_name,
        },
    )


def _update(request: AudienceSubscriptionRequest, partner_id: str) -> PartnerCall:
    settings = {
        key: value for key, value in request.audience_subscription_settings.items() if key != PARTNER_AUDIENCE_ID
    }
    return PartnerCall(
        method="PATCH",
        path=_path(partner_id),
        auth=auth(request.account),
        body={"name": request.audience_name, "settings": settings},
    )


def _delete(request: AudienceSubscriptionRequest, partner_id: str) -> PartnerCall:
    return PartnerCall(
        method="DELETE",
        path=_path(partner_id),
        auth=auth(request.account),
        done_statuses=frozenset({404}),
    )


def _path(partner_id: str) -> str:
    return f"/v1/audiences/{quote(partner_id, safe='', errors='surrogatepass')}"


def _change(
    request: AudienceMembershipChangeRequest, user_number: int, audience_number: int, customer: Auth
) -> MembershipChange | UndeliverableChange:
    user = request.user_profiles[user_number]
    audience = user.audiences[audience_number]
    partner_id = audience.audience_subscription_settings.get(PARTNER_AUDIENCE_ID)
    action, effect = _ACTIONS.get(audience.action, (None, Effect.UPDATE))
    member = _member(user)
    for missing, reason in (
        (not partner_id, f"audience setting {PARTNER_AUDIENCE_ID!r} is missing"),
        (not action, "the audience's action is none of add, delete and attribute_update"),
        (not member["mpid"] and not member["identities"], "the user has neither an mpid nor an identity"),
    ):
        if missing:
            return UndeliverableChange(user_number, audience_number, reason)
    attributes = _attributes(audience)
    return MembershipChange(
        user_number,
        audience_number,
        MembershipTarget(request.account.account_id, f"{_path(str(partner_id))}/members", customer),
        effect,
        {"action": action, "user": member, "attributes": attributes, "timestamp_ms": request.timestamp_ms},
        frozenset(attributes),
    )


def _member(user: UserProfile) -> dict[str, JsonValue]:
    known = identities(user.user_identities, user.device_identities, user.partner_identities)
    return {"mpid": user.mpid, "identities": known}


def _attributes(audience: Audience) -> dict[str, JsonValue]:
    """Return the attributes that changed: null for one that is gone, true for a tag, which has no value."""
    return {str(change.key): _attribute(change) for change in audience.attribute_changes}


def _attribute(change: UserAttributeAudienceEvent) -> JsonValue:
    if change.action == UserAttributeAction.DELETE:
        return None
    if change.list_value is not None:
        return change.list_value
    return True if change.value is None else change.value
