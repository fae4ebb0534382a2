"""What an integration declares about itself: permissions, settings and what it processes."""

from typing import Annotated, Literal

from mparticle_firehose.protocol.enums import (
    AccessTokenType,
    AuthenticationType,
    DeviceIdentityType,
    DsrType,
    EventType,
    GrantType,
    IdentityEncoding,
    Known,
    RuntimeEnvironmentType,
    SettingType,
    SystemNotificationType,
    UserIdentityType,
)
from mparticle_firehose.protocol.wire.fields import (
    Bool,
    Flag,
    Int,
    OptionalDouble,
    OptionalInt,
    OptionalText,
    UnknownType,
)
from mparticle_firehose.protocol.wire.model import ByType, Model
from mparticle_firehose.protocol.wire.unions import NullIs, SkipNull


class IdentityPermission(Model):
    """An identity to receive, in which encoding.

    Users or data reach the integration only if they have at least one of the ``required`` identities.
    """

    type: OptionalText = None
    encoding: Annotated[IdentityEncoding | str | None, Known(IdentityEncoding)] = IdentityEncoding.RAW
    required: Bool = False


class UserIdentityPermission(IdentityPermission):
    """A kind of user identity to receive."""

    type: Annotated[UserIdentityType | str | None, Known(UserIdentityType)] = None


class DeviceIdentityPermission(IdentityPermission):
    """A kind of device identity to receive."""

    type: Annotated[DeviceIdentityType | str | None, Known(DeviceIdentityType)] = None


class PartnerIdentityPermission(IdentityPermission):
    """The integration's own identity; adding the permission registers it, and its name is final."""


class Permissions(Model):
    """What mParticle may send; without its permission a field is simply absent."""

    device_identities: Annotated[tuple[Annotated[DeviceIdentityPermission, SkipNull()], ...], NullIs(())] = ()
    user_identities: Annotated[tuple[Annotated[UserIdentityPermission, SkipNull()], ...], NullIs(())] = ()
    partner_identities: Annotated[tuple[Annotated[PartnerIdentityPermission, SkipNull()], ...], NullIs(())] = ()
    allow_access_location: Flag = False
    allow_access_ip_address: Flag = False
    allow_access_http_user_agent: Flag = False
    allow_access_device_application_stamp: Flag = False
    allow_access_mpid: Flag = False
    allow_device_info: Flag = False
    allow_user_attributes: Flag = False
    allow_audience_user_attributes: Flag = False
    allow_consent_state: Flag = False
    allow_platform_fields: Flag = False
    allow_eventless_batches: Flag = False


class Setting(Model):
    """What all kinds of settings share; a setting that is not ``visible`` is the integration's own to fill."""

    type: UnknownType = None
    id: OptionalText = None
    name: OptionalText = None
    description: OptionalText = None
    visible: Bool = True


class TextSetting(Setting):
    """A text that the customer enters; ``confidential`` masks it in the UI."""

    type: Literal[SettingType.TEXT] = SettingType.TEXT
    default_value: OptionalText = None
    required: Bool = False
    confidential: Bool = False


class IntegerSetting(Setting):
    """A whole number that the customer enters."""

    type: Literal[SettingType.INTEGER] = SettingType.INTEGER
    default_value: OptionalInt = None
    min_value: OptionalInt = None
    max_value: OptionalInt = None
    required: Bool = False


class FloatSetting(Setting):
    """A number that the customer enters."""

    type: Literal[SettingType.FLOAT] = SettingType.FLOAT
    default_value: OptionalDouble = None
    min_value: OptionalDouble = None
    max_value: OptionalDouble = None
    required: Bool = False


class BooleanSetting(Setting):
    """A box that the customer ticks; ``checked`` is how it starts, independently of ``default_value``."""

    type: Literal[SettingType.BOOLEAN] = SettingType.BOOLEAN
    default_value: Bool = False
    checked: Bool = False


