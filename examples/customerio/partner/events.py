"""How events become Customer.io's entities.

To take another type of event, write a function that returns its entity, and name it in the table: the registration
declares the types in the table.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mparticle_firehose import protocol as mp
from mparticle_firehose.integration import Item, JsonObject, Undeliverable, identity, known, number, user_attributes

from .account import track
from .batch import BATCH, NO_PERSON, identifiers, identify, key, person, ulid


def events(request: mp.EventProcessingRequest) -> Iterator[Item | Undeliverable]:
    """Yield the person, and then the events in their order. Raises SettingError for an unusable setting."""
    mapped = [(place, each) for place, each in enumerate(request.events) if each.type in EVENT_MAPPINGS]
    attributes = user_attributes(request)
    if not mapped and not attributes:
        return
    target, ids = track(request.account), identifiers(request.user_identities)
    if ids is None:
        yield from (Undeliverable((("events", place),), NO_PERSON) for place, _ in mapped)
        return
    # The person's update tells of a changed address too.
    changes = tuple(("events", place) for place, each in mapped if isinstance(each, mp.UserIdentityChangeEvent))
    email = identity(request.user_identities, mp.UserIdentityType.EMAIL)
    state = identify(ids, email, attributes, request.timestamp_ms)
    if state.get("attributes") or changes:
        yield Item(endpoint=BATCH, target=target, body=state, covers=changes, key=key(state))
    for place, event in mapped:
        if entity := EVENT_MAPPINGS[event.type](event, request, ids):
            yield Item(endpoint=BATCH, target=target, body=entity, covers=(("events", place),), key=key(entity))


def _event(
    ids: JsonObject, event: mp.Event, name: str | None, attributes: JsonObject, action: str = "event"
) -> JsonObject:
    return person(ids, action, event.timestamp_ms, name=name, attributes=attributes, id=ulid(event.id))


def _custom_event(event: mp.CustomEvent, _request: object, ids: JsonObject) -> JsonObject:
    return _event(ids, event, event.name, event.attributes)


def _screen_view(event: mp.ScreenViewEvent, request: mp.EventProcessingRequest, ids: JsonObject) -> JsonObject:
    is_page = isinstance(request.runtime_environment, mp.MobileWebRuntimeEnvironment)
    return _event(ids, event, event.screen_name, event.attributes, "page" if is_page else "screen")


def _product_action(event: mp.ProductActionEvent, _request: object, ids: JsonObject) -> JsonObject:
    order = known(
        transaction_id=event.transaction_id,
        currency=event.currency_code,
        coupon=event.coupon_code,
        total=number(event.total_amount),
        tax=number(event.tax_amount),
        shipping=number(event.shipping_amount),
        products=[_product(each) for each in event.products],
    )
    return _event(ids, event, str(event.action), {**event.attributes, **order})


def _promotion_action(event: mp.PromotionActionEvent, _request: object, ids: JsonObject) -> JsonObject:
    promotions = [known(id=p.id, name=p.name, creative=p.creative, position=p.position) for p in event.promotions]
    return _event(ids, event, f"promotion_{event.action}", {**event.attributes, "promotions": promotions})


def _identity_change(*_: object) -> None:
    """Return nothing: the person's update covers it."""


def _push_subscription(
    event: mp.PushSubscriptionEvent, request: mp.EventProcessingRequest, ids: JsonObject
) -> JsonObject | None:
    platform = str(request.runtime_environment.type) if request.runtime_environment else ""
    if not event.token or platform not in {"ios", "android"}:
        return None
    if event.action == mp.PushSubscriptionAction.UNSUBSCRIBE:
        return person(ids, "delete_device", 0, device={"id": event.token})
    device = known(id=event.token, platform=platform, last_used=event.timestamp_ms // 1000)
    return person(ids, "add_device", 0, device=device)


def _push_open(event: mp.PushMessageOpenEvent, _request: object, _ids: JsonObject) -> JsonObject | None:
    delivery, token = (event.payload_object.get(f"CIO-Delivery-{name}") for name in ("ID", "Token"))
    if not isinstance(delivery, str) or not isinstance(token, str):
        return None  # of another vendor
    entity: JsonObject = {"type": "delivery", "action": "event", "identifiers": {"id": delivery}, "name": "opened"}
    return {**entity, "attributes": {"device_token": token}}


EVENT_MAPPINGS: Mapping[Any, Callable[[Any, mp.EventProcessingRequest, JsonObject], JsonObject | None]] = {
    mp.EventType.CUSTOM_EVENT: _custom_event,
    mp.EventType.SCREEN_VIEW: _screen_view,
    mp.EventType.PRODUCT_ACTION: _product_action,
    mp.EventType.PROMOTION_ACTION: _promotion_action,
    mp.EventType.USER_IDENTITY_CHANGE: _identity_change,
    mp.EventType.PUSH_SUBSCRIPTION: _push_subscription,
    mp.EventType.PUSH_MESSAGE_OPEN: _push_open,
}


def _product(product: mp.Product) -> JsonObject:
    return known(
        id=product.id,
        name=product.name,
        brand=product.brand,
        category=product.category,
        variant=product.variant,
        price=number(product.price),
        quantity=number(product.quantity),
        total=number(product.total_amount),
        attributes=product.attributes,
    )
