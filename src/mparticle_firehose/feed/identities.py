"""Who an event is about: identities from mParticle's own requests, and an event's id."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from uuid import UUID, uuid5

from mparticle_firehose.errors import FeedError
from mparticle_firehose.feed.fields import is_zero_id
from mparticle_firehose.feed.user import DeviceInformation, UserIdentities
from mparticle_firehose.protocol import (
    DeviceIdentity,
    DeviceIdentityType,
    EventProcessingRequest,
    IdentityEncoding,
    UserIdentity,
    UserIdentityType,
    UserProfile,
)

USER_FIELDS: Mapping[str, str] = MappingProxyType(
    {
        UserIdentityType.CUSTOMER: "customer_id",
        UserIdentityType.EMAIL: "email",
        UserIdentityType.FACEBOOK: "facebook",
        UserIdentityType.TWITTER: "twitter",
        UserIdentityType.GOOGLE: "google",
        UserIdentityType.MICROSOFT: "microsoft",
        UserIdentityType.YAHOO: "yahoo",
        UserIdentityType.OTHER: "other",
        UserIdentityType.OTHER2: "other_id_2",
        UserIdentityType.OTHER3: "other_id_3",
        UserIdentityType.OTHER4: "other_id_4",
        UserIdentityType.OTHER5: "other_id_5",
        UserIdentityType.OTHER6: "other_id_6",
        UserIdentityType.OTHER7: "other_id_7",
        UserIdentityType.OTHER8: "other_id_8",
        UserIdentityType.OTHER9: "other_id_9",
        UserIdentityType.OTHER10: "other_id_10",
        UserIdentityType.MOBILE_NUMBER: "mobile_number",
        UserIdentityType.PHONE_NUMBER_2: "phone_number_2",
        UserIdentityType.PHONE_NUMBER_3: "phone_number_3",
    }
)
"""Types of user identities in mParticle's requests, and their names in the Events API."""

DEVICE_FIELDS: Mapping[str, str] = MappingProxyType(
    {
        DeviceIdentityType.ANDROID_ID: "android_uuid",
        DeviceIdentityType.GOOGLE_ADVERTISING_ID: "android_advertising_id",
        DeviceIdentityType.IOS_ADVERTISING_ID: "ios_advertising_id",
        DeviceIdentityType.IOS_VENDOR_ID: "ios_idfv",
        DeviceIdentityType.GOOGLE_CLOUD_MESSAGING_TOKEN: "push_token",
        DeviceIdentityType.APPLE_PUSH_NOTIFICATION_TOKEN: "push_token",
        DeviceIdentityType.ROKU_ADVERTISING_ID: "roku_advertising_id",
        DeviceIdentityType.ROKU_PUBLISHER_ID: "roku_publisher_id",
        DeviceIdentityType.FIRE_ADVERTISING_ID: "fire_advertising_id",
        DeviceIdentityType.MICROSOFT_ADVERTISING_ID: "microsoft_advertising_id",
        DeviceIdentityType.MICROSOFT_PUBLISHER_ID: "microsoft_publisher_id",
    }
)
"""The same for identities of devices."""

_MPID = re.compile(r"-?[0-9]{1,19}")
_NAMESPACE = UUID("c40bd0c8-5d14-4b5f-a2a6-0f4b6c2a8e71")  # with another one, all events would count as new


def identities_of(received: EventProcessingRequest | UserProfile) -> tuple[UserIdentities, DeviceInformation]:
    """Return the identities that mParticle has sent of a user and a device, for a batch about the same user.

    Hashes are left out: mParticle would take them for the identity itself and make a new profile. Of several identities
    of one type the first usable one counts. What else mParticle has sent is not copied.
    """
    users = _first(_raw(received.user_identities, USER_FIELDS))
    devices = _first(_raw(_device_identities(received), DEVICE_FIELDS))
    return UserIdentities.model_validate(users), DeviceInformation.model_validate(devices)


def mpid_of(received: EventProcessingRequest | UserProfile) -> int | None:
    """Return mParticle's id of the user as a batch has it; None if there is none, or none that fits 64 bits."""
    if not _MPID.fullmatch(received.mpid or ""):
        return None
    mpid = int(received.mpid or 0)
    return mpid if mpid and -(2**63) <= mpid < 2**63 else None


def feed_event_id(feed_name: str, account_id: str | int, event_id: str | int, user: str | int) -> UUID:
    """Return an event's id, for `source_request_id` and `source_message_id`: the same whenever the event is sent.

    Args:
        feed_name: of the partner's feed.
        account_id: whose feed it is.
        event_id: the partner's own id of the event. It may repeat for another user.
        user: the partner's own id of the user, or an identity.

    Raises:
        FeedError: one is blank, or neither text nor a whole number. All events would have one id, and mParticle would
            drop all but the first.
    """
    parts = {"feed_name": feed_name, "account_id": account_id, "event_id": event_id, "user": user}
    if odd := [name for name, part in parts.items() if not isinstance(part, str | int) or isinstance(part, bool)]:
        raise FeedError(*((name, "must be text or a whole number") for name in odd))
    texts = {name: str(part) for name, part in parts.items()}
    if blank := [name for name, text in texts.items() if not text.strip()]:
        raise FeedError(*((name, "must not be blank") for name in blank))
    return uuid5(_NAMESPACE, json.dumps([*texts.values()]))


def _device_identities(received: EventProcessingRequest | UserProfile) -> tuple[DeviceIdentity, ...]:
    if isinstance(received, UserProfile):
        return received.device_identities
    return received.runtime_environment.identities if received.runtime_environment else ()


def _raw(identities: Iterable[UserIdentity | DeviceIdentity], fields: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for identity in identities:
        is_unset = isinstance(identity, DeviceIdentity) and is_zero_id(identity.value)
        if identity.encoding == IdentityEncoding.RAW and identity.type in fields and not is_unset:
            yield fields[identity.type], identity.value


def _first(values: Iterable[tuple[str, str]]) -> dict[str, str]:
    first: dict[str, str] = {}
    for name, value in values:
        first.setdefault(name, value)
    return first
