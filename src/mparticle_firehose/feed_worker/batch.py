"""One batch of messages with the partner's events, and what becomes of each event."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from mparticle_firehose.feed.batch import Batch
from mparticle_firehose.feed.mapping import FeedEvent, PartnerEvent
from mparticle_firehose.feed.rules import Route
from mparticle_firehose.feed_worker.key_pairs import KeyPair
from mparticle_firehose.integration import Delivered, Rejected, Retry
from mparticle_firehose.queues.record import Record
from mparticle_firehose.tables.progress import Progress

FINGERPRINT = "feed"
"""Of each message's progress: an event is known by its place in the message, which never changes."""


@dataclass(slots=True, eq=False)
class Pending:
    """One event of the partner on its way.

    Attributes:
        position: in its message.
        source: as the partner wrote it. Never shown.
        account_id: whose feed it is for.
        sent_at_ms: when its message was queued.
        mapped: what it has become.
        pair: the key pair that sends it.
        batch: what is sent. Never shown.
        route: where it goes.
        outcome: what has become of it; None as long as nothing has. Delivered also if it is left out.
        was_tried: whether mParticle has been asked.
    """

    position: int
    source: PartnerEvent = field(repr=False)
    account_id: int
    sent_at_ms: int
    mapped: FeedEvent | None = None
    pair: KeyPair | None = None
    batch: Batch | None = field(default=None, repr=False)
    route: Route = Route.NORMAL
    outcome: Delivered | Retry | Rejected | None = None
    was_tried: bool = False

    @property
    def platform(self) -> str:
        """Whose key pair sends it, if the customer has one for each platform."""
        return self.mapped.platform if self.mapped else ""

    @property
    def is_certain(self) -> bool:
        """Whether it goes in a request of its own."""
        return self.mapped is not None and self.mapped.certain


@dataclass(slots=True, eq=False)
class Message:
    """One message of a batch.

    Attributes:
        record: as SQS handed it over.
        progress: which of its events are settled, and how often its delivery was tried.
        account_id: whose events it has; 0 if it cannot be read.
        events: those that are not settled.
        problem: why it cannot be read; empty if it can.
        retry_reason: why it must be delivered again; None if it need not.
        wait: seconds until then; None leaves it to the backoff.
        knows_progress: whether its progress could be read. Otherwise it must not be written: some of it would be lost.
    """

    record: Record
    progress: Progress = field(default_factory=Progress)
    account_id: int = 0
    events: Sequence[Pending] = ()
    problem: str = ""
    retry_reason: str | None = None
    wait: float | None = None
    knows_progress: bool = True

    @property
    def id(self) -> str:
        """What SQS calls it."""
        return self.record.message_id

    def fail(self, reason: str, wait: float | None = None) -> None:
        """Have the message delivered again. The first reason stays."""
        if self.retry_reason is None:
            self.retry_reason, self.wait = reason, wait

    def settle(self, positions: Iterable[int]) -> None:
        """Note that these events need nothing more."""
        self.progress = replace(self.progress, fingerprint=FINGERPRINT, settled=self.progress.settled.union(positions))
