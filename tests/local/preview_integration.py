"""Small integrations for tests of the preview: the endpoint and the items are the test's, all else is the sample's."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from io import StringIO
from typing import Any

from rich.console import Console

from local.partner.fake_api import FakeApi
from local.preview.display import request_lines, show
from local.preview.requests import previews
from local.preview.results import RequestPreview
from local.run.messages import Message
from mparticle_firehose.integration import (
    Auth,
    Delivered,
    Endpoint,
    Exchange,
    Integration,
    Item,
    Json,
    JsonObject,
    Outcome,
    PartnerCall,
    Target,
    Undeliverable,
)
from mparticle_firehose.protocol import EventProcessingRequest
from tests.conftest import Json as Content
from tests.sample.partner.integration import INTEGRATION

SECRET = "canary-secret-1"
SITES = {"eu": "https://eu.partner.example/api"}

type Made = Item | Undeliverable


def events(*names: str, settings: Any = None, **more: object) -> Content:
    """Return an event request with a screen view for each name."""
    return {
        "type": "event_processing_request",
        "account": {"account_id": 7, "account_settings": settings or {"token": SECRET}},
        "events": [{"type": "screen_view", "screen_name": name} for name in names],
        **more,
    }


def sent_as_list(_target: Target, bodies: Sequence[JsonObject]) -> PartnerCall:
    return PartnerCall(path="/items", body=Json(list(bodies)))


def an_endpoint(name: str = "items", **limits: Any) -> Endpoint:
    return Endpoint(**{"name": name, "call": sent_as_list, "max_items": 100, **limits})


def item_of(place: int, endpoint: Endpoint, **more: Any) -> Item:
    return Item(
        **{
            "endpoint": endpoint,
            "target": Target(),
            "body": {"n": place},
            "covers": (("events", place),),
            **more,
        }
    )


def integration_of(items: Callable[[EventProcessingRequest], Iterable[Made]]) -> Integration:
    """Return an integration with these items of events."""

    def mapping(request: EventProcessingRequest) -> Iterator[Made]:
        yield from items(request)

    return replace(INTEGRATION, events=mapping, sites=SITES, headers={})


def one_item(endpoint: Endpoint) -> Integration:
    """Return an integration in which each event is an item."""
    return integration_of(lambda request: [item_of(place, endpoint) for place in range(len(request.events))])


def calling(call: PartnerCall) -> Integration:
    """Return an integration in which a request becomes this call."""
    return one_item(Endpoint(name="only", call=lambda *_: call, max_items=100))


def authorized(auth: Auth, **parts: Any) -> Integration:
    """Return an integration whose call has this credential."""
    return calling(PartnerCall(**{"path": "/items", "auth": auth, "body": Json({}), **parts}))


def look_up_and_add(_target: Target, _bodies: object, *, accept: frozenset[int] = frozenset()) -> Exchange[Outcome]:
    """Look up a contact, then add what the items have to it."""
    found = yield PartnerCall(method="GET", path="/contacts", accept=accept)
    yield PartnerCall(path=f"/contacts/{found.identifier('id')}", accept=accept)
    return Delivered()


@dataclass
class LookUpApi:
    """A fake API with the two calls, which it answers with this status."""

    status: int = 200
    document: Mapping[str, Any] = field(
        default_factory=lambda: _document({"/contacts": "get", "/contacts/{id}": "post"})
    )

    def violations(self, _operation: str, _parameters: Mapping[str, str], _body: Any) -> Iterable[str]:
        return ()

    def apply(self, _operation: str, _parameters: Mapping[str, str], _body: Any) -> tuple[int, object]:
        return self.status, {"id": "31"}

    def summary(self) -> Mapping[str, Mapping[str, object]]:
        return {}


def _document(methods: Mapping[str, str]) -> dict[str, Any]:
    in_path = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Look-ups", "version": "1"},
        "paths": {
            path: {method: {"operationId": f"{method}Contact", "parameters": [in_path] if "{" in path else []}}
            for path, method in methods.items()
        },
    }


def preview(integration: Integration, content: Content, api: FakeApi | None = None) -> RequestPreview:
    """Return what a request becomes."""
    [found] = previews(integration, api, [Message("request", b"", content)], [])
    return found


def shown(found: RequestPreview) -> str:
    """Return a preview as it is printed."""
    out = StringIO()
    show(request_lines(found), Console(file=out, width=80))
    return out.getvalue()
