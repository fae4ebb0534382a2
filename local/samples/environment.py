"""The device, the application and the place in mParticle that the sample events come from."""

from collections.abc import Iterable
from typing import cast

from local.samples.people import Person
from mparticle_firehose.protocol import (
    AttAuthorizationStatus,
    PlatformFields,
    RuntimeEnvironment,
    RuntimeEnvironmentType,
)
from mparticle_firehose.protocol.runtime_environments import RUNTIME_ENVIRONMENT_MODELS

_PREFERRED = (RuntimeEnvironmentType.IOS, RuntimeEnvironmentType.ANDROID, RuntimeEnvironmentType.MOBILEWEB)

_DEVICE: dict[str, object] = {
    "build_id": "22A3354",
    "brand": "Sample",
    "product": "SampleDevice1,1",
    "name": "Jane's device",
    "os_version": "18.0",
    "locale_language": "en",
    "locale_country": "en_US",
    "timezone_offset": -8,
    "timezone_name": "America/Los_Angeles",
    "manufacturer": "Sample",
    "model": "Sample Device",
    "country": "US",
    "device_manufacturer": "Sample",
    "device_model": "Sample Device",
    "device_country": "US",
    "screen_height": 2556,
    "screen_width": 1179,
    "screen_dpi": 460,
    "network_country": "US",
    "network_carrier": "Example Mobile",
    "network_code": "260",
    "network_mobile_country_code": "310",
    "is_tablet": False,
    "supports_telephony": True,
    "has_nfc": True,
    "bluetooth_enabled": True,
    "bluetooth_version": "ble",
    "cpu_architecture": "arm64",
    "radio_access_technology": "5G",
    "application_name": "Sample Shop",
    "application_version": "5.2.0",
    "application_package": "com.example.sampleshop",
    "android_sdk_level": 35,
    "install_referrer": "utm_source=sample",
    "is_sandboxed": False,
    "att_authorization_status": AttAuthorizationStatus.AUTHORIZED,
    "att_timestamp_unixtime_ms": 1_751_360_000_000,
    "limit_ad_tracking": "False",
    "is_dst": "False",
}
"""The fields of all environments: each has those that its model names."""


PLATFORM_FIELDS = PlatformFields(
    mp_account_id=4242, mp_account_name="Sample", workspace_id=17, workspace_name="Sample Production",
    input_name="iOS", app_name="Sample Shop", app_version="5.2.0", dataplan_id="shop_plan", dataplan_name="Shop",
    dataplan_version=3,
)  # fmt: skip


def environment(supported: Iterable[RuntimeEnvironmentType | str | None], person: Person) -> RuntimeEnvironment:
    """Return an environment that the registration supports: a phone's, if it can be."""
    kinds = [each for each in supported if isinstance(each, RuntimeEnvironmentType)] or [RuntimeEnvironmentType.UNKNOWN]
    kind = next((each for each in _PREFERRED if each in kinds), kinds[0])
    permissions = person.permissions
    model = cast("type[RuntimeEnvironment]", RUNTIME_ENVIRONMENT_MODELS[kind])
    device = _DEVICE if permissions.allow_device_info else {}
    return model.model_validate(
        {
            "type": kind,
            "sdk_version": "8.31.0",
            "client_ip_address": "192.0.2.31" if permissions.allow_access_ip_address else None,
            "http_header_user_agent": "SampleShop/5.2" if permissions.allow_access_http_user_agent else None,
            "identities": person.device_identities(kind),
            **{name: value for name, value in device.items() if name in model.model_fields},
        }
    )
