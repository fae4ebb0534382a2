"""Says which of mParticle's rules a batch breaks: by the schemas, and by what a schema cannot express."""

from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema_rs import Draft202012Validator

from local.mparticle.batch_schema import BATCH, DEVICE_IDENTITIES, EVENT, EVENT_DATA, Schema
from local.partner.rules import first_rule

type Batch = Mapping[str, Any]

MAX_BATCH_BYTES = 128_000
"""128 KB. Whether a KB has 1000 or 1024 bytes is not documented; this is the smaller one."""

HOUR_MS = 3_600_000
MIN_HISTORICAL_AGE_MS = 72 * HOUR_MS
MAX_AGE_MS = 30 * 24 * HOUR_MS

_COMMERCE_SHAPES = ("product_action", "promotion_action", "product_impressions")


def _validator(schema: Schema) -> Draft202012Validator:
    return Draft202012Validator(schema, validate_formats=True)


_BATCH = _validator(BATCH)
_EVENT = _validator(EVENT)
_DATA = {event_type: _validator(schema) for event_type, schema in EVENT_DATA.items()}


def broken_rule(batch: object) -> str:
    """Return the first rule that a batch breaks, as ``field: rule`` without values; empty if it is valid."""
    return next(_broken_rules(batch), "")


def historical_rule(batch: Batch, now_ms: int) -> str:
    """Return why the route for historical data ignores a batch; empty if it does not."""
    times = _times(batch)
    if not times:
        return "events: historical data must have events"
    if None in times:
        return "timestamp_unixtime_ms: each historical event must have one"
    if any(time is not None and now_ms - time < MIN_HISTORICAL_AGE_MS for time in times):
        return "timestamp_unixtime_ms: historical events must be at least 72 hours old"
    return ""


def is_too_old(batch: Batch, now_ms: int) -> bool:
    """Return whether a batch has an event that belongs on the route for historical data."""
    return any(time is not None and now_ms - time > MAX_AGE_MS for time in _times(batch))


def event_count(batch: object) -> int:
    """Return how many events a batch has, valid or not."""
    events = batch.get("events") if isinstance(batch, Mapping) else None
    return len(events) if isinstance(events, list) else 0


def _times(batch: Batch) -> list[int | None]:
    return [event["data"].get("timestamp_unixtime_ms") for event in batch.get("events") or ()]


def _broken_rules(batch: object) -> Iterator[str]:
    yield from _broken(_BATCH, batch)
    assert isinstance(batch, Mapping)  # noqa: S101 - anything else has broken a rule already
    if not _has_identity(batch):
        yield "user_identities: an identity, in any field that may hold one, is required"
    for place, event in enumerate(batch.get("events") or ()):
        yield from _broken_by_event(event, f"events[{place}]")


def _broken_by_event(event: Any, place: str) -> Iterator[str]:
    yield from _broken(_EVENT, event, place)
    validator = _DATA.get(event["event_type"])
    if validator is None:
        yield f"{place}.event_type: must be one of {', '.join(_DATA)}"
        return
    yield from _broken(validator, event["data"], f"{place}.data")
    if event["event_type"] == "commerce_event" and sum(shape in event["data"] for shape in _COMMERCE_SHAPES) != 1:
        yield f"{place}.data: must have exactly one of {', '.join(_COMMERCE_SHAPES)}"


def _broken(validator: Draft202012Validator, value: object, place: str = "") -> Iterator[str]:
    if rule := first_rule(validator.iter_errors(value), place):
        yield rule


def _has_identity(batch: Batch) -> bool:
    device = batch.get("device_info", {})
    values = [
        batch.get("mpid"),
        *batch.get("user_identities", {}).values(),
        *batch.get("partner_identities", {}).values(),
        *(device[name] for name in DEVICE_IDENTITIES if name in device),
    ]
    return any(value is not None and str(value).strip() for value in values)
