"""One event of each type, with the fields that mParticle usually sends."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from local.samples.people import Person
from mparticle_firehose.protocol import (
    ApplicationState,
    ApplicationStateTransitionEvent,
    AttributionEvent,
    CustomEvent,
    CustomEventType,
    ErrorEvent,
    Event,
    EventType,
    Impression,
    ImpressionEvent,
    Location,
    PrivacySettingChangeEvent,
    Product,
    ProductActionEvent,
    ProductActionType,
    Promotion,
    PromotionActionEvent,
    PromotionActionType,
    PushMessageOpenEvent,
    PushMessageReceiptEvent,
    PushSubscriptionAction,
    PushSubscriptionEvent,
    ScreenViewEvent,
    SessionEndEvent,
    SessionStartEvent,
    UserAttributeChangeEvent,
    UserIdentityChangeEvent,
)
from mparticle_firehose.protocol.enums import PrivacySetting

SESSION_ID = -4611686018427387904
_LOCATION = Location(latitude=45.5152, longitude=-122.6784, accuracy=12.5)


@dataclass(frozen=True)
class Asked:
    """What of a registration an event depends on.

    Attributes:
        person: whose event it is, with what mParticle may send of it.
        push_provider: the key that marks the payloads of this partner's pushes.
    """

    person: Person
    push_provider: str


def event_of(kind: EventType, asked: Asked, *, event_id: UUID, timestamp_ms: int) -> Event:
    """Return an event of a type."""
    common = {
        "id": event_id,
        "timestamp_ms": timestamp_ms,
        "source_id": str(event_id),
        "session_id": SESSION_ID,
        "location": _LOCATION if asked.person.permissions.allow_access_location else None,
    }
    return _EVENTS[kind](asked).model_copy(update=common)


def _custom_event(_: Asked) -> Event:
    return CustomEvent(
        name="Review Written",
        custom_event_type=CustomEventType.USER_CONTENT,
        attributes={"rating": "5", "category": "Kitchen/Teapots"},
        custom_flags={"Sample.moderate": "true"},
    )


def _screen_view(_: Asked) -> Event:
    flags = {"Sample.screen": "catalogue"}
    return ScreenViewEvent(screen_name="Teapots", attributes={"sorted_by": "price"}, custom_flags=flags)


def _error(_: Asked) -> Event:
    return ErrorEvent(
        message="Image failed to load",
        is_crash=True,
        stack_trace="ImageLoader.load(line 42)",
        breadcrumbs=("catalogue", "teapot", "checkout"),
        attributes={"retries": "2"},
    )


def _privacy_setting_change(_: Asked) -> Event:
    return PrivacySettingChangeEvent(setting=PrivacySetting.APP_DATA_COLLECTION, is_enabled=False)


def _user_attribute_change(_: Asked) -> Event:
    return UserAttributeChangeEvent(added={"loyalty_tier": "gold"}, removed={"loyalty_tier": "silver"})


def _user_identity_change(asked: Asked) -> Event:
    """Return an address that replaces another, or the first identity of the user without one."""
    removed = asked.person.old_email()
    identities = asked.person.user_identities()
    kinds = {each.type for each in removed}
    added = tuple(each for each in identities if each.type in kinds) or identities[:1]
    return UserIdentityChangeEvent(added=added, removed=removed)


def _push_subscription(asked: Asked) -> Event:
    return PushSubscriptionEvent(action=PushSubscriptionAction.SUBSCRIBE, token=asked.person.push_token)


def _application_state_transition(_: Asked) -> Event:
    return ApplicationStateTransitionEvent(
        application_state=ApplicationState.FOREGROUND,
        launch_referral="sampleshop://sale?campaign=autumn",
        referral_application="com.example.mail",
        launch_parameters=json.dumps({"campaign": "autumn"}),
    )


def _payload(asked: Asked) -> str:
    return json.dumps({asked.push_provider: {"message": "77"}, "aps": {"alert": "Your tea has arrived"}})


def _product_action(_: Asked) -> Event:
    return ProductActionEvent(
        action=ProductActionType.PURCHASE,
        transaction_id="ORDER-5150",
        affiliation="Sample Shop",
        total_amount=Decimal("126.45"),
        tax_amount=Decimal("20.19"),
        shipping_amount=Decimal(0),
        currency_code="EUR",
        coupon_code="AUTUMN10",
        products=(
            _TEAPOT.model_copy(update={"quantity": Decimal(2), "total_amount": Decimal("79.80")}),
            Product(
                id="SEN-07", name="Sencha, loose", brand="Sample", category="Tea", position=2,
                price=Decimal("186.60"), quantity=Decimal("0.25"), total_amount=Decimal("46.65"),
            ),
        ),
        attributes={"payment": "card"},
        custom_flags={"Sample.priority": "high"},
    )  # fmt: skip


_TEAPOT = Product(
    id="TEA-01", name="Stoneware teapot", brand="Sample", category="Kitchen/Teapots", variant="blue", position=1,
    price=Decimal("39.90"), coupon_code="AUTUMN10", attributes={"glaze": "matt"},
)  # fmt: skip


def _promotion_action(_: Asked) -> Event:
    promotion = Promotion(id="AUTUMN", name="Autumn sale", creative="leaves", position="top")
    return PromotionActionEvent(
        action=PromotionActionType.VIEW,
        promotions=(promotion,),
        attributes={"placement": "banner"},
        custom_flags={"Sample.banner": "autumn"},
    )


def _impression(_: Asked) -> Event:
    shown = Impression(impression_list_name="Teapots", products=(_TEAPOT,))
    flags = {"Sample.list": "teapots"}
    return ImpressionEvent(impressions=(shown,), attributes={"placement": "catalogue"}, custom_flags=flags)


def _attribution(_: Asked) -> Event:
    return AttributionEvent(
        name="install",
        partner_name="Sample Ads",
        publisher_name="Sample Search",
        campaign_name="Autumn",
        attributes={"keyword": "teapot"},
    )


_EVENTS: Mapping[EventType, Callable[[Asked], Event]] = {
    EventType.SESSION_START: lambda _: SessionStartEvent(),
    EventType.SESSION_END: lambda _: SessionEndEvent(session_length_ms=37_000),
    EventType.CUSTOM_EVENT: _custom_event,
    EventType.SCREEN_VIEW: _screen_view,
    EventType.ERROR: _error,
    EventType.PRIVACY_SETTING_CHANGE: _privacy_setting_change,
    EventType.USER_ATTRIBUTE_CHANGE: _user_attribute_change,
    EventType.USER_IDENTITY_CHANGE: _user_identity_change,
    EventType.PUSH_SUBSCRIPTION: _push_subscription,
    EventType.APPLICATION_STATE_TRANSITION: _application_state_transition,
    EventType.PUSH_MESSAGE_RECEIPT: lambda asked: PushMessageReceiptEvent(payload=_payload(asked)),
    EventType.PUSH_MESSAGE_OPEN: lambda asked: PushMessageOpenEvent(payload=_payload(asked)),
    EventType.PRODUCT_ACTION: _product_action,
    EventType.PROMOTION_ACTION: _promotion_action,
    EventType.IMPRESSION: _impression,
    EventType.ATTRIBUTION: _attribution,
}
