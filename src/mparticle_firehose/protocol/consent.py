"""Users' consent decisions, and the notifications that one changed."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from mparticle_firehose.protocol.enums import SystemNotificationType
from mparticle_firehose.protocol.wire.fields import Bool, MapOf, OptionalInt, OptionalText, UnknownType
from mparticle_firehose.protocol.wire.legacy import renamed_field
from mparticle_firehose.protocol.wire.model import Model
from mparticle_firehose.protocol.wire.unions import ByType, Counted, NullIs

DATA_SALE_OPT_OUT = "data_sale_opt_out"
"""The only purpose that mParticle uses for CCPA consent."""


class Consent(Model):
    """One consent decision. ``location`` is free text."""

    _timestamp = model_validator(mode="before")(renamed_field("timestamp", "timestamp_unixtime_ms"))
    """Releases until 2.1.1 sent ``timestamp``."""

    consented: Bool = False
    document: OptionalText = None
    timestamp_unixtime_ms: OptionalInt = None
    location: OptionalText = None
    hardware_id: OptionalText = None


class GDPRConsent(Consent):
    """A GDPR decision: ``consented`` means that the user agreed."""


class CCPAConsent(Consent):
    """A CCPA decision: ``consented`` means that the user opted *out* of the sale of their data."""


class ConsentState(Model):
    """The consent decisions by purpose. Purposes without a decision are left out."""

    gdpr_consent_state: MapOf[GDPRConsent] = Field(default_factory=dict)
    ccpa_consent_state: MapOf[CCPAConsent] = Field(default_factory=dict)


class GDPRConsentStateNotification(Model):
    """A GDPR decision changed; the old or the new one may be missing."""

    type: Literal[SystemNotificationType.GDPR_CONSENT_STATE] = SystemNotificationType.GDPR_CONSENT_STATE
    purpose: OptionalText = None
    old_gdpr_consent_state: GDPRConsent | None = None
    new_gdpr_consent_state: GDPRConsent | None = None


class CCPAConsentStateNotification(Model):
    """A CCPA decision changed; the old or the new one may be missing."""

    type: Literal[SystemNotificationType.CCPA_CONSENT_STATE] = SystemNotificationType.CCPA_CONSENT_STATE
    purpose: OptionalText = DATA_SALE_OPT_OUT
    old_ccpa_consent_state: CCPAConsent | None = None
    new_ccpa_consent_state: CCPAConsent | None = None


class UnknownNotification(Model):
    """A notification of a type that this version does not know. Its fields are in ``model_extra``."""

    type: UnknownType = None


SystemNotification = GDPRConsentStateNotification | CCPAConsentStateNotification | UnknownNotification

NOTIFICATION_MODELS: dict[SystemNotificationType, type[Model]] = {
    SystemNotificationType.GDPR_CONSENT_STATE: GDPRConsentStateNotification,
    SystemNotificationType.CCPA_CONSENT_STATE: CCPAConsentStateNotification,
}

SystemNotifications = Annotated[
    tuple[
        Annotated[
            SystemNotification,
            ByType(NOTIFICATION_MODELS, unknown=UnknownNotification, kind="system_notification_type"),
        ],
        ...,
    ],
    Counted(),
    NullIs(()),
]
