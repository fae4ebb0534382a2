"""From a JSON scalar that is not what a field wants to what the Java SDK makes of it.

Each function raises ``ValueError`` for what Java refuses as well.
"""

import base64
import json
import math
import re
from uuid import UUID

_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]+")
_BASE64_UUID_LENGTH = 24


def is_blank(value: object) -> bool:
    """Whether Java reads this as nothing where a number or boolean is expected."""
    return value is None or (isinstance(value, str) and value.strip() in {"", "null"})


def text_of(value: object) -> str:
    """The text of a JSON scalar, with a number's own literal where it is known.

    Raises:
        ValueError: it is an object, a list or null.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise ValueError


def json_text(value: object) -> str:
    """The text of any JSON value; an object or a list becomes its JSON text."""
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text_of(value)


def nonblank_text(value: object) -> str:
    """The text of a JSON scalar that must say something."""
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
    """The floating-point number in a text; ``NaN`` and ``Infinity`` are such."""
    if isinstance(value, str) and "_" not in value:
        return float(value)
    raise ValueError


def boolean(value: object) -> bool:
    """True or false in a text of any case; a number is true unless it is 0."""
    if isinstance(value, str) and (word := value.strip().lower()) in {"true", "false"}:
        return word == "true"
    if isinstance(value, int):
        return value != 0
    raise ValueError


def uuid(value: object) -> UUID | None:
    """The GUID in a text, spelt out or as 24 characters of base64; None for a blank text."""
    text = text_of(value).strip()
    if len(text) == _BASE64_UUID_LENGTH:
        return UUID(bytes=base64.b64decode(text, validate=True))
    return UUID(text) if text else None
