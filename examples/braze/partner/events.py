"""How events become objects of /users/track."""

from collections.abc import Callable, Iterator, Mapping

from mparticle_firehose.integration import (
    Item,
    JsonObject,
    JsonValue,
    Undeliverable,
    iso_time,
    known,
    number,
    plain,
    user_attributes,
)
from mparticle_firehose.protocol import (
    CustomEvent,
    EventProcessingRequest,
    EventType,
    Product,
    ProductActionEvent,
    ProductActionType,
    PromotionActionEvent,
    PushMessageOpenEvent,
    ScreenViewEvent,
)

from .account import APP_ID, target
from .track import TRACK
from .users import attributes, contact, key, user

MAX_QUANTITY = 100  # of one purchase, by Braze's documentation

_REQUIRED = {"events": {"name"}, "purchases": {"product_id", "currency", "price"}}

type Fields = dict[str, JsonValue]
type Objects = Iterator[tuple[str, Fields]]


def items(request: EventProcessingRequest) -> Iterator[Item | Undeliverable]:
    """Yield the user's attributes, then the objects of each event in the request's order. Raises as `target` does."""
    events = [(("events", place), each) for place, each in enumerate(request.events) if each.type in EVENT_MAPPINGS]
    who = user(request.user_identities, request.mpid)
    if who is None:
        yield from (Undeliverable((origin,), "the user has no identity") for origin, _ in events)
        return
    state = attributes(user_attributes(request)) | contact(who, request.user_identities)
    if state:
        body: JsonObject = {"kind": "attributes", "object": {**state, **who}}
        yield Item(endpoint=TRACK, target=target(request.account), body=body, key=key(who))
    for origin, event in events:
        common = known(app_id=request.account.string_setting(APP_ID) or None, time=iso_time(event.timestamp_ms), **who)
        objects = [*EVENT_MAPPINGS[EventType(str(event.type))](event)]
        if any(not _REQUIRED[kind] <= fields.keys() for kind, fields in objects):
            yield Undeliverable((origin,), "an event's name, or a purchase's currency, product id or price is missing")
            continue
        for kind, fields in objects:
            body = {"kind": kind, "object": {**common, **fields}}
            yield Item(endpoint=TRACK, target=target(request.account), body=body, covers=(origin,))


def _custom_event(event: CustomEvent) -> Objects:
    yield "events", known(name=event.name, properties=known(**event.attributes))


def _screen_view(event: ScreenViewEvent) -> Objects:
    """One name for all screens: Braze limits how many different events a workspace has."""
    properties = known(**{**event.attributes, "screen_name": event.screen_name})
    yield "events", {"name": "screen_view", "properties": properties}


def _product_action(event: ProductActionEvent) -> Objects:
    """Braze counts a purchase by product."""
    if event.action == ProductActionType.PURCHASE and event.products:
        yield from (("purchases", _purchase(event, product)) for product in event.products)
        return
    products = [known(id=each.id, name=each.name, price=number(each.price)) for each in event.products]
    own = {"products": products, "currency": event.currency_code, "total": number(event.total_amount)}
    yield "events", known(name=event.action, properties=known(**{**event.attributes, **own}))


def _purchase(event: ProductActionEvent, product: Product) -> Fields:
    """A quantity that Braze does not take is a property, and the price is the product's total."""
    quantity = 1 if product.quantity is None else number(product.quantity)
    fits = isinstance(quantity, int) and 1 <= quantity <= MAX_QUANTITY
    coupon = product.coupon_code or event.coupon_code
    own = known(transaction_id=event.transaction_id, coupon=coupon, quantity=None if fits else quantity)
    price = number(product.price if fits else product.total_amount)
    named = known(product_id=product.id, currency=event.currency_code, price=price)
    properties = known(**{**event.attributes, **product.attributes, **own})
    return {**named, "quantity": quantity if fits else 1, "properties": properties}


def _promotion_action(event: PromotionActionEvent) -> Objects:
    promotions = [known(id=each.id, name=each.name, position=each.position) for each in event.promotions]
    properties = known(**{**event.attributes, "promotions": promotions})
    yield "events", {"name": f"promotion_{event.action or 'action'}", "properties": properties}


def _push_message_open(event: PushMessageOpenEvent) -> Objects:
    yield "events", {"name": "push_message_open", "properties": {"payload": plain(event.payload_object)}}


EVENT_MAPPINGS: Mapping[EventType, Callable[..., Objects]] = {
    EventType.CUSTOM_EVENT: _custom_event,
    EventType.SCREEN_VIEW: _screen_view,
    EventType.PRODUCT_ACTION: _product_action,
    EventType.PROMOTION_ACTION: _promotion_action,
    EventType.PUSH_MESSAGE_OPEN: _push_message_open,
}
"""The objects of each type of event, without what all have in common. The registration declares these types."""
