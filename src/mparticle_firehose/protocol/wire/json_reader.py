"""Reads bytes or text into a JSON object, accepting what mParticle's Java SDK accepts."""

import json
import re
from collections.abc import Mapping
from typing import NoReturn, Self

from mparticle_firehose.errors import MalformedRequestError

_WHITESPACE = re.compile(r"[ \t\r\n]*")
_BYTE_ORDER_MARK = "\ufeff"


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


def _reject_constant(_: str) -> NoReturn:
    raise ValueError


_DECODER = json.JSONDecoder(parse_float=LiteralFloat, parse_constant=_reject_constant)


def json_object(data: object) -> Mapping[str, object]:
    """The JSON object that the data is or contains.

    Accepted are a byte order mark, UTF-16, UTF-32, duplicate keys (the last one counts) and anything after the object.

    Raises:
        MalformedRequestError: the data is not a JSON object.
    """
    if isinstance(data, bytes | bytearray):
        data = _text(data)
    if isinstance(data, str):
        data = _decoded(data)
    if not isinstance(data, Mapping):
        raise MalformedRequestError(("", "must be a JSON object"))
    return data


def embedded_object(text: str | None) -> Mapping[str, object]:
    """The JSON object in a text such as a push payload; empty if the text holds none.

    A field of the object that is JSON text itself, as in Android's payloads, is read too, one level deep.
    """
    outer = _embedded(text)
    if not isinstance(outer, dict):
        return {}
    return {key: _embedded(value) if _looks_like_object(value) else value for key, value in outer.items()}


def _looks_like_object(value: object) -> bool:
    return isinstance(value, str) and value.lstrip().startswith("{")


def _embedded(text: object) -> object:
    """The JSON value that a text holds, or the text itself."""
    try:
        return json.loads(text) if isinstance(text, str) else text
    except (ValueError, RecursionError):
        return text


def _text(data: bytes | bytearray) -> str:
    encoding = json.detect_encoding(data)
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        raise MalformedRequestError(("", f"must be {encoding.removesuffix('-sig').upper()} text")) from None


def _decoded(text: str) -> object:
    start = 1 if text.startswith(_BYTE_ORDER_MARK) else 0
    whitespace = _WHITESPACE.match(text, start)
    try:
        value, _ = _DECODER.raw_decode(text, whitespace.end() if whitespace else start)
    except RecursionError:
        raise MalformedRequestError(("", "is nested too deeply")) from None
    except ValueError:
        raise MalformedRequestError(("", "must be JSON" if text.strip() else "must not be empty")) from None
    return value
