"""Stores the events and notifications that the partner did not take, although it took their call."""

from collections import defaultdict

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.integration import Delivered, PartnerCall, Rejected
from mparticle_firehose.protocol import EventProcessingRequest
from mparticle_firehose.services import Stores


def store_failed_items(
    delivered: Delivered, call: PartnerCall, request: EventProcessingRequest, stores: Stores, deadline: Deadline
) -> None:
    """Queue the items that may be taken later, and dead-letter those that are refused for good.

    Raises:
        DeliveryError: a queue did not take them.
    """
    later: list[tuple[str, int]] = []
    refused: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
    for index, outcome in delivered.failures.items():
        items = refused[outcome.reason] if isinstance(outcome, Rejected) else later
        items.append(call.items[index])
    if later:
        stores.events.enqueue(request, deadline, later)
        stores.telemetry.count("EventsSpilled", len(later))
    for reason, items in refused.items():
        stores.dead_letters.put_events(request, reason, deadline, items)
        stores.telemetry.count("EventsRejected", len(items))
