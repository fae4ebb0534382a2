"""How events and system notifications become one call to the partner's API.

To handle a type of event, write a function that maps what is particular to it, and name it in the table. The
registration declares exactly the types that the tables name.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import isfinite
from types import MappingProxyType
from typing import Any

from mparticle_firehose.integration import (
    Answer,
    Endpoint,
    Item,
    Json,
    JsonObject,
    JsonValue,
    Origin,
    Outcome,
    PartnerCall,
    Target,
    known,
    named_identities,
    number,
)
from mparticle_firehose.protocol import (
    ApplicationStateTransitionEvent,
    AttributionEvent,
    CCPAConsentStateNotification,
    Consent,
    CustomEvent,
    ErrorEvent,
    Event,
    EventProcessingRequest,
    EventType,
    GDPRConsentStateNotification,
    ImpressionEvent,
    Location,
    PrivacySettingChangeEvent,
    Product,
    ProductActionEvent,
    PromotionActionEvent,
    PushMessageOpenEvent,
    PushMessageReceiptEvent,
    PushSubscriptionEvent,
    RuntimeEnvironment,
    ScreenViewEvent,
    SessionEndEvent,
    SystemNotificationType,
    UserAttributeChangeEvent,
    UserIdentityChangeEvent,
)

from .account import target
from .answers import failures_in

type Details = dict[str, JsonValue]

MAX_EVENTS_PER_CALL = 1_000


def event_items(request: EventProcessingRequest) -> Iterator[Item]:
    """Yield an item for each notification and each event; they share one call.

    A request that holds only attributes of the user becomes one item without an event. mParticle's keep-alive becomes
    none, nor does a request that holds only types that the tables do not name.

    Raises:
        SettingError: the customer's key is missing.
    """
    context = _context(request)
    mapped = [*_notifications(request), *_events(request)]
    if mapped:
        whose = target(request.account)
        for origin, entry in mapped:
            yield Item(endpoint=EVENTS, target=whose, body={"context": context, "event": entry}, covers=(origin,))
    elif request.user_attributes or request.user_attribute_lists:
        yield Item(endpoint=EVENTS, target=target(request.account), body={"context": context})


def _events_call(_target: Target, bodies: Sequence[JsonObject]) -> PartnerCall:
    context: Any = bodies[0]["context"]
    return PartnerCall(
        path="/v1/events", body=Json({**context, "events": [body["event"] for body in bodies if "event" in body]})
    )


def _judge(_bodies: Sequence[JsonObject], answer: Answer) -> Outcome | None:
    return failures_in(answer)


EVENTS = Endpoint(name="events", call=_events_call, judge=_judge, max_items=MAX_EVENTS_PER_CALL)
"""One call for a whole request."""


def _context(request: EventProcessingRequest) -> JsonObject:
    """Return what is the same for everything in a request."""
    environment = request.runtime_environment
    device_identities = environment.identities if environment else ()
    return {
        "account_id": request.account.account_id,
        "request_id": str(request.id) if request.id else None,
        "timestamp_ms": request.timestamp_ms,
        "mpid": request.mpid,
        "user": {
            "identities": named_identities(request.user_identities, request.partner_identities, device_identities),
            "attributes": {**request.user_attributes, **request.user_attribute_lists},
        },
        "device": _device(environment),
    }


def _custom_event(event: CustomEvent) -> Details:
    return {"name": event.name, "category": event.custom_event_type, "attributes": event.attributes}


def _screen_view(event: ScreenViewEvent) -> Details:
    return {"name": event.screen_name, "attributes": event.attributes}


def _session_start(_event: Event) -> Details:
    return {}


def _session_end(event: SessionEndEvent) -> Details:
    return {"session_length_ms": event.session_length_ms}


def _error(event: ErrorEvent) -> Details:
    return {
        "name": event.message,
        "is_crash": event.is_crash,
        "stack_trace": event.stack_trace,
        "breadcrumbs": event.breadcrumbs,
        "attributes": event.attributes,
    }


def _privacy_setting_change(event: PrivacySettingChangeEvent) -> Details:
    return {"name": event.setting, "is_enabled": event.is_enabled}


def _user_attribute_change(event: UserAttributeChangeEvent) -> Details:
    return {"added": event.added, "removed": event.removed}


def _user_identity_change(event: UserIdentityChangeEvent) -> Details:
    return {"added": named_identities(event.added), "removed": named_identities(event.removed)}


def _push_subscription(event: PushSubscriptionEvent) -> Details:
    return {"name": event.action, "token": event.token}


def _application_state_transition(event: ApplicationStateTransitionEvent) -> Details:
    return {
        "name": event.application_state,
        "launch_referral": event.launch_referral,
        "referral_application": event.referral_application,
        "launch_parameters": event.launch_parameters,
        "source_package": event.source_package,
    }


def _push_message(event: PushMessageReceiptEvent | PushMessageOpenEvent) -> Details:
    return {"payload": event.payload}


def _product_action(event: ProductActionEvent) -> Details:
    return {
        "name": event.action,
        "transaction_id": event.transaction_id,
        "affiliation": event.affiliation,
        "currency": event.currency_code,
        "coupon": event.coupon_code,
        "total": number(event.total_amount),
        "tax": number(event.tax_amount),
        "shipping": number(event.shipping_amount),
        "products": [_product(product) for product in event.products],
        "attributes": event.attributes,
    }


def _promotion_action(event: PromotionActionEvent) -> Details:
    return {
        "name": event.action,
        "promotions": [
            known(
                id=promotion.id,
                name=promotion.name,
                creative=promotion.creative,
                position=promotion.position,
            )
            for promotion in event.promotions
        ],
        "attributes": event.attributes,
    }


def _impression(event: ImpressionEvent) -> Details:
    return {
        "impressions": [
            {
                "list": impression.impression_list_name,
                "products": [_product(product) for product in impression.products],
            }
            for impression in event.impressions
        ],
        "attributes": event.attributes,
    }


def _attribution(event: AttributionEvent) -> Details:
    return {
        "name": event.name,
        "partner": event.partner_name,
        "publisher": event.publisher_name,
        "campaign": event.campaign_name,
        "attributes": event.attributes,
    }


EVENT_MAPPINGS: Mapping[EventType, Callable[[Any], Details]] = MappingProxyType(
    {
        EventType.SESSION_START: _session_start,
        EventType.SESSION_END: _session_end,
        EventType.CUSTOM_EVENT: _custom_event,
        EventType.SCREEN_VIEW: _screen_view,
        EventType.ERROR: _error,
        EventType.PRIVACY_SETTING_CHANGE: _privacy_setting_change,
        EventType.USER_ATTRIBUTE_CHANGE: _user_attribute_change,
        EventType.USER_IDENTITY_CHANGE: _user_identity_change,
        EventType.PUSH_SUBSCRIPTION: _push_subscription,
        EventType.APPLICATION_STATE_TRANSITION: _application_state_transition,
        EventType.PUSH_MESSAGE_RECEIPT: _push_message,
        EventType.PUSH_MESSAGE_OPEN: _push_message,
        EventType.PRODUCT_ACTION: _product_action,
        EventType.PROMOTION_ACTION: _promotion_action,
        EventType.IMPRESSION: _impression,
        EventType.ATTRIBUTION: _attribution,
    }
)
"""What is particular to each type of event."""


def _gdpr_consent(notification: GDPRConsentStateNotification) -> Details:
    return {
        "name": notification.purpose,
        "old": _consent(notification.old_gdpr_consent_state),
        "new": _consent(notification.new_gdpr_consent_state),
    }


def _ccpa_consent(notification: CCPAConsentStateNotification) -> Details:
    return {
        "name": notification.purpose,
        "old": _consent(notification.old_ccpa_consent_state),
        "new": _consent(notification.new_ccpa_consent_state),
    }


NOTIFICATION_MAPPINGS: Mapping[SystemNotificationType, Callable[[Any], Details]] = MappingProxyType(
    {
        SystemNotificationType.GDPR_CONSENT_STATE: _gdpr_consent,
        SystemNotificationType.CCPA_CONSENT_STATE: _ccpa_consent,
    }
)
"""What is particular to each type of notification."""


def _events(request: EventProcessingRequest) -> Iterator[tuple[Origin, JsonObject]]:
    for place, event in enumerate(request.events):
        kind = event.type
        if isinstance(kind, EventType) and (details_of := EVENT_MAPPINGS.get(kind)):
            entry = known(
                id=str(event.id or event.source_id or "") or None,
                type=kind,
                timestamp_ms=event.timestamp_ms,
                session_id=event.session_id,
                location=_location(event.location),
                **details_of(event),
            )
            yield ("events", place), entry


def _notifications(request: EventProcessingRequest) -> Iterator[tuple[Origin, JsonObject]]:
    for place, notification in enumerate(request.system_notifications):
        kind = notification.type
        if isinstance(kind, SystemNotificationType) and (details_of := NOTIFICATION_MAPPINGS.get(kind)):
            yield ("system_notifications", place), known(type=kind, **details_of(notification))


def _device(environment: RuntimeEnvironment | None) -> JsonObject:
    if environment is None:
        return {}
    return known(
        platform=environment.type,
        os_version=getattr(environment, "os_version", None),
        model=getattr(environment, "model", None) or getattr(environment, "device_model", None),
        app_version=getattr(environment, "application_version", None),
        user_agent=environment.http_header_user_agent,
        ip_address=environment.client_ip_address,
    )


def _product(product: Product) -> JsonObject:
    return known(
        id=product.id,
        name=product.name,
        brand=product.brand,
        category=product.category,
        variant=product.variant,
        price=number(product.price),
        quantity=number(product.quantity),
        total=number(product.total_amount),
        coupon=product.coupon_code,
        attributes=product.attributes,
    )


def _consent(consent: Consent | None) -> JsonObject | None:
    if consent is None:
        return None
    return known(consented=consent.consented, timestamp_ms=consent.timestamp_unixtime_ms, document=consent.document)


def _location(location: Location | None) -> JsonObject | None:
    if location is None or not (isfinite(location.latitude) and isfinite(location.longitude)):
        return None
    return {"latitude": location.latitude, "longitude": location.longitude}
