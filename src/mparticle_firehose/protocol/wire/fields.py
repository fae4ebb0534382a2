"""The types of the models' fields. They accept what mParticle's Java SDK accepts.

Each type tries pydantic's own strict validator first, which is fast. A Python function runs only for a value that this
rejects (null, blank, a number in a string, ...) and raises ``ValueError`` for what the Java SDK rejects too.

The names follow the Java types, which decide how null is read and what is written:

=======================  =======================  ======================  =====================================
type                     null or blank reads as   is written              example
=======================  =======================  ======================  =====================================
`Int` `Double` `Bool`    0, 0.0, False            always                  ``timestamp_ms``, ``is_crash``
`Flag`                   False                    when true               ``is_debug``
`Optional...`            None                     unless None             ``session_id``
`OptionalText`           None, blank stays        unless None or ``""``   ``name``
`OptionalOpenEnum`       None                     unless None             ``custom_event_type``
`ListOf` `MapOf` ...     empty (null only)        unless empty            ``products``
=======================  =======================  ======================  =====================================
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import StrEnum
from types import NoneType
from typing import Annotated, TypeVar, get_args
from uuid import UUID

from pydantic_core import PydanticOmit, core_schema
from pydantic_core.core_schema import CoreSchema

from mparticle_firehose.protocol.wire.coercion import (
    boolean,
    decimal,
    double,
    is_blank,
    json_text_of,
    nonempty_text,
    text_of,
    trimmed,
    uuid,
    whole_number,
)
from mparticle_firehose.protocol.wire.reading import count_slow_element, count_unrecognized
from mparticle_firehose.protocol.wire.unions import (
    BROKEN_RULE,
    Counted,
    DefaultOnError,
    NullIs,
    Schema,
    SkipNull,
    counting_odd,
    either,
    with_fallback,
)

MALFORMED_ID = "malformed_id"


class NonDefault:
    """Metadata: do not write the field if its value is its default.

    Every other field is written unless it is None or empty; zero and false are written.
    """

    __slots__ = ()


class EnumOrText:
    """Metadata: read a member of the enumeration, or keep the received text, which is counted as unrecognised.

    The enumeration is the first of the annotated types. Upper and lower case and spaces around do not matter. Blank
    reads as None if the annotated type allows that, and is an error otherwise.

    Args:
        aliases: other spellings to accept.
    """

    __slots__ = ("_aliases",)

    def __init__(self, aliases: Mapping[str, StrEnum] | None = None) -> None:
        self._aliases = dict(aliases or {})

    def __get_pydantic_core_schema__(self, source: object, handler: object) -> CoreSchema:
        enumeration, *others = get_args(source)
        members = {str(member): member for member in enumeration} | self._aliases
        read = _read_enum(snake_case(enumeration.__name__), members, is_optional=NoneType in others)
        return core_schema.union_schema(
            [
                core_schema.enum_schema(enumeration, list(enumeration), sub_type="str"),
                core_schema.with_info_plain_validator_function(read),
            ],
            mode="left_to_right",
            custom_error_type=BROKEN_RULE,
            custom_error_message="must be text",
        )


def _read_enum(
    kind: str, members: Mapping[str, StrEnum], *, is_optional: bool
) -> Callable[[object, core_schema.ValidationInfo], str | None]:
    text_of_word = counting_odd(text_of) if is_optional else _text_of_word

    def read(value: object, info: core_schema.ValidationInfo) -> str | None:
        text = "" if value is None else text_of_word(value, info)
        word = trimmed(text).lower()
        if member := members.get(word):
            return member
        if word:
            count_unrecognized(info.context, kind)
            return text
        if is_optional:
            return None
        raise ValueError

    return read


def snake_case(name: str) -> str:
    """The snake case of a class name: ``UserIdentityType`` becomes ``user_identity_type``."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


def _or_blank[T](read: Callable[[object], T], blank: T | None) -> Callable[[object], T | None]:
    return lambda value: blank if is_blank(value) else read(value)


def _optional_id(value: object, info: core_schema.ValidationInfo) -> UUID | None:
    try:
        return uuid(value)
    except ValueError:
        count_unrecognized(info.context, MALFORMED_ID)
        return None


def _text_of_word(value: object, _: core_schema.ValidationInfo) -> str:
    """Count nothing: a word that must be there is an identity's, which counts as a whole."""
    return text_of(value)


def _element(read: Callable[[object], str]) -> CoreSchema:
    """Text, else what the reader makes of an element, which is counted because it costs a call. Null is left out."""
    read_or_count = counting_odd(read)

    def element(value: object, info: core_schema.ValidationInfo) -> str:
        count_slow_element(info)
        if value is None:
            raise PydanticOmit
        return read_or_count(value, info)

    return either(_STRICT_TEXT, core_schema.with_info_plain_validator_function(element), "must be text")


