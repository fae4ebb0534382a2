"""The data subject of a data subject request (DSR)."""

from typing import Annotated

from pydantic import Field

from mparticle_firehose.protocol.enums import DsrIdentityType, IdentityEncoding
from mparticle_firehose.protocol.identities import INCOMPLETE_IDENTITY
from mparticle_firehose.protocol.wire.fields import Bool, EnumOrText, NonEmptyText, OptionalOpenEnum, Text
from mparticle_firehose.protocol.wire.legacy import IdentityList
from mparticle_firehose.protocol.wire.model import Model
from mparticle_firehose.protocol.wire.unions import NullIs, SkipIncomplete

OPEN_DSR_DOMAIN = "opendsr.mparticle.com"


class DsrIdentity(Model):
    """An identity of the data subject. Its type is its key in the map. mParticle sends only ``raw`` ones."""

    encoding: OptionalOpenEnum[IdentityEncoding] = None
    value: NonEmptyText


_Type = Annotated[DsrIdentityType | str, EnumOrText({"roku_publishing_id": DsrIdentityType.ROKU_PUBLISHER_ID})]
_Identity = Annotated[DsrIdentity, SkipIncomplete("value", kind=INCOMPLETE_IDENTITY)]

DsrIdentities = Annotated[dict[_Type, _Identity], IdentityList(), NullIs(dict)]
"""One identity of each type. An unknown type is kept as text; an identity without a value is left out."""


class OpenDsrExtension(Model):
    """The fields that mParticle adds to OpenDSR.

    ``skip_waiting_period`` is informational, because requests are forwarded as soon as they are received.
    ``subject_identities`` holds identities of types that OpenDSR does not define, such as ``mpid`` and ``other6``.
    """

    skip_waiting_period: Bool = False
    subject_identities: Annotated[dict[Text, _Identity], NullIs(dict)] = Field(default_factory=dict)


class DsrExtensions(Model):
    """The extensions, by the domain of the vendor that defined them. Other vendors' are in ``model_extra``."""

    mparticle: OpenDsrExtension | None = Field(default=None, alias=OPEN_DSR_DOMAIN)
