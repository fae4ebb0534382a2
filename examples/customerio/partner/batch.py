"""The batch endpoint, which takes everything that is about a person, and what goes into it.

The order within a batch is not promised: times decide which of two updates counts, and no batch holds two entities of
which the later one must come last.
"""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from mparticle_firehose.integration import (
    Answer,
    Delivered,
    Endpoint,
    Json,
    JsonObject,
    JsonValue,
    Outcome,
    PartnerCall,
    Rejected,
    Target,
    identity,
    index_in,
    known,
)
from mparticle_firehose.protocol import UserIdentity, UserIdentityType

LANE = "person"
"""The lane of everything: people must exist before they join a segment, and must leave it before they join it anew."""

NO_PERSON = "the user has neither an unhashed customer id nor an unhashed e-mail address"

_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_RESERVED = {"$firstname": "first_name", "$lastname": "last_name"}


def _call(_target: Target, bodies: Sequence[JsonObject]) -> PartnerCall:
    return PartnerCall(path="/api/v2/batch", body=Json({"batch": list(bodies)}))


def _judge(bodies: Sequence[JsonObject], answer: Answer) -> Outcome | None:
    """Read a 207, which names the entities that are not taken. A 400 names none, and is left to the table."""
    errors = answer.each("errors") if answer.succeeded else []
    places = [index_in(error.at("batch_index"), len(bodies)) for error in errors]
    refused = {place: Rejected("entity_refused") for place in places if place is not None}
    return Delivered(refused, unplaced=places.count(None)) if errors else None


BATCH = Endpoint(
    name="batch",
    call=_call,
    judge=_judge,
    # No documented limit of entities; a call must be smaller than 500,000 bytes, and an entity at most 32 kB.
    max_items=1000,
    max_bytes=499_999,
    max_item_bytes=32_768,
    across_requests=True,
    lane=LANE,
)


def identifiers(identities: Iterable[UserIdentity]) -> dict[str, JsonValue] | None:
    """Return the one identifier of a person, the customer id before the address; None if there is neither."""
    for name, kind in (("id", UserIdentityType.CUSTOMER), ("email", UserIdentityType.EMAIL)):
        if value := (identity(identities, kind) or "").strip():
            return {name: value}
    return None


def person(ids: JsonObject, action: str, milliseconds: int, **fields: JsonValue) -> JsonObject:
    """Return an entity that is about a person; times are in seconds, and one that is missing is left out."""
    return known(type="person", identifiers=ids, action=action, timestamp=milliseconds // 1000 or None, **fields)


def identify(ids: JsonObject, email: str | None, attributes: JsonObject, milliseconds: int) -> JsonObject:
    """Return the entity that makes a person, or updates one. The address of one who has an id is an attribute."""
    named = {_RESERVED.get(name.lower(), name.removeprefix("$")): value for name, value in attributes.items()}
    address = known(email=email) if "id" in ids else {}
    return {**person(ids, "identify", milliseconds), "attributes": {**named, **address}}


def ulid(event_id: UUID | None) -> str | None:
    """Return the 128 bits of an event's id in Crockford's base 32: a known ULID is not counted again."""
    return "".join(_DIGITS[event_id.int >> shift & 31] for shift in range(125, -1, -5)) if event_id else None


def key(entity: JsonObject) -> str:
    """Return what may be in a batch once: a person's update, and a device. Events may be there in any number."""
    if entity["action"] == "identify":
        return f"person {entity['identifiers']}"
    device = entity.get("device")
    return f"device {device['id']}" if isinstance(device, Mapping) else ""