def _scalar[T](native: CoreSchema, read: Callable[[object], T], rule: str, *, blank: T | None) -> Schema:
    schema = with_fallback(native, _or_blank(read, blank), rule)
    return Schema(core_schema.nullable_schema(schema) if blank is None else schema)


_STRICT_TEXT = core_schema.str_schema(strict=True)
_TEXT = with_fallback(_STRICT_TEXT, text_of, "must be text")
_JSON_TEXT = with_fallback(_STRICT_TEXT, json_text_of, "must be text")
_NON_EMPTY_TEXT = either(
    core_schema.str_schema(strict=True, min_length=1),
    core_schema.no_info_plain_validator_function(nonempty_text),  # an identity's, which counts as a whole
    "must be non-empty text",
)
_DECIMAL = core_schema.chain_schema(
    [
        core_schema.is_instance_schema((int, float, Decimal)),  # of a text pydantic would also read 1_000
        core_schema.decimal_schema(),
    ]
)
_INT = core_schema.int_schema(strict=True)
_DOUBLE = core_schema.float_schema(strict=True)
_BOOL = core_schema.bool_schema(strict=True)
_INT_RULE = "must be a whole number"
_DOUBLE_RULE = "must be a number"
_BOOL_RULE = "must be true or false"

Text = Annotated[str, Schema(_TEXT)]
OptionalText = Annotated[str | None, Schema(core_schema.nullable_schema(_TEXT))]
NonEmptyText = Annotated[str, Schema(_NON_EMPTY_TEXT)]
OptionalJsonText = Annotated[str | None, Schema(core_schema.nullable_schema(_JSON_TEXT))]
"""Text that should hold JSON. An object or a list that came instead of text becomes its JSON text."""

Int = Annotated[int, _scalar(_INT, whole_number, _INT_RULE, blank=0)]
OptionalInt = Annotated[int | None, _scalar(_INT, whole_number, _INT_RULE, blank=None)]
Double = Annotated[float, _scalar(_DOUBLE, double, _DOUBLE_RULE, blank=0.0)]
OptionalDouble = Annotated[float | None, _scalar(_DOUBLE, double, _DOUBLE_RULE, blank=None)]
Bool = Annotated[bool, _scalar(_BOOL, boolean, _BOOL_RULE, blank=False)]
Flag = Annotated[bool, _scalar(_BOOL, boolean, _BOOL_RULE, blank=False), NonDefault()]
OptionalBool = Annotated[bool | None, _scalar(_BOOL, boolean, _BOOL_RULE, blank=None)]

OptionalDecimal = Annotated[Decimal | None, _scalar(_DECIMAL, decimal, "must be a decimal number", blank=None)]
OptionalId = Annotated[
    UUID | None,
    Schema(
        core_schema.nullable_schema(
            core_schema.union_schema(
                [core_schema.uuid_schema(), core_schema.with_info_plain_validator_function(_optional_id)],
                mode="left_to_right",
            )
        )
    ),
]
"""A GUID. Anything else reads as None and is counted as unrecognised, so that a bad id does not cost the message."""

UnknownType = Annotated[OptionalText, DefaultOnError(None)]
"""The ``type`` of an object whose type this version does not know; None if it is not text."""

_E = TypeVar("_E", bound=StrEnum)
_T = TypeVar("_T")

OpenEnum = Annotated[_E | str, EnumOrText()]
OptionalOpenEnum = Annotated[_E | str | None, EnumOrText()]
"""A member of an enumeration, or the received text if mParticle sent a value that this version does not know."""
EnumList = Annotated[tuple[OptionalOpenEnum[_E], ...], NullIs(())]

ListOf = Annotated[tuple[Annotated[_T, SkipNull()], ...], Counted(), NullIs(())]
MapOf = Annotated[dict[str, Annotated[_T, SkipNull()]], Counted(), NullIs(dict)]
"""A map, or a list, of objects without its null entries."""

_KEY = core_schema.str_schema(strict=True)
_ELEMENT_TEXT = _element(text_of)
_TEXTS = core_schema.dict_schema(_KEY, core_schema.nullable_schema(_ELEMENT_TEXT))
_JSON_TEXTS = core_schema.dict_schema(_KEY, core_schema.nullable_schema(_element(json_text_of)))

TextMap = Annotated[dict[str, str | None], Schema(_TEXTS), NullIs(dict)]
"""A map of texts, which keeps its null entries."""
JsonTextMap = Annotated[dict[str, str | None], Schema(_JSON_TEXTS), NullIs(dict)]
"""A map of texts. An entry that is an object or a list becomes its JSON text."""
_ElementText = Annotated[str, Schema(_ELEMENT_TEXT)]
OptionalTextList = tuple[_ElementText, ...] | None
TextList = Annotated[tuple[_ElementText, ...], NullIs(())]
"""A list of texts without its null elements."""
TextListMap = Annotated[dict[str, Annotated[TextList, SkipNull(list)]], NullIs(dict)]
