"""Conversions of JSON scalars and settings to the types of fields, by the rules of mParticle's Java SDK.

Each function raises ``ValueError`` for a value that the Java SDK rejects too.
"""

import base64
import json
import math
import re
from uuid import UUID

_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]+")
_INT32 = range(-(2**31), 2**31)
_MAX_INT32_LENGTH = 64
"""Characters. A longer text is padded with zeros or out of range, and Python does not convert thousands of digits."""
_DECIMAL_FLOAT = re.compile(r"([+-]?(?:NaN|Infinity|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?))[fFdD]?")
_HEX_FLOAT = re.compile(r"([+-]?0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)[pP][+-]?[0-9]+)[fFdD]?")
_BASE64_UUID_LENGTH = 24


def is_blank(value: object) -> bool:
    """Whether Java reads this as null where it expects a number or a boolean."""
    return value is None or (isinstance(value, str) and value.strip() in {"", "null"})


def text_of(value: object) -> str:
    """The text of a JSON scalar; a number from JSON text keeps the digits that it was written with.

    Raises:
        ValueError: it is an object, a list or null.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise ValueError


def json_text(value: object) -> str:
    """The text of any JSON value but null; an object or a list becomes its JSON text."""
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text_of(value)


def nonblank_text(value: object) -> str:
    """The text of a JSON scalar, which must not be blank."""
    text = text_of(value)
    if not text.strip():
        raise ValueError
    return text


def whole_number(value: object) -> int:
    """The integer in a text, or a number without its fraction."""
    if isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value.strip()):
        return int(value)
    if isinstance(value, float) and math.isfinite(value):
        return math.trunc(value)
    raise ValueError


def double(value: object) -> float:
    """The floating-point number in a text; ``NaN`` and ``Infinity`` are accepted."""
    if isinstance(value, str) and "_" not in value:
        return float(value)
    raise ValueError


def boolean(value: object) -> bool:
    """The boolean in a text, in upper or lower case; an integer is true unless it is 0."""
    if isinstance(value, str) and (word := value.strip().lower()) in {"true", "false"}:
        return word == "true"
    if isinstance(value, int):
        return value != 0
    raise ValueError


def uuid(value: object) -> UUID | None:
    """The GUID in a text, in its usual form or as 24 characters of base64; None for a blank text."""
    text = text_of(value).strip()
    if len(text) == _BASE64_UUID_LENGTH:
        return UUID(bytes=base64.b64decode(text, validate=True))
    return UUID(text) if text else None


def java_int(text: str) -> int:
    """The 32-bit integer in a text, as Java's ``Integer.parseInt`` reads it: a sign and ASCII digits, no spaces."""
    if len(text) <= _MAX_INT32_LENGTH and _WHOLE_NUMBER.fullmatch(text) and (number := int(text)) in _INT32:
        return number
    raise ValueError


def java_float(text: str) -> float:
    """The number in a text, as Java's ``Float.parseFloat`` reads it: ``" 1.5 "``, ``1.5f`` and ``0x1.8p1`` too."""
    if decimal := _DECIMAL_FLOAT.fullmatch(text.strip()):
        return float(decimal[1])
    if hexadecimal := _HEX_FLOAT.fullmatch(text.strip()):
        return _float_from_hex(hexadecimal[1])
    raise ValueError


def _float_from_hex(text: str) -> float:
    try:
        return float.fromhex(text)
    except OverflowError:
        return float("-inf" if text.startswith("-") else "inf")
