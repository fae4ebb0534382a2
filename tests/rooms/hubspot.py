"""HubSpot: OAuth, failures by a trace id, and a chain from addresses to ids to members."""

from collections.abc import Mapping, Sequence

from mparticle_firehose.integration import (
    Alone,
    Answer,
    Delivered,
    DeploymentSecret,
    Endpoint,
    Exchange,
    Failure,
    Json,
    JsonObject,
    OAuth2,
    Outcome,
    PartnerCall,
    Rejected,
    Retry,
    Target,
)
from tests.rooms.judging import room

ROOM = room({"hubspot": "https://api.hubapi.com"})
WAITS = {"SECONDLY": 1.0, "TEN_SECONDLY_ROLLING": 10.0, "DAILY": 12 * 3600.0}


def access(refresh_token: str, **parameters: str) -> Target:
    auth = OAuth2.refresh_token(
        refresh_token,
        site="hubspot",
        path="/oauth/v3/token",
        client_id=DeploymentSecret("hubspot_client_id"),
        client_secret=DeploymentSecret("hubspot_client_secret"),
    )
    return Target(site="hubspot", auth=auth, parameters=parameters)


def by_policy(_bodies: Sequence[JsonObject], answer: Answer) -> Outcome | None:
    if answer.status == 429:
        return Retry("rate_limit", WAITS.get(answer.text("policyName"), answer.wait("Retry-After")))
    return Retry("locked", 2.0) if answer.status == 423 else None


def upsert(_target: Target, bodies: Sequence[JsonObject]) -> PartnerCall:
    inputs = [
        {"id": body["email"], "idProperty": "email", "properties": body, "objectWriteTraceId": str(index)}
        for index, body in enumerate(bodies)
    ]
    return PartnerCall(path="/crm/v3/objects/contacts/batch/upsert", body=Json({"inputs": inputs}))


def by_trace(bodies: Sequence[JsonObject], answer: Answer) -> Outcome | None:
    if not answer.succeeded:
        return by_policy(bodies, answer)
    if answer.text("status") not in {"", "COMPLETE"}:
        return Retry("not_complete")
    if not answer.at("results") and not answer.at("errors"):
        return Rejected("nothing_written")
    traces = [error.texts("context", "objectWriteTraceId") or [""] for error in answer.each("errors")]
    sent = {str(index): index for index in range(len(bodies))}
    places = [sent.get(trace) for named in traces for trace in named]
    failures = {place: Rejected("invalid_contact") for place in places if place is not None}
    return Delivered(failures, unplaced=places.count(None))


def _ids(answer: Answer) -> dict[str, str]:
    """Return the ids of contacts by their address: the order of results is not promised."""
    return {found.text("properties", "email").lower(): found.text("id") for found in answer.each("results")}


def _members(target: Target, verb: str, ids: Sequence[str], known: Mapping[int, Failure | Delivered]) -> PartnerCall:
    path = f"/crm/v3/lists/{target['list']}/memberships/{verb}"
    return PartnerCall(method="PUT", path=path, body=Json([*ids]), known=known)


def join(target: Target, bodies: Sequence[JsonObject]) -> Exchange[Outcome]:
    answer = yield upsert(target, bodies)
    outcome = by_trace(bodies, answer)
    if not isinstance(outcome, Delivered):
        return outcome or Retry("unreadable")
    ids = _ids(answer)
    places = {str(body["email"]).lower(): index for index, body in enumerate(bodies)}
    without = {index: Alone("no_id") for email, index in places.items() if email not in ids}
    failures = {**without, **outcome.failures}
    found = {ids[email]: index for email, index in places.items() if index not in failures}
    if not found:
        return Delivered(failures)
    added = yield _members(target, "add", [*found], failures)
    missing = {found[known]: Alone("missing") for known in added.texts("recordIdsMissing") if known in found}
    return Delivered({**failures, **missing})


def leave(target: Target, bodies: Sequence[JsonObject]) -> Exchange[Outcome]:
    body = {"idProperty": "email", "properties": ["email"], "propertiesWithHistory": []}
    inputs = [{"id": body["email"]} for body in bodies]
    answer = yield PartnerCall(path="/crm/v3/objects/contacts/batch/read", body=Json({**body, "inputs": inputs}))
    ids = _ids(answer)
    gone = {index: Delivered() for index, body in enumerate(bodies) if str(body["email"]).lower() not in ids}
    if ids:
        yield _members(target, "remove", [*ids.values()], gone)
    return Delivered()


def forget(_target: Target, bodies: Sequence[JsonObject]) -> PartnerCall:
    body = {"objectId": bodies[0]["email"], "idProperty": "email"}
    path = "/crm/v3/objects/contacts/gdpr-delete"
    return PartnerCall(path=path, body=Json(body), accept=frozenset({404}))


UPSERT = Endpoint(name="upsert", call=upsert, judge=by_trace, max_items=100, across_requests=True)
JOIN = Endpoint(name="join", call=join, judge=by_policy, max_items=100, across_requests=True, lane="list")
LEAVE = Endpoint(name="leave", call=leave, judge=by_policy, max_items=100, across_requests=True, lane="list")
FORGET = Endpoint(name="forget", call=forget, judge=by_policy)
ENDPOINTS = (UPSERT, JOIN, LEAVE, FORGET)
