"""What a user consented to, and the notifications of a change."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from mparticle_firehose.protocol.enums import SystemNotificationType
from mparticle_firehose.protocol.wire.fields import Bool, OptionalInt, OptionalText, UnknownType
from mparticle_firehose.protocol.wire.model import ByType, Model
from mparticle_firehose.protocol.wire.unions import NullIs, SkipNull

DATA_SALE_OPT_OUT = "data_sale_opt_out"
"""The one purpose that CCPA consent has in practice."""


class Consent(Model):
    """One consent decision. Its ``location`` is free text, and its time is in milliseconds."""

    consented: Bool = False
    document: OptionalText = None
    timestamp_unixtime_ms: OptionalInt = None
    location: OptionalText = None
    hardware_id: OptionalText = None

    @model_validator(mode="before")
    @classmethod
    def _from_legacy(cls, data: object) -> object:
        """Reads what releases until 2.1.1 called ``timestamp``, where the present name says nothing."""
        if not (isinstance(data, dict) and "timestamp" in data):
            return data
        renamed = {name: value for name, value in data.items() if name != "timestamp"}
        if renamed.get("timestamp_unixtime_ms") is None:
            renamed["timestamp_unixtime_ms"] = data["timestamp"]
        return renamed


class GDPRConsent(Consent):
    """A GDPR decision: ``consented`` means that the user agreed."""


class CCPAConsent(Consent):
    """A CCPA decision: ``consented`` means that the user opted *out* of the sale of their data."""


class ConsentState(Model):
    """All consent decisions, by purpose. Purposes without a decision are left out."""

    gdpr_consent_state: Annotated[dict[str, Annotated[GDPRConsent, SkipNull()]], NullIs(dict)] = Field(
        default_factory=dict
    )
    ccpa_consent_state: Annotated[dict[str, Annotated[CCPAConsent, SkipNull()]], NullIs(dict)] = Field(
        default_factory=dict
    )


class GDPRConsentStateNotification(Model):
    """A GDPR decision changed; either side may be missing."""

    type: Literal[SystemNotificationType.GDPR_CONSENT_STATE] = SystemNotificationType.GDPR_CONSENT_STATE
    purpose: OptionalText = None
    old_gdpr_consent_state: GDPRConsent | None = None
    new_gdpr_consent_state: GDPRConsent | None = None


class CCPAConsentStateNotification(Model):
    """A CCPA decision changed; either side may be missing."""

    type: Literal[SystemNotificationType.CCPA_CONSENT_STATE] = SystemNotificationType.CCPA_CONSENT_STATE
    purpose: OptionalText = DATA_SALE_OPT_OUT
    old_ccpa_consent_state: CCPAConsent | None = None
    new_ccpa_consent_state: CCPAConsent | None = None


class UnknownNotification(Model):
    """A notification of a type that this version does not know; all it says is in ``model_extra``."""

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
    NullIs(()),
]
