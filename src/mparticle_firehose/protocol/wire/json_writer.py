"""Writes a message as JSON primitives, by the rules of the Java SDK.

A field or an entry of a map is left out if it is None, ``""`` or an empty list or map. A model is written even if it
has no fields left. Zero and false are written, except in a field that is marked `NonDefault`.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from math import isfinite
from typing import Any, NamedTuple
from uuid import UUID

from pydantic.fields import FieldInfo

from mparticle_firehose.protocol.wire.fields import NonDefault
from mparticle_firehose.protocol.wire.instants import epoch_seconds
from mparticle_firehose.protocol.wire.model import Model

type WriteDecimal = Callable[[Decimal], object]
type Writer[T] = Callable[[T, WriteDecimal], object]

_JSON_SCALARS = frozenset({str, int, bool, type(None)})
_EMPTY: tuple[object, ...] = ("", (), {})


def write(value: object, write_decimal: WriteDecimal) -> object:
    """The JSON form of a message or a part of it. Fields that the protocol does not define stay as received."""
    kind = type(value)
    return value if kind in _JSON_SCALARS else _WRITERS[kind](value, write_decimal)


class _Field(NamedTuple):
    name: str
    wire_name: str
    omitted: object


def _write_model(model: Model, write_decimal: WriteDecimal) -> dict[str, object]:
    written: dict[str, object] = {}
    values = model.__dict__
    for name, wire_name, omitted in _fields(type(model)):
        value = values[name]
        if value is None or value is omitted or (not value and value in _EMPTY):
            continue
        wire = write(value, write_decimal)
        # Only a map without entries that are written, or the nil UUID, becomes empty by being written.
        if wire or not isinstance(value, dict | UUID):
            written[wire_name] = wire
    return {**written, **model.model_extra} if model.model_extra else written


def _write_map(entries: dict[str, object], write_decimal: WriteDecimal) -> dict[str, object]:
    return {
        str(key): wire
        for key, entry in entries.items()
        if (entry or not (entry is None or entry in _EMPTY)) and (wire := write(entry, write_decimal)) != {}
    }


def _write_list(elements: Iterable[object], write_decimal: WriteDecimal) -> list[object]:
    return [write(element, write_decimal) for element in elements]


def _write_unchanged(value: object, _: WriteDecimal) -> object:
    return value


def _write_enum(member: Enum, _: WriteDecimal) -> object:
    return member.value


def _write_uuid(value: UUID, _: WriteDecimal) -> str | None:
    return str(value) if value.int else None


def finite(number: float) -> float | str:
    """The number, or the text by which the Java SDK writes what is infinite or no number."""
    if isfinite(number):
        return float(number)
    return {"inf": "Infinity", "-inf": "-Infinity"}.get(float.__repr__(number), "NaN")


def _write_float(value: float, _: WriteDecimal) -> float | str:
    return finite(value)


def _write_decimal(value: Decimal, write_decimal: WriteDecimal) -> object:
    return write_decimal(value)


def _write_instant(value: datetime, write_decimal: WriteDecimal) -> object:
    return write_decimal(epoch_seconds(value))


class _Writers(dict[type, Writer[Any]]):
    """Writers by class. A class without a writer gets that of the first class listed here that is one of its bases."""

    def __missing__(self, kind: type) -> Writer[Any]:
        self[kind] = next(writer for base, writer in list(self.items()) if issubclass(kind, base))
        return self[kind]


_WRITERS = _Writers(
    {
        Model: _write_model,
        dict: _write_map,
        tuple: _write_list,
        list: _write_list,
        Enum: _write_enum,
        UUID: _write_uuid,
        float: _write_float,
        Decimal: _write_decimal,
        datetime: _write_instant,
        object: _write_unchanged,
    }
)


@cache
def _fields(model: type[Model]) -> tuple[_Field, ...]:
    return tuple(
        _Field(name, info.serialization_alias or name, _omitted(info)) for name, info in model.model_fields.items()
    )


def _omitted(info: FieldInfo) -> object:
    """The value, besides the empty ones, for which a field is left out; None if there is none."""
    if any(isinstance(rule, NonDefault) for rule in info.metadata):
        return info.get_default(call_default_factory=True)
    return None
