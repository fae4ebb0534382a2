"""From a message to JSON primitives, by the output rules of the Java SDK.

None, ``""`` and empty lists and maps are left out, and so are such entries of maps; an object stays even if nothing in
it is left. Each field's annotation says where that does not hold, see `Written`.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from math import isfinite
from uuid import UUID

from mparticle_firehose.protocol.base import Model
from mparticle_firehose.protocol.fields import Written
from mparticle_firehose.protocol.instants import epoch_seconds

type WriteDecimal = Callable[[Decimal], object]


def write(value: object, write_decimal: WriteDecimal) -> object:
    """The JSON form of a message or of anything in it; fields that the protocol does not know stay as they came."""
    match value:
        case Model():
            return _write_model(value, write_decimal)
        case Mapping():
            entries = ((str(key), write(entry, write_decimal)) for key, entry in value.items())
            return {key: entry for key, entry in entries if not _is_empty(entry)}
        case tuple() | list():
            return [write(element, write_decimal) for element in value]
        case Decimal():
            return write_decimal(value)
        case datetime():
            return write_decimal(epoch_seconds(value))
    return _write_scalar(value)


def _write_scalar(value: object) -> object:
    match value:
        case Enum():
            return value.value
        case UUID():
            return str(value) if value.int else None
        case float() if not isfinite(value):
            return {"inf": "Infinity", "-inf": "-Infinity"}.get(repr(value), "NaN")
    return value


def _write_model(model: Model, write_decimal: WriteDecimal) -> dict[str, object]:
    written: dict[str, object] = {}
    for name, wire_name, rule, default in _fields(type(model)):
        value = getattr(model, name)
        if rule is Written.NON_DEFAULT and value is default:
            continue
        wire = write(value, write_decimal)
        if isinstance(value, Model) or rule is Written.ALWAYS or not _is_empty(wire):
            written[wire_name] = wire
    return written | (model.model_extra or {})


@cache
def _fields(model: type[Model]) -> tuple[tuple[str, str, Written | None, object], ...]:
    return tuple(
        (
            name,
            info.serialization_alias or name,
            next((rule for rule in info.metadata if isinstance(rule, Written)), None),
            info.get_default(call_default_factory=True),
        )
        for name, info in model.model_fields.items()
    )


def _is_empty(wire: object) -> bool:
    return wire is None or wire in ("", [], {})
