"""Writes JSON text in which each number keeps the literal that it was read from."""

import json
import marshal
import re
from collections.abc import Callable
from decimal import Decimal
from math import isfinite, isnan
from typing import Any, Self
from uuid import uuid4

MAX_INTEGER_DIGITS = 4300
"""Python converts no longer integers from text or to text, because the time grows with the square of the length."""

_MAX_INTEGER_BITS = 14_283  # an integer of so many bits has no more digits
_NUMBERS = (int, float)
_CONTAINERS = (dict, list, tuple)
_NEITHER_NUMBER_NOR_CONTAINER = frozenset({str, bool, type(None)})
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)

# A literal is encoded as marked text, whose quotes are removed afterwards. Nobody outside can know the mark.
_MARK = f"literal-{uuid4().hex}:"
_MARKED = re.compile(f'"{_MARK}([^"]*)"')


class LiteralFloat(float):
    """A float that keeps the JSON literal that it was read from.

    A literal says more than a binary float holds: ``12.50`` has two decimal places, and twenty-nine digits do not fit.
    Prices need both, and the Java SDK copies the literal of a number into a text field. Only ``str()`` returns the
    literal, which is what text and decimal fields read; arithmetic and equality are a float's, so that a request reads
    the same from bytes and from the dict that Lambda passes.
    """

    __slots__ = ("_literal",)
    _literal: str

    def __new__(cls, literal: str) -> Self:
        """Reads a JSON number's literal."""
        number = float.__new__(cls, literal)
        number._literal = literal  # noqa: SLF001 - its own class; super() would cost a quarter more
        return number

    def __str__(self) -> str:
        return self._literal

    def __reduce__(self) -> tuple[type[Self], tuple[str]]:
        return type(self), (self._literal,)


class NegativeZero(int):
    """The integer 0, written as ``-0``."""

    def __str__(self) -> str:
        return "-0"


def json_text(value: Any) -> str:
    """The compact JSON text of a JSON value, with each number's literal.

    A float that was not read from JSON text, as in the dict that Lambda passes, gets its shortest literal. If it is
    infinite it becomes ``1e999``, which is how it got into the dict. NaN has no literal and becomes the text "NaN", as
    the Java SDK writes it. Lone surrogates are written as they are.

    Raises:
        RecursionError: it is nested too deeply.
        TypeError: a part of it has no JSON.
    """
    try:
        # Eight times as fast as the encoder, it refuses subclasses: whether there are literals to keep.
        marshal.dumps(value)
        return _ENCODER.encode(value)
    except ValueError:
        return _MARKED.sub(r"\1", _ENCODER.encode(with_numbers(value, _marked)))


def number_text(number: float) -> str:
    """The literal of a number; ``NaN`` for what is none.

    Raises:
        ValueError: it is an integer of too many digits that was not read from JSON text.
    """
    if isinstance(number, int | LiteralFloat) or isfinite(number):
        return str(number)
    return "NaN" if isnan(number) else f"{'-' if number < 0 else ''}1e999"


def with_numbers(value: object, replace: Callable[[float], object]) -> Any:
    """A copy of a JSON value with each number replaced, however deeply it is nested."""
    copy = [value]
    containers: list[Any] = [copy]
    while containers:
        container = containers.pop()
        for key, part in container.items() if isinstance(container, dict) else enumerate(container):
            kind = type(part)
            if kind in _NEITHER_NUMBER_NOR_CONTAINER:
                continue
            if issubclass(kind, _NUMBERS):
                container[key] = replace(part)
            elif issubclass(kind, _CONTAINERS):
                container[key] = inner = dict(part) if issubclass(kind, dict) else [*part]
                containers.append(inner)
    return copy[0]


def _marked(number: float) -> object:
    if type(number) is LiteralFloat and not isnan(number):  # first, because there may be a million of them
        return f"{_MARK}{number}"
    if type(number) is int:
        return number if number.bit_length() <= _MAX_INTEGER_BITS else f"{_MARK}{Decimal(number)}"
    if type(number) is float and isfinite(number):
        return number
    return "NaN" if isnan(number) else f"{_MARK}{number_text(number)}"
