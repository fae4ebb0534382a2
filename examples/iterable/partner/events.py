"""How events become Iterable's.

To take another type of event, write a function that returns where it goes and what is sent, and name it in the table:
the registration declares the types in the table.
"""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from mparticle_firehose import protocol as mp
from mparticle_firehose.integration import Item, JsonObject, Undeliverable, identity, known, number, user_attributes

from . import endpoints as to
from .account import NO_PERSON, PUSH_APPS, creatable, data_fields, person, target

SDK_IN_APP = "Iterable.sdkVersion"  # of apps with Iterable's own SDK, which reports pushes and tokens itself

_ORDER = {to.CHANGE_EMAIL: 0, to.UPDATE_USER: 1, to.PURCHASE: 2, to.TRACK: 3}


def events(request: mp.EventProcessingRequest) -> Iterator[Item | Undeliverable]:
    """Yield a changed address, the user, then the events kind by kind. Raises SettingError for an unusable setting."""
    mapped = [(place, each) for place, each in enumerate(request.events) if each.type in EVENT_MAPPINGS]
    if not mapped and not user_attributes(request):
        return
    access, user = target(request.account), person(request.account, request.user_identities)
    if user is None:
        yield from (Undeliverable((("events", place),), NO_PERSON) for place, _ in mapped)
        return
    sent = [((("events", place),), EVENT_MAPPINGS[each.type](each, request, user)) for place, each in mapped]
    changes = tuple(("events", place) for place, each in mapped if isinstance(each, mp.UserIdentityChangeEvent))
    items = [
        Item(endpoint=each[0], target=access, body=each[1], covers=covers)
        for covers, each in [(changes, _state(request, user)), *sent]
        if each
    ]
    yield from sorted(items, key=lambda item: _ORDER.get(item.endpoint, len(_ORDER)))


def _state(request: mp.EventProcessingRequest, user: JsonObject) -> to.Sent:
    """Return the user's attributes, and the address of a user who is known by a user id."""
    address = identity(request.user_identities, mp.UserIdentityType.EMAIL) if "userId" in user else None
    fields = {**data_fields(user_attributes(request)), **known(email=address)}
    return (to.UPDATE_USER, {**creatable(user), "dataFields": fields}) if fields else None


def _identity_change(event: mp.UserIdentityChangeEvent, _request: object, user: JsonObject) -> to.Sent:
    old, new = (identity(each, mp.UserIdentityType.EMAIL) for each in (event.removed, event.added))
    is_rename = old and new and "email" in user
    return (to.CHANGE_EMAIL, {"currentEmail": old, "newEmail": new}) if is_rename else None


def _custom_event(event: mp.CustomEvent, _request: object, user: JsonObject) -> to.Sent:
    return to.TRACK, known(**user, eventName=event.name, **_common(event), dataFields=event.attributes)


def _screen_view(event: mp.ScreenViewEvent, _request: object, user: JsonObject) -> to.Sent:
    # One name for all screens: Iterable limits how many names there may be.
    fields = {**event.attributes, **known(screenName=event.screen_name)}
    return to.TRACK, known(**user, eventName="Screen View", **_common(event), dataFields=fields)


def _product_action(event: mp.ProductActionEvent, _request: object, user: JsonObject) -> to.Sent:
    products = [_product(each) for each in event.products]
    order = known(transactionId=event.transaction_id, currency=event.currency_code, coupon=event.coupon_code)
    amounts = known(tax=number(event.tax_amount), shipping=number(event.shipping_amount))
    fields = {**event.attributes, **order, **amounts}
    if event.action != mp.ProductActionType.PURCHASE:
        fields["products"] = products
        return to.TRACK, known(**user, eventName=f"product_{event.action}", **_common(event), dataFields=fields)
    lines = sum(((each.price or Decimal()) * (each.quantity or 1) for each in event.products), Decimal())
    total = number(lines if event.total_amount is None else event.total_amount)
    return to.PURCHASE, {"user": user, "items": products, "total": total, **_common(event), "dataFields": fields}


def _push_open(event: mp.PushMessageOpenEvent, request: mp.EventProcessingRequest, user: JsonObject) -> to.Sent:
    payload = event.payload_object.get("itbl")
    sent = payload if isinstance(payload, dict) and SDK_IN_APP not in request.integration_attributes else {}
    ids = {name: sent.get(name) for name in ("campaignId", "messageId", "templateId")}
    # Both are required; a proof has none.
    is_ours = isinstance(ids["campaignId"], int) and isinstance(ids["messageId"], str)
    return (to.PUSH_OPEN, known(**user, **ids, createdAt=event.timestamp_ms // 1000)) if is_ours else None


def _push_token(event: mp.PushSubscriptionEvent, request: mp.EventProcessingRequest, user: JsonObject) -> to.Sent:
    device = request.runtime_environment
    apns = "APNS_SANDBOX" if isinstance(device, mp.IosRuntimeEnvironment) and device.is_sandboxed else "APNS"
    platform = {"ios": apns, "android": "GCM"}.get(str(device.type) if device else "", "")
    app = request.account.string_setting(PUSH_APPS.get(platform, ""), default="").strip()
    if not event.token or not app or SDK_IN_APP in request.integration_attributes:
        return None
    if event.action == mp.PushSubscriptionAction.UNSUBSCRIBE:
        return to.DISABLE_DEVICE, {**user, "token": event.token}
    registered = {"token": event.token, "platform": platform, "applicationName": app}
    return to.REGISTER_DEVICE, {**creatable(user), "device": registered}


EVENT_MAPPINGS: Mapping[Any, Callable[[Any, mp.EventProcessingRequest, JsonObject], to.Sent]] = {
    mp.EventType.USER_IDENTITY_CHANGE: _identity_change,
    mp.EventType.CUSTOM_EVENT: _custom_event,
    mp.EventType.SCREEN_VIEW: _screen_view,
    mp.EventType.PRODUCT_ACTION: _product_action,
    mp.EventType.PUSH_MESSAGE_OPEN: _push_open,
    mp.EventType.PUSH_SUBSCRIPTION: _push_token,
}


def _common(event: mp.Event) -> JsonObject:
    """Return the id, which makes a repeat harmless because Iterable then updates the event, and the time in seconds."""
    return known(id=str(event.id or event.source_id or "") or None, createdAt=event.timestamp_ms // 1000)


def _product(product: mp.Product) -> JsonObject:
    price, quantity = product.price or Decimal(), product.quantity or Decimal(1)
    is_whole = isinstance(number(quantity), int)  # Iterable counts whole items: what is not is one, at the line's price
    return known(
        id=product.id or product.name,
        name=product.name or product.id,
        price=number(price if is_whole else price * quantity),
        quantity=number(quantity) if is_whole else 1,
        categories=[product.category] if product.category else None,
        dataFields={**product.attributes, **known(brand=product.brand, variant=product.variant)},
    )
