"""The data subject of a data subject request (DSR)."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from mparticle_firehose.protocol.enums import DsrIdentityType, IdentityEncoding
from mparticle_firehose.protocol.identities import INCOMPLETE_IDENTITY, identity_name
from mparticle_firehose.protocol.wire.coercion import text_of, trimmed
from mparticle_firehose.protocol.wire.fields import Bool, EnumOrText, NonEmptyText, OptionalOpenEnum, Text
from mparticle_firehose.protocol.wire.legacy import listed_identities
from mparticle_firehose.protocol.wire.model import Model
from mparticle_firehose.protocol.wire.unions import BROKEN_RULE, Counted, NullIs, SkipIncomplete, is_missing

OPEN_DSR_DOMAIN = "opendsr.mparticle.com"


class DsrIdentity(Model):
    """An identity of the data subject. Its type is its key in the map. mParticle sends only ``raw`` ones."""

    encoding: OptionalOpenEnum[IdentityEncoding] = None
    value: NonEmptyText


_ALIASES = {"roku_publishing_id": DsrIdentityType.ROKU_PUBLISHER_ID}
_SPELLINGS = {**{str(member): member for member in DsrIdentityType}, **_ALIASES}
_Type = Annotated[DsrIdentityType | str, EnumOrText(_ALIASES)]
_Identity = Annotated[DsrIdentity, SkipIncomplete("value", kind=INCOMPLETE_IDENTITY)]


def _one_of_each_type(value: object) -> object:
    """Return a map with one name for each type. An erasure of one of two different identities would be half of one.

    A type may come twice in the list of older APIs, and in a map in different spellings.
    """
    if not isinstance(value, list | dict):
        return value
    kept: dict[str, tuple[str, object]] = {}
    for name, identity in value.items() if isinstance(value, dict) else listed_identities(value):
        kind = _type_of(name)
        _, other = kept.setdefault(kind, (name, identity))
        if not _has_value(other):
            kept[kind] = name, identity
        elif _has_value(identity) and _content(identity) != _content(other):
            raise _two_of_one_type()
    return dict(kept.values())


def _type_of(name: str) -> str:
    """Return a type that this version knows in any of its spellings, and every other one as it came."""
    return _SPELLINGS[name] if name in _SPELLINGS else _SPELLINGS.get(trimmed(name).lower(), name)


def _two_of_one_type() -> PydanticCustomError:
    return PydanticCustomError(BROKEN_RULE, "must not have two different identities of one type")


def _has_value(identity: object) -> bool:
    return identity is not None and not (isinstance(identity, dict) and is_missing(identity.get("value")))


def _content(identity: object) -> tuple[str, str] | None:
    """Return encoding and value as they will be read: numbers differ as texts do. None if they cannot be read."""
    if not isinstance(identity, dict):
        return None
    encoding = identity.get("encoding")
    try:
        word = "" if encoding is None else trimmed(text_of(encoding)).lower()
        return word or IdentityEncoding.RAW, text_of(identity["value"])
    except ValueError:
        return None


def check_one_of_each_name(*groups: Mapping[str, DsrIdentity]) -> None:
    """Check that identities of one name, see `identity_name`, do not differ.

    Args:
        groups: identities by type.

    Raises:
        PydanticCustomError: two of one name are different.
    """
    values: dict[str, str] = {}
    for group in groups:
        for kind, identity in group.items():
            if values.setdefault(identity_name(_type_of(kind), identity.encoding), identity.value) != identity.value:
                raise _two_of_one_type()


def _one_of_each_name(identities: dict[str, DsrIdentity]) -> dict[str, DsrIdentity]:
    """Check a map with one identity of each type: only a hash may have the name of another type, unknown to us."""
    if any(each.encoding != IdentityEncoding.RAW for each in identities.values()):
        check_one_of_each_name(identities)
    return identities


DsrIdentities = Annotated[
    dict[_Type, _Identity],
    BeforeValidator(_one_of_each_type),
    AfterValidator(_one_of_each_name),
    Counted(),
    NullIs(dict),
]
"""One identity of each type. An unknown type is kept as text; an identity without a value is left out.

Older APIs sent a list.
"""


class OpenDsrExtension(Model):
    """The fields that mParticle adds to OpenDSR.

    ``skip_waiting_period`` is informational, because requests are forwarded as soon as they are received.
    ``subject_identities`` holds identities of types that OpenDSR does not define, such as ``mpid`` and ``other6``. None
    of them differs from one of the same type in the request's own.
    """

    skip_waiting_period: Bool = False
    subject_identities: Annotated[dict[Text, _Identity], NullIs(dict)] = Field(default_factory=dict)


class DsrExtensions(Model):
    """The extensions, by the domain of the vendor that defined them. Other vendors' are in ``model_extra``."""

    mparticle: OpenDsrExtension | None = Field(default=None, alias=OPEN_DSR_DOMAIN)
