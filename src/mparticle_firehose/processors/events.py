"""Forwards events and system notifications: one partner call for a whole request."""

from mparticle_firehose.delivery.deadline import Deadline
from mparticle_firehose.delivery.interfaces import Services
from mparticle_firehose.delivery.outcome import Delivered, Outcome, Rejected, Retry, Suspend
from mparticle_firehose.errors import SettingError
from mparticle_firehose.partner.events import events_call
from mparticle_firehose.protocol import EventProcessingRequest, EventProcessingResponse


def process(request: EventProcessingRequest, services: Services, deadline: Deadline) -> EventProcessingResponse:
    """Deliver the events within the deadline, or store them.

    mParticle verifies the integration with requests that carry nothing; they are answered at once.

    Raises:
        DeliveryError: neither the partner nor a queue took them, so that mParticle must repeat the request.
    """
    if _carries_something(request):
        _settle(_deliver(request, services, deadline), request, services, deadline)
    return EventProcessingResponse()


def _carries_something(request: EventProcessingRequest) -> bool:
    return bool(
        request.events or request.system_notifications or request.user_attributes or request.user_attribute_lists
    )


def _deliver(request: EventProcessingRequest, services: Services, deadline: Deadline) -> Outcome:
    try:
        call = events_call(request)
    except SettingError as error:
        return Rejected(str(error))
    return services.partner.send(call.part_of(request), deadline)


def _settle(outcome: Outcome, request: EventProcessingRequest, services: Services, deadline: Deadline) -> None:
    match outcome:
        case Delivered():
            services.telemetry.count("EventsForwarded", len(request.events))
        case Rejected(reason):
            services.dead_letters.put_events(request, reason, deadline)
            services.telemetry.count("EventsRejected", len(request.events))
        case Suspend(reason):
            services.suspensions.suspend(request.account, reason)
            _spill(request, services, deadline)
        case Retry():
            _spill(request, services, deadline)


def _spill(request: EventProcessingRequest, services: Services, deadline: Deadline) -> None:
    services.events.enqueue(request, deadline)
    services.telemetry.count("EventsSpilled", len(request.events))
