"""How erasures become calls of POST /users/delete, each of one kind of identity."""

from collections.abc import Iterator, Sequence

from mparticle_firehose.integration import (
    Answer,
    Endpoint,
    Item,
    Json,
    JsonObject,
    Outcome,
    PartnerCall,
    Retry,
    Target,
    subject_identities,
)
from mparticle_firehose.protocol import DsrProcessingRequest

from .account import target
from .users import alias

_LISTS = {
    "controller_customer_id": "external_ids",
    "email": "email_addresses",
    "mobile_number": "phone_numbers",
    "mpid": "user_aliases",
}


def items(request: DsrProcessingRequest) -> Iterator[Item]:
    """Yield whom to forget. A person may be several users at Braze: every identity counts. Raises as `target` does."""
    for place, (kind, value) in enumerate(subject_identities(request).items()):
        if kind in _LISTS:
            user = alias(value) if kind == "mpid" else value
            where = target(request.account, list=_LISTS[kind])
            yield Item(endpoint=DELETE, target=where, body={"user": user}, covers=(("subject_identities", place),))


def _call(target: Target, bodies: Sequence[JsonObject]) -> PartnerCall:
    """404 means that nobody is left to delete."""
    users = [body["user"] for body in bodies]
    return PartnerCall(path="/users/delete", body=Json({target["list"]: users}), accept=frozenset({404}))


def _judge(_bodies: object, answer: Answer) -> Outcome | None:
    return Retry("no_success") if answer.succeeded and answer.text("message") != "success" else None


DELETE = Endpoint(name="delete", call=_call, judge=_judge, max_items=50, across_requests=True)
