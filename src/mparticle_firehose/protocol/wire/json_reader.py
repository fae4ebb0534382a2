"""Reads bytes or text into a JSON object, accepting what mParticle's Java SDK accepts."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import NoReturn

from mparticle_firehose.errors import MalformedRequestError
from mparticle_firehose.protocol.wire.json_text import LiteralFloat, NegativeZero

_WHITESPACE = re.compile(r"[ \t\r\n]*")
_BYTE_ORDER_MARK = "\ufeff"


class RepeatedType(dict[str, object]):
    """An object that has more than one ``type``.

    The Java SDK chooses the class of an object by the first one, while the last one of any other field counts.

    Attributes:
        first_type: the first one.
    """

    __slots__ = ("first_type",)

    def __init__(self, pairs: Sequence[tuple[str, object]]) -> None:
        super().__init__(pairs)
        self.first_type = next(value for name, value in pairs if name == "type")


def wire_type(source: Mapping[str, object]) -> object:
    """The ``type`` by which the model of an object is chosen; None if it has none.

    If the object has several, the first one becomes its only one, so that its copies are read the same.
    """
    if isinstance(source, RepeatedType):
        source["type"] = source.first_type
    return source.get("type")


def _reject_constant(_: str) -> NoReturn:
    raise ValueError


def _integer(literal: str) -> float:
    try:
        number = int(literal)
    except ValueError:  # it has more than `MAX_INTEGER_DIGITS`
        return LiteralFloat(literal)
    return number if number or literal == "0" else NegativeZero()


def _float(literal: str) -> float:
    number = float(literal)
    return number if repr(number) == literal else LiteralFloat(literal)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) < len(pairs) and sum(name == "type" for name, _ in pairs) > 1:
        return RepeatedType(pairs)
    return fields


_DECODER = json.JSONDecoder(parse_float=_float, parse_int=_integer, parse_constant=_reject_constant)
_CAREFUL_DECODER = json.JSONDecoder(
    parse_float=_float, parse_int=_integer, parse_constant=_reject_constant, object_pairs_hook=_object
)
_ESCAPED_LETTERS_OF_TYPE = ("\\u0074", "\\u0079", "\\u0070", "\\u0065")


def json_object(data: object) -> Mapping[str, object]:
    """The JSON object that the data is or contains.

    Accepted are a byte order mark, UTF-16, UTF-32, duplicate keys (the last one counts, but see `RepeatedType`) and
    anything after the object.

    Raises:
        MalformedRequestError: the data is not a JSON object.
    """
    if isinstance(data, bytes | bytearray):
        data = _text(data)
    if isinstance(data, str):
        data = json_value(data)
    if not isinstance(data, Mapping):
        raise MalformedRequestError(("", "must be a JSON object"))
    return data


def json_value(text: str) -> object:
    """The JSON value that a text begins with. Its numbers keep their literals, see `json_text`.

    Raises:
        MalformedRequestError: the text does not begin with JSON.
    """
    value, _ = _decoded(text)
    return value


def json_document(text: str) -> object:
    """The JSON value that a text is. Its numbers keep their literals, see `json_text`.

    Raises:
        MalformedRequestError: the text does not begin with JSON, or something other than white space follows.
    """
    value, end = _decoded(text)
    if not _WHITESPACE.fullmatch(text, end):
        raise MalformedRequestError(("", "must be one JSON value and nothing after it"))
    return value


def _decoded(text: str) -> tuple[object, int]:
    """Return the JSON value that a text begins with, and where it ends."""
    start = 1 if text.startswith(_BYTE_ORDER_MARK) else 0
    whitespace = _WHITESPACE.match(text, start)
    decoder = _CAREFUL_DECODER if _may_repeat_type(text) else _DECODER
    try:
        return decoder.raw_decode(text, whitespace.end() if whitespace else start)
    except RecursionError:
        raise MalformedRequestError(("", "is nested too deeply")) from None
    except ValueError:
        raise MalformedRequestError(("", "must be JSON" if text.strip() else "must not be empty")) from None


def _may_repeat_type(text: str) -> bool:
    """Whether an object may have two fields ``type``: not if each one is the first, as in what mParticle writes.

    To look costs a third of what the careful decoder costs.
    """
    if text.count('"type"') != text.count('{"type"'):
        return True
    if "\\" not in text:  # the search for one character is the fastest
        return False
    return "\\u00" in text and any(letter in text for letter in _ESCAPED_LETTERS_OF_TYPE)


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
        return json.loads(text, parse_int=_integer) if isinstance(text, str) else text
    except (ValueError, RecursionError):
        return text


def _text(data: bytes | bytearray) -> str:
    encoding = json.detect_encoding(data)
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        raise MalformedRequestError(("", f"must be {encoding.removesuffix('-sig').upper()} text")) from None
