"""The queue of events that the partner could not take in the call, and the queue of erasures."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.protocol import DsrProcessingRequest, EventProcessingRequest, correlation, json_text, work_id
from mparticle_firehose.queues.membership_queue import group_id, request_user
from mparticle_firehose.queues.record import SETTLED
from mparticle_firehose.queues.sender import QueueMessage, QueueSender
from mparticle_firehose.queues.splitting import encode
from mparticle_firehose.services import Remainder

_TENANT_LENGTH = 32  # characters; SQS takes 128


class EventQueue:
    """Stores whole event requests and erasures, in no order.

    They are in two queues, so that no number of events delays an erasure. Each message names its customer as tenant.
    """

    def __init__(self, sender: QueueSender, url: str, *, erasure_url: str) -> None:
        """Take the URLs of the two standard queues."""
        self._sender = sender
        self._url = url
        self._erasure_url = erasure_url

    def enqueue(
        self,
        request: EventProcessingRequest | DsrProcessingRequest,
        deadline: Deadline,
        rest: Remainder | None = None,
    ) -> None:
        """Store the request, or what is left of it, to be delivered by the worker.

        Raises:
            DeliveryError: it is not stored.
        """
        url = self._erasure_url if isinstance(request, DsrProcessingRequest) else self._url
        message = request_message(request, correlation(request), rest)
        self._sender.send(url, [replace(message, tenant=tenant(request.account.account_id))], deadline)


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
        group = group_id(request.account.account_id, _user(request), self.shards)
        message = request_message(request, correlation(request), rest)
        ordered = replace(message, group_id=group, deduplication_id=_deduplication_id(request, message))
        self.sender.send(self.url, [ordered], deadline)


def _user(request: EventProcessingRequest) -> str:
    """Return whose a request is, also if only its envelope could be read."""
    match request.received.get("mpid") if request.is_unreadable else None:
        case str(mpid):
            return mpid
        case int() | float() as number:  # is read as its text, see `request_user`
            return json_text(number)
        case _:
            return request_user(request)


def tenant(account_id: object) -> str:
    """Return the name of a customer for SQS's fair queues: opaque, and the same for all that have no account."""
    return _opaque(f"account {account_id or 0}")


def site_tenant(site: str) -> str:
    """Return the tenant that all messages share which wait for a site that is down, whatever their customer.

    Tens of millions of messages may wait for a site. Each of its customers may have too few of them for SQS to treat it
    as a busy tenant. One tenant with all of them is busy, so that they delay nobody else.

    Args:
        site: by its name in `Integration.sites`.
    """
    return _opaque(f"site {site}")


def _opaque(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:_TENANT_LENGTH]


def request_message(
    request: EventProcessingRequest | DsrProcessingRequest,
    attributes: Mapping[str, str],
    rest: Remainder | None = None,
) -> QueueMessage:
    """Return the request as one message, however many events it has: parts would be other calls to the partner.

    Args:
        request: what mParticle sent.
        attributes: of the message.
        rest: what is left of the request, if not all.
    """
    rest = rest or Remainder(request.source)
    settled = {SETTLED: rest.settled} if rest.settled else {}
    return QueueMessage(body=encode(rest.source), attributes={**attributes, **settled})


def _deduplication_id(request: EventProcessingRequest, message: QueueMessage) -> str:
    """Return the same id for the same content of the same request."""
    account = request.account.account_id
    settled = message.attributes.get(SETTLED, "")
    return hashlib.sha256(f"{work_id(request)}\n{account}\n{settled}\n{message.body}".encode()).hexdigest()
