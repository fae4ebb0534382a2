"""Schemas of alternatives: the native one first, and a Python function for what that refuses.

pydantic names the alternative in an error's location, and reports the errors of all of them. Alternatives here are
labelled, and those that do not apply make noise, so that the serializer can leave both out.
"""

from collections import Counter
from collections.abc import Callable

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, PydanticOmit, core_schema

RULE = "firehose_rule"
"""Error type of a broken rule; the error's message is the rule."""
NOISE = "firehose_noise"
"""Error type of an alternative that does not apply: never shown, the other alternative's errors say what is wrong."""
LABEL = "~"
"""What the names of alternatives start with, so that they can be told from field names in an error's location."""


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


def _skip_null(value: object) -> object:
    if value is None:
        raise PydanticOmit
    raise noise()


class DefaultOnError:
    """Annotated metadata: whatever cannot be read is the given default. For things whose shape is not known."""

    __slots__ = ("_default",)

    def __init__(self, default: object) -> None:
        self._default = default

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_default_schema(handler(source), default=self._default, on_error="default")
