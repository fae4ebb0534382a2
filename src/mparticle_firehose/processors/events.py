"""Forwards events and system notifications: one partner call for a whole request, now or by the worker."""

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.errors import SettingError
from mparticle_firehose.integration.calls import PartnerCall
from mparticle_firehose.integration.outcomes import Delivered, Outcome, Rejected, Retry, Suspend
from mparticle_firehose.protocol import EventProcessingRequest, EventProcessingResponse
from mparticle_firehose.protocol.correlation import correlation
from mparticle_firehose.queues.partial_success import settle_items
from mparticle_firehose.services import Services
from partner.events import events_call


def process(request: EventProcessingRequest, services: Services, deadline: Deadline) -> EventProcessingResponse:
    """Deliver the events within the deadline, or store them; where the deployment wants that, store them at once.

    mParticle verifies the integration with requests that carry nothing; they are answered at once. What can never be
    delivered is put aside at once in both modes, and needs no way through the queue to end there.

    Raises:
        DeliveryError: neither the partner nor a queue took them, so that mParticle must repeat the request.
    """
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
            settle_items(outcome, call, request, services, deadline)
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
    services.telemetry.note("put aside", {**correlation(request), "reason": reason})


def _spill(reason: str, request: EventProcessingRequest, services: Services, deadline: Deadline) -> None:
    services.events.enqueue(request, deadline)
    services.telemetry.count("EventsSpilled", len(request.events))
    services.telemetry.note("queued", {**correlation(request), "reason": reason})
