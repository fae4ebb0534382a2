"""How audiences become static lists of contacts."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from urllib.parse import quote

from mparticle_firehose.errors import DeliveryError, RefusedError
from mparticle_firehose.integration import (
    Alone,
    Delivered,
    Endpoint,
    Exchange,
    Failure,
    Item,
    Json,
    JsonObject,
    Outcome,
    PartnerCall,
    Target,
    Undeliverable,
    attribute_changes,
    changes_by_user,
    path_segment,
)
from mparticle_firehose.protocol import AudienceMembershipChangeRequest, AudienceSubscriptionRequest

from .account import VERSION, properties, target, wait
from .contacts import MAX_INPUTS, UPSERT, address, contact, read, upsert, written

LIST_ID = "listId"
_PATH = f"/crm/lists/{VERSION}"


def items(request: AudienceMembershipChangeRequest) -> Iterator[Item | Undeliverable]:
    """Yield one item for each change. Raises as `target` does."""
    for profile, of_user in changes_by_user(request):
        email = address(profile.user_identities)
        for change in of_user:
            action, list_id = change.audience.action, change.audience.audience_subscription_settings.get(LIST_ID)
            endpoint = _ENDPOINTS.get(str(action))
            if not (endpoint and list_id and email):
                yield Undeliverable((change.origin,), "the user's address, the list's id or a known action is missing")
                continue
            shared = properties(request.account, attribute_changes(change.audience))
            body = {"id": email} if endpoint is LEAVE else contact(email, shared)
            where = target(request.account, **({} if endpoint is UPSERT else {"list": list_id}))
            yield Item(endpoint=endpoint, target=where, body=body, covers=(change.origin,), key=email)


def subscription(request: AudienceSubscriptionRequest) -> Exchange[Mapping[str, str]]:
    """Make the list, or find it if an earlier answer was lost. One that is disconnected stays: it is the customer's.

    Raises RefusedError if HubSpot will not have it, and DeliveryError if the answer does not say its id.
    """
    if request.action == "remove":
        return {}
    if kept := request.audience_subscription_settings.get(LIST_ID):
        return {LIST_ID: kept}
    where = target(request.account)
    name = f"{request.audience_name or 'Audience'} (mParticle {request.audience_id})"
    new = Json({"name": name, "objectTypeId": "0-1", "processingType": "MANUAL"})
    found = yield PartnerCall(path=_PATH, body=new, site=where.site, auth=where.auth, accept=frozenset({400}))
    if not found.succeeded:
        if "DUPLICATE" not in found.text("subCategory"):
            raise RefusedError("HubSpot refuses the list")
        path = f"{_PATH}/object-type-id/0-1/name/{quote(name, safe='', errors='replace')}"
        found = yield PartnerCall(method="GET", path=path, site=where.site, auth=where.auth)
        if found.text("list", "processingType") not in ("MANUAL", "SNAPSHOT"):
            raise RefusedError("the list of this name is not a static one")
    if not found.identifier("list", "listId"):
        raise DeliveryError("HubSpot's answer lacks the list's id")
    return {LIST_ID: found.identifier("list", "listId")}


def _join(target: Target, bodies: Sequence[JsonObject]) -> Exchange[Outcome]:
    """Write the contacts, which creates those that are new, and add them to the list."""
    ids, failures = written(bodies, (yield upsert(target, bodies)))
    if not ids:
        return Delivered(failures)
    added = yield _members(target, "add", ids.values(), failures)
    missing = set(added.texts("recordIdsMissing"))  # deleted between the calls
    gone: dict[int, Failure] = {place: Alone("no_contact") for place, id_ in ids.items() if id_ in missing}
    return Delivered({**failures, **gone})


def _leave(target: Target, bodies: Sequence[JsonObject]) -> Exchange[Outcome]:
    """Look the contacts up, and remove them from the list. An address without a contact is in no list."""
    found = yield read(bodies)
    if ids := [str(contact["id"]) for contact in found.objects("results") if contact.get("id")]:
        yield _members(target, "remove", ids, {})
    return Delivered()


def _members(target: Target, verb: str, ids: Iterable[str], known: Mapping[int, Failure]) -> PartnerCall:
    path = f"{_PATH}/{path_segment(target['list'], LIST_ID)}/memberships/{verb}"
    return PartnerCall(method="PUT", path=path, body=Json(list(dict.fromkeys(ids))), known=known)


JOIN = Endpoint(name="join", call=_join, judge=wait, max_items=MAX_INPUTS, across_requests=True, lane="contact")
LEAVE = Endpoint(name="leave", call=_leave, judge=wait, max_items=MAX_INPUTS, across_requests=True, lane="contact")
_ENDPOINTS = {"add": JOIN, "delete": LEAVE, "attribute_update": UPSERT}
