"""Where a human finds what can never be delivered, with the reason."""

import hashlib
from collections.abc import Mapping

from mparticle_firehose.delivery.deadline import Deadline
from mparticle_firehose.delivery.event_queue import request_messages
from mparticle_firehose.delivery.membership_queue import single_change
from mparticle_firehose.delivery.partner_call import UndeliverableChange
from mparticle_firehose.delivery.queue_sender import QueuedRequest, QueueMessage, QueueSender, correlation
from mparticle_firehose.delivery.record import Record
from mparticle_firehose.protocol import EventProcessingRequest

_LONGEST_REASON = 256  # characters: a reason names rules, it tells no story


class DeadLetters:
    """Puts what can never be delivered on the dead-letter queue of the queue it belongs to.

    Every method raises DeliveryError when SQS does not take the message; then it is not to be counted as done.
    """

    def __init__(self, sender: QueueSender, *, membership_url: str, event_url: str) -> None:
        """Take the URLs of the two dead-letter queues; that of memberships is a FIFO queue."""
        self._sender = sender
        self._membership_url = membership_url
        self._event_url = event_url

    def put_events(self, request: EventProcessingRequest, reason: str, deadline: Deadline) -> None:
        """Store an event request that the partner refused in the call."""
        self._sender.send(
            self._event_url, request_messages(request, _explained(correlation(request), reason)), deadline
        )

    def put_record(self, record: Record, reason: str, attributes: Mapping[str, str], deadline: Deadline) -> None:
        """Store a queued message as it is."""
        self._put(record, record.body, _explained(attributes, reason), deadline)

    def put_change(
        self, record: Record, request: QueuedRequest, change: UndeliverableChange, deadline: Deadline
    ) -> None:
        """Store one change of a queued membership request, as a request of its own."""
        body = single_change(request.source, change.profile, change.audience)
        self._put(record, body, _explained(correlation(request), change.reason), deadline)

    def _put(self, record: Record, body: str, attributes: Mapping[str, str], deadline: Deadline) -> None:
        if record.group_id is None:
            self._sender.send(self._event_url, [QueueMessage(body=body, attributes=attributes)], deadline)
            return
        message = QueueMessage(
            body=body,
            attributes=attributes,
            group_id=record.group_id,
            deduplication_id=hashlib.sha256(f"{record.message_id}\n{body}".encode()).hexdigest(),
        )
        self._sender.send(self._membership_url, [message], deadline)


def _explained(attributes: Mapping[str, str], reason: str) -> dict[str, str]:
    """Add the reason, in characters that SQS takes: a rule may name a field that a customer named."""
    return {**attributes, "reason": reason.encode("unicode_escape").decode("ascii")[:_LONGEST_REASON]}
