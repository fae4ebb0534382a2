"""How audiences become Iterable's standard lists, and memberships subscriptions to them."""

from collections.abc import Iterator, Mapping

from mparticle_firehose import protocol as mp
from mparticle_firehose.errors import DeliveryError
from mparticle_firehose.integration import (
    Change,
    Endpoint,
    Exchange,
    Item,
    Json,
    JsonObject,
    PartnerCall,
    Undeliverable,
    attribute_changes,
    changes_by_user,
    known,
)

from .account import NO_PERSON, creatable, data_fields, person, target, who
from .endpoints import SUBSCRIBE, UNSUBSCRIBE, UPDATE_USERS

LIST_ID = "listId"
"""The invisible subscription setting that holds the id of the audience's list."""

_ENDPOINTS: Mapping[str | None, Endpoint] = {
    mp.AudienceAction.ADD: SUBSCRIBE,
    mp.AudienceAction.DELETE: UNSUBSCRIBE,
    mp.AudienceAction.ATTRIBUTE_UPDATE: UPDATE_USERS,
}


def subscription(request: mp.AudienceSubscriptionRequest) -> Exchange[Mapping[str, str]]:
    """Find the list with the audience's name, or make it. The end changes nothing: campaigns may need the list."""
    kept = request.audience_subscription_settings.get(LIST_ID)
    if kept or request.action == mp.AudienceSubscriptionAction.REMOVE:
        return {LIST_ID: kept} if kept else {}
    access = target(request.account)
    answer = yield PartnerCall(method="GET", path="/api/lists", site=access.site, auth=access.auth)
    # Lists of other types than Standard take no subscribers.
    standard = [each for each in answer.each("lists") if each.text("listType") == "Standard"]
    list_id = next((each.identifier("id") for each in standard if each.text("name") == request.audience_name), "")
    if not list_id:
        body = known(name=request.audience_name, description=request.audience_description)
        answer = yield PartnerCall(path="/api/lists", site=access.site, auth=access.auth, body=Json(body))
        list_id = answer.identifier("listId")
    if not list_id:
        raise DeliveryError("the partner's answer lacks the list's id")
    return {LIST_ID: list_id}


def memberships(request: mp.AudienceMembershipChangeRequest) -> Iterator[Item | Undeliverable]:
    """Yield each change in the request's order. Raises SettingError for a setting that is missing or unusable."""
    for profile, of_user in changes_by_user(request):
        user = person(request.account, profile.user_identities)
        for change in of_user:
            yield _item(request.account, change, user) if user else Undeliverable((change.origin,), NO_PERSON)


def _item(account: mp.Account, change: Change, user: JsonObject) -> Item | Undeliverable:
    endpoint = _ENDPOINTS.get(change.audience.action)
    list_id = change.audience.audience_subscription_settings.get(LIST_ID) or ""
    if not endpoint or (endpoint is not UPDATE_USERS and not list_id.isdecimal()):
        reason = f"its action is unknown, or its audience setting {LIST_ID!r} is not the number of a list"
        return Undeliverable((change.origin,), reason)
    access = target(account) if endpoint is UPDATE_USERS else target(account, list=list_id)
    fields = data_fields(attribute_changes(change.audience))
    body = user if endpoint is UNSUBSCRIBE else known(**creatable(user), dataFields=fields)
    return Item(endpoint=endpoint, target=access, body=body, covers=(change.origin,), key=who(user))
