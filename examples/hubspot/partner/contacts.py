"""Contacts: how they are named, written and forgotten."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from mparticle_firehose.integration import (
    Alone,
    Answer,
    Delivered,
    Endpoint,
    Failure,
    Item,
    Json,
    JsonObject,
    Outcome,
    PartnerCall,
    Rejected,
    Retry,
    Target,
    identity,
    index_in,
    subject_identities,
)
from mparticle_firehose.protocol import DsrProcessingRequest, UserIdentity, UserIdentityType

from .account import VERSION, target, wait

MAX_INPUTS = 100
_PATH = f"/crm/objects/{VERSION}/contacts"


def address(identities: Iterable[UserIdentity]) -> str | None:
    """Return the address that names a contact, in lower case as HubSpot keeps it; None if there is none."""
    value = identity(identities, UserIdentityType.EMAIL)
    return value.strip().lower() if value else None


def contact(email: str, properties: Mapping[str, str]) -> JsonObject:
    """Return the body of an item that writes a contact."""
    return {"id": email, "properties": {**properties, "email": email}}


def upsert(_target: Target, bodies: Sequence[JsonObject]) -> PartnerCall:
    """Return the call that writes contacts. Without a trace id for each, one bad contact would refuse them all."""
    inputs: list[JsonObject] = [
        {**body, "idProperty": "email", "objectWriteTraceId": str(place)} for place, body in enumerate(bodies)
    ]
    return PartnerCall(path=f"{_PATH}/batch/upsert", body=Json({"inputs": inputs}))


def read(bodies: Sequence[JsonObject]) -> PartnerCall:
    """Return the call that looks contacts up by their addresses."""
    fields: JsonObject = {"idProperty": "email", "properties": ["email"], "propertiesWithHistory": []}
    return PartnerCall(path=f"{_PATH}/batch/read", body=Json({**fields, "inputs": list(bodies)}))


def written(bodies: Sequence[JsonObject], answer: Answer) -> tuple[dict[int, str], dict[int, Failure]]:
    """Return the ids of the contacts that are written, and why the others are not, by their place in the call."""
    if answer.text("status") not in ("", "COMPLETE"):
        return {}, dict.fromkeys(range(len(bodies)), Retry("not_complete"))
    refused = _refused(answer, len(bodies))
    ids = {place: id_ for place, id_ in _results(bodies, answer) if place not in refused}
    # A success without results and errors has written nothing, and the same again would do the same.
    silent = not answer.at("results") and not answer.at("errors")
    failures: dict[int, Failure] = dict.fromkeys(refused, Rejected("not_written"))
    others = [place for place in range(len(bodies)) if place not in ids | failures]
    return ids, {**failures, **dict.fromkeys(others, Rejected("nothing_written") if silent else Alone("no_result"))}


def _results(bodies: Sequence[JsonObject], answer: Answer) -> Iterator[tuple[int, str]]:
    """Yield place and id of each result: their order is not promised."""
    places = {str(body["id"]): place for place, body in enumerate(bodies)}
    for result in answer.objects("results"):
        fields = result.get("properties")
        email = str(fields.get("email")).lower() if isinstance(fields, Mapping) else ""
        place = _place(result.get("objectWriteTraceId"), len(bodies))
        place = places.get(email, 0 if len(bodies) == 1 else None) if place is None else place
        if place is not None:
            yield place, str(result.get("id"))


def _refused(answer: Answer, count: int) -> set[int]:
    contexts = [each.get("context") for each in answer.objects("errors")]
    traces = [each.get("objectWriteTraceId") for each in contexts if isinstance(each, Mapping)]
    places = (_place(trace, count) for listed in traces if isinstance(listed, list) for trace in listed)
    return {place for place in places if place is not None}


def _place(trace: object, count: int) -> int | None:
    return index_in(int(trace), count) if isinstance(trace, str) and trace.isdecimal() else None


def erasures(request: DsrProcessingRequest) -> Iterator[Item]:
    """Yield the contact to forget: without an address there is none. Raises as `target` does."""
    if email := subject_identities(request).get("email"):
        yield Item(endpoint=FORGET, target=target(request.account), body={"id": email})


def _judge(bodies: Sequence[JsonObject], answer: Answer) -> Outcome | None:
    return Delivered(written(bodies, answer)[1]) if answer.succeeded else wait(bodies, answer)


def _forget(_target: Target, bodies: Sequence[JsonObject]) -> PartnerCall:
    """404 means that there is nobody to forget."""
    body = Json({"objectId": bodies[0]["id"], "idProperty": "email"})
    return PartnerCall(path=f"{_PATH}/gdpr-delete", body=body, accept=frozenset({404}))


UPSERT = Endpoint(name="upsert", call=upsert, judge=_judge, max_items=MAX_INPUTS, across_requests=True, lane="contact")
FORGET = Endpoint(name="forget", call=_forget, judge=wait)
