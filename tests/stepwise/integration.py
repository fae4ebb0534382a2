"""The sample integration with everything in several steps: endpoints that share a lane, exchanges, small calls.

Joining looks the people up first; joining, leaving and changing attributes are three endpoints. The user's state and
the events are two.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mparticle_firehose.integration import (
    Answer,
    Delivered,
    Endpoint,
    Exchange,
    Failure,
    Item,
    Json,
    JsonObject,
    Outcome,
    PartnerCall,
    Rejected,
    Target,
    Undeliverable,
)
from mparticle_firehose.protocol import AudienceMembershipChangeRequest, EventProcessingRequest
from tests.sample.partner import integration as sample


def _call(resource: str) -> Any:
    def call(whose: Target, bodies: Sequence[JsonObject]) -> PartnerCall:
        return PartnerCall(path=f"/segments/{whose['segment']}/{resource}", body=Json({"changes": list(bodies)}))

    return call


def join(whose: Target, bodies: Sequence[JsonObject]) -> Exchange[Outcome]:
    """Look the people up; those that the partner does not want are known, the others join."""
    answer = yield PartnerCall(path="/people", body=Json({"people": [body["user"] for body in bodies]}))
    unwanted = {index: Rejected("unwanted") for index in _unwanted(answer)}
    wanted = [index for index in range(len(bodies)) if index not in unwanted]
    if not wanted:
        return Delivered(unwanted)
    answer = yield PartnerCall(
        path=f"/segments/{whose['segment']}/joiners",
        body=Json({"changes": [bodies[index] for index in wanted]}),
        known=unwanted,
    )
    outcome = sample.failures(bodies, answer)
    failures: Mapping[int, Failure | Delivered] = outcome.failures if isinstance(outcome, Delivered) else {}
    return Delivered({wanted[place]: failure for place, failure in failures.items() if place < len(wanted)})


def _unwanted(answer: Answer) -> list[int]:
    return [entry.whole() or 0 for entry in answer.each("unwanted")]


MEMBERS = {
    "add": Endpoint(name="join", call=join, judge=sample.failures, max_items=3, across_requests=True, lane="members"),
    "remove": Endpoint(
        name="leave", call=_call("leavers"), judge=sample.failures, max_items=4, across_requests=True, lane="members"
    ),
    "update": Endpoint(
        name="attributes", call=_call("attributes"), judge=sample.failures, across_requests=True, lane="members"
    ),
}


def membership_items(request: AudienceMembershipChangeRequest) -> Iterator[Item | Undeliverable]:
    for item in sample.membership_items(request):
        if isinstance(item, Undeliverable):
            yield item
        else:
            yield replace(item, endpoint=MEMBERS[str(item.body["action"])])


def state(_target: Target, bodies: Sequence[JsonObject]) -> PartnerCall:
    return PartnerCall(path="/state", body=Json(bodies[0]["head"]))


STATE = Endpoint(name="state", call=state, lane="user")
TRACK = Endpoint(name="track", call=sample.track, judge=sample.failures, max_items=2, lane="user")


def event_items(request: EventProcessingRequest) -> Iterator[Item | Undeliverable]:
    items = [item for item in sample.event_items(request) if isinstance(item, Item)]
    if items:
        yield replace(items[0], endpoint=STATE, covers=())
    for item in items:
        if item.covers:
            yield replace(item, endpoint=TRACK)


INTEGRATION = replace(sample.INTEGRATION, events=event_items, memberships=membership_items)
