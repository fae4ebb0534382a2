"""Whose data a batch is: the user, their consent, and their device."""

from collections.abc import Iterator
from typing import Literal, override

from pydantic import Field

from mparticle_firehose.feed.enums import LocationSource, Platform
from mparticle_firehose.feed.fields import (
    AdvertisingId,
    Amount,
    Count,
    DeviceId,
    Identity,
    Name,
    RawIdentity,
    Text,
    Timestamp,
    Word,
)
from mparticle_firehose.feed.model import FeedModel
from mparticle_firehose.protocol import AttAuthorizationStatus


class UserIdentities(FeedModel):
    """The identities of a user, unchanged and never hashed. Blank ones are dropped, see `dropped`.

    An identity that mParticle does not know makes a new profile: prefer what mParticle has sent you of this user.
    """

    customer_id: Identity = None
    email: RawIdentity = None
    facebook: Identity = None
    twitter: Identity = None
    google: Identity = None
    microsoft: Identity = None
    yahoo: Identity = None
    other: Identity = None
    other_id_2: Identity = None
    other_id_3: Identity = None
    other_id_4: Identity = None
    other_id_5: Identity = None
    other_id_6: Identity = None
    other_id_7: Identity = None
    other_id_8: Identity = None
    other_id_9: Identity = None
    other_id_10: Identity = None
    mobile_number: RawIdentity = None
    phone_number_2: RawIdentity = None
    phone_number_3: RawIdentity = None
    alias: Identity = None
    facebook_custom_audience_id: Identity = None

    @property
    def is_empty(self) -> bool:
        """Whether it has no identity."""
        return all(value is None for _, value in self)


class DeviceInformation(FeedModel):
    """A device. Ids that are blank or all zero are dropped, and those that must be UUIDs and are none, see `dropped`.

    ``screen_...`` are pixels, ``timezone_offset`` is hours.
    """

    brand: Text | None = None
    product: Text | None = None
    device: Text | None = None
    device_manufacturer: Text | None = None
    device_model: Text | None = None
    device_country: Text | None = None
    platform: Word[Platform] | None = None
    os_version: Text | None = None
    build_identifier: Text | None = None
    build_version_release: Text | None = None
    cpu_architecture: Text | None = None
    screen_height: Count | None = None
    screen_width: Count | None = None
    screen_dpi: Count | None = None
    locale_language: Text | None = None
    locale_country: Text | None = None
    timezone_offset: Amount | None = None
    is_dst: bool | None = None
    network_country: Text | None = None
    network_carrier: Text | None = None
    network_code: Text | None = None
    network_mobile_country_code: Text | None = None
    radio_access_technology: Text | None = None
    http_header_user_agent: Text | None = None
    is_tablet: bool | None = None
    supports_telephony: bool | None = None
    has_nfc: bool | None = None
    bluetooth_enabled: bool | None = None
    bluetooth_version: Text | None = None
    push_notification_sound_enabled: bool | None = None
    push_notification_vibrate_enabled: bool | None = None
    limit_ad_tracking: bool | None = None
    att_authorization_status: Word[AttAuthorizationStatus] | None = None
    att_timestamp_unixtime_ms: Timestamp | None = None
    amp_id: DeviceId = None
    push_token: DeviceId = None
    android_uuid: DeviceId = None
    android_advertising_id: AdvertisingId = None
    ios_advertising_id: AdvertisingId = None
    ios_idfv: AdvertisingId = None
    roku_advertising_id: AdvertisingId = None
    roku_publisher_id: AdvertisingId = None
    fire_advertising_id: AdvertisingId = None
    microsoft_advertising_id: DeviceId = None
    microsoft_publisher_id: DeviceId = None

    @property
    def is_anonymous(self) -> bool:
        """Whether it has no identity of the device."""
        return all(getattr(self, name) is None for name in _DEVICE_IDENTITIES)


_DEVICE_IDENTITIES = (
    "push_token",
    "android_uuid",
    "android_advertising_id",
    "ios_advertising_id",
    "ios_idfv",
    "roku_advertising_id",
    "roku_publisher_id",
    "fire_advertising_id",
    "microsoft_advertising_id",
    "microsoft_publisher_id",
)


class ApplicationInformation(FeedModel):
    """The application that an event comes from."""

    application_name: Text | None = None
    application_version: Text | None = None
    application_build_number: Text | None = None
    install_referrer: Text | None = None
    package: Text | None = None
    os: Text | None = None


class GeoLocation(FeedModel):
    """A place in degrees, and its accuracy in metres."""

    latitude: Amount
    longitude: Amount
    accuracy: Amount | None = None
    country_code: Text | None = None
    region_code: Text | None = None
    city_name: Text | None = None
    postal_code: Text | None = None
    dma_code: Text | None = None
    location_source: Word[LocationSource] | None = None

    @override
    def _broken_rules(self) -> Iterator[tuple[str, str]]:
        for name, limit in (("latitude", 90), ("longitude", 180)):
            if abs(getattr(self, name)) > limit:
                yield name, f"must lie between -{limit} and {limit}"


class GdprConsent(FeedModel):
    """A decision: ``consented`` means that the user agreed."""

    consented: bool
    timestamp_unixtime_ms: Timestamp
    document: Text | None = None
    location: Text | None = None
    hardware_id: Text | None = None
    regulation: Text | None = None


class CcpaConsent(FeedModel):
    """A decision: ``consented`` means that the user opted *out* of the sale of their data."""

    consented: bool
    timestamp_unixtime_ms: Timestamp
    document: Text | None = None
    location: Text | None = None
    hardware_id: Text | None = None


class ConsentState(FeedModel):
    """A user's consent by purpose. Feeds of partners must not send it; an unsubscribe is a custom event.

    GDPR purposes must exist in the customer's account. CCPA has one purpose.
    """

    gdpr: dict[Name, GdprConsent] = Field(default_factory=dict)
    ccpa: dict[Literal["data_sale_opt_out"], CcpaConsent] = Field(default_factory=dict)
