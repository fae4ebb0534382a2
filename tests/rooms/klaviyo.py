"""Klaviyo: failures by a pointer, a conflict that carries the id, and lists that take ids only."""

import json
import re
from collections.abc import Sequence

from mparticle_firehose.integration import (
    Answer,
    Delivered,
    Endpoint,
    Exchange,
    Header,
    Json,
    JsonObject,
    Outcome,
    PartnerCall,
    Rejected,
    Retry,
    Target,
    index_in,
)
from tests.rooms.judging import room

ROOM = room({"klaviyo": "https://a.klaviyo.com/api"})
REVISION = {"revision": "2026-04-15"}
PLACE = re.compile(r"/data/([0-9]{1,6})(?:/|$)")


def access(key: str, **parameters: str) -> Target:
    auth = Header("Authorization", key, prefix="Klaviyo-API-Key ")
    return Target(site="klaviyo", auth=auth, parameters=parameters)


def events(_target: Target, bodies: Sequence[JsonObject]) -> PartnerCall:
    attributes = {"events-bulk-create": {"data": [*bodies]}}
    body: JsonObject = {"data": {"type": "event-bulk-create-job", "attributes": attributes}}
    return PartnerCall(path="/event-bulk-create-jobs", headers=REVISION, body=Json(body))


def by_pointer(bodies: Sequence[JsonObject], answer: Answer) -> Outcome | None:
    """Nothing was taken: the named ones never will be, the others go again at once."""
    if answer.status != 400:
        return None
    found = (PLACE.search(error.text("source", "pointer")) for error in answer.each("errors"))
    places = {index_in(int(match[1]), len(bodies)) for match in found if match} - {None}
    if not places:
        return None
    rest = range(len(bodies))
    return Delivered({at: Rejected("invalid_event") if at in places else Retry("not_taken", 0) for at in rest})


def _members(target: Target, method: str, ids: Sequence[str]) -> PartnerCall:
    body = {"data": [{"type": "profile", "id": profile} for profile in ids]}
    path = f"/lists/{target['list']}/relationships/profiles"
    return PartnerCall(method=method, path=path, headers=REVISION, body=Json(body))


def join(target: Target, bodies: Sequence[JsonObject]) -> Exchange[Outcome]:
    """Make the profile, which may exist, and add it."""
    profile: JsonObject = {"data": {"type": "profile", "attributes": bodies[0]}}
    accept = frozenset({409})
    made = yield PartnerCall(path="/profiles", headers=REVISION, body=Json(profile), accept=accept)
    known = made.text("errors", 0, "meta", "duplicate_profile_id") if made.status == 409 else made.text("data", "id")
    if not known:
        return Retry("no_id")
    yield _members(target, "POST", [known])
    return Delivered()


def leave(target: Target, bodies: Sequence[JsonObject]) -> PartnerCall:
    """Remove profiles whose ids mParticle knows as partner identities."""
    return _members(target, "DELETE", [str(body["id"]) for body in bodies])


def leave_by_address(target: Target, bodies: Sequence[JsonObject]) -> Exchange[Outcome]:
    addresses = json.dumps([body["email"] for body in bodies], separators=(",", ":"))
    query = {"filter": f"any(email,{addresses})"}
    found = yield PartnerCall(method="GET", path="/profiles/", query=query, headers=REVISION)
    if ids := [profile.text("id") for profile in found.each("data")]:
        yield _members(target, "DELETE", ids)
    return Delivered()


EVENTS = Endpoint(
    name="events", call=events, judge=by_pointer, max_items=1000, max_bytes=5_000_000, across_requests=True
)
JOIN = Endpoint(name="join", call=join, across_requests=True, lane="list")
LEAVE = Endpoint(name="leave", call=leave, max_items=1000, across_requests=True, lane="list")
LEAVE_BY_ADDRESS = Endpoint(
    name="leave_by_address", call=leave_by_address, max_items=50, across_requests=True, lane="list"
)
ENDPOINTS = (EVENTS, JOIN, LEAVE, LEAVE_BY_ADDRESS)
