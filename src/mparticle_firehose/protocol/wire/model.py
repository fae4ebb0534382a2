"""The base classes of the protocol's models."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Self, get_origin

from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo

from mparticle_firehose.protocol.wire.reading import Reading


class Model(BaseModel):
    """An immutable value. Fields that the protocol does not define are kept in ``model_extra``.

    The repr names the fields of the protocol. It leaves out their values and all other names, which are personal data
    and secrets; use a `Serializer` to see them.
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
        return f"{type(self).__name__}({', '.join(sorted(self.model_fields_set & type(self).model_fields.keys()))})"

    __str__ = __repr__


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Elements of a request that cannot be read, all for the same reason.

    Attributes:
        reason: fields and rules, without values and customers' names.
        count: how many elements there are.
        source: the request's JSON with these elements only. Never shown.
    """

    reason: str
    count: int
    source: Mapping[str, object] = field(repr=False)


@dataclass(slots=True, repr=False)
class _Origin:
    """What a model was parsed from. All origins are equal, so that models are compared by their fields alone."""

    source: Mapping[str, object] = field(default_factory=dict, compare=False)
    received: Mapping[str, object] = field(default_factory=dict, compare=False)
    unreadable: tuple[Unreadable, ...] = field(default=(), compare=False)
    unrecognized: Counter[str] = field(default_factory=Counter, compare=False)


class ReceivedModel(Model):
    """A model that keeps the JSON object that it was parsed from, and what of it cannot be read."""

    _origin: ClassVar[_Origin] = _Origin()
    """Of a model that was not parsed. A parsed one has its own, beside its fields: a private attribute of pydantic's
    would cost a twentieth of reading 6 KB of events."""

    @classmethod
    def from_source(
        cls,
        source: Mapping[str, object],
        *,
        kept: Mapping[str, object] | None = None,
        received: Mapping[str, object] | None = None,
        unreadable: tuple[Unreadable, ...] = (),
    ) -> Self:
        """Reads a JSON object and keeps it.

        Args:
            source: the object.
            kept: the object that is kept as the source, if another one is read.
            received: the object as it was received, if it had elements that cannot be read.
            unreadable: these elements.

        Raises:
            ValidationError: a field of the protocol cannot be read.
            TooMuchError: it has more than can be read.
        """
        reading = Reading()
        model = cls.model_validate(source, context=reading)
        source = source if kept is None else kept
        whole = source if received is None else received
        model.__dict__["_origin"] = _Origin(source, whole, unreadable, reading.unrecognized)
        return model

    @property
    def source(self) -> Mapping[str, object]:
        """The JSON object that this was parsed from, without what is unreadable; empty if it was not parsed."""
        return self._origin.source

    @property
    def received(self) -> Mapping[str, object]:
        """The JSON object as it was received, with everything in it; empty if it was not parsed."""
        return self._origin.received

    @property
    def unreadable(self) -> tuple[Unreadable, ...]:
        """The elements that cannot be read. Whoever acknowledges the request must store them."""
        return self._origin.unreadable

    @property
    def is_unreadable(self) -> bool:
        """Whether the request is unreadable as a whole, so that only its envelope was read."""
        return any(each.source is self.received for each in self.unreadable)

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
    return frozenset(name for name, _ in _fields())


def map_names() -> frozenset[str]:
    """Return the name of every field that is a map. Its keys are a customer's names, also if a field has that name."""
    return frozenset(name for name, info in _fields() if get_origin(info.annotation) is dict)


def _fields() -> Iterator[tuple[str, FieldInfo]]:
    for model in _subclasses(Model):
        yield from ((info.alias or name, info) for name, info in model.model_fields.items())


def _subclasses(model: type[Model]) -> Iterator[type[Model]]:
    for subclass in model.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)
