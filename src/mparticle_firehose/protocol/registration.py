"""What an integration declares to mParticle: permissions, settings and the messages that it processes."""

from typing import Annotated, Literal

from mparticle_firehose.protocol.enums import (
    AccessTokenType,
    AuthenticationType,
    DeviceIdentityType,
    DsrType,
    EventType,
    GrantType,
    IdentityEncoding,
    RuntimeEnvironmentType,
    SettingType,
    SystemNotificationType,
    UserIdentityType,
)
from mparticle_firehose.protocol.wire.fields import (
    Bool,
    EnumList,
    Flag,
    Int,
    ListOf,
    OptionalDouble,
    OptionalInt,
    OptionalOpenEnum,
    OptionalText,
    UnknownType,
)
from mparticle_firehose.protocol.wire.model import Model
from mparticle_firehose.protocol.wire.unions import ByType, NullIs


class IdentityPermission(Model):
    """A type of identity to receive, and its encoding.

    mParticle sends only data and users that have at least one of the ``required`` identities.
    """

    type: OptionalText = None
    encoding: OptionalOpenEnum[IdentityEncoding] = IdentityEncoding.RAW
    required: Bool = False


class UserIdentityPermission(IdentityPermission):
    """A type of user identity to receive."""

    type: OptionalOpenEnum[UserIdentityType] = None


class DeviceIdentityPermission(IdentityPermission):
    """A type of device identity to receive."""

    type: OptionalOpenEnum[DeviceIdentityType] = None


class PartnerIdentityPermission(IdentityPermission):
    """The integration's own type of identity. The permission registers its name, which cannot be changed later."""


class Permissions(Model):
    """What mParticle sends. A field without its permission is left out of the requests."""

    device_identities: ListOf[DeviceIdentityPermission] = ()
    user_identities: ListOf[UserIdentityPermission] = ()
    partner_identities: ListOf[PartnerIdentityPermission] = ()
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
    """The fields of every setting. One that is not ``visible`` is set by the integration, not by the customer."""

    type: UnknownType = None
    id: OptionalText = None
    name: OptionalText = None
    description: OptionalText = None
    visible: Bool = True


class TextSetting(Setting):
    """A text that the customer enters. mParticle's UI masks a ``confidential`` one."""

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
    """A box that the customer ticks. ``checked`` is its initial state, whatever ``default_value`` is."""

    type: Literal[SettingType.BOOLEAN] = SettingType.BOOLEAN
    default_value: Bool = False
    checked: Bool = False


class UnknownSetting(Setting):
    """A setting of a type that this version does not know."""


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
    """A scope to request."""

    name: OptionalText = None
    description: OptionalText = None


class OAuth2Authentication(Model):
    """The OAuth2 flow between mParticle and the partner. ``default_expires_in`` is in seconds."""

    type: Literal[AuthenticationType.OAUTH2] = AuthenticationType.OAUTH2
    authorization_url: OptionalText = None
    refresh_url: OptionalText = None
    token_url: OptionalText = None
    grant_type: OptionalOpenEnum[GrantType] = None
    default_expires_in: OptionalInt = None
    client_id: OptionalText = None
    access_token_type: OptionalOpenEnum[AccessTokenType] = None
    custom_header_name: OptionalText = None
    param_client_id_name: OptionalText = None
    param_secret_name: OptionalText = None
    scopes: ListOf[OAuth2Scope] = ()


class UnknownAuthentication(Model):
    """An authentication of a type that this version does not know."""

    type: UnknownType = None


AnyAuthentication = OAuth2Authentication | UnknownAuthentication

AUTHENTICATION_MODELS: dict[AuthenticationType, type[Model]] = {AuthenticationType.OAUTH2: OAuth2Authentication}

_Authentication = Annotated[
    AnyAuthentication,
    ByType(AUTHENTICATION_MODELS, unknown=UnknownAuthentication, kind="authentication_type"),
]


class EventProcessingRegistration(Model):
    """The integration processes events, of these types and environments.

    ``max_data_age_hours`` is positive, or -1 for events of any age.
    """

    account_settings: Settings = ()
    event_connection_settings: Settings = ()
    supported_event_types: EnumList[EventType] = ()
    supported_runtime_environments: EnumList[RuntimeEnvironmentType] = ()
    supported_system_notification_types: EnumList[SystemNotificationType] = ()
    max_data_age_hours: Int = 24
    push_messaging_provider_id: OptionalText = None
    authentication: _Authentication | None = None


class BulkConfiguration(Model):
    """When audience changes are sent in bulk: after so many messages or minutes. mParticle does not document it."""

    bulk_forward_wait_for_messages: OptionalInt = None
    bulk_forward_wait_in_minutes: OptionalInt = None


class AudienceProcessingRegistration(Model):
    """The integration processes audiences. Invisible settings of an audience are set by the integration."""

    account_settings: Settings = ()
    authentication: _Authentication | None = None
    bulk_configuration: BulkConfiguration | None = None
    audience_subscription_settings: Settings = ()


class DsrProcessingRegistration(Model):
    """The integration processes data subject requests. ``domain`` is for callbacks."""

    account_settings: Settings = ()
    supported_dsr_types: EnumList[DsrType] = ()
    domain: OptionalText = None
