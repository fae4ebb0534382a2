"""The consent decisions of the invented user, and the notifications that one changed."""

from collections.abc import Mapping

from mparticle_firehose.protocol import (
    DATA_SALE_OPT_OUT,
    CCPAConsentStateNotification,
    ConsentState,
    GDPRConsentStateNotification,
    SystemNotification,
    SystemNotificationType,
)
from mparticle_firehose.protocol.consent import CCPAConsent, GDPRConsent

_PURPOSE = "newsletter"
_GDPR = GDPRConsent(
    consented=True, document="v3", timestamp_unixtime_ms=1_759_913_600_000, location="Portland", hardware_id="device-31"
)
_CCPA = CCPAConsent(consented=False, document="v1", timestamp_unixtime_ms=1_759_913_600_000, location="Portland")

CONSENT_STATE = ConsentState(gdpr_consent_state={_PURPOSE: _GDPR}, ccpa_consent_state={DATA_SALE_OPT_OUT: _CCPA})
NOTIFICATIONS: Mapping[SystemNotificationType, SystemNotification] = {
    SystemNotificationType.GDPR_CONSENT_STATE: GDPRConsentStateNotification(
        purpose=_PURPOSE,
        old_gdpr_consent_state=_GDPR.model_copy(update={"consented": False}),
        new_gdpr_consent_state=_GDPR,
    ),
    SystemNotificationType.CCPA_CONSENT_STATE: CCPAConsentStateNotification(new_ccpa_consent_state=_CCPA),
}
