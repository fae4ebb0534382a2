"""The queues that a worker empties."""

from dataclasses import dataclass
from typing import Protocol

from mparticle_firehose.queues.record import Record


class Queues(Protocol):
    """The queues of a worker."""

    def url_of(self, record: Record) -> str:
        """Return the URL of the queue that a message came from."""


@dataclass(frozen=True, slots=True)
class OneQueue:
    """The only queue of a worker."""

    url: str

    def url_of(self, _: Record) -> str:
        """Return the queue's URL."""
        return self.url


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceQueues:
    """The URLs of the queues that messages come from.

    Attributes:
        membership_url: the FIFO queue.
        bulk_url: the FIFO queue of what was forwarded from it.
        event_url: the standard queue of events, in which earlier releases have left erasures.
        erasure_url: the standard queue of erasures.
    """

    membership_url: str
    bulk_url: str
    event_url: str
    erasure_url: str

    def url_of(self, record: Record) -> str:
        """Return the URL of the queue that a message came from."""
        if record.group_id is not None:
            return self.bulk_url if record.queue == queue_name(self.bulk_url) else self.membership_url
        return self.erasure_url if record.queue == queue_name(self.erasure_url) else self.event_url


def queue_name(url: str) -> str:
    """Return the name of a queue, as `Record.queue` has it."""
    return url.rpartition("/")[2]
