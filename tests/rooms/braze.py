"""Braze: three kinds of objects in one call, failures by array and index, and deployment secrets in the body."""

from collections.abc import Sequence

from mparticle_firehose.integration import (
    Answer,
    Bearer,
    Delivered,
    DeploymentSecret,
    Endpoint,
    Exchange,
    InBody,
    Item,
    Json,
    JsonObject,
    JsonValue,
    Origin,
    Outcome,
    PartnerCall,
    Rejected,
    Retry,
    Split,
    Target,
    changes,
    identity,
    index_in,
)
from mparticle_firehose.protocol import AudienceAction, AudienceMembershipChangeRequest, UserIdentityType
from tests.rooms.judging import room

ROOM = room(
    {"us-01": "https://rest.iad-01.braze.com", "eu-01": "https://rest.fra-01.braze.eu"},
    wait_headers=("Retry-After", "X-RateLimit-Retry-After", "X-RateLimit-Reset"),
)
KINDS = ("attributes", "events", "purchases")


def access(key: str, site: str = "eu-01", **parameters: str) -> Target:
    return Target(site=site, auth=Bearer(key), parameters=parameters)


def partner_access(client_secret: str, site: str, cohort: str) -> Target:
    return Target(site=site, auth=InBody(client_secret), parameters={"cohort": cohort, "name": cohort})


def tracked(kind: str, **fields: str | bool | float) -> JsonObject:
    """Return an item's body: an object, and the array it goes into."""
    return {"kind": kind, "object": fields}


def track(_target: Target, bodies: Sequence[JsonObject]) -> PartnerCall:
    arrays = {kind: [body["object"] for body in bodies if body["kind"] == kind] for kind in KINDS}
    return PartnerCall(path="/users/track", body=Json({kind: objects for kind, objects in arrays.items() if objects}))


def by_place(bodies: Sequence[JsonObject], answer: Answer) -> Outcome | None:
    places = {kind: [index for index, body in enumerate(bodies) if body["kind"] == kind] for kind in KINDS}
    named, unplaced = set[int](), 0
    for error in answer.each("errors"):
        mine = places.get(error.text("input_array"), [])
        place = index_in(error.at("index"), len(mine))
        named |= set() if place is None else {mine[place]}
        unplaced += place is None
    if answer.succeeded:
        failures = dict.fromkeys(named, Rejected("invalid_object"))
        return Delivered(failures, unplaced) if answer.text("message") == "success" else Retry("no_success")
    if answer.status != 400:
        return None
    if len(named) == len(bodies):
        return Rejected("all_objects_invalid")
    return Split() if "Max Input Length Exceeded" in answer.text("message") else None


def said_success(_bodies: Sequence[JsonObject], answer: Answer) -> Outcome | None:
    return Retry("no_success") if answer.succeeded and answer.text("message") != "success" else None


def erase(target: Target, bodies: Sequence[JsonObject]) -> PartnerCall:
    body = {target["kind"]: [body["value"] for body in bodies]}
    return PartnerCall(path="/users/delete", body=Json(body), accept=frozenset({404}))


def cohort(target: Target, bodies: Sequence[JsonObject]) -> Exchange[Outcome]:
    """Make the cohort, which may exist, and change its members: keys travel in the body."""
    keys: JsonObject = {
        "partner_api_key": DeploymentSecret(f"braze_partner_key_{target.site[:2]}"),
        "client_secret": target.in_body.key,
        "cohort_id": target["cohort"],
    }
    made = yield PartnerCall(path="/partners/mparticle/cohorts", body=Json({**keys, "name": target["name"]}))
    if made.text("message") != "success":
        return Retry("no_success")
    joins = [body["user"] for body in bodies if not body["leaves"]]
    leaves = [body["user"] for body in bodies if body["leaves"]]
    changes: list[JsonObject] = [{"user_ids": joins}] if joins else []
    changes += [{"user_ids": leaves, "should_remove": True}] if leaves else []
    body: JsonObject = {**keys, "cohort_changes": changes}
    changed = yield PartnerCall(path="/partners/mparticle/cohorts/users", body=Json(body))
    return said_success(bodies, changed) or Delivered()


TRACK = Endpoint(
    name="track",
    call=track,
    judge=by_place,
    max_items=75,
    max_bytes=4_000_000,
    max_item_bytes=100_000,
    across_requests=True,
)
ERASE = Endpoint(name="erase", call=erase, judge=said_success, max_items=50, across_requests=True)
COHORT = Endpoint(name="cohort", call=cohort, max_items=1000, across_requests=True)
ENDPOINTS = (TRACK, ERASE, COHORT)


def memberships(request: AudienceMembershipChangeRequest, target: Target) -> list[Item]:
    """Return one attribute object for each user, with the last state of each audience."""
    states: dict[str, dict[str, JsonValue]] = {}
    covers: dict[str, list[Origin]] = {}
    for change in changes(request):
        user = identity(change.profile.user_identities, UserIdentityType.CUSTOMER) or ""
        covers.setdefault(user, []).append(change.origin)
        state = states.setdefault(user, {"external_id": user})
        state[f"audience_{change.audience.audience_id}"] = change.audience.action == AudienceAction.ADD
    return [
        Item(
            endpoint=TRACK,
            target=target,
            body={"kind": "attributes", "object": state},
            covers=tuple(covers[user]),
            key=user,
        )
        for user, state in states.items()
    ]
