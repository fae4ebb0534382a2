"""Who an event or a profile is about: user, device and partner identities."""

from typing import Annotated

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticOmit, core_schema

from mparticle_firehose.protocol.enums import DeviceIdentityType, IdentityEncoding, Known, UserIdentityType
from mparticle_firehose.protocol.wire.fields import NonBlankText
from mparticle_firehose.protocol.wire.model import Model
from mparticle_firehose.protocol.wire.unions import LABEL, NullIs, count, noise

INCOMPLETE_IDENTITY = "incomplete_identity"

_ENCODING = Known(IdentityEncoding, required=True)


class Identity(Model):
    """What the three kinds of identities share: a type, an encoding and a value, none of them blank."""

    type: NonBlankText
    encoding: Annotated[IdentityEncoding | str, _ENCODING]
    value: NonBlankText


class UserIdentity(Identity):
    """An identity of a user, such as an email address."""

    type: Annotated[UserIdentityType | str, Known(UserIdentityType, required=True)]


class DeviceIdentity(Identity):
    """An identity of a device, such as an advertising id or a push token."""

    type: Annotated[DeviceIdentityType | str, Known(DeviceIdentityType, required=True)]


class PartnerIdentity(Identity):
    """An identity that the integration itself registered; its ``type`` is free text."""


class SkipIncomplete:
    """Annotated metadata of an identity in a list: null is skipped, an incomplete one is skipped and counted.

    Java refuses the whole message for a single blank value.
    """

    __slots__ = ("_required",)

    def __init__(self, *required: str) -> None:
        self._required = required

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        skip = core_schema.with_info_plain_validator_function(self._skip)
        return core_schema.union_schema([(handler(source), LABEL), (skip, LABEL)], mode="left_to_right")

    def _skip(self, value: object, info: core_schema.ValidationInfo) -> object:
        if value is None:
            raise PydanticOmit
        if isinstance(value, dict) and any(_is_missing(value.get(field)) for field in self._required):
            count(info.context, INCOMPLETE_IDENTITY)
            raise PydanticOmit
        raise noise()


def _is_missing(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


_SKIP = SkipIncomplete("type", "encoding", "value")

UserIdentities = Annotated[tuple[Annotated[UserIdentity, _SKIP], ...], NullIs(())]
DeviceIdentities = Annotated[tuple[Annotated[DeviceIdentity, _SKIP], ...], NullIs(())]
PartnerIdentities = Annotated[tuple[Annotated[PartnerIdentity, _SKIP], ...], NullIs(())]
