"""The invented user of the samples: attributes, and the identities that a registration asks for."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import new, sha256
from typing import Any
from uuid import UUID

from mparticle_firehose.protocol import (
    DeviceIdentity,
    DsrIdentity,
    DsrIdentityType,
    IdentityEncoding,
    PartnerIdentity,
    Permissions,
    RuntimeEnvironmentType,
    UserAttributeAction,
    UserAttributeAudienceEvent,
    UserIdentity,
    UserIdentityType,
)
from mparticle_firehose.protocol.registration import IdentityPermission

ATTRIBUTES = {"$FirstName": "Jane", "$LastName": "Sample", "$City": "Portland", "loyalty_tier": "gold", "visits": "18"}
ATTRIBUTE_LISTS = {"favourite_teas": ("sencha", "oolong")}
ATTRIBUTE_CHANGES = (
    UserAttributeAudienceEvent(key="loyalty_tier", value="gold", action=UserAttributeAction.UPSERT),
    UserAttributeAudienceEvent(key="favourite_teas", list_value=("sencha",), action=UserAttributeAction.UPSERT),
    UserAttributeAudienceEvent(key="newsletter", action=UserAttributeAction.DELETE),
)

_FIRST_MPID = 7_700_700_000_000_000_000
_DEVICES = UUID("5a3c1e70-0000-4000-8000-000000000000").int
_PHONES = ("mobile_number", "phone_number_2", "phone_number_3")
_FICTITIOUS = 100  # from +1 202 555 0100 to 0199
_PUSH_TOKENS = ("apple_push_notification_token", "google_cloud_messaging_token")

_OF_ENVIRONMENT: Mapping[str, str] = {
    "ios": "ios_ apple_",
    "tvos": "ios_ apple_",
    "android": "android_ google_",
    "mobileweb": "",
    "firetv": "fire_",
    "roku": "roku_",
    "xbox": "microsoft_",
}
"""How the types of identities begin that a device of each environment has; others have any."""

_DSR_TYPES: Mapping[str, DsrIdentityType] = {
    "customer": DsrIdentityType.CONTROLLER_CUSTOMER_ID,
    "google_advertising_id": DsrIdentityType.ANDROID_ADVERTISING_ID,
    **{str(each): each for each in DsrIdentityType},
}
"""OpenDSR's name of each type of identity that it has."""


@dataclass(frozen=True)
class Person:
    """An invented user.

    Attributes:
        permissions: the identities that a registration asks for, and their encodings.
        number: tells users apart. One whose data a partner has erased may be unknown there for ever.
    """

    permissions: Permissions
    number: int = 31

    @property
    def mpid(self) -> str:
        """The id at mParticle."""
        return str(_FIRST_MPID + self.number)

    @property
    def push_token(self) -> str:
        """The token of the user's device."""
        return sha256(f"push token {self.number}".encode()).hexdigest()

    def user_identities(self) -> tuple[UserIdentity, ...]:
        """Return the user's identities, in the encodings that the registration asks for."""
        return tuple(UserIdentity(**self._identity(each)) for each in self.permissions.user_identities if each.type)

    def old_email(self) -> tuple[UserIdentity, ...]:
        """Return the address that the user had before; nothing if the registration asks for no address."""
        asked = [each for each in self.permissions.user_identities if each.type == UserIdentityType.EMAIL]
        return tuple(UserIdentity(**self._identity(each, self._email("jane.before"))) for each in asked)

    def device_identities(self, environment: RuntimeEnvironmentType | None = None) -> tuple[DeviceIdentity, ...]:
        """Return the identities of a device of an environment; without one, of all the user's devices."""
        prefixes = tuple(_OF_ENVIRONMENT.get(str(environment), "_").split())
        return tuple(
            DeviceIdentity(**self._identity(each))
            for each in self.permissions.device_identities
            if each.type and (str(environment) not in _OF_ENVIRONMENT or str(each.type).startswith(prefixes))
        )

    def partner_identities(self) -> tuple[PartnerIdentity, ...]:
        """Return the partner's own identities of the user."""
        asked = [each for each in self.permissions.partner_identities if each.type]
        return tuple(
            PartnerIdentity(**self._identity(each, f"partner-{place}-{self.number}"))
            for place, each in enumerate(asked)
        )

    def subject_identities(self) -> tuple[dict[str, DsrIdentity], dict[str, DsrIdentity]]:
        """Return whom to forget: OpenDSR's identities, and those of mParticle's extension, all of them raw."""
        asked = (*self.permissions.user_identities, *self.permissions.device_identities)
        kinds = list(dict.fromkeys(str(each.type) for each in asked if each.type))
        own = {str(_DSR_TYPES[kind]): self._subject(kind) for kind in kinds if kind in _DSR_TYPES}
        further = {kind: self._subject(kind) for kind in kinds if kind.startswith("other") or kind in _PHONES}
        return own, further

    def _identity(self, asked: IdentityPermission, value: str = "") -> dict[str, Any]:
        encoding = asked.encoding or IdentityEncoding.RAW
        text = value or self._value(str(asked.type))
        return {"type": asked.type, "encoding": encoding, "value": _encoded(text, encoding)}

    def _subject(self, kind: str) -> DsrIdentity:
        return DsrIdentity(encoding=IdentityEncoding.RAW, value=self._value(kind))

    def _value(self, kind: str) -> str:
        if kind == UserIdentityType.EMAIL:
            return self._email("jane.sample")
        if kind in _PHONES:
            return f"+1202555{_FICTITIOUS + (self.number + _PHONES.index(kind)) % _FICTITIOUS:04}"
        if kind in _PUSH_TOKENS:
            return self.push_token
        if kind.endswith("advertising_id"):
            return str(UUID(int=_DEVICES + self.number))
        return f"{kind.replace('_', '-')}-{self.number}"

    def _email(self, name: str) -> str:
        return f"{name}.{self.number}@example.com"


def _encoded(value: str, encoding: IdentityEncoding | str) -> str:
    """Hash a value as mParticle does: trimmed and in lower case."""
    if encoding not in {IdentityEncoding.MD5, IdentityEncoding.SHA1, IdentityEncoding.SHA256}:
        return value
    return new(str(encoding), value.strip().lower().encode(), usedforsecurity=False).hexdigest()
