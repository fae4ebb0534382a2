"""Forwards events and system notifications in one partner call for a whole request, or queues them for the worker."""

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.errors import SettingError
from mparticle_firehose.integration import Delivered, Outcome, PartnerCall, Rejected, Retry, Suspend
from mparticle_firehose.integration.offered import offered
from mparticle_firehose.protocol import EventProcessingRequest, EventProcessingResponse, correlation
from mparticle_firehose.queues.partial_success import store_failed_items
from mparticle_firehose.services import Services


def process(request: EventProcessingRequest, services: Services, deadline: Deadline) -> EventProcessingResponse:
    """Deliver the events within the deadline, or queue them. With the event mode ``queue``, queue them at once.

    mParticle verifies the integration with requests that are empty; they are answered without a call. What can never be
    delivered is dead-lettered at once in both modes.

    Raises:
        UnsupportedMessageError: the integration takes no events.
        DeliveryError: neither the partner nor a queue took them, so that mParticle must repeat the request.
    """
    events_call = offered(services.integration.events)
    try:
        call = events_call(request)
    except SettingError as error:
        _reject(str(error), request, services, deadline)
    else:
        if call and services.event_mode == "queue":
            _queue(request, services, deadline)
        elif call:
            outcome = services.partner.send(call.part_of(request), deadline)
            _settle(outcome, call, request, services=services, deadline=deadline)
    return EventProcessingResponse()


def _settle(
    outcome: Outcome, call: PartnerCall, request: EventProcessingRequest, *, services: Services, deadline: Deadline
) -> None:
    match outcome:
        case Delivered():
            services.telemetry.count("EventsForwarded", len(call.items) - len(outcome.failures))
            store_failed_items(outcome, call, request, services, deadline)
        case Rejected(reason):
            _reject(reason, request, services, deadline)
        case Suspend(reason):
            services.suspensions.suspend(request.account, reason)
            _spill(reason, request, services, deadline)
        case Retry(reason):
            _spill(reason, request, services, deadline)


def _queue(request: EventProcessingRequest, services: Services, deadline: Deadline) -> None:
    services.events.enqueue(request, deadline)
    services.telemetry.count("EventsQueued", len(request.events))


def _reject(reason: str, request: EventProcessingRequest, services: Services, deadline: Deadline) -> None:
    services.dead_letters.put_events(request, reason, deadline)
    services.telemetry.count("EventsRejected", len(request.events))
    services.telemetry.note("dead-lettered", {**correlation(request), "reason": reason})


def _spill(reason: str, request: EventProcessingRequest, services: Services, deadline: Deadline) -> None:
    services.events.enqueue(request, deadline)
    services.telemetry.count("EventsSpilled", len(request.events))
    services.telemetry.note("queued", {**correlation(request), "reason": reason})
