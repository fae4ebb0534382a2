"""OneSignal: one user a call, named in the path; a user that is not there yet is made."""

from collections.abc import Sequence
from urllib.parse import quote

from mparticle_firehose.integration import (
    Delivered,
    Endpoint,
    Exchange,
    Header,
    Json,
    JsonObject,
    Outcome,
    PartnerCall,
    Target,
)
from tests.rooms.judging import room

ROOM = room({"onesignal": "https://api.onesignal.com"})


def access(key: str, app: str, user: str) -> Target:
    """Return a target for one user: the tags of one user share a call."""
    auth = Header("Authorization", key, prefix="Key ")
    return Target(site="onesignal", auth=auth, parameters={"app": app, "user": user})


def _user(target: Target) -> str:
    return f"/apps/{target['app']}/users/by/external_id/{quote(target['user'], safe='')}"


def update(target: Target, bodies: Sequence[JsonObject]) -> Exchange[Outcome]:
    properties: JsonObject = {"tags": {str(body["tag"]): body["value"] for body in bodies}}
    path = _user(target)
    accept = frozenset({404})
    updated = yield PartnerCall(method="PATCH", path=path, body=Json({"properties": properties}), accept=accept)
    if updated.status == 404:
        user: JsonObject = {"identity": {"external_id": target["user"]}, "properties": properties}
        path, accept = f"/apps/{target['app']}/users", frozenset({409})
        yield PartnerCall(path=path, body=Json(user), accept=accept)
    return Delivered()


def erase(target: Target, _bodies: Sequence[JsonObject]) -> PartnerCall:
    return PartnerCall(method="DELETE", path=_user(target), accept=frozenset({404}))


UPDATE = Endpoint(name="update", call=update, max_items=100, across_requests=True)
ERASE = Endpoint(name="erase", call=erase)
ENDPOINTS = (UPDATE, ERASE)
