"""Tells which types of events an integration's code handles, whether they are declared or not."""

from collections.abc import Iterator, Mapping

from local.samples import samples
from mparticle_firehose.integration import Integration, Item
from mparticle_firehose.protocol import (
    EventProcessingRegistration,
    EventProcessingRequest,
    EventType,
    ModuleRegistrationResponse,
    Serializer,
)

_EVENT = ("events", 0)


def handled_types(
    integration: Integration, declaration: ModuleRegistrationResponse, settings: Mapping[str, str]
) -> tuple[EventType, ...]:
    """Return the types of which the code makes items; none if the registration has no events."""
    events = declaration.event_processing_registration
    return tuple(_handled(integration, declaration, events, settings)) if events else ()


def _handled(
    integration: Integration,
    declaration: ModuleRegistrationResponse,
    events: EventProcessingRegistration,
    settings: Mapping[str, str],
) -> Iterator[EventType]:
    every_type = events.model_copy(update={"supported_event_types": tuple(EventType)})
    known = samples(declaration.model_copy(update={"event_processing_registration": every_type}), settings=settings)
    contents = {each.name.rpartition("/")[2]: each.content for each in known}
    for kind in EventType:
        request = Serializer().parse(contents[kind])
        if isinstance(request, EventProcessingRequest) and _makes_an_item(integration, request):
            yield kind


def _makes_an_item(integration: Integration, request: EventProcessingRequest) -> bool:
    try:
        items = [*integration.events(request)] if integration.events else []
    except Exception:  # noqa: BLE001  what the code raises for a declared type shows when it is sent
        return False
    return any(isinstance(each, Item) and _EVENT in each.covers for each in items)
