"""The identities of users and devices, and the integration's own."""

from typing import Annotated

from mparticle_firehose.protocol.enums import DeviceIdentityType, IdentityEncoding, UserIdentityType
from mparticle_firehose.protocol.wire.fields import NonEmptyText, OpenEnum
from mparticle_firehose.protocol.wire.model import Model
from mparticle_firehose.protocol.wire.unions import NullIs, SkipIncomplete

INCOMPLETE_IDENTITY = "incomplete_identity"


class Identity(Model):
    """The fields of every identity. None of them is empty; a value may be white space."""

    type: NonEmptyText
    encoding: OpenEnum[IdentityEncoding]
    value: NonEmptyText


class UserIdentity(Identity):
    """An identity of a user, such as an email address."""

    type: OpenEnum[UserIdentityType]


class DeviceIdentity(Identity):
    """An identity of a device, such as an advertising id or a push token."""

    type: OpenEnum[DeviceIdentityType]


class PartnerIdentity(Identity):
    """An identity of a type that the integration registered as its own."""


_SKIP_INCOMPLETE = SkipIncomplete("type", "encoding", "value", kind=INCOMPLETE_IDENTITY)

UserIdentities = Annotated[tuple[Annotated[UserIdentity, _SKIP_INCOMPLETE], ...], NullIs(())]
DeviceIdentities = Annotated[tuple[Annotated[DeviceIdentity, _SKIP_INCOMPLETE], ...], NullIs(())]
PartnerIdentities = Annotated[tuple[Annotated[PartnerIdentity, _SKIP_INCOMPLETE], ...], NullIs(())]
