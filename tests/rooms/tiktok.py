"""TikTok: every answer is a 200, and its code says what it means; the action of a call is its target's."""

from collections.abc import Mapping, Sequence

from mparticle_firehose.integration import (
    Alone,
    Answer,
    Delivered,
    Endpoint,
    Header,
    Json,
    JsonObject,
    Outcome,
    PartnerCall,
    Retry,
    Suspend,
    Target,
)
from tests.rooms.judging import room

ROOM = room({"tiktok": "https://business-api.tiktok.com/open_api/v1.3"})
CODES: Mapping[object, Outcome] = {
    **dict.fromkeys((0, 20001), Delivered()),
    40100: Retry("too_many", 5.0),
    **dict.fromkeys((40001, 40002), Alone()),
    40105: Suspend("token"),
}


def access(token: str, **parameters: str) -> Target:
    return Target(site="tiktok", auth=Header("Access-Token", token), parameters=parameters)


def events(target: Target, bodies: Sequence[JsonObject]) -> PartnerCall:
    source = {"event_source": "web", "event_source_id": target["pixel"]}
    return PartnerCall(path="/event/track/", body=Json({**source, "data": [*bodies]}))


def members(target: Target, bodies: Sequence[JsonObject]) -> PartnerCall:
    body: JsonObject = {
        "advertiser_ids": [target["advertiser"]],
        "action": target["action"],
        "id_schema": ["EMAIL_SHA256"],
        "batch_data": [[{"id": body["id"], "audience_ids": [body["audience"]]}] for body in bodies],
    }
    return PartnerCall(path="/segment/mapping/", body=Json(body))


def by_code(_bodies: Sequence[JsonObject], answer: Answer) -> Outcome | None:
    if not answer.succeeded:
        return None
    return CODES.get(answer.whole("code"), Retry("no_known_code"))


EVENTS = Endpoint(name="events", call=events, judge=by_code, max_items=1000)
MEMBERS = Endpoint(name="members", call=members, judge=by_code, max_items=1000, across_requests=True)
ENDPOINTS = (EVENTS, MEMBERS)
