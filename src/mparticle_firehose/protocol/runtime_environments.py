"""The device and the application that events come from: eight models for ten types.

The models have the fields that the Java SDK gives them; a field of another platform is kept in ``model_extra``. A
screen size of 0 usually means unknown.
"""

from typing import Annotated, Literal

from pydantic import Field

from mparticle_firehose.protocol.enums import AttAuthorizationStatus, RuntimeEnvironmentType
from mparticle_firehose.protocol.identities import DeviceIdentities
from mparticle_firehose.protocol.wire.fields import (
    Flag,
    Int,
    MapOf,
    OptionalBool,
    OptionalOpenEnum,
    OptionalText,
    TextMap,
    UnknownType,
)
from mparticle_firehose.protocol.wire.model import Model
from mparticle_firehose.protocol.wire.unions import ByType


class RuntimeEnvironment(Model):
    """The fields of every runtime environment. ``is_debug`` is sent only when true."""

    type: UnknownType = None
    is_debug: Flag = False
    client_ip_address: OptionalText = None
    sdk_version: OptionalText = None
    http_header_user_agent: OptionalText = None
    identities: DeviceIdentities = ()


class UnknownRuntimeEnvironment(RuntimeEnvironment):
    """An environment of a type that this version does not know. The fields of its type are in ``model_extra``."""


class _Device(RuntimeEnvironment):
    build_id: OptionalText = None
    brand: OptionalText = None
    product: OptionalText = None
    name: OptionalText = None
    os_version: OptionalText = None
    locale_language: OptionalText = None
    locale_country: OptionalText = None
    timezone_offset: Int = 0
    """Hours from UTC, without a fraction, as in the Java SDK."""


class _NativeDevice(_Device):
    manufacturer: OptionalText = None
    model: OptionalText = None
    country: OptionalText = None
    timezone_name: OptionalText = None
    application_name: OptionalText = None
    application_version: OptionalText = None
    application_package: OptionalText = None


class _Screen(Model):
    screen_height: Int = 0
    screen_width: Int = 0


class _Network(Model):
    network_country: OptionalText = None
    network_carrier: OptionalText = None
    network_code: OptionalText = None
    network_mobile_country_code: OptionalText = None


class _Capabilities(Model):
    is_tablet: OptionalBool = None
    supports_telephony: OptionalBool = None
    has_nfc: OptionalBool = None
    bluetooth_enabled: OptionalBool = None
    bluetooth_version: OptionalText = None


class _AppTrackingTransparency(Model):
    att_authorization_status: OptionalOpenEnum[AttAuthorizationStatus] = None
    att_timestamp_unixtime_ms: Int = 0


class AndroidRuntimeEnvironment(_Capabilities, _Network, _Screen, _NativeDevice):
    """An Android application."""

    type: Literal[RuntimeEnvironmentType.ANDROID] = RuntimeEnvironmentType.ANDROID
    screen_dpi: Int = 0
    android_sdk_level: Int = 0
    install_referrer: OptionalText = None


class IosRuntimeEnvironment(_AppTrackingTransparency, _Network, _Screen, _NativeDevice):
    """An iOS application."""

    type: Literal[RuntimeEnvironmentType.IOS] = RuntimeEnvironmentType.IOS
    cpu_architecture: OptionalText = None
    is_tablet: OptionalBool = None
    radio_access_technology: OptionalText = None
    is_sandboxed: OptionalBool = None
    apple_search_ads_attribution: MapOf[TextMap] = Field(default_factory=dict)


class TvosRuntimeEnvironment(_AppTrackingTransparency, _Screen, _NativeDevice):
    """An Apple TV application."""

    type: Literal[RuntimeEnvironmentType.TVOS] = RuntimeEnvironmentType.TVOS
    cpu_architecture: OptionalText = None


class MobileWebRuntimeEnvironment(_Network, _Screen, _Device):
    """A browser, on any device. ``limit_ad_tracking`` and ``is_dst`` are text that holds a boolean."""

    type: Literal[RuntimeEnvironmentType.MOBILEWEB] = RuntimeEnvironmentType.MOBILEWEB
    device_manufacturer: OptionalText = None
    device_model: OptionalText = None
    device_country: OptionalText = None
    screen_dpi: Int = 0
    is_tablet: OptionalBool = None
    radio_access_technology: OptionalText = None
    push_token: OptionalText = None
    limit_ad_tracking: OptionalText = None
    is_dst: OptionalText = None


class FireTvRuntimeEnvironment(_Screen, _NativeDevice):
    """A Fire TV application."""

    type: Literal[RuntimeEnvironmentType.FIRETV] = RuntimeEnvironmentType.FIRETV
    cpu_architecture: OptionalText = None


class XboxRuntimeEnvironment(_Screen, _NativeDevice):
    """An Xbox application."""

    type: Literal[RuntimeEnvironmentType.XBOX] = RuntimeEnvironmentType.XBOX
    cpu_architecture: OptionalText = None


class RokuRuntimeEnvironment(_NativeDevice):
    """A Roku channel, which has no screen size."""

    type: Literal[RuntimeEnvironmentType.ROKU] = RuntimeEnvironmentType.ROKU
    cpu_architecture: OptionalText = None


class GenericRuntimeEnvironment(_Capabilities, _Screen, _NativeDevice):
    """A smart TV, an Alexa device or a device that mParticle does not know.

    ``type`` is kept as received; the Java SDK changes all three to ``unknown``.
    """

    type: Literal[RuntimeEnvironmentType.UNKNOWN, RuntimeEnvironmentType.SMARTTV, RuntimeEnvironmentType.ALEXA] = (
        RuntimeEnvironmentType.UNKNOWN
    )
    screen_dpi: Int = 0


AnyRuntimeEnvironment = (
    AndroidRuntimeEnvironment
    | IosRuntimeEnvironment
    | TvosRuntimeEnvironment
    | MobileWebRuntimeEnvironment
    | FireTvRuntimeEnvironment
    | XboxRuntimeEnvironment
    | RokuRuntimeEnvironment
    | GenericRuntimeEnvironment
    | UnknownRuntimeEnvironment
)

RUNTIME_ENVIRONMENT_MODELS: dict[RuntimeEnvironmentType, type[Model]] = {
    RuntimeEnvironmentType.ANDROID: AndroidRuntimeEnvironment,
    RuntimeEnvironmentType.IOS: IosRuntimeEnvironment,
    RuntimeEnvironmentType.TVOS: TvosRuntimeEnvironment,
    RuntimeEnvironmentType.MOBILEWEB: MobileWebRuntimeEnvironment,
    RuntimeEnvironmentType.FIRETV: FireTvRuntimeEnvironment,
    RuntimeEnvironmentType.XBOX: XboxRuntimeEnvironment,
    RuntimeEnvironmentType.ROKU: RokuRuntimeEnvironment,
    RuntimeEnvironmentType.UNKNOWN: GenericRuntimeEnvironment,
    RuntimeEnvironmentType.SMARTTV: GenericRuntimeEnvironment,
    RuntimeEnvironmentType.ALEXA: GenericRuntimeEnvironment,
}

ReceivedRuntimeEnvironment = Annotated[
    AnyRuntimeEnvironment,
    ByType(RUNTIME_ENVIRONMENT_MODELS, unknown=UnknownRuntimeEnvironment, kind="runtime_environment_type"),
]
