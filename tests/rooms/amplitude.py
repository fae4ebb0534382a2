"""Amplitude: the key in the body, an answer 400 that names the bad events, and cohorts that take one call at a time."""

from collections.abc import Iterator, Sequence

from mparticle_firehose.integration import (
    Answer,
    Basic,
    Delivered,
    Endpoint,
    Failure,
    InBody,
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

ROOM = room(
    {
        "us": "https://api2.amplitude.com",
        "eu": "https://api.eu.amplitude.com",
        "us-cohorts": "https://amplitude.com",
        "eu-cohorts": "https://analytics.eu.amplitude.com",
    }
)


def access(key: str, site: str = "us") -> Target:
    return Target(site=site, auth=InBody(key))


def cohort_access(key: str, secret: str, cohort: str, site: str = "us-cohorts") -> Target:
    return Target(site=site, auth=Basic(key, secret), parameters={"cohort": cohort})


def events(target: Target, bodies: Sequence[JsonObject]) -> PartnerCall:
    return PartnerCall(path="/2/httpapi", body=Json({"api_key": target.in_body.key, "events": [*bodies]}))


def by_fields(bodies: Sequence[JsonObject], answer: Answer) -> Outcome | None:
    if answer.status == 429:
        return Retry("too_fast", answer.wait("Retry-After") or 30.0)
    named = {index_in(place, len(bodies)) for place in _places(answer)} - {None}
    if answer.status != 400 or not named:
        return None
    rest = range(len(bodies))
    return Delivered({at: Rejected("invalid_event") if at in named else Retry("not_taken", 0) for at in rest})


def _places(answer: Answer) -> Iterator[object]:
    for kind in ("events_with_invalid_fields", "events_with_missing_fields"):
        fields = answer.at(kind)
        for field in fields if isinstance(fields, dict) else ():
            yield from (place.at() for place in answer.each(kind, field))


def members(target: Target, bodies: Sequence[JsonObject]) -> PartnerCall:
    changes: list[JsonObject] = [
        {"ids": ids, "id_type": "BY_NAME", "operation": operation}
        for operation in ("ADD", "REMOVE")
        if (ids := [body["id"] for body in bodies if body["operation"] == operation])
    ]
    body: JsonObject = {"cohort_id": target["cohort"], "skip_invalid_ids": True, "memberships": changes}
    return PartnerCall(path="/api/3/cohorts/membership", body=Json(body))


def by_skipped(bodies: Sequence[JsonObject], answer: Answer) -> Outcome | None:
    if not answer.succeeded:
        return by_fields(bodies, answer)
    added = [each for each in answer.each("memberships_result") if each.text("operation") == "ADD"]
    skipped = {known for each in added for known in each.texts("skipped_ids")}
    failures: dict[int, Failure | Delivered] = {
        index: Rejected("unknown_id")
        for index, body in enumerate(bodies)
        if body["operation"] == "ADD" and body["id"] in skipped
    }
    return Delivered(failures)


EVENTS = Endpoint(name="events", call=events, judge=by_fields, max_items=2000, max_bytes=1_000_000)
MEMBERS = Endpoint(name="members", call=members, judge=by_skipped, max_items=1000, across_requests=True)
ENDPOINTS = (EVENTS, MEMBERS)
