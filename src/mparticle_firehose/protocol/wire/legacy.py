"""Shapes that older releases of mParticle's API sent, read as the shapes that replaced them."""

from collections.abc import Callable, Iterable, Iterator

from pydantic_core import PydanticCustomError

from mparticle_firehose.protocol.wire.unions import BROKEN_RULE, is_missing


def renamed_field(old: str, new: str) -> Callable[[object], object]:
    """Return a validator to run before a model's own: it reads the field ``old`` if ``new`` is missing or null."""

    def rename(data: object) -> object:
        if not (isinstance(data, dict) and old in data):
            return data
        renamed = {name: value for name, value in data.items() if name != old}
        if renamed.get(new) is None:
            renamed[new] = data[old]
        return renamed

    return rename


_LISTED = frozenset({"identity_type", "identity_format", "identity_value"})


def listed_identities(identities: Iterable[object]) -> Iterator[tuple[str, object]]:
    """Return the types and identities in the list that older DSR APIs sent; what carries nothing is left out.

    Raises:
        PydanticCustomError: an element is no identity, has no type, or may have its value in a field of another name.
    """
    for identity in identities:
        if identity is None or identity == {}:
            continue
        fields = identity if isinstance(identity, dict) else {}
        if not isinstance(kind := fields.get("identity_type"), str):
            raise PydanticCustomError(BROKEN_RULE, "must be a list of identities that have a type")
        value = fields.get("identity_value")
        if is_missing(value) and any(fields[name] is not None for name in fields.keys() - _LISTED):
            raise PydanticCustomError(BROKEN_RULE, "must be a list of identities with the value in identity_value")
        yield kind, {"encoding": fields.get("identity_format"), "value": value}
