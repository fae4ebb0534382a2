"""The rules for a registration, which are checked before it is sent to mParticle.

mParticle's Java SDK checks few of them. The others come from its documentation and reviews, or an integration that
breaks them fails in production.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator

from mparticle_firehose.errors import RegistrationError
from mparticle_firehose.protocol.enums import AccessTokenType, EventType, SystemNotificationType
from mparticle_firehose.protocol.messages import ModuleRegistrationResponse
from mparticle_firehose.protocol.registration import (
    AnyAuthentication,
    AnySetting,
    FloatSetting,
    IdentityPermission,
    IntegerSetting,
    OAuth2Authentication,
    Permissions,
)
from mparticle_firehose.protocol.wire.model import Model
from mparticle_firehose.protocol.wire.reading import Reading

DESCRIPTION_LIMIT = 230
"""Characters with markup. A description must be shorter."""
COOKIE_SYNC_ID = "$cookie_sync_id"
"""The type of the partner identity that a cookie sync gives to mParticle.

mParticle does not document whether it counts towards the limit of one partner identity; here it does not.
"""
UNLIMITED_DATA_AGE = -1

type Problems = Iterator[str]
type Rule = Callable[[ModuleRegistrationResponse], Problems]

_NEEDS_EVENTS = (
    "allow_access_location",
    "allow_consent_state",
    "allow_eventless_batches",
    "allow_platform_fields",
    "allow_user_attributes",
)


def declare(
    registration: ModuleRegistrationResponse,
    *,
    handled_events: Collection[EventType] = (),
    handled_notifications: Collection[SystemNotificationType] = (),
    returned_settings: Collection[str] = (),
) -> ModuleRegistrationResponse:
    """Returns the registration if it breaks no rule.

    Args:
        registration: the integration's registration.
        handled_events: the types of events that the integration has code for.
        handled_notifications: the types of system notifications that the integration has code for.
        returned_settings: ids of the settings that the integration returns when an audience is connected.

    Raises:
        RegistrationError: it breaks rules; the message names all of them.
    """
    problems = [
        *(problem for rule in _RULES for problem in rule(registration)),
        *_unhandled(registration, handled_events, handled_notifications),
        *_unreturnable(registration, returned_settings),
    ]
    if problems:
        raise RegistrationError("; ".join(problems))
    return registration


def _unknown_names(registration: ModuleRegistrationResponse) -> Problems:
    """A value or a field that this version does not know is a mistake in a registration."""
    reading = Reading()
    ModuleRegistrationResponse.model_validate(_plain(registration), context=reading)
    for kind in reading.unrecognized:
        yield f"{kind}: must be one that the protocol knows"
    for model in _models(registration):
        for field in model.model_extra or {}:
            yield f"{type(model).__name__}.{field}: is no field of the protocol"


def _plain(value: object) -> object:
    if isinstance(value, Model):
        return {name: _plain(field) for name, field in value.__dict__.items()}
    if isinstance(value, tuple):
        return [_plain(element) for element in value]
    return value


def _models(value: object) -> Iterator[Model]:
    if isinstance(value, Model):
        yield value
    parts = value if isinstance(value, tuple) else value.__dict__.values() if isinstance(value, Model) else ()
    for part in parts:
        yield from _models(part)


def _descriptions(registration: ModuleRegistrationResponse) -> Problems:
    yield from _blank("registration", name=registration.name, version=registration.version)
    if len(registration.description or "") >= DESCRIPTION_LIMIT:
        yield f"description: must be shorter than {DESCRIPTION_LIMIT} characters, markup included"
    if not (
        registration.event_processing_registration
        or registration.audience_processing_registration
        or registration.dsr_processing_registration
    ):
        yield "registration: must process events, audiences or data subject requests"


def _identities(registration: ModuleRegistrationResponse) -> Problems:
    permissions = registration.permissions or Permissions()
    groups: dict[str, tuple[IdentityPermission, ...]] = {
        "user_identities": permissions.user_identities,
        "device_identities": permissions.device_identities,
        "partner_identities": permissions.partner_identities,
    }
    for place, group in groups.items():
        types = [identity.type for identity in group]
        for identity in group:
            yield from _blank(place, type=identity.type, encoding=identity.encoding)
        yield from _distinct(place, types)
    own = [identity for identity in permissions.partner_identities if identity.type != COOKIE_SYNC_ID]
    if len(own) > 1:
        yield "partner_identities: must be at most one"


def _permissions(registration: ModuleRegistrationResponse) -> Problems:
    permissions = registration.permissions or Permissions()
    if not registration.event_processing_registration:
        yield from (
            f"{name}: needs an event_processing_registration" for name in _NEEDS_EVENTS if getattr(permissions, name)
        )
    if permissions.allow_audience_user_attributes and not registration.audience_processing_registration:
        yield "allow_audience_user_attributes: needs an audience_processing_registration"


def _events(registration: ModuleRegistrationResponse) -> Problems:
    events = registration.event_processing_registration
    if events is None:
        return
    lists = {
        "supported_event_types": events.supported_event_types,
        "supported_runtime_environments": events.supported_runtime_environments,
    }
    for place, supported in lists.items():
        if not supported:
            yield f"{place}: must not be empty"
        yield from _distinct(place, supported)
    yield from _distinct("supported_system_notification_types", events.supported_system_notification_types)
    if events.max_data_age_hours == 0 or events.max_data_age_hours < UNLIMITED_DATA_AGE:
        yield "max_data_age_hours: must be positive, or -1 for any age"
    yield from _event_needs(registration.permissions or Permissions(), events.supported_event_types)
    if EventType.PUSH_MESSAGE_RECEIPT in events.supported_event_types and not events.push_messaging_provider_id:
        yield "push_messaging_provider_id: is required with push_message_receipt"


def _event_needs(permissions: Permissions, types: Collection[str | None]) -> Problems:
    if EventType.USER_ATTRIBUTE_CHANGE in types and not permissions.allow_user_attributes:
        yield "user_attribute_change: needs the permission allow_user_attributes"
    if EventType.USER_IDENTITY_CHANGE in types and not permissions.user_identities:
        yield "user_identity_change: needs a permission for user_identities"


def _dsr(registration: ModuleRegistrationResponse) -> Problems:
    dsr = registration.dsr_processing_registration
    if dsr is None:
        return
    if not dsr.supported_dsr_types:
        yield "supported_dsr_types: must not be empty"
    yield from _distinct("supported_dsr_types", dsr.supported_dsr_types)


def _settings(registration: ModuleRegistrationResponse) -> Problems:
    for place, settings in _setting_lists(registration):
        yield from _distinct(place, [setting.id for setting in settings])
        for setting in settings:
            yield from _blank(place, id=setting.id, name=setting.name)
            yield from _setting(f"{place}.{setting.id}", setting)


def _setting_lists(registration: ModuleRegistrationResponse) -> Iterator[tuple[str, tuple[AnySetting, ...]]]:
    if events := registration.event_processing_registration:
        # Requests carry both in one map.
        yield "event settings", (*events.account_settings, *events.event_connection_settings)
    if audiences := registration.audience_processing_registration:
        yield "audience account_settings", audiences.account_settings
        yield "audience_subscription_settings", audiences.audience_subscription_settings
    if dsr := registration.dsr_processing_registration:
        yield "dsr account_settings", dsr.account_settings


def _setting(place: str, setting: AnySetting) -> Problems:
    if not setting.visible and getattr(setting, "required", False):
        yield f"{place}: must not be required of a customer who cannot see it"
    if isinstance(setting, IntegerSetting | FloatSetting):
        yield from _bounds(place, setting)


def _bounds(place: str, setting: IntegerSetting | FloatSetting) -> Problems:
    minimum = float("-inf") if setting.min_value is None else setting.min_value
    maximum = float("inf") if setting.max_value is None else setting.max_value
    if not minimum <= maximum:
        yield f"{place}: min_value must not be above max_value"
    elif setting.default_value is not None and not minimum <= setting.default_value <= maximum:
        yield f"{place}: default_value must lie between min_value and max_value"


def _authentications(registration: ModuleRegistrationResponse) -> Problems:
    if events := registration.event_processing_registration:
        yield from _authentication("event authentication", events.authentication)
    if audiences := registration.audience_processing_registration:
        yield from _authentication("audience authentication", audiences.authentication)


def _authentication(place: str, authentication: AnyAuthentication | None) -> Problems:
    if not isinstance(authentication, OAuth2Authentication):
        return
    yield from _blank(
        place,
        authorization_url=authentication.authorization_url,
        token_url=authentication.token_url,
        client_id=authentication.client_id,
    )
    if authentication.access_token_type is AccessTokenType.CUSTOM_HEADER:
        yield from _blank(place, custom_header_name=authentication.custom_header_name)
    for scope in authentication.scopes:
        yield from _blank(f"{place} scope", name=scope.name, description=scope.description)


def _unhandled(
    registration: ModuleRegistrationResponse,
    events: Collection[EventType],
    notifications: Collection[SystemNotificationType],
) -> Problems:
    declared = registration.event_processing_registration
    if declared is None:
        return
    for kind in (*declared.supported_event_types, *declared.supported_system_notification_types):
        if kind not in events and kind not in notifications:
            yield f"{kind}: is declared but nothing handles it"


def _unreturnable(registration: ModuleRegistrationResponse, returned: Iterable[str]) -> Problems:
    audiences = registration.audience_processing_registration
    declared = audiences.audience_subscription_settings if audiences else ()
    invisible = {setting.id for setting in declared if not setting.visible}
    for setting_id in returned:
        if setting_id not in invisible:
            yield f"{setting_id}: is returned, so it must be an invisible audience_subscription_setting"


def _blank(place: str, **texts: str | None) -> Problems:
    yield from (f"{place}: {field} must not be blank" for field, text in texts.items() if not (text or "").strip())


def _distinct(place: str, values: Iterable[str | None]) -> Problems:
    yield from (f"{place}: {value} must not come twice" for value, times in Counter(values).items() if times > 1)


_RULES: tuple[Rule, ...] = (
    _unknown_names,
    _descriptions,
    _identities,
    _permissions,
    _events,
    _dsr,
    _settings,
    _authentications,
)
