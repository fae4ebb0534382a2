"""Whose data a data subject request is about."""

from collections.abc import Iterable, Iterator
from typing import Annotated

from pydantic import Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from mparticle_firehose.protocol.enums import DsrIdentityType, IdentityEncoding, Known
from mparticle_firehose.protocol.identities import SkipIncomplete
from mparticle_firehose.protocol.wire.fields import Bool, NonBlankText, Text
from mparticle_firehose.protocol.wire.model import Model
from mparticle_firehose.protocol.wire.unions import LABEL, NullIs, noise

OPEN_DSR_DOMAIN = "opendsr.mparticle.com"


class DsrIdentity(Model):
    """An identity of the data subject. mParticle sends only ``raw`` ones; the type is its key in the map."""

    encoding: Annotated[IdentityEncoding | str | None, Known(IdentityEncoding)] = None
    value: NonBlankText


class _ListForm:
    """Annotated metadata: reads the list of older DSR APIs as the map it became."""

    __slots__ = ()

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        identities = handler(source)
        from_list = core_schema.no_info_before_validator_function(_map_of, identities)
        return core_schema.union_schema([(identities, LABEL), (from_list, LABEL)], mode="left_to_right")


def _map_of(value: object) -> dict[str, object]:
    if isinstance(value, list):
        # As in a map, there is one identity per type; the first one counts.
        return dict(reversed(list(_entries(value))))
    raise noise()


def _entries(identities: Iterable[object]) -> Iterator[tuple[str, object]]:
    for identity in identities:
        if isinstance(identity, dict) and isinstance(kind := identity.get("identity_type"), str):
            yield kind, {"encoding": identity.get("identity_format"), "value": identity.get("identity_value")}


_Identity = Annotated[DsrIdentity, SkipIncomplete("value")]

DsrIdentities = Annotated[
    dict[
        Annotated[
            DsrIdentityType | str,
            Known(DsrIdentityType, {"roku_publishing_id": DsrIdentityType.ROKU_PUBLISHER_ID}, required=True),
        ],
        _Identity,
    ],
    _ListForm(),
    NullIs(dict),
]
"""One identity per type. A type of no enumeration stays as text; identities without a value are skipped."""


class OpenDsrExtension(Model):
    """What mParticle adds to OpenDSR.

    ``skip_waiting_period`` is informational: requests are forwarded when they are received. ``subject_identities``
    holds the types that OpenDSR lacks, such as ``mpid`` and ``other6``.
    """

    skip_waiting_period: Bool = False
    subject_identities: Annotated[dict[Text, _Identity], NullIs(dict)] = Field(default_factory=dict)


class DsrExtensions(Model):
    """Extensions by the domain of whoever defined them; other vendors' stay in ``model_extra``."""

    mparticle: OpenDsrExtension | None = Field(default=None, alias=OPEN_DSR_DOMAIN)
