"""Dead-letters what cannot be read of a request, before the rest of it is processed."""

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.protocol import DsrProcessingRequest, EventProcessingRequest, correlation
from mparticle_firehose.services import Services


def put_aside(
    request: EventProcessingRequest | DsrProcessingRequest, services: Services, deadline: Deadline, settled: str = ""
) -> None:
    """Dead-letter the unreadable elements, with fields and rules as the reason. An upgrade may be able to read them.

    Args:
        request: with unreadable elements, or none.
        services: for the letters, and to count and log them.
        deadline: when to stop.
        settled: what needs nothing more of a letter when it is redriven.

    Raises:
        DeliveryError: the dead-letter queue did not take them, so that mParticle must repeat the request.
    """
    if not request.unreadable:
        return
    services.dead_letters.put_unreadable(request, settled, deadline)
    for unreadable in request.unreadable:
        services.telemetry.count("Unreadable", unreadable.count)
        services.telemetry.note(
            "dead-lettered",
            {**correlation(request), "reason": unreadable.reason, "elements": unreadable.count},
        )
