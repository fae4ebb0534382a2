"""The identities of users and devices, and the integration's own."""

from typing import Annotated

from mparticle_firehose.protocol.enums import DeviceIdentityType, IdentityEncoding, UserIdentityType
from mparticle_firehose.protocol.wire.fields import NonEmptyText, OpenEnum
from mparticle_firehose.protocol.wire.model import Model
from mparticle_firehose.protocol.wire.unions import NullIs, SkipIncomplete

INCOMPLETE_IDENTITY = "incomplete_identity"
_RAW = frozenset({IdentityEncoding.RAW, None})


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


_SKIP_INCOMPLETE = SkipIncomplete("value", words=("type", "encoding"), kind=INCOMPLETE_IDENTITY)
_SKIP_INCOMPLETE_OF_PARTNER = SkipIncomplete("type", "value", words=("encoding",), kind=INCOMPLETE_IDENTITY)

UserIdentities = Annotated[tuple[Annotated[UserIdentity, _SKIP_INCOMPLETE], ...], NullIs(())]
DeviceIdentities = Annotated[tuple[Annotated[DeviceIdentity, _SKIP_INCOMPLETE], ...], NullIs(())]
PartnerIdentities = Annotated[tuple[Annotated[PartnerIdentity, _SKIP_INCOMPLETE_OF_PARTNER], ...], NullIs(())]


def identity_name(kind: str, encoding: str | None) -> str:
    """Return a name that tells identities of a type apart: the type, and also the encoding of a hash.

    So ``email_sha256`` is never taken for ``email``. An identity without an encoding is not a hash.
    """
    return str(kind) if encoding in _RAW else f"{kind}_{encoding}"
