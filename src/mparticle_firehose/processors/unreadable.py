"""Dead-letters what cannot be read of a request, before the rest of it is processed."""

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.protocol import DsrProcessingRequest, EventProcessingRequest, correlation
from mparticle_firehose.queues.dead_letters import letter_queue, reason_text
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
    for letter in services.dead_letters.put_unreadable(request, settled, deadline):
        services.telemetry.count("Unreadable", letter.count)
        report_letter(request, letter.reason, services, elements=letter.count)


def report_letter(
    request: DsrProcessingRequest | EventProcessingRequest, reason: str, services: Services, **facts: int
) -> None:
    """Log a letter that is on a dead-letter queue, with what `python -m ops summary` counts letters by."""
    known = correlation(request)
    services.telemetry.warn(
        "dead-lettered", {**known, "queue": letter_queue(known), "reason": reason_text(reason), **facts}
    )
