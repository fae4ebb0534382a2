"""Field types that read what mParticle's Java SDK reads, at native speed when nothing is odd.

Each type tries the strict native validator first; a Python function runs only for what that one refuses (nulls, blanks,
numbers in strings, ...) and raises ``ValueError`` for what Java refuses as well.

The types follow the Java SDK's, because its rules for nulls and for writing do:

======================  =======================  ======================  =====================================
type                    null or blank reads as   is written              example
======================  =======================  ======================  =====================================
`Int` `Double` `Bool`   0, 0.0, False            always                  ``timestamp_ms``, ``is_crash``
`Flag`                  False                    when true               ``is_debug``
`Optional...`           None                     unless None             ``session_id``
`OptionalText`          None, blank stays        unless None or ``""``   ``name``
======================  =======================  ======================  =====================================
"""

import base64
import binascii
import json
import math
import re
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, PydanticOmit, core_schema

RULE = "firehose_rule"
"""Error type of a broken rule; the error's message is the rule."""
NOISE = "firehose_noise"
"""Error type of an alternative that does not apply: never shown, the other alternative's errors say what is wrong."""
LABEL = "~"
"""What the names of alternatives start with, so that they can be told from field names in an error's location."""

MALFORMED_ID = "malformed_id"

_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]+")
_BASE64_UUID_LENGTH = 24


class NonDefault:
    """Annotated metadata: the field is not written if it is its default itself.

    Every other field is written unless it is None or empty, so zero and false are.
    """

    __slots__ = ()


class Schema:
    """Annotated metadata: replaces the schema that pydantic would derive from the annotated type."""

    __slots__ = ("core",)

    def __init__(self, core: CoreSchema) -> None:
        self.core = core

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return self.core


def noise() -> PydanticCustomError:
    """The error of an alternative that does not apply."""
    return PydanticCustomError(NOISE, "does not apply")


def count(context: object, kind: str) -> None:
    """Counts a value that survived unread, if the validation context is a counter."""
    if isinstance(context, Counter):
        context[kind] += 1


def tolerant(native: CoreSchema, fallback: Callable[[object], object], rule: str) -> CoreSchema:
    """The native schema, then the fallback for what it refuses, then one error that names the rule."""
    return core_schema.union_schema(
        [native, core_schema.no_info_plain_validator_function(fallback)],
        mode="left_to_right",
        custom_error_type=RULE,
        custom_error_message=rule,
    )


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


def _json_text(value: object) -> str:
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text_of(value)


def _nonblank_text(value: object) -> str:
    text = text_of(value)
    if not text.strip():
        raise ValueError
    return text


def _whole_number(value: object) -> int:
    if isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value.strip()):
        return int(value)
    if isinstance(value, float) and math.isfinite(value):
        return math.trunc(value)
    raise ValueError


def _double(value: object) -> float:
    if isinstance(value, str) and "_" not in value:
        return float(value)
    raise ValueError


def _boolean(value: object) -> bool:
    if isinstance(value, str) and (word := value.strip().lower()) in {"true", "false"}:
        return word == "true"
    if isinstance(value, int):
        return value != 0
    raise ValueError


def _or_blank[T](read: Callable[[object], T], blank: T | None) -> Callable[[object], T | None]:
    return lambda value: blank if is_blank(value) else read(value)


def _no_decimal(value: object) -> None:
    if not is_blank(value):
        raise ValueError


def _uuid(value: object, info: core_schema.ValidationInfo) -> UUID | None:
    if value is None:
        return None
    text = value.strip() if isinstance(value, str) else "?"
    if not text:
        return None
    try:
        return UUID(bytes=base64.b64decode(text, validate=True)) if len(text) == _BASE64_UUID_LENGTH else UUID(text)
    except (ValueError, binascii.Error):
        count(info.context, MALFORMED_ID)
        return None


def _skip_null(value: object) -> object:
    if value is None:
        raise PydanticOmit
    raise noise()


def _scalar[T](native: CoreSchema, read: Callable[[object], T], rule: str, *, blank: T | None) -> Schema:
    return Schema(tolerant(native, _or_blank(read, blank), rule))


