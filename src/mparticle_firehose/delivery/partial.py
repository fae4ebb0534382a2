"""What becomes of the events that the partner did not take, although it took their call."""

from collections import defaultdict

from mparticle_firehose.delivery.deadline import Deadline
from mparticle_firehose.delivery.interfaces import DeadLetterStore, EventStore, Telemetry
from mparticle_firehose.delivery.outcome import Delivered, Rejected
from mparticle_firehose.delivery.partner_call import PartnerCall
from mparticle_firehose.delivery.policy import judge_items
from mparticle_firehose.protocol import EventProcessingRequest


def settle_items(  # noqa: PLR0913  two values that belong together and the three places where items go
    delivered: Delivered,
    call: PartnerCall,
    request: EventProcessingRequest,
    *,
    events: EventStore,
    dead_letters: DeadLetterStore,
    telemetry: Telemetry,
    deadline: Deadline,
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
        events.enqueue(request, deadline, again)
        telemetry.count("EventsSpilled", len(again))
    for reason, items in refused.items():
        dead_letters.put_events(request, reason, deadline, items)
        telemetry.count("EventsRejected", len(items))
