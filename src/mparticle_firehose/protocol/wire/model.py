"""The base classes of the protocol's models."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Self

from pydantic import BaseModel, ConfigDict, PrivateAttr


class Model(BaseModel):
    """An immutable value. Fields that the protocol does not define are kept in ``model_extra``.

    The repr names the fields and leaves out their values, which are personal data and secrets; use a `Serializer` to
    see the values.
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


@dataclass(frozen=True, slots=True)
class _Origin:
    """What a model was parsed from. All origins are equal, so that models are compared by their fields alone."""

    source: Mapping[str, object] = field(default_factory=dict, compare=False)
    unrecognized: Counter[str] = field(default_factory=Counter, compare=False)


class ReceivedModel(Model):
    """A model that keeps the JSON object that it was parsed from."""

    _origin: _Origin = PrivateAttr(default_factory=_Origin)

    @classmethod
    def from_source(cls, source: Mapping[str, object]) -> Self:
        """Reads a JSON object and keeps it.

        Raises:
            ValidationError: a field of the protocol cannot be read.
        """
        unrecognized: Counter[str] = Counter()
        received = cls.model_validate(source, context=unrecognized)
        received._origin = _Origin(source, unrecognized)  # noqa: SLF001 - its own class
        return received

    @property
    def source(self) -> Mapping[str, object]:
        """The JSON object that this was parsed from; empty if it was not parsed."""
        return self._origin.source

    @property
    def unrecognized(self) -> Counter[str]:
        """How many values this version did not recognise, by kind. It never holds the values.

        A kind is the name of an enumeration in snake case, such as ``event_type`` or ``user_identity_type``, or one of
        ``incomplete_identity``, ``malformed_id`` and ``malformed_time``.
        """
        return self._origin.unrecognized


def field_names() -> frozenset[str]:
    """Return the name of every field of every model, as written in JSON.

    It tells the protocol's own names from those that a customer chose, such as the names of attributes and settings.
    """
    fields = (named for model in _subclasses(Model) for named in model.model_fields.items())
    return frozenset(info.alias or name for name, info in fields)


def _subclasses(model: type[Model]) -> Iterator[type[Model]]:
    for subclass in model.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)
