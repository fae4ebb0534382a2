"""The queue of erasures, and of events that the partner could not take in the call."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.protocol import DsrProcessingRequest, EventProcessingRequest, correlation, work_id
from mparticle_firehose.queues.membership_queue import group_id, request_user
from mparticle_firehose.queues.record import SETTLED
from mparticle_firehose.queues.sender import (
    MAX_MESSAGE_BYTES,
    ROOM_FOR_EXPLANATION,
    QueueMessage,
    QueueSender,
)
from mparticle_firehose.queues.splitting import MAX_ELEMENTS, Splitter, encode, present
from mparticle_firehose.services import Remainder

_EVENTS = "events"
_NOTIFICATIONS = "system_notifications"


class EventQueue:
    """Stores whole event requests and erasures, in no order."""

    def __init__(self, sender: QueueSender, url: str) -> None:
        """Take the URL of the standard queue."""
        self._sender = sender
        self._url = url

    def enqueue(
        self,
        request: EventProcessingRequest | DsrProcessingRequest,
        deadline: Deadline,
        rest: Remainder | None = None,
    ) -> None:
        """Store the request, or what is left of it, to be delivered by the worker.

        Raises:
            MessageTooLargeError: a single event is larger than SQS carries.
            DeliveryError: SQS did not take it.
        """
        self._sender.send(self._url, request_messages(request, correlation(request), rest), deadline)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderedEventQueue:
    """Stores event requests so that a user's keep their order, and erasures in no order.

    Attributes:
        sender: sends to both queues.
        url: of the FIFO queue, which membership changes use as well.
        unordered: takes the erasures.
        shards: groups that an account's users are spread over.
    """

    sender: QueueSender
    url: str
    unordered: EventQueue
    shards: int

    def enqueue(
        self,
        request: EventProcessingRequest | DsrProcessingRequest,
        deadline: Deadline,
        rest: Remainder | None = None,
    ) -> None:
        """Store the request, or what is left of it, once, also if mParticle repeats it. Raises as `EventQueue` does."""
        if isinstance(request, DsrProcessingRequest):
            self.unordered.enqueue(request, deadline, rest)
            return
        group = group_id(request.account.account_id, request_user(request), self.shards)
        messages = [
            replace(message, group_id=group, deduplication_id=_deduplication_id(request, message))
            for message in request_messages(request, correlation(request), rest)
        ]
        self.sender.send(self.url, messages, deadline)


def request_messages(
    request: EventProcessingRequest | DsrProcessingRequest,
    attributes: Mapping[str, str],
    rest: Remainder | None = None,
    limit: int = MAX_MESSAGE_BYTES - ROOM_FOR_EXPLANATION,
) -> list[QueueMessage]:
    """Return the request as one message, or as several with a part of its events each.

    It becomes several if it is too large for SQS, or has so many events that the worker could not deliver them in one
    invocation. The first one also has the notifications, so that they come before the events.

    Args:
        request: what mParticle sent.
        attributes: of each message.
        rest: what is left of the request, if not all.
        limit: bytes of a message, attributes included.

    Raises:
        MessageTooLargeError: a single event does not fit.
    """
    rest = rest or Remainder(request.source)
    source = rest.source
    attributes = {**attributes, SETTLED: rest.settled} if rest.settled else attributes
    whole = QueueMessage(body=encode(source), attributes=attributes)
    if whole.size <= limit and len(source.get(_EVENTS) or ()) <= MAX_ELEMENTS:
        return [whole]
    return list(_parts(source, {name: text for name, text in attributes.items() if name != SETTLED}, limit))


def _parts(source: Mapping[str, Any], attributes: Mapping[str, str], limit: int) -> Iterator[QueueMessage]:
    """Yield parts of a request. What is settled in the whole is asked again in them: a repetition, never a loss."""
    budget = limit - QueueMessage(body="", attributes=attributes).size
    first = Splitter(source, _EVENTS, budget)
    later = Splitter({name: value for name, value in source.items() if name != _NOTIFICATIONS}, _EVENTS, budget)
    chunks: Sequence[list[str]] = list(first.chunks(map(encode, present(source, _EVENTS))))
    splitters = chain([first], (later for _ in chunks))
    for splitter, chunk in zip(splitters, chunks, strict=False):
        yield QueueMessage(body=splitter.copy(chunk), attributes=attributes)


def _deduplication_id(request: EventProcessingRequest, message: QueueMessage) -> str:
    """Return the same id for the same part of the same request."""
    account = request.account.account_id
    settled = message.attributes.get(SETTLED, "")
    return hashlib.sha256(f"{work_id(request)}\n{account}\n{settled}\n{message.body}".encode()).hexdigest()
