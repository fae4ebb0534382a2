"""How events become HubSpot's custom events, and user attributes the properties of a contact."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from mparticle_firehose.integration import (
    Answer,
    Delivered,
    Endpoint,
    Item,
    Json,
    JsonObject,
    JsonValue,
    Outcome,
    PartnerCall,
    Target,
    Undeliverable,
    iso_time,
    known,
    number,
    user_attributes,
)
from mparticle_firehose.protocol import (
    CustomEvent,
    EventProcessingRequest,
    EventType,
    ProductActionEvent,
    ScreenViewEvent,
)

from .account import HUB_ID, VERSION, as_text, properties, target, wait
from .contacts import UPSERT, address, contact

MAX_PROPERTIES = 50
MAX_EVENTS = 100  # of one call; HubSpot's documents name no limit

type Named = tuple[str | None, Mapping[str, JsonValue]]


def items(request: EventProcessingRequest) -> Iterator[Item | Undeliverable]:
    """Yield the contact's properties, then its events in the request's order. Raises as `target` does."""
    events = [(("events", place), each) for place, each in enumerate(request.events) if each.type in EVENT_MAPPINGS]
    email = address(request.user_identities)
    if email is None:
        yield from (Undeliverable((origin,), "the user has no address") for origin, _ in events)
        return
    if fields := properties(request.account, user_attributes(request)):
        yield Item(endpoint=UPSERT, target=target(request.account), body=contact(email, fields), key=email)
    for origin, event in events:
        name, details = EVENT_MAPPINGS[EventType(str(event.type))](event)
        if not (internal := _internal(name or "")):
            yield Undeliverable((origin,), "the event has no name")
            continue
        hub = request.account.integer_setting(HUB_ID, required=True)
        pairs = [(_internal(key), as_text(value)) for key, value in known(**details).items() if _internal(key)]
        body = known(
            eventName=f"pe{hub}_{internal}",
            email=email,
            occurredAt=iso_time(event.timestamp_ms),
            properties=dict(pairs[:MAX_PROPERTIES]),
            uuid=str(event.id) if event.id else None,
        )
        yield Item(endpoint=EVENTS, target=target(request.account), body=body, covers=(origin,))


def _internal(name: str) -> str:
    """Return a name as HubSpot makes internal ones: small letters, digits and underscores."""
    letters = (letter if letter.isascii() and letter.isalnum() else " " for letter in name.lower())
    return "_".join("".join(letters).split())


def _custom_event(event: CustomEvent) -> Named:
    return event.name, event.attributes


def _screen_view(event: ScreenViewEvent) -> Named:
    return "screen_view", {**event.attributes, "screen_name": event.screen_name}


def _product_action(event: ProductActionEvent) -> Named:
    """HubSpot has no purchases: they are events like the others."""
    own = {
        "transaction_id": event.transaction_id,
        "currency": event.currency_code,
        "total_amount": number(event.total_amount),
        "products": [each.id for each in event.products if each.id],
    }
    return event.action, {**event.attributes, **own}


EVENT_MAPPINGS: Mapping[EventType, Callable[..., Named]] = {
    EventType.CUSTOM_EVENT: _custom_event,
    EventType.SCREEN_VIEW: _screen_view,
    EventType.PRODUCT_ACTION: _product_action,
}
"""The name and the properties of each type of event. The registration declares exactly these types."""


def _send(_target: Target, bodies: Sequence[JsonObject]) -> PartnerCall:
    return PartnerCall(path=f"/events/{VERSION}/send/batch", body=Json({"inputs": list(bodies)}))


def _judge(bodies: Sequence[JsonObject], answer: Answer) -> Outcome | None:
    """A success has no body. A refusal names no event; of one event, it may say that HubSpot has its uuid already."""
    uuid = bodies[0].get("uuid") if len(bodies) == 1 else None
    if answer.status == 400 and uuid and str(uuid) in answer.text("message"):  # noqa: PLR2004 - an HTTP status
        return Delivered()
    return wait(bodies, answer)


EVENTS = Endpoint(name="events", call=_send, judge=_judge, max_items=MAX_EVENTS, across_requests=True, lane="contact")
