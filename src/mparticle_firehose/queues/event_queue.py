"""The queue of erasures, and of events that the partner could not take in the call."""

from collections.abc import Mapping

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.protocol import DsrProcessingRequest, EventProcessingRequest, correlation
from mparticle_firehose.queues.sender import (
    MAX_MESSAGE_BYTES,
    ROOM_FOR_EXPLANATION,
    QueueMessage,
    QueueSender,
)
from mparticle_firehose.queues.splitting import Splitter, encode, present, subset
from mparticle_firehose.services import Items

_EVENTS = "events"
_NOTIFICATIONS = "system_notifications"


class EventQueue:
    """Stores whole event requests and erasures, in no order."""

    def __init__(self, sender: QueueSender, url: str) -> None:
        """Take the URL of the standard queue."""
        self._sender = sender
        self._url = url

    def enqueue(
        self, request: EventProcessingRequest | DsrProcessingRequest, deadline: Deadline, items: Items | None = None
    ) -> None:
        """Store the request, or only some of its events and notifications, to be delivered by the worker.

        Raises:
            MessageTooLargeError: a single event is larger than SQS carries.
            DeliveryError: SQS did not take it.
        """
        self._sender.send(self._url, request_messages(request, correlation(request), items), deadline)


def request_messages(
    request: EventProcessingRequest | DsrProcessingRequest,
    attributes: Mapping[str, str],
    items: Items | None = None,
    limit: int = MAX_MESSAGE_BYTES - ROOM_FOR_EXPLANATION,
) -> list[QueueMessage]:
    """Return the request as one message, or, if it is too large for SQS, as several with a part of its events each.

    The first one also has the notifications, so that they come before the events.

    Args:
        request: what mParticle sent.
        attributes: of each message.
        items: the events and notifications to keep, if not all.
        limit: bytes of a message, attributes included.

    Raises:
        MessageTooLargeError: a single event does not fit.
    """
    budget = limit - QueueMessage(body="", attributes=attributes).size
    source = request.source if items is None else subset(request.source, items, (_EVENTS, _NOTIFICATIONS))
    whole = encode(source)
    if len(whole) <= budget:
        return [QueueMessage(body=whole, attributes=attributes)]
    first = Splitter(source, _EVENTS, budget)
    later = Splitter({name: value for name, value in source.items() if name != _NOTIFICATIONS}, _EVENTS, budget)
    chunks = first.chunks(map(encode, present(source, _EVENTS)))
    return [
        QueueMessage(body=(later if number else first).copy(chunk), attributes=attributes)
        for number, chunk in enumerate(chunks)
    ]
