"""Facebook: an answer 400 of which the code says what it means, a wait of minutes in a header, hashed members."""

import hashlib
import json
from collections.abc import Mapping, Sequence

from mparticle_firehose.integration import (
    Alone,
    Answer,
    Bearer,
    Delivered,
    DeploymentSecret,
    Endpoint,
    Json,
    JsonObject,
    Outcome,
    PartnerCall,
    Rejected,
    Retry,
    Suspend,
    Target,
)
from tests.rooms.judging import room

ROOM = room({"graph": "https://graph.facebook.com/v25.0"})
USAGE = "x-business-use-case-usage"
CODES: Mapping[object, Outcome] = {
    **dict.fromkeys((1, 2, 341, 368, 5000, 21009), Retry("later")),
    **dict.fromkeys((4, 17, 80003), Retry("throttled")),
    190: Suspend("token"),
    200: Suspend("permission"),
    100: Alone(),
    **dict.fromkeys((294, 105, 2650, 1487301, 1487366, 2655), Rejected("refused")),
}


def access(**parameters: str) -> Target:
    """Return a target with the deployment's system user, the same for all customers."""
    return Target(site="graph", auth=Bearer(DeploymentSecret("facebook_system_user")), parameters=parameters)


def hashed(value: str) -> str:
    return hashlib.sha256(value.strip().lower().encode()).hexdigest()


def conversions(target: Target, bodies: Sequence[JsonObject]) -> PartnerCall:
    return PartnerCall(path=f"/{target['pixel']}/events", body=Json({"data": [*bodies]}))


def by_code(_bodies: Sequence[JsonObject], answer: Answer) -> Outcome | None:
    code = answer.whole("error", "code")
    if code == 100 and answer.whole("error", "error_subcode") == 33:
        return Rejected("object_is_gone")
    outcome = CODES.get(code)
    return Retry("throttled", _wait(answer)) if outcome == Retry("throttled") else outcome


def _wait(answer: Answer) -> float | None:
    """Return the longest wait that the header names, which it does in minutes."""
    try:
        usage = Answer(status=200, body=json.loads(answer.headers.get(USAGE, "")))
    except (ValueError, RecursionError):
        return None
    accounts = usage.at()
    uses = [use for account in (accounts if isinstance(accounts, dict) else ()) for use in usage.each(account)]
    waits = [usage.seconds(use.at("estimated_time_to_regain_access")) for use in uses]
    return max((60 * wait for wait in waits if wait), default=None)


def _members(name: str, method: str) -> Endpoint:
    def call(target: Target, bodies: Sequence[JsonObject]) -> PartnerCall:
        payload: JsonObject = {"schema": ["EMAIL_SHA256"], "data": [[body["email"]] for body in bodies]}
        return PartnerCall(method=method, path=f"/{target['audience']}/users", body=Json({"payload": payload}))

    return Endpoint(name=name, call=call, judge=by_count, max_items=10_000, across_requests=True, lane="audience")


def by_count(bodies: Sequence[JsonObject], answer: Answer) -> Outcome | None:
    if not answer.succeeded:
        return by_code(bodies, answer)
    return Delivered(unplaced=answer.whole("num_invalid_entries") or 0)


CONVERSIONS = Endpoint(name="conversions", call=conversions, judge=by_code, max_items=1000)
ADD, REMOVE = _members("add", "POST"), _members("remove", "DELETE")
ENDPOINTS = (CONVERSIONS, ADD, REMOVE)
