"""What becomes of the events that the partner did not take, although it took their call."""

from collections import defaultdict
from typing import Protocol

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.integration.calls import PartnerCall
from mparticle_firehose.integration.outcomes import Delivered, Rejected
from mparticle_firehose.partner_api.retry_policy import judge_items
from mparticle_firehose.protocol import EventProcessingRequest
from mparticle_firehose.services import DeadLetterStore, EventStore, Telemetry


class Stores(Protocol):
    """Where items go: what the processors and the worker have in common."""

    @property
    def events(self) -> EventStore:
        """For those that may be taken later."""

    @property
    def dead_letters(self) -> DeadLetterStore:
        """For those refused for good."""

    @property
    def telemetry(self) -> Telemetry:
        """Told how many."""


def settle_items(
    delivered: Delivered, call: PartnerCall, request: EventProcessingRequest, stores: Stores, deadline: Deadline
) -> None:
    """Store the items that may be taken later in the queue, and those refused for good where a human finds them.

    Raises:
        DeliveryError: a queue did not take them.
    """
    again: list[tuple[str, int]] = []
    refused: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
    for index, outcome in judge_items(delivered).items():
        place = refused[outcome.reason] if isinstance(outcome, Rejected) else again
        place.append(call.items[index])
    if again:
        stores.events.enqueue(request, deadline, again)
        stores.telemetry.count("EventsSpilled", len(again))
    for reason, items in refused.items():
        stores.dead_letters.put_events(request, reason, deadline, items)
        stores.telemetry.count("EventsRejected", len(items))
