"""An integration for random histories: the request says what each item is and what the partner does with it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from mparticle_firehose.integration import (
    Alone,
    Answer,
    Bearer,
    Delivered,
    Endpoint,
    Exchange,
    Item,
    Json,
    JsonObject,
    Outcome,
    PartnerCall,
    Rejected,
    Retry,
    Target,
    Undeliverable,
    changes,
)
from mparticle_firehose.protocol import AudienceMembershipChangeRequest, EventProcessingRequest

LANE_OF_EVENTS, LANE_OF_MEMBERSHIPS = "events", "members"

SAID: Mapping[str, Outcome] = {
    "bad": Rejected("bad"),
    "flaky": Retry("flaky"),
    "wait": Retry("wait", 7),
    "alone": Alone("which"),
    "zero": Retry("not_taken", 0),
}


def call(name: str, bodies: Sequence[JsonObject], **what: Any) -> PartnerCall:
    return PartnerCall(path=f"/{name}", body=Json({"items": list(bodies)}), **what)


def judge(_bodies: Sequence[JsonObject], answer: Answer) -> Outcome | None:
    if answer.status != 207:
        return None
    said = cast("Mapping[int, str]", answer.at("said"))
    return Delivered({index: cast("Any", SAID[word]) for index, word in said.items()})


def look_up_and_put(_target: Target, bodies: Sequence[JsonObject]) -> Exchange[Outcome]:
    said = cast("Mapping[int, str]", (yield call("look", bodies)).at("said") or {})
    known = {index: cast("Any", SAID[word]) for index, word in said.items()}
    found = [index for index in range(len(bodies)) if index not in known]
    if found:
        answer = yield call("put", [bodies[index] for index in found], known=known, accept=frozenset({409}))
        if answer.status == 409:
            return Delivered({**known, **dict.fromkeys(found, Alone("conflict"))})
    return Delivered(known)


def endpoint(name: str, **how: Any) -> Endpoint:
    return Endpoint(name=name, judge=judge, **{"call": lambda _target, bodies: call(name, bodies), **how})


ENDPOINTS = {
    each.name: each
    for each in (
        endpoint("single", lane=LANE_OF_EVENTS),
        endpoint("bulk", lane=LANE_OF_EVENTS, max_items=4, max_bytes=400),
        endpoint("strict", lane=LANE_OF_EVENTS, max_items=5),
        endpoint("many", max_items=40),
        endpoint("add", lane=LANE_OF_MEMBERSHIPS, max_items=8, across_requests=True),
        endpoint("remove", lane=LANE_OF_MEMBERSHIPS, max_items=8, across_requests=True),
        endpoint("note", lane=LANE_OF_MEMBERSHIPS, max_items=3, across_requests=True),
        endpoint("chain", lane=LANE_OF_MEMBERSHIPS, max_items=6, across_requests=True, call=look_up_and_put),
    )
}
LIMITS = {**ENDPOINTS, "look": ENDPOINTS["chain"], "put": ENDPOINTS["chain"]}


@dataclass
class Mappings:
    """The integration's mappings, of which the history may make another version."""

    version: int = 0

    def events(self, request: EventProcessingRequest) -> Iterator[Item | Undeliverable]:
        target = Target(auth=Bearer(str(request.account.account_settings["key"])))
        kind = request.user_attributes.get("kind")
        if kind:
            owner = f"{request.account.account_id}/{request.mpid}"
            state = {"uid": f"{request.id}/state", "kind": kind, "state_of": owner}
            yield Item(endpoint=ENDPOINTS["single"], target=target, body=state)
        for number, event in enumerate(request.events):
            covers = (("events", number),)
            said = json.loads(cast("Any", event).attributes["items"])
            if not said:
                yield Undeliverable(covers, "odd")
            if self.version:
                yield Item(
                    endpoint=ENDPOINTS["many"], target=target, body={"uid": "new", "kind": "good"}, covers=covers
                )
            for place, (name, kind, pad) in enumerate(said):
                body = {"uid": f"{request.id}/{cast('Any', event).name}/{place}", "kind": kind, "pad": "x" * pad}
                yield Item(endpoint=ENDPOINTS[name], target=target, body=body, covers=covers)

    def memberships(self, request: AudienceMembershipChangeRequest) -> Iterator[Item | Undeliverable]:
        for change in changes(request):
            said, mpid = change.audience.audience_subscription_settings, str(change.profile.mpid)
            if said["kind"] == "odd":
                yield Undeliverable((change.origin,), "odd")
                continue
            target = Target(
                auth=Bearer(str(request.account.account_settings["key"])),
                parameters={"list": str(change.audience.audience_id)},
            )
            action = str(change.audience.action)
            body = {
                "uid": said["uid"],
                "kind": said["kind"],
                "list": target["list"],
                "user": mpid,
                "action": action,
            }
            yield Item(
                endpoint=ENDPOINTS[str(said["via"])], target=target, body=body, covers=(change.origin,), key=mpid
            )
            if said["also"]:
                also = {"uid": f"{said['uid']}/also", "kind": said["also"]}
                yield Item(endpoint=ENDPOINTS["note"], target=target, body=also, covers=(change.origin,), user=mpid)
