"""Mixpanel: a top-level array, compressed, and an answer 400 that tells of a partial success."""

from collections.abc import Sequence

from mparticle_firehose.integration import (
    Answer,
    Basic,
    Delivered,
    Endpoint,
    InBody,
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
        "us": "https://api.mixpanel.com",
        "eu": "https://api-eu.mixpanel.com",
        "in": "https://api-in.mixpanel.com",
    }
)


def import_access(service_account: str, secret: str, project: str, site: str = "us") -> Target:
    return Target(site=site, auth=Basic(service_account, secret), parameters={"project_id": project})


def engage_access(token: str, site: str = "us") -> Target:
    return Target(site=site, auth=InBody(token))


def imported(target: Target, bodies: Sequence[JsonObject]) -> PartnerCall:
    query = {"strict": "1", "project_id": target["project_id"]}
    return PartnerCall(path="/import", query=query, body=Json([*bodies]), gzip=True)


def by_record(bodies: Sequence[JsonObject], answer: Answer) -> Outcome | None:
    if answer.status != 400:
        return None
    places = [index_in(record.at("index"), len(bodies)) for record in answer.each("failed_records")]
    failures = {place: Rejected("invalid_record") for place in places if place is not None}
    return Delivered(failures, places.count(None)) if places else Rejected("refused_whole")


def engage(target: Target, bodies: Sequence[JsonObject]) -> PartnerCall:
    return PartnerCall(
        path="/engage", query={"verbose": "1"}, body=Json([{"$token": target.in_body.key, **body} for body in bodies])
    )


def by_error(_bodies: Sequence[JsonObject], answer: Answer) -> Outcome | None:
    return Rejected("error") if answer.succeeded and answer.at("error") else None


IMPORT = Endpoint(
    name="import",
    call=imported,
    judge=by_record,
    max_items=2000,
    max_bytes=2_000_000,
    max_item_bytes=1_000_000,
)
ENGAGE = Endpoint(name="engage", call=engage, judge=by_error, max_items=2000, across_requests=True)
ENDPOINTS = (IMPORT, ENGAGE)
