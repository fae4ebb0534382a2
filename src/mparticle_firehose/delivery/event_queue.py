"""The queue of what the partner could not take in the call, and of erasures."""

from collections.abc import Mapping

from mparticle_firehose.delivery.deadline import Deadline
from mparticle_firehose.delivery.queue_sender import MAX_MESSAGE_BYTES, QueueMessage, QueueSender, correlation
from mparticle_firehose.delivery.slicing import Slicer, encode, present
from mparticle_firehose.protocol import DsrProcessingRequest, EventProcessingRequest

_EVENTS = "events"
_NOTIFICATIONS = "system_notifications"


class EventQueue:
    """Stores whole event requests and erasures. Their order does not matter; that none is lost does."""

    def __init__(self, sender: QueueSender, url: str) -> None:
        """Take the URL of the standard queue."""
        self._sender = sender
        self._url = url

    def enqueue(self, request: EventProcessingRequest | DsrProcessingRequest, deadline: Deadline) -> None:
        """Store the request durably, to be delivered by the worker.

        Raises:
            MessageTooLargeError: a single event is larger than SQS carries.
            DeliveryError: SQS did not take it.
        """
        self._sender.send(self._url, request_messages(request, correlation(request)), deadline)


def request_messages(
    request: EventProcessingRequest | DsrProcessingRequest,
    attributes: Mapping[str, str],
    limit: int = MAX_MESSAGE_BYTES,
) -> list[QueueMessage]:
    """Return the request as one message, or, if it is too large for SQS, as several that share its events out.

    Notifications travel with the first of them, so that they stay ahead of the events.

    Raises:
        MessageTooLargeError: a single event does not fit.
    """
    budget = limit - QueueMessage(body="", attributes=attributes).size
    whole = encode(request.source)
    if len(whole) <= budget:
        return [QueueMessage(body=whole, attributes=attributes)]
    first = Slicer(request.source, _EVENTS, budget)
    later = Slicer({name: value for name, value in request.source.items() if name != _NOTIFICATIONS}, _EVENTS, budget)
    runs = first.runs(map(encode, present(request.source, _EVENTS)))
    return [
        QueueMessage(body=(later if number else first).copy(run), attributes=attributes)
        for number, run in enumerate(runs)
    ]
