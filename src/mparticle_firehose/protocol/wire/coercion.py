"""Conversions of JSON scalars and settings to the types of fields, by the rules of mParticle's Java SDK.

Each function raises ``ValueError`` for a value that the Java SDK rejects too.
"""

import base64
import math
import re
from decimal import Decimal, InvalidOperation
from uuid import UUID

from mparticle_firehose.protocol.wire.json_text import json_text, number_text

_SPACES = "".join(char for char in map(chr, range(0x3001)) if char <= " " or char.isspace())
"""What Java trims, which is every control character, and what Python does."""
_WHOLE_NUMBER = re.compile(r"[+-]?\d+")
_INT32 = range(-(2**31), 2**31)
_MAX_INT32_LENGTH = 64
"""Characters. A longer text is padded with zeros or out of range, and Python does not convert thousands of digits."""
_DECIMAL_FLOAT = re.compile(r"([+-]?(?:NaN|Infinity|(?:[0-9]++(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?))[fFdD]?")
_HEX_FLOAT = re.compile(r"([+-]?0[xX](?:[0-9a-fA-F]++(?:\.[0-9a-fA-F]*)?|\.[0-9a-fA-F]+)[pP][+-]?[0-9]+)[fFdD]?")
_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_BASE64_UUID_LENGTH = 22  # without the padding
_URL_SAFE = str.maketrans("-_", "+/")


def trimmed(text: str) -> str:
    """The text without what Java and Python trim at its ends."""
    return text.strip(_SPACES)


def is_blank(value: object) -> bool:
    """Whether Java reads this as null where it expects a number or a boolean."""
    return value is None or (isinstance(value, str) and trimmed(value) in {"", "null"})


def text_of(value: object) -> str:
    """The text of a JSON scalar; a number from JSON text keeps the digits that it was written with.

    Raises:
        ValueError: it is an object, a list or null.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return number_text(value)
    raise ValueError


def json_text_of(value: object) -> str:
    """The text of any JSON value but null; an object or a list becomes its JSON text."""
    return json_text(value) if isinstance(value, dict | list) else text_of(value)


def nonempty_text(value: object) -> str:
    """The text of a JSON scalar, which must not be empty."""
    if text := text_of(value):
        return text
    raise ValueError


def whole_number(value: object) -> int:
    """The integer in a text, or a number without its fraction."""
    if isinstance(value, str) and _WHOLE_NUMBER.fullmatch(text := trimmed(value)):
        return int(text)
    if isinstance(value, float) and math.isfinite(value):
        return math.trunc(value)
    raise ValueError


def double(value: object) -> float:
    """The floating-point number in a text, in Java's syntax or Python's; ``NaN`` and ``Infinity`` are accepted."""
    if not isinstance(value, str) or "_" in value:
        raise ValueError
    text = trimmed(value)
    try:
        return java_float(text)
    except ValueError:
        return float(text)


def decimal(value: object) -> Decimal:
    """The decimal number in a text. An infinite float is one that is too large for a float, see `json_text`."""
    text = trimmed(value) if isinstance(value, str) else text_of(value)
    if "_" in text:  # Python reads 1_000, and JSON and Java do not
        raise ValueError
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError from None
    if not number.is_finite():
        raise ValueError
    return number


def boolean(value: object) -> bool:
    """The boolean in a text, in upper or lower case; an integer is true unless it is 0."""
    if isinstance(value, str) and (word := trimmed(value).lower()) in {"true", "false"}:
        return word == "true"
    if isinstance(value, int):
        return value != 0
    raise ValueError


def uuid(value: object) -> UUID | None:
    """The GUID in a text, in its usual form or in base64 of either alphabet; None for a blank text."""
    text = trimmed(text_of(value))
    if len(digits := text.removesuffix("==")) == _BASE64_UUID_LENGTH:
        return UUID(bytes=base64.b64decode(f"{digits.translate(_URL_SAFE)}==", validate=True))
    if text and not _UUID.fullmatch(text):
        raise ValueError
    return UUID(text) if text else None


def java_int(text: str) -> int:
    """The 32-bit integer in a text, as Java's ``Integer.parseInt`` reads it: a sign and digits, no spaces."""
    if len(text) <= _MAX_INT32_LENGTH and _WHOLE_NUMBER.fullmatch(text) and (number := int(text)) in _INT32:
        return number
    raise ValueError


def java_float(text: str) -> float:
    """The number in a text, as Java's ``Float.parseFloat`` reads it: ``" 1.5 "``, ``1.5f`` and ``0x1.8p1`` too."""
    if decimal := _DECIMAL_FLOAT.fullmatch(trimmed(text)):
        return float(decimal[1])
    if hexadecimal := _HEX_FLOAT.fullmatch(trimmed(text)):
        return _float_from_hex(hexadecimal[1])
    raise ValueError


def _float_from_hex(text: str) -> float:
    try:
        return float.fromhex(text)
    except OverflowError:
        return float("-inf" if text.startswith("-") else "inf")
