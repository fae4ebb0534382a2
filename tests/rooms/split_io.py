"""Split.io: a segment is made and then activated, and is not there at once; two hosts with two keys."""

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from mparticle_firehose.integration import (
    Answer,
    Bearer,
    Endpoint,
    Exchange,
    Json,
    JsonObject,
    Outcome,
    PartnerCall,
    Retry,
    Target,
)
from tests.rooms.judging import room

ROOM = room({"admin": "https://api.split.io/internal/api/v2", "events": "https://events.split.io/api"})
SECONDS_UNTIL_ACTIVE = 3600.0


def access(admin_key: str, **parameters: str) -> Target:
    return Target(site="admin", auth=Bearer(admin_key), parameters=parameters)


def events_access(key: str) -> Target:
    return Target(site="events", auth=Bearer(key))


def _segment(target: Target) -> str:
    return f"/segments/{target['environment']}/{quote(target['segment'], safe='')}"


def connect(target: Target) -> Exchange[Mapping[str, str]]:
    """Make the segment, which may exist, and activate it; remember when: the subscription."""
    path = f"/segments/ws/{target['workspace']}/trafficTypes/{target['traffic_type']}"
    body = {"name": target["segment"], "description": "mParticle"}
    accept = frozenset({409})
    made = yield PartnerCall(site=target.site, path=path, auth=target.auth, body=Json(body), accept=accept)
    yield PartnerCall(site=target.site, path=_segment(target), auth=target.auth, accept=accept)
    return {"madeAt": str(int(made.received_at))}


def _keys(name: str) -> Endpoint:
    def call(target: Target, bodies: Sequence[JsonObject]) -> PartnerCall:
        path = f"{_segment(target)}/{name}"
        query = {"replace": "false"} if name == "uploadKeys" else {}
        body = {"keys": [body["key"] for body in bodies], "comment": "mParticle"}
        return PartnerCall(method="PUT", path=path, query=query, body=Json(body))

    return Endpoint(name=name, call=call, judge=by_age, max_items=1000, across_requests=True, lane="segment")


def by_age(bodies: Sequence[JsonObject], answer: Answer) -> Outcome | None:
    """A segment that was just made may not be found yet."""
    made_at = max((at for body in bodies if isinstance(at := body.get("made_at"), int)), default=0)
    is_new = answer.received_at - made_at < SECONDS_UNTIL_ACTIVE
    return Retry("not_active_yet") if answer.status == 404 and is_new else None


def events(_target: Target, bodies: Sequence[JsonObject]) -> PartnerCall:
    return PartnerCall(path="/events", body=Json([*bodies]))


UPLOAD, REMOVE = _keys("uploadKeys"), _keys("removeKeys")
EVENTS = Endpoint(name="events", call=events, max_items=500)
ENDPOINTS = (UPLOAD, REMOVE, EVENTS)
