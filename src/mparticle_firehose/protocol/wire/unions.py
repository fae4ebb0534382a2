"""Schemas that try one reading of a value after another, as metadata for ``Annotated`` types.

The first branch of a union is pydantic's own fast validator, a later one is a Python function for the values that the
first rejects. If every branch fails, pydantic reports the errors of all of them and puts the branch's name into the
error's location. So that errors stay readable, branches are named with `BRANCH`, which `problems` removes, and a branch
that is not meant for a value fails without an error.
"""

from collections.abc import Callable, Collection, Mapping
from uuid import uuid4

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, PydanticOmit, ValidationError, core_schema

from mparticle_firehose.protocol.wire.coercion import trimmed
from mparticle_firehose.protocol.wire.json_reader import wire_type
from mparticle_firehose.protocol.wire.model import Model
from mparticle_firehose.protocol.wire.reading import (
    count_odd_field,
    count_slow_element,
    count_unrecognized,
    counted,
)

BROKEN_RULE = "firehose_rule"
"""Error type of a broken rule; the error's message is the rule."""
BRANCH = f"~{uuid4().hex}"
"""How a branch's name begins in an error's location. No field has such a name, because nobody outside can know it."""


class _Branch:
    """Selects a branch of a union by type. It is equal to no value that JSON has, as a text could be."""

    __slots__ = ()

    def __repr__(self) -> str:
        return BRANCH


_UNKNOWN = _Branch()
_NULL = _Branch()
_NOT_AN_OBJECT = _Branch()


def not_applicable() -> ValidationError:
    """How a branch fails that is not meant for the value: without an error, because another branch says what is wrong.

    So pydantic's number of errors is the number of fields that cannot be read.
    """
    return ValidationError.from_exception_data("", [])


def first_of(*branches: CoreSchema) -> CoreSchema:
    """The first branch that accepts the value."""
    return core_schema.union_schema([(branch, BRANCH) for branch in branches], mode="left_to_right")


def with_fallback(native: CoreSchema, fallback: Callable[[object], object], rule: str) -> CoreSchema:
    """The native schema, else the fallback, else one error whose message is the rule."""
    return either(native, core_schema.with_info_plain_validator_function(counting_odd(fallback)), rule)


def counting_odd[T](read: Callable[[object], T]) -> Callable[[object, core_schema.ValidationInfo], T]:
    """The reader, which counts a value that it cannot read."""

    def read_or_count(value: object, info: core_schema.ValidationInfo) -> T:
        try:
            return read(value)
        except ValueError:
            count_odd_field(info.context)
            raise

    return read_or_count


def either(native: CoreSchema, other: CoreSchema, rule: str) -> CoreSchema:
    """The native schema, else the other, else one error whose message is the rule."""
    return core_schema.union_schema(
        [native, other],
        mode="left_to_right",
        custom_error_type=BROKEN_RULE,
        custom_error_message=rule,
    )


class Schema:
    """Metadata: use this schema instead of the one that pydantic derives from the annotated type."""

    __slots__ = ("core",)

    def __init__(self, core: CoreSchema) -> None:
        self.core = core

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return self.core


class NullIs:
    """Metadata: read null as the given value, or as a new one if a class is given."""

    __slots__ = ("_value",)

    def __init__(self, value: object) -> None:
        self._value = value

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return first_of(handler(source), core_schema.no_info_plain_validator_function(self._read))

    def _read(self, value: object) -> object:
        if value is not None:
            raise not_applicable()
        return self._value() if callable(self._value) else self._value


class Counted:
    """Metadata of a list or map of objects that may be empty: they are counted before they are read, see `reading`."""

    __slots__ = ()

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return counted(handler(source))


class SkipNull:
    """Metadata of an element: leave null out of its list or map.

    Args:
        kind: of JSON value that an element is. Another kind is counted as odd; what is odd in this kind counts itself.
    """

    __slots__ = ("_kind",)

    def __init__(self, kind: type[dict[str, object] | list[object]] = dict) -> None:
        self._kind = kind

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return first_of(handler(source), core_schema.with_info_plain_validator_function(self._skip))

    def _skip(self, value: object, info: core_schema.ValidationInfo) -> object:
        if value is None:
            raise PydanticOmit
        if not isinstance(value, self._kind):
            count_odd_field(info.context)
        raise not_applicable()


