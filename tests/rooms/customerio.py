"""Customer.io: entities in one batch, failures by index, verbs in the path, and a second host with a second secret."""

from collections.abc import Mapping, Sequence
from urllib.parse import quote
from uuid import UUID

from mparticle_firehose.integration import (
    Answer,
    Basic,
    Bearer,
    Delivered,
    Endpoint,
    Exchange,
    Json,
    JsonObject,
    Outcome,
    PartnerCall,
    Rejected,
    Target,
    index_in,
)
from tests.rooms.judging import room

ROOM = room(
    {
        "us": "https://track.customer.io",
        "eu": "https://track-eu.customer.io",
        "us-app": "https://api.customer.io",
        "eu-app": "https://api-eu.customer.io",
    }
)
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def access(site_id: str, key: str, site: str = "eu", **parameters: str) -> Target:
    return Target(site=site, auth=Basic(site_id, key), parameters=parameters)


def ulid(event_id: str) -> str:
    """Return the 128 bits of a UUID in Crockford's base 32, so that a repeated event has the id it had."""
    bits = UUID(event_id).int
    return "".join(CROCKFORD[bits >> shift & 31] for shift in range(125, -1, -5))


def batch(_target: Target, bodies: Sequence[JsonObject]) -> PartnerCall:
    return PartnerCall(path="/api/v2/batch", body=Json({"batch": [*bodies]}))


def by_index(bodies: Sequence[JsonObject], answer: Answer) -> Outcome | None:
    if answer.status != 207:
        return None
    places = [index_in(error.at("batch_index"), len(bodies)) for error in answer.each("errors")]
    named = {place for place in places if place is not None}
    return Delivered(dict.fromkeys(named, Rejected("invalid_entity")), unplaced=places.count(None))


def _segment(verb: str) -> Endpoint:
    def call(target: Target, bodies: Sequence[JsonObject]) -> PartnerCall:
        return PartnerCall(
            path=f"/api/v1/segments/{quote(target['segment'], safe='')}/{verb}_customers",
            query={"id_type": target["id_type"]},
            body=Json({"ids": [body["id"] for body in bodies]}),
        )

    return Endpoint(name=verb, call=call, max_items=1000, across_requests=True, lane="segment")


def suppress(_target: Target, bodies: Sequence[JsonObject]) -> PartnerCall:
    return PartnerCall(path=f"/api/v1/customers/{quote(str(bodies[0]['id']), safe='')}/suppress")


BATCH = Endpoint(
    name="batch",
    call=batch,
    judge=by_index,
    max_items=1000,
    max_bytes=499_999,  # smaller than 500 kB
    max_item_bytes=32_000,
    across_requests=True,
    lane="person",
)
ADD, REMOVE = _segment("add"), _segment("remove")
SUPPRESS = Endpoint(name="suppress", call=suppress)
ENDPOINTS = (BATCH, ADD, REMOVE, SUPPRESS)


def connect(target: Target, app_key: str, name: str) -> Exchange[Mapping[str, str]]:
    """Find the audience's segment, or else make it, on the other host: the subscription."""
    site, auth = f"{target.site}-app", Bearer(app_key)
    found = yield PartnerCall(method="GET", site=site, path="/v1/segments", auth=auth)
    ids = [known.at("id") for known in found.each("segments") if known.text("name") == name]
    if not ids:
        body = {"segment": {"name": name, "description": "mParticle"}}
        made = yield PartnerCall(site=site, path="/v1/segments", auth=auth, body=Json(body))
        ids = [made.at("segment", "id")]
    return {"segment": str(ids[0])}
