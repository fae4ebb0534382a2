"""What every model of the protocol has in common, and how a list's elements choose their class."""

from collections.abc import Callable, Mapping

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, PydanticOmit, core_schema

from mparticle_firehose.protocol.wire.unions import LABEL, RULE, count


class Model(BaseModel):
    """A frozen value that keeps the fields it does not know.

    Its repr names its fields and never shows their values, which are personal data and secrets: write it with a
    `Serializer` to see them.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="allow",
        defer_build=True,
        hide_input_in_errors=True,
        protected_namespaces=(),
        ser_json_inf_nan="strings",
    )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(sorted(self.model_fields_set))})"

    __str__ = __repr__


_UNKNOWN = f"{LABEL}unknown"
_NULL = f"{LABEL}null"
_NO_OBJECT = f"{LABEL}no-object"


class ByType:
    """Annotated metadata: the element's ``type`` chooses its class, and an unknown one costs nothing but a count.

    Args:
        models: wire value of ``type`` to class.
        unknown: the class for every other ``type``, and for a missing one.
        kind: what an unknown one is counted as.
    """

    __slots__ = ("_kind", "_models", "_tags", "_unknown")

    def __init__(self, models: Mapping[str, type[Model]], *, unknown: type[Model], kind: str) -> None:
        self._models = models
        self._unknown = unknown
        self._kind = kind
        self._tags: dict[object, str] = {str(wire): f"{LABEL}{wire}" for wire in models}

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        by_class = {model: handler.generate_schema(model) for model in self._models.values()}
        unknown = handler.generate_schema(self._unknown)
        choices: dict[object, CoreSchema] = {f"{LABEL}{wire}": by_class[model] for wire, model in self._models.items()}
        choices[_UNKNOWN] = core_schema.with_info_before_validator_function(self._counted, unknown)
        choices[_NULL] = core_schema.no_info_plain_validator_function(_omit)
        choices[_NO_OBJECT] = core_schema.no_info_plain_validator_function(_no_object)
        return core_schema.tagged_union_schema(choices, self._discriminator())

    def _discriminator(self) -> Callable[[object], str]:
        tag_of = self._tags.get

        def discriminate(value: object) -> str:
            if isinstance(value, dict):
                wire = value.get("type")
            elif isinstance(value, Model):
                wire = getattr(value, "type", None)
            else:
                return _NULL if value is None else _NO_OBJECT
            return tag_of(wire, _UNKNOWN) if isinstance(wire, str) else _UNKNOWN

        return discriminate

    def _counted(self, value: object, info: core_schema.ValidationInfo) -> object:
        count(info.context, self._kind)
        return value


def _omit(_: object) -> object:
    raise PydanticOmit


def _no_object(_: object) -> object:
    raise PydanticCustomError(RULE, "must be an object")
