"""The registration as a customer and mParticle see it: a form, what is asked for in words, and what has changed."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from local.inspector.app import Call
from local.inspector.overview import described_module
from local.registration.__main__ import declared
from local.registration.changes import consequence, differences
from local.rooms import Room
from mparticle_firehose.protocol import BooleanSetting, IdentityEncoding, ModuleRegistrationResponse, Permissions
from mparticle_firehose.protocol.registration import AnySetting, IdentityPermission

type Json = Mapping[str, object]

_ALLOWED: Mapping[str, str] = {
    "allow_access_location": "The location of events",
    "allow_access_ip_address": "The user's IP address",
    "allow_access_http_user_agent": "The browser's user agent",
    "allow_access_device_application_stamp": "The id that mParticle gives to an installation of an app",
    "allow_access_mpid": "mParticle's id of the user",
    "allow_device_info": "What is known of the device",
    "allow_user_attributes": "User attributes, with events",
    "allow_audience_user_attributes": "The user attributes that customers choose, with changes of audiences",
    "allow_consent_state": "The user's consent",
    "allow_platform_fields": "The customer's mParticle account, workspace and app",
    "allow_eventless_batches": "Requests about a user without events",
}
"""What each permission lets through, in words."""

_EVENT_TYPES: Mapping[str, str] = {
    "session_start": "A session has begun.",
    "session_end": "A session has ended.",
    "custom_event": "An event that the customer has defined.",
    "screen_view": "A screen or page was shown.",
    "error": "An app has reported an error.",
    "privacy_setting_change": "The user has changed a privacy setting.",
    "user_attribute_change": "An attribute of the user has changed.",
    "user_identity_change": "An identity of the user has changed.",
    "push_subscription": "A push token has become usable or unusable.",
    "application_state_transition": "An app was installed, upgraded, started, or put into the background.",
    "push_message_receipt": "A push message has arrived.",
    "push_message_open": "A push message was opened.",
    "product_action": "Something was done with products, such as a purchase.",
    "promotion_action": "A promotion was seen or clicked.",
    "impression": "Products were shown.",
    "attribution": "The origin of an installation is known.",
    "gdpr_consent_state": "A consent under the GDPR has changed.",
    "ccpa_consent_state": "A consent under the CCPA has changed.",
}
"""What each type of event and system notification means."""


@dataclass(frozen=True)
class Registration:
    """What one room declares.

    Attributes:
        room: the room.
    """

    room: Room

    def show(self, _: Call) -> Json:
        """Answer ``GET api/registration``."""
        declaration = self.room.integration().declaration()
        now, accepted = declared(self.room), self._accepted()
        return {
            "module": described_module(self.room),
            "settings": list(_settings(declaration)),
            "permissions": list(_permissions(declaration.permissions or Permissions())),
            "event_types": list(_event_types(declaration)),
            "json": now,
            "changes": list(_changes(accepted, now)) if accepted else [],
            "has_accepted": bool(accepted),
        }

    def _accepted(self) -> Json:
        """Return the registration that live customers rely on; empty if there is none yet, or no usable file."""
        try:
            content = json.loads(self.room.registration.read_text())
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}


def _settings(declaration: ModuleRegistrationResponse) -> Iterator[Json]:
    events = declaration.event_processing_registration
    audiences = declaration.audience_processing_registration
    erasures = declaration.dsr_processing_registration
    places = (
        ("Events", "account", events.account_settings if events else ()),
        ("Events", "connection", events.event_connection_settings if events else ()),
        ("Audiences", "account", audiences.account_settings if audiences else ()),
        ("Audiences", "subscription", audiences.audience_subscription_settings if audiences else ()),
        ("Erasures", "account", erasures.account_settings if erasures else ()),
    )
    for part, scope, settings in places:
        yield from (_setting(part, scope, setting) for setting in settings)


def _setting(part: str, scope: str, setting: AnySetting) -> Json:
    return {
        "part": part,
        "scope": scope,
        "id": setting.id,
        "name": setting.name,
        "type": setting.type,
        "is_secret": getattr(setting, "confidential", False),
        "is_visible": setting.visible,
        "default": setting.checked if isinstance(setting, BooleanSetting) else getattr(setting, "default_value", None),
        "help": setting.description,
        "required": getattr(setting, "required", False),
        "min": getattr(setting, "min_value", None),
        "max": getattr(setting, "max_value", None),
    }


def _permissions(permissions: Permissions) -> Iterator[str]:
    for identities, kind in (
        (permissions.user_identities, "User identity"),
        (permissions.device_identities, "Device identity"),
        (permissions.partner_identities, "Partner identity"),
    ):
        yield from (_identity(each, kind) for each in identities)
    yield from (f"{words}." for name, words in _ALLOWED.items() if getattr(permissions, name))


def _identity(identity: IdentityPermission, kind: str) -> str:
    encoding = "" if identity.encoding in {None, IdentityEncoding.RAW} else f", hashed with {identity.encoding}"
    required = " Required: of users who have none of the required identities, nothing is sent."
    return f"{kind} {identity.type}{encoding}.{required if identity.required else ''}"


def _event_types(declaration: ModuleRegistrationResponse) -> Iterator[Json]:
    events = declaration.event_processing_registration
    for kind in (*events.supported_event_types, *events.supported_system_notification_types) if events else ():
        yield {"name": str(kind), "sentence": _EVENT_TYPES.get(str(kind), "A type that this version does not know.")}


def _changes(accepted: Json, now: Json) -> Iterator[Json]:
    for difference in differences(accepted, now):
        because = consequence(difference)
        yield {
            "level": "compatible" if because is None else "breaking",
            "sentence": f"{difference.path}: {difference.kind}{f'; {because}' if because else ''}",
        }
