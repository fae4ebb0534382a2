"""The invented user of the samples: attributes, and the identities that a registration asks for."""

from collections.abc import Iterable, Mapping
from hashlib import new

from mparticle_firehose.protocol import (
    DeviceIdentity,
    DeviceIdentityType,
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

MPID = "7700700000000000031"
OLD_EMAIL = "jane.before@example.com"
ATTRIBUTES = {"$FirstName": "Jane", "$LastName": "Sample", "$City": "Portland", "loyalty_tier": "gold", "visits": "18"}
ATTRIBUTE_LISTS = {"favourite_teas": ("sencha", "oolong")}
ATTRIBUTE_CHANGES = (
    UserAttributeAudienceEvent(key="loyalty_tier", value="gold", action=UserAttributeAction.UPSERT),
    UserAttributeAudienceEvent(key="favourite_teas", list_value=("sencha",), action=UserAttributeAction.UPSERT),
    UserAttributeAudienceEvent(key="newsletter", action=UserAttributeAction.DELETE),
)

_USER_VALUES = {
    UserIdentityType.EMAIL: "jane.sample@example.com",
    UserIdentityType.CUSTOMER: "customer-31",
    UserIdentityType.MOBILE_NUMBER: "+12025550131",
    UserIdentityType.PHONE_NUMBER_2: "+12025550132",
    UserIdentityType.PHONE_NUMBER_3: "+12025550133",
}
_ADVERTISING_ID = "5a3c1e70-0000-4000-8000-0000000000ad"
_PUSH_TOKENS = {
    DeviceIdentityType.APPLE_PUSH_NOTIFICATION_TOKEN,
    DeviceIdentityType.GOOGLE_CLOUD_MESSAGING_TOKEN,
}
PUSH_TOKEN = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0"  # noqa: S105  invented

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

_OF_EXTENSION = {"mobile_number", "phone_number_2", "phone_number_3"}


def user_identities(permissions: Permissions) -> tuple[UserIdentity, ...]:
    """Return the user's identities, in the encodings that the registration asks for."""
    return tuple(
        UserIdentity(type=each.type, encoding=_encoding(each.encoding), value=_encoded(_of(each.type), each.encoding))
        for each in permissions.user_identities
        if each.type
    )


def old_email(permissions: Permissions) -> tuple[UserIdentity, ...]:
    """Return the address that the user had before; nothing if the registration asks for no address."""
    return tuple(
        UserIdentity(type=each.type, encoding=_encoding(each.encoding), value=_encoded(OLD_EMAIL, each.encoding))
        for each in permissions.user_identities
        if each.type == UserIdentityType.EMAIL
    )


def device_identities(
    permissions: Permissions, environment: RuntimeEnvironmentType | None = None
) -> tuple[DeviceIdentity, ...]:
    """Return the identities of a device of an environment; without one, of all the user's devices."""
    prefixes = tuple(_OF_ENVIRONMENT.get(str(environment), "_").split())
    return tuple(
        DeviceIdentity(type=each.type, encoding=_encoding(each.encoding), value=_encoded(_of(each.type), each.encoding))
        for each in permissions.device_identities
        if each.type and (str(environment) not in _OF_ENVIRONMENT or str(each.type).startswith(prefixes))
    )


def partner_identities(permissions: Permissions) -> tuple[PartnerIdentity, ...]:
    """Return the partner's own identities of the user."""
    return tuple(
        PartnerIdentity(
            type=each.type, encoding=_encoding(each.encoding), value=_encoded(f"partner-{place}-31", each.encoding)
        )
        for place, each in enumerate(permissions.partner_identities)
        if each.type
    )


def subject_identities(permissions: Permissions) -> tuple[dict[str, DsrIdentity], dict[str, DsrIdentity]]:
    """Return whom to forget: OpenDSR's identities, and those of mParticle's extension, all of them raw."""
    kinds = _types(permissions)
    own = {str(_DSR_TYPES[kind]): _subject(kind) for kind in kinds if kind in _DSR_TYPES}
    further = {kind: _subject(kind) for kind in kinds if kind.startswith("other") or kind in _OF_EXTENSION}
    return own, further


def _types(permissions: Permissions) -> list[str]:
    asked = (*permissions.user_identities, *permissions.device_identities)
    return list(dict.fromkeys(str(each.type) for each in asked if each.type))


def _subject(kind: str) -> DsrIdentity:
    return DsrIdentity(encoding=IdentityEncoding.RAW, value=_of(kind))


def _of(kind: str) -> str:
    if kind in _PUSH_TOKENS:
        return PUSH_TOKEN
    if kind.endswith("advertising_id"):
        return _ADVERTISING_ID
    values: Iterable[str] = (value for known, value in _USER_VALUES.items() if known == kind)
    return next(iter(values), f"{kind.replace('_', '-')}-31")


def _encoding(encoding: IdentityEncoding | str | None) -> IdentityEncoding | str:
    return encoding or IdentityEncoding.RAW


def _encoded(value: str, encoding: IdentityEncoding | str | None) -> str:
    """Hash a value as mParticle does: trimmed and in lower case."""
    if encoding not in {IdentityEncoding.MD5, IdentityEncoding.SHA1, IdentityEncoding.SHA256}:
        return value
    return new(str(encoding), value.strip().lower().encode(), usedforsecurity=False).hexdigest()
