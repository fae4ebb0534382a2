"""How audiences become Customer.io's manual segments."""

from collections.abc import Iterator, Mapping, Sequence

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
    Target,
    Undeliverable,
    attribute_changes,
    changes_by_user,
    identity,
    known,
    path_segment,
)

from .account import app, track
from .batch import BATCH, LANE, NO_PERSON, identifiers, identify, key

SEGMENT_ID = "segmentId"
"""The invisible subscription setting that holds the id of the audience's segment."""


def _segment(verb: str) -> Endpoint:
    def call(target: Target, bodies: Sequence[JsonObject]) -> PartnerCall:
        return PartnerCall(
            path=f"/api/v1/segments/{path_segment(target['segment'], SEGMENT_ID)}/{verb}_customers",
            query={"id_type": target["id_type"]},
            body=Json({"ids": [body["id"] for body in bodies]}),
        )

    return Endpoint(name=f"{verb}_customers", call=call, max_items=1000, across_requests=True, lane=LANE)


ADD, REMOVE = _segment("add"), _segment("remove")

_ENDPOINTS: Mapping[str | None, Endpoint | None] = {
    mp.AudienceAction.ADD: ADD,
    mp.AudienceAction.DELETE: REMOVE,
    mp.AudienceAction.ATTRIBUTE_UPDATE: None,
}


def subscription(request: mp.AudienceSubscriptionRequest) -> Exchange[Mapping[str, str]]:
    """Find the manual segment with the audience's name, or make it. The end of a subscription changes nothing."""
    kept = request.audience_subscription_settings.get(SEGMENT_ID)
    if kept or request.action == mp.AudienceSubscriptionAction.REMOVE:
        return {SEGMENT_ID: kept} if kept else {}
    access = app(request.account)
    found = yield PartnerCall(method="GET", path="/v1/segments", site=access.site, auth=access.auth)
    manual = [each for each in found.each("segments") if each.text("type") == "manual"]
    segment_id = next((each.identifier("id") for each in manual if each.text("name") == request.audience_name), "")
    if not segment_id:
        body: JsonObject = {"segment": known(name=request.audience_name, description=request.audience_description)}
        made = yield PartnerCall(path="/v1/segments", site=access.site, auth=access.auth, body=Json(body))
        segment_id = made.identifier("segment", "id")
    if not segment_id:
        raise DeliveryError("the partner's answer lacks the segment's id")
    return {SEGMENT_ID: segment_id}


def memberships(request: mp.AudienceMembershipChangeRequest) -> Iterator[Item | Undeliverable]:
    """Yield each change in the request's order: the person, and then what becomes of the person's membership.

    Raises:
        SettingError: a setting is missing or unusable.
    """
    for profile, of_user in changes_by_user(request):
        ids, email = identifiers(profile.user_identities), identity(profile.user_identities, mp.UserIdentityType.EMAIL)
        for change in of_user:
            yield from _items(request, change, ids, email) if ids else [Undeliverable((change.origin,), NO_PERSON)]


def _items(
    request: mp.AudienceMembershipChangeRequest, change: Change, ids: JsonObject, email: str | None
) -> Iterator[Item | Undeliverable]:
    covers, endpoint = (change.origin,), _ENDPOINTS.get(change.audience.action)
    segment = change.audience.audience_subscription_settings.get(SEGMENT_ID)
    if change.audience.action not in _ENDPOINTS or (endpoint and not segment):
        yield Undeliverable(covers, f"its action is unknown, or its audience setting {SEGMENT_ID!r} is missing")
        return
    if endpoint is not REMOVE:  # who is to join must be there
        attributes = attribute_changes(change.audience)
        body = identify(ids, email, attributes, request.timestamp_ms)
        yield Item(endpoint=BATCH, target=track(request.account), body=body, covers=covers, key=key(body))
    if endpoint:
        [(id_type, value)] = ids.items()
        target = track(request.account, segment=str(segment), id_type=id_type)
        yield Item(endpoint=endpoint, target=target, body={"id": value}, covers=covers, key=str(value))
