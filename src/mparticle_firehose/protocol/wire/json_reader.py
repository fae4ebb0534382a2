"""From bytes to a JSON object, as tolerant as Java and never with another error than the one for malformed input."""

import json
import re
from collections.abc import Mapping
from typing import NoReturn

from mparticle_firehose.errors import MalformedRequestError
from mparticle_firehose.protocol.wire.literal_floats import ExactFloat

_WHITESPACE = re.compile(r"[ \t\r\n]*")
_BYTE_ORDER_MARK = "\ufeff"


def _refuse_constant(_: str) -> NoReturn:
    raise ValueError


_DECODER = json.JSONDecoder(parse_float=ExactFloat, parse_constant=_refuse_constant)


def json_object(data: object) -> Mapping[str, object]:
    """The JSON object that the data is or contains.

    A byte order mark, UTF-16 and UTF-32, duplicate keys (the last one wins) and anything after the object are accepted.

    Raises:
        MalformedRequestError: the data is no JSON object.
    """
    if isinstance(data, bytes | bytearray):
        data = _text(data)
    if isinstance(data, str):
        data = _decoded(data)
    if not isinstance(data, Mapping):
        raise MalformedRequestError(("", "must be a JSON object"))
    return data


def embedded_object(text: str | None) -> Mapping[str, object]:
    """The object in a text that should hold one, such as a push payload; empty if it holds none.

    Objects inside may be text once more, as Android's are; they are read as well, one level deep.
    """
    outer = _embedded(text)
    if not isinstance(outer, dict):
        return {}
    return {key: _embedded(value) if _seems_object(value) else value for key, value in outer.items()}


def _seems_object(value: object) -> bool:
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
