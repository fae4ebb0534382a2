"""Batches with any fields and any values, made from the rules of the published schema."""

from typing import Any

from hypothesis import strategies as st

from mparticle_firehose import feed
from mparticle_firehose.feed import Batch, Event
from tests.feed.samples import NOW_MS
from tests.feed.schema import BATCH, EVENTS, UUID, Schema, event_schema

type Values = st.SearchStrategy[Any]

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12).map(lambda text: f"t{text}")
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=12).map(lambda text: f"n{text}")
WHOLES = st.integers(-(2**63), 2**63 - 1)
NUMBERS = st.one_of(
    WHOLES,
    st.floats(allow_nan=False, allow_infinity=False),
    st.decimals(-(10**20), 10**20, allow_nan=False, allow_infinity=False),
)
KINDS: dict[str, Values] = {
    "string": TEXT | st.just(""),
    "number": NUMBERS,
    "integer": WHOLES,
    "boolean": st.booleans(),
    "null": st.none(),
}
TIMES = st.integers(NOW_MS - 10**9, NOW_MS)
COUNTS = st.integers(0, 2**31)
PRESENT = st.one_of(*(KINDS[kind] for kind in ("string", "number", "boolean")))
BY_NAME: dict[str, Values] = {
    **dict.fromkeys(
        ("timestamp_unixtime_ms", "att_timestamp_unixtime_ms", "added_to_cart_time_ms"),
        TIMES,
    ),
    **dict.fromkeys(("screen_height", "screen_width", "screen_dpi", "plan_version", "session_duration_ms"), COUNTS),
    **dict.fromkeys(("latitude", "longitude"), st.floats(-90, 90)),
    "user_attributes": st.dictionaries(NAMES, PRESENT | st.none() | st.lists(PRESENT, max_size=3), max_size=3),
    "deleted_user_attributes": st.lists(TEXT, max_size=2),  # begin with another letter than the attributes
    **dict.fromkeys(("new", "old"), PRESENT | st.lists(PRESENT, max_size=2)),
    "ip": st.ip_addresses().map(str) | TEXT,
    "partner_identities": st.dictionaries(NAMES, TEXT, max_size=2),
    **dict.fromkeys(("source_request_id", "source_message_id", "event_name", "screen_name", "currency_code"), TEXT),
    **dict.fromkeys(("plan_id", "push_message_token", "registration_token", "user_attribute_name", "identity"), TEXT),
}
SHAPES = ("product_action", "promotion_action", "product_impressions")
SESSION = "0f8fad5b-d9cb-469f-a165-70867728950e"


def _of(name: str, schema: Schema) -> Values:
    if "properties" in schema:
        return _object(schema)
    if name in BY_NAME:
        return BY_NAME[name]
    if "items" in schema:
        return st.lists(_of("", schema["items"]), max_size=2)
    if "additionalProperties" in schema:
        return st.dictionaries(NAMES, _of("", schema["additionalProperties"]), max_size=3)
    return _scalar(schema)


def _scalar(schema: Schema) -> Values:
    if schema == UUID:
        return st.uuids().map(str)
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kinds = schema["type"]
    return st.one_of(*(KINDS[kind] for kind in ([kinds] if isinstance(kinds, str) else kinds)))


def _object(schema: Schema) -> Values:
    fields = {name: _of(name, each) for name, each in schema["properties"].items()}
    required = {name: fields.pop(name) for name in schema["required"]}
    return st.fixed_dictionaries(required, optional=fields)


def _changed_identities(kind: str, data: Schema) -> Values:
    """Return an event's fields; here alone, `new` and `old` are objects."""
    if kind != "user_identity_change":
        return _object(data)
    changed = _object(data["properties"]["new"])
    return st.tuples(_object({**data, "required": ["timestamp_unixtime_ms"]}), changed, changed).map(
        lambda parts: {**parts[0], "new": parts[1], "old": parts[2]}
    )


def _with_one_shape(data: dict[str, Any]) -> dict[str, Any]:
    present = [name for name in SHAPES if data.get(name)]
    kept = {name: value for name, value in data.items() if name not in present[1:]}
    return kept if present else {**kept, "product_action": {"action": "purchase", "total_amount": 0}}


def _events(kind: str) -> Values:
    model = CLASSES[kind]
    data = _changed_identities(kind, event_schema(kind)["properties"]["data"])
    return (data.map(_with_one_shape) if kind == "commerce_event" else data).map(model.model_validate)


CLASSES: dict[str, type[Event]] = {
    each.event_type: each
    for name in feed.__all__
    if isinstance(each := getattr(feed, name), type) and issubclass(each, Event) and each is not Event
}
SESSION_KINDS = ("session_start", "session_end")
SINGLE_EVENTS = st.one_of(*(_events(kind) for kind in EVENTS if kind not in SESSION_KINDS))
SESSIONS = st.tuples(*(_events(kind) for kind in SESSION_KINDS)).map(
    lambda events: [event.model_copy(update={"session_uuid": SESSION}) for event in events]
)
EVENT_LISTS = st.tuples(st.lists(SINGLE_EVENTS, max_size=4), st.just([]) | SESSIONS).map(
    lambda parts: [*parts[0], *parts[1]]
)
FIELDS = _object(
    {**BATCH, "properties": {name: each for name, each in BATCH["properties"].items() if name != "events"}}
)

BATCHES = st.builds(
    lambda fields, events, mpid: Batch.model_validate({**fields, "mpid": mpid, "events": events}),
    FIELDS,
    EVENT_LISTS,
    st.integers(1, 2**63 - 1),
)
"""Batches that the models must take."""
