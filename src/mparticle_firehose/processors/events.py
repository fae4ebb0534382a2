"""Forwards events and system notifications if one partner call carries them, or queues them for the worker."""

from collections.abc import Iterable
from typing import cast

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.delivery.asking import NEEDS_SEVERAL_CALLS, Asking
from mparticle_firehose.delivery.gates import Gates
from mparticle_firehose.delivery.merging import merged
from mparticle_firehose.delivery.plan import Pending, Plan, Planner
from mparticle_firehose.delivery.remainder import rejections, remainder
from mparticle_firehose.delivery.sending import Delivery
from mparticle_firehose.errors import SettingError, UnsupportedMessageError
from mparticle_firehose.integration import Delivered, Retry, Suspend
from mparticle_firehose.processors.feed_loop import without_own_events
from mparticle_firehose.processors.unreadable import put_aside, report_letter
from mparticle_firehose.protocol import EventProcessingRequest, EventProcessingResponse, correlation
from mparticle_firehose.services import Remainder, Services
from mparticle_firehose.tables.progress import STATE_SETTLED


def process(received: EventProcessingRequest, services: Services, deadline: Deadline) -> EventProcessingResponse:
    """Deliver the events within the deadline, or queue them. With the event mode ``queue``, queue them at once.

    mParticle verifies the integration with requests that are empty; they are answered without a call. mParticle asks
    for a single call to the partner for each request: what needs more is queued. What can never be delivered, or cannot
    be read, is dead-lettered at once in both modes, except where events keep their order: there all is queued.

    Events of the partner's own feed are left out.

    Raises:
        UnsupportedMessageError: the integration takes no events.
        DeliveryError: neither the partner nor a queue took them, so that mParticle must repeat the request.
    """
    planner = Planner(services.integration)
    if not planner.offers(received):
        raise UnsupportedMessageError(("type", "is not offered by this integration"))
    request = without_own_events(received, services)
    if request is None:
        return EventProcessingResponse()
    if services.event_mode == "in_order":
        _queue_in_order(request, services, planner, deadline)
        return EventProcessingResponse()
    put_aside(request, services, deadline, settled="" if is_empty(request) else STATE_SETTLED)
    if request.unreadable and is_empty(request):
        return EventProcessingResponse()
    try:
        plan = planner.plan(request, source=f"{request.id or request.timestamp_ms}/handler")
    except SettingError as error:
        if is_empty(request):
            return EventProcessingResponse()
        services.dead_letters.put_events(request, {str(error): Remainder(request.source)}, deadline)
        count = len(request.events) + len(request.system_notifications)
        _report_rejected(request, str(error), count, services)
    else:
        _Forwarding(services, planner, request, plan, deadline).run()
    return EventProcessingResponse()


def _queue_in_order(request: EventProcessingRequest, services: Services, planner: Planner, deadline: Deadline) -> None:
    """Queue the request as it was received. What of it is dead-lettered must leave the order of its user's events."""
    if request.unreadable or not is_empty(request) or _becomes_something(request, planner):
        services.events.enqueue(request, deadline, Remainder(request.received))
        services.telemetry.count("EventsQueued", len(request.events) + len(request.system_notifications))


class _Forwarding:
    """One request on its way."""

    def __init__(
        self, services: Services, planner: Planner, request: EventProcessingRequest, plan: Plan, deadline: Deadline
    ) -> None:
        self._services = services
        self._planner = planner
        self._request = request
        self._plan = plan
        self._deadline = deadline

    def run(self) -> None:
        calls = merged(self._plan.waiting)
        if self._services.event_mode == "forward" and len(calls) == 1:
            self._delivery().deliver(calls)
            delivered = [pending for pending in self._plan.pending if isinstance(pending.outcome, Delivered)]
            self._services.telemetry.count("EventsForwarded", _events(delivered))
            if len(delivered) == len(self._plan.planned):
                return
        self._dead_letter()
        left = self._plan.unsettled
        if left:
            self._queue(left)

    def _delivery(self) -> Delivery:
        services = self._services
        asking = Asking(
            partner=services.partner,
            verdicts=services.verdicts,
            gates=Gates(
                breaker=services.breaker,
                rate_limits=services.rate_limits,
                suspend=lambda envelope, reason: services.suspensions.suspend(envelope.request.account, reason),
            ),
            telemetry=services.telemetry,
            deadline=self._deadline,
            makes_one_call=True,
        )
        return Delivery(asking)

    def _dead_letter(self) -> None:
        services = self._services
        refused = rejections(self._plan)
        if not refused:
            return
        parts = {
            reason: remainder(self._plan, positions, self._planner, services.parse)
            for reason, positions in refused.items()
        }
        services.dead_letters.put_events(self._request, parts, self._deadline)
        for reason, positions in refused.items():
            count = len({origin for position in positions for origin in self._plan.planned[position].covers})
            _report_rejected(self._request, reason, count, services)

    def _queue(self, left: list[Pending]) -> None:
        services = self._services
        rest = remainder(self._plan, {pending.position for pending in left}, self._planner, services.parse)
        services.events.enqueue(self._request, self._deadline, rest)
        tried = next((pending.outcome for pending in left if pending.outcome is not None), None)
        if tried is None or tried == Retry(NEEDS_SEVERAL_CALLS, 0):
            services.telemetry.count("EventsQueued", _events(left))
            return
        services.telemetry.count("EventsSpilled", _events(left))
        reason = cast("Retry | Suspend", tried).reason
        services.telemetry.note("queued", {**correlation(self._request), "reason": reason})


def is_empty(request: EventProcessingRequest) -> bool:
    """Return whether a request says nothing of a user, as mParticle's keep-alive."""
    consent = request.consent_state
    return not any(
        (
            request.events,
            request.system_notifications,
            request.user_attributes,
            request.user_attribute_lists,
            request.integration_attributes,
            request.user_identities,
            request.partner_identities,
            consent and (consent.gdpr_consent_state or consent.ccpa_consent_state),
        )
    )


def _becomes_something(request: EventProcessingRequest, planner: Planner) -> bool:
    """Return whether the integration makes anything of a request that seems empty, such as of its environment."""
    try:
        return bool(planner.plan(request, source="handler").planned)
    except SettingError:
        return False


def _report_rejected(request: EventProcessingRequest, reason: str, count: int, services: Services) -> None:
    services.telemetry.count("EventsRejected", count)
    report_letter(request, reason, services)


def _events(pending: Iterable[Pending]) -> int:
    """Return how many events and notifications the items carry, each counted once."""
    return len({origin for each in pending for origin in each.item.covers})