_STRICT_TEXT = core_schema.str_schema(strict=True)
_TEXT = tolerant(_STRICT_TEXT, text_of, "must be text")
_JSON_TEXT = tolerant(_STRICT_TEXT, _json_text, "must be text")
_INT = core_schema.int_schema(strict=True)
_DOUBLE = core_schema.float_schema(strict=True)
_BOOL = core_schema.bool_schema(strict=True)
_INT_RULE = "must be a whole number"
_DOUBLE_RULE = "must be a number"
_BOOL_RULE = "must be true or false"

Text = Annotated[str, Schema(_TEXT)]
OptionalText = Annotated[str | None, Schema(core_schema.nullable_schema(_TEXT))]
NonBlankText = Annotated[
    str, Schema(tolerant(core_schema.str_schema(strict=True, pattern=r"\S"), _nonblank_text, "must be non-blank text"))
]
OptionalJsonText = Annotated[str | None, Schema(core_schema.nullable_schema(_JSON_TEXT))]
"""Text that holds JSON. An object or a list in its place is kept as its JSON text."""

Int = Annotated[int, _scalar(_INT, _whole_number, _INT_RULE, blank=0)]
OptionalInt = Annotated[int | None, _scalar(_INT, _whole_number, _INT_RULE, blank=None)]
Double = Annotated[float, _scalar(_DOUBLE, _double, _DOUBLE_RULE, blank=0.0)]
OptionalDouble = Annotated[float | None, _scalar(_DOUBLE, _double, _DOUBLE_RULE, blank=None)]
Bool = Annotated[bool, _scalar(_BOOL, _boolean, _BOOL_RULE, blank=False)]
Flag = Annotated[bool, _scalar(_BOOL, _boolean, _BOOL_RULE, blank=False), NonDefault()]
OptionalBool = Annotated[bool | None, _scalar(_BOOL, _boolean, _BOOL_RULE, blank=None)]

OptionalDecimal = Annotated[
    Decimal | None, Schema(tolerant(core_schema.decimal_schema(), _no_decimal, "must be a decimal number"))
]
OptionalId = Annotated[
    UUID | None,
    Schema(
        core_schema.union_schema(
            [core_schema.uuid_schema(), core_schema.with_info_plain_validator_function(_uuid)], mode="left_to_right"
        )
    ),
]
"""A GUID. Blank reads as None, and so does anything that is none, which is counted: an id never costs a message."""


class NullIs:
    """Annotated metadata: null reads as the given value, as Java's absent lists, maps and objects do."""

    __slots__ = ("_value",)

    def __init__(self, value: object) -> None:
        self._value = value

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        absent = core_schema.no_info_plain_validator_function(self._read)
        return core_schema.union_schema([(handler(source), LABEL), (absent, LABEL)], mode="left_to_right")

    def _read(self, value: object) -> object:
        if value is not None:
            raise noise()
        return self._value() if callable(self._value) else self._value


class SkipNull:
    """Annotated metadata of an element: null is left out of its list or map."""

    __slots__ = ()

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        null = core_schema.no_info_plain_validator_function(_skip_null)
        return core_schema.union_schema([(handler(source), LABEL), (null, LABEL)], mode="left_to_right")


class DefaultOnError:
    """Annotated metadata: whatever cannot be read is the given default. For things whose shape is not known."""

    __slots__ = ("_default",)

    def __init__(self, default: object) -> None:
        self._default = default

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_default_schema(handler(source), default=self._default, on_error="default")


UnknownType = Annotated[OptionalText, DefaultOnError(None)]
"""The ``type`` of something unknown, None if it is no text at all."""

_KEY = core_schema.str_schema(strict=True)

TextMap = Annotated[
    dict[str, str | None],
    Schema(core_schema.dict_schema(_KEY, core_schema.nullable_schema(_TEXT))),
    NullIs(dict),
]
JsonTextMap = Annotated[
    dict[str, str | None],
    Schema(core_schema.dict_schema(_KEY, core_schema.nullable_schema(_JSON_TEXT))),
    NullIs(dict),
]
"""A map of texts in which an object or a list is kept as its JSON text."""
TextList = Annotated[tuple[Annotated[Text, SkipNull()], ...], NullIs(())]
OptionalTextList = tuple[Annotated[Text, SkipNull()], ...] | None
TextListMap = Annotated[dict[str, Annotated[TextList, SkipNull()]], NullIs(dict)]
