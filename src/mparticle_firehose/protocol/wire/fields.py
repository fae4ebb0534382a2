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

from collections.abc import Callable
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from pydantic_core import core_schema
from pydantic_core.core_schema import CoreSchema

from mparticle_firehose.protocol.wire.coercion import (
    boolean,
    double,
    is_blank,
    json_text,
    nonblank_text,
    text_of,
    uuid,
    whole_number,
)
from mparticle_firehose.protocol.wire.unions import DefaultOnError, NullIs, Schema, SkipNull, count, tolerant

MALFORMED_ID = "malformed_id"


class NonDefault:
    """Annotated metadata: the field is not written if it is its default itself.

    Every other field is written unless it is None or empty, so zero and false are.
    """

    __slots__ = ()


def _or_blank[T](read: Callable[[object], T], blank: T | None) -> Callable[[object], T | None]:
    return lambda value: blank if is_blank(value) else read(value)


def _no_decimal(value: object) -> None:
    if not is_blank(value):
        raise ValueError


def _optional_id(value: object, info: core_schema.ValidationInfo) -> UUID | None:
    try:
        return None if value is None else uuid(value)
    except ValueError:
        count(info.context, MALFORMED_ID)
        return None


def _scalar[T](native: CoreSchema, read: Callable[[object], T], rule: str, *, blank: T | None) -> Schema:
    return Schema(tolerant(native, _or_blank(read, blank), rule))


_STRICT_TEXT = core_schema.str_schema(strict=True)
_TEXT = tolerant(_STRICT_TEXT, text_of, "must be text")
_JSON_TEXT = tolerant(_STRICT_TEXT, json_text, "must be text")
_INT = core_schema.int_schema(strict=True)
_DOUBLE = core_schema.float_schema(strict=True)
_BOOL = core_schema.bool_schema(strict=True)
_INT_RULE = "must be a whole number"
_DOUBLE_RULE = "must be a number"
_BOOL_RULE = "must be true or false"

Text = Annotated[str, Schema(_TEXT)]
OptionalText = Annotated[str | None, Schema(core_schema.nullable_schema(_TEXT))]
NonBlankText = Annotated[
    str, Schema(tolerant(core_schema.str_schema(strict=True, pattern=r"\S"), nonblank_text, "must be non-blank text"))
]
OptionalJsonText = Annotated[str | None, Schema(core_schema.nullable_schema(_JSON_TEXT))]
"""Text that holds JSON. An object or a list in its place is kept as its JSON text."""

Int = Annotated[int, _scalar(_INT, whole_number, _INT_RULE, blank=0)]
OptionalInt = Annotated[int | None, _scalar(_INT, whole_number, _INT_RULE, blank=None)]
Double = Annotated[float, _scalar(_DOUBLE, double, _DOUBLE_RULE, blank=0.0)]
OptionalDouble = Annotated[float | None, _scalar(_DOUBLE, double, _DOUBLE_RULE, blank=None)]
Bool = Annotated[bool, _scalar(_BOOL, boolean, _BOOL_RULE, blank=False)]
Flag = Annotated[bool, _scalar(_BOOL, boolean, _BOOL_RULE, blank=False), NonDefault()]
OptionalBool = Annotated[bool | None, _scalar(_BOOL, boolean, _BOOL_RULE, blank=None)]

OptionalDecimal = Annotated[
    Decimal | None, Schema(tolerant(core_schema.decimal_schema(), _no_decimal, "must be a decimal number"))
]
OptionalId = Annotated[
    UUID | None,
    Schema(
        core_schema.union_schema(
            [core_schema.uuid_schema(), core_schema.with_info_plain_validator_function(_optional_id)],
            mode="left_to_right",
        )
    ),
]
"""A GUID. Blank reads as None, and so does anything that is none, which is counted: an id never costs a message."""


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