class SkipIncomplete:
    """Metadata of an element: leave it out if it is null, or lacks a field; the latter is counted as unrecognised.

    The Java SDK rejects the whole message instead. An element that cannot be read is counted as odd, not its fields.

    Args:
        required: the fields that must neither be missing, null nor empty. They may be white space.
        words: the fields that must not be white space either, because they are words of an enumeration.
        kind: what an incomplete element is counted as.
    """

    __slots__ = ("_kind", "_required", "_words")

    def __init__(self, *required: str, words: Collection[str] = (), kind: str) -> None:
        self._required = required
        self._words = words
        self._kind = kind

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return first_of(handler(source), core_schema.with_info_plain_validator_function(self._skip))

    def _skip(self, value: object, info: core_schema.ValidationInfo) -> object:
        if value is None or (isinstance(value, dict) and self._is_incomplete(value)):
            count_slow_element(info)
            if value is not None:
                count_unrecognized(info.context, self._kind)
            raise PydanticOmit
        count_odd_field(info.context)
        raise not_applicable()

    def _is_incomplete(self, value: Mapping[str, object]) -> bool:
        if any(is_missing(value.get(field)) for field in self._required):
            return True
        words = (value.get(field) for field in self._words)
        return any(is_missing(word) or (isinstance(word, str) and not trimmed(word)) for word in words)


def is_missing(value: object) -> bool:
    """Whether a required field has no value: it is missing, null or empty. White space is a value."""
    return value is None or value == ""


class DefaultOnError:
    """Metadata: read a value that is not valid as the given default."""

    __slots__ = ("_default",)

    def __init__(self, default: object) -> None:
        self._default = default

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_default_schema(handler(source), default=self._default, on_error="default")


class ByType:
    """Metadata of an element: its ``type`` selects the model. Null is left out, an unknown type is counted.

    Args:
        models: the model of each ``type``.
        unknown: the model of every other ``type``, and of an object without one.
        kind: what an unknown type is counted as.
    """

    __slots__ = ("_branches", "_kind", "_models", "_unknown")

    def __init__(self, models: Mapping[str, type[Model]], *, unknown: type[Model], kind: str) -> None:
        self._models = models
        self._unknown = unknown
        self._kind = kind
        self._branches: dict[object, _Branch] = {str(kind): _Branch() for kind in models}

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        schemas = {model: handler.generate_schema(model) for model in self._models.values()}
        unknown = handler.generate_schema(self._unknown)
        choices: dict[object, CoreSchema] = {
            self._branches[str(kind)]: schemas[model] for kind, model in self._models.items()
        }
        choices[_UNKNOWN] = core_schema.with_info_before_validator_function(self._count, unknown)
        choices[_NULL] = core_schema.no_info_plain_validator_function(_omit)
        choices[_NOT_AN_OBJECT] = core_schema.no_info_plain_validator_function(_reject)
        return core_schema.tagged_union_schema(choices, self._discriminator())

    def _discriminator(self) -> Callable[[object], _Branch]:
        branch_of = self._branches.get

        def branch(value: object) -> _Branch:
            if type(value) is dict:  # as nearly always: a `RepeatedType` is another class
                kind = value.get("type")
            elif isinstance(value, dict):
                kind = wire_type(value)
            elif isinstance(value, Model):
                kind = getattr(value, "type", None)
            else:
                return _NULL if value is None else _NOT_AN_OBJECT
            try:
                return branch_of(kind, _UNKNOWN)
            except TypeError:  # a list or an object
                return _UNKNOWN

        return branch

    def _count(self, value: object, info: core_schema.ValidationInfo) -> object:
        count_unrecognized(info.context, self._kind)
        return value


def _omit(_: object) -> object:
    raise PydanticOmit


def _reject(_: object) -> object:
    raise PydanticCustomError(BROKEN_RULE, "must be an object")