class UnknownSetting(Setting):
    """A setting of a kind that this version does not know."""


AnySetting = TextSetting | IntegerSetting | FloatSetting | BooleanSetting | UnknownSetting

SETTING_MODELS: dict[SettingType, type[Model]] = {
    SettingType.TEXT: TextSetting,
    SettingType.INTEGER: IntegerSetting,
    SettingType.FLOAT: FloatSetting,
    SettingType.BOOLEAN: BooleanSetting,
}

Settings = Annotated[
    tuple[Annotated[AnySetting, ByType(SETTING_MODELS, unknown=UnknownSetting, kind="setting_type")], ...], NullIs(())
]


class OAuth2Scope(Model):
    """A scope to ask for."""

    name: OptionalText = None
    description: OptionalText = None


class OAuth2Authentication(Model):
    """The consent flow that mParticle performs with the partner; ``default_expires_in`` is in seconds."""

    type: Literal[AuthenticationType.OAUTH2] = AuthenticationType.OAUTH2
    authorization_url: OptionalText = None
    refresh_url: OptionalText = None
    token_url: OptionalText = None
    grant_type: Annotated[GrantType | str | None, Known(GrantType)] = None
    default_expires_in: OptionalInt = None
    client_id: OptionalText = None
    access_token_type: Annotated[AccessTokenType | str | None, Known(AccessTokenType)] = None
    custom_header_name: OptionalText = None
    param_client_id_name: OptionalText = None
    param_secret_name: OptionalText = None
    scopes: Annotated[tuple[Annotated[OAuth2Scope, SkipNull()], ...], NullIs(())] = ()


class UnknownAuthentication(Model):
    """An authentication of a kind that this version does not know."""

    type: UnknownType = None


AnyAuthentication = OAuth2Authentication | UnknownAuthentication

AUTHENTICATION_MODELS: dict[AuthenticationType, type[Model]] = {AuthenticationType.OAUTH2: OAuth2Authentication}

_Authentication = Annotated[
    AnyAuthentication,
    ByType(AUTHENTICATION_MODELS, unknown=UnknownAuthentication, kind="authentication_type"),
]


class EventProcessingRegistration(Model):
    """That the integration takes events, and which ones.

    ``max_data_age_hours`` of -1 takes events however old they are; 0 does not.
    """

    account_settings: Settings = ()
    event_connection_settings: Settings = ()
    supported_event_types: Annotated[
        tuple[Annotated[EventType | str | None, Known(EventType)], ...],
        NullIs(()),
    ] = ()
    supported_runtime_environments: Annotated[
        tuple[Annotated[RuntimeEnvironmentType | str | None, Known(RuntimeEnvironmentType)], ...], NullIs(())
    ] = ()
    supported_system_notification_types: Annotated[
        tuple[Annotated[SystemNotificationType | str | None, Known(SystemNotificationType)], ...], NullIs(())
    ] = ()
    max_data_age_hours: Int = 24
    push_messaging_provider_id: OptionalText = None
    authentication: _Authentication | None = None


class BulkConfiguration(Model):
    """When to forward audience changes in bulk: after so many messages or minutes. mParticle does not document it."""

    bulk_forward_wait_for_messages: OptionalInt = None
    bulk_forward_wait_in_minutes: OptionalInt = None


class AudienceProcessingRegistration(Model):
    """That the integration takes audiences. The settings per audience may hold invisible ones of its own."""

    account_settings: Settings = ()
    authentication: _Authentication | None = None
    bulk_configuration: BulkConfiguration | None = None
    audience_subscription_settings: Settings = ()


class DsrProcessingRegistration(Model):
    """That the integration honours data subject requests; ``domain`` is for callbacks."""

    account_settings: Settings = ()
    supported_dsr_types: Annotated[tuple[Annotated[DsrType | str | None, Known(DsrType)], ...], NullIs(())] = ()
    domain: OptionalText = None
