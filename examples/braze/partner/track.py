"""POST /users/track, which takes attributes, events and purchases, and what its answers mean."""

from collections.abc import Sequence

from mparticle_firehose.integration import (
    Answer,
    Delivered,
    Endpoint,
    Failure,
    Json,
    JsonObject,
    Outcome,
    PartnerCall,
    Rejected,
    Retry,
    Split,
    Target,
    index_in,
)

KINDS = ("attributes", "events", "purchases")
"""The arrays of a call, in the order in which Braze begins with them. An item's body is one object and its kind."""


def _call(_target: Target, bodies: Sequence[JsonObject]) -> PartnerCall:
    arrays = {kind: [body["object"] for body in bodies if body["kind"] == kind] for kind in KINDS}
    return PartnerCall(
        path="/users/track",
        headers={"X-Braze-Batch": "true"} if len(bodies) > 1 else {},
        body=Json({kind: objects for kind, objects in arrays.items() if objects}),
    )


def _judge(bodies: Sequence[JsonObject], answer: Answer) -> Outcome | None:
    """Braze takes the valid objects of a call and lists the others; a 400 means that it took none.

    If an entry that may be about an attribute cannot be placed, the attributes are sent again: those that Braze has do
    not change by it. Events would be counted twice, so they stand as taken.
    """
    refused, unclear = _refused(bodies, answer)
    if answer.status == 400:  # noqa: PLR2004 - an HTTP status
        if "Max Input Length Exceeded" in answer.text("message"):
            return Split()
        return Rejected("invalid_object") if len(refused) == len(bodies) else None
    if not answer.succeeded:
        return None
    if answer.text("message") != "success":  # any other is a refusal, and so is an empty body, whatever the status
        return Retry("no_success")
    doubtful = [place for place, body in enumerate(bodies) if unclear and body["kind"] == "attributes"]
    again: dict[int, Failure] = dict.fromkeys(doubtful, Retry("unplaced_error"))
    return Delivered({**again, **dict.fromkeys(refused, Rejected("invalid_object"))})


def _refused(bodies: Sequence[JsonObject], answer: Answer) -> tuple[set[int], bool]:
    """Return the listed places, and whether an entry may be about any attribute. Indexes count inside an array."""
    places = {kind: [place for place, body in enumerate(bodies) if body["kind"] == kind] for kind in KINDS}
    refused, unclear = set(), bool(answer.texts("errors"))
    for entry in answer.objects("errors"):
        kind = str(entry.get("input_array"))
        index = index_in(entry.get("index"), len(places.get(kind, ())))
        if index is not None:
            refused.add(places[kind][index])
        elif kind not in ("events", "purchases"):
            unclear = True
    return refused, unclear


TRACK = Endpoint(
    name="track",
    call=_call,
    judge=_judge,
    max_items=75,  # of all three arrays together; older contracts allow 75 of each
    max_bytes=4_000_000,
    max_item_bytes=100_000,
    across_requests=True,
)
