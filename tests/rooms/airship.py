"""Airship: a top-level array, a second header that names the app, and a versioned Accept."""

from collections.abc import Sequence

from mparticle_firehose.integration import Bearer, Endpoint, Json, JsonObject, PartnerCall, Target
from tests.rooms.judging import room

ROOM = room({"us": "https://go.urbanairship.com", "eu": "https://go.airship.eu"})
ACCEPT = "application/vnd.urbanairship+json; version=3"


def access(token: str, app_key: str, site: str = "us") -> Target:
    return Target(site=site, auth=Bearer(token), parameters={"app_key": app_key})


def _headers(target: Target) -> dict[str, str]:
    return {"X-UA-Appkey": target["app_key"], "Accept": ACCEPT}


def events(target: Target, bodies: Sequence[JsonObject]) -> PartnerCall:
    return PartnerCall(path="/api/custom-events", headers=_headers(target), body=Json([*bodies]))


def tags(target: Target, bodies: Sequence[JsonObject]) -> PartnerCall:
    audience = {"named_user_id": [body["user"] for body in bodies]}
    body = {"audience": audience, str(bodies[0]["verb"]): {"mparticle": [bodies[0]["tag"]]}}
    return PartnerCall(path="/api/named_users/tags", headers=_headers(target), body=Json(body))


EVENTS = Endpoint(name="events", call=events, max_items=100, max_bytes=5 * 1024 * 1024)
TAGS = Endpoint(name="tags", call=tags)
ENDPOINTS = (EVENTS, TAGS)
