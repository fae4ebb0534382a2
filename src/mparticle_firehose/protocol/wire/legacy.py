"""Shapes that older releases of mParticle's API sent, read as the shapes that replaced them."""

from collections.abc import Callable, Iterable, Iterator

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from mparticle_firehose.protocol.wire.unions import BROKEN_RULE, first_of, not_applicable


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


class IdentityList:
    """Metadata of a map of identities: read the list that older DSR APIs sent, and of each type the first identity."""

    __slots__ = ()

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        identities = handler(source)
        return first_of(identities, core_schema.no_info_before_validator_function(_as_map, identities))


def _as_map(value: object) -> dict[str, object]:
    if not isinstance(value, list):
        raise not_applicable()
    entries = list(_entries(value))
    if not entries and any(each is not None for each in value):
        raise PydanticCustomError(BROKEN_RULE, "must name somebody: no identity of the list has a type")
    return dict(reversed(entries))


def _entries(identities: Iterable[object]) -> Iterator[tuple[str, object]]:
    for identity in identities:
        if isinstance(identity, dict) and isinstance(kind := identity.get("identity_type"), str):
            yield kind, {"encoding": identity.get("identity_format"), "value": identity.get("identity_value")}
