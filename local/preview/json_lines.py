"""JSON for human eyes: what fits into a line stays in one, numbers keep their literals, and secrets are masked."""

import json
from collections.abc import Iterator

from local.preview.masking import Mask

WIDTH = 80


class Number(str):
    """A number as it is sent."""

    __slots__ = ()


def json_lines(encoded: bytes, mask: Mask, indent: str = "") -> Iterator[str]:
    """Yield the lines of a JSON value; of one that is wider than a line, each member has lines of its own."""
    value = json.loads(encoded, parse_int=Number, parse_float=Number)
    yield from _lines(_masked(value, mask), indent, "")


def _masked(value: object, mask: Mask) -> object:
    match value:
        case Number():
            return mask.text(value) if mask.is_secret(value) else value
        case str():
            return mask.text(value)
        case dict():
            return {mask.text(name): _masked(each, mask) for name, each in value.items()}
        case list():
            return [_masked(each, mask) for each in value]
        case _:
            return value


def _lines(value: object, start: str, end: str) -> Iterator[str]:
    """Yield the lines of a value.

    Args:
        value: as `json_lines` has read it.
        start: what stands before the value in its first line, with the indentation.
        end: what stands behind it in its last line.
    """
    line = f"{start}{_flat(value)}{end}"
    if len(line) <= WIDTH or not value or not isinstance(value, dict | list):
        yield line
        return
    outer = start[: len(start) - len(start.lstrip())]
    inner = f"{outer}  "
    members = (
        [(f"{inner}{_flat(name)}: ", each) for name, each in value.items()]
        if isinstance(value, dict)
        else [(inner, each) for each in value]
    )
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    yield f"{start}{opening}"
    for place, (before, each) in enumerate(members, start=1):
        yield from _lines(each, before, "," if place < len(members) else "")
    yield f"{outer}{closing}{end}"


def _flat(value: object) -> str:
    match value:
        case Number():
            return str(value)
        case dict():
            return "{" + ", ".join(f"{_flat(name)}: {_flat(each)}" for name, each in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(_flat, value)) + "]"
        case _:
            return json.dumps(value, ensure_ascii=False)
