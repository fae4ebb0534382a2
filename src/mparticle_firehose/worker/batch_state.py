"""Which messages of a batch must be delivered again, and when."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mparticle_firehose.protocol import QueuedRequest
from mparticle_firehose.queues.record import Record
from mparticle_firehose.worker.backoff import Backoff


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a message must be delivered again.

    Attributes:
        reason: the retry policy's name, or ours.
        after: seconds to wait; None leaves it to the backoff.
        tried: whether its own delivery was tried. Waiting behind another message is no attempt.
        counts: whether the attempt counts towards giving up. Waiting for a customer's new credentials does not.
    """

    reason: str
    after: float | None = None
    tried: bool = True
    counts: bool = True


class BatchState:
    """The messages of one batch and what became of them.

    A message that fails on a FIFO queue holds back the later ones of its group: they are delivered again with it, also
    if their own delivery succeeded. On a standard queue the messages are independent.

    Attributes:
        records: the batch, in the order in which SQS handed it over.
        requests: what the messages hold, for those that could be read.
        failures: the messages that failed themselves.
    """

    def __init__(self, records: Sequence[Record]) -> None:
        """Take the batch, in the order in which SQS handed it over."""
        self.records = records
        self.requests: dict[Record, QueuedRequest] = {}
        self.failures: dict[Record, Failure] = {}
        self._index = {record: index for index, record in enumerate(records)}
        self._failed_from: dict[str, int] = {}
        self._dropped: set[Record] = set()

    def fail(self, records: Iterable[Record], failure: Failure) -> None:
        """Mark messages to be delivered again. The first failure of a message stays."""
        for record in records:
            self.failures.setdefault(record, failure)
            index = self._index[record]
            self._failed_from[record.sequence] = min(index, self._failed_from.get(record.sequence, index))

    def drop(self, record: Record) -> None:
        """Drop a failed message: it is in the dead-letter queue."""
        self._dropped.add(record)
        del self.failures[record]

    def is_held(self, record: Record) -> bool:
        """Return whether a message, or an earlier one of its group, has failed."""
        return self._index[record] >= self._failed_from.get(record.sequence, len(self.records))

    def unfinished(self) -> list[Record]:
        """Return the messages that must be delivered again."""
        return [record for record in self.records if self.is_held(record) and record not in self._dropped]

    def waits(self, backoff: Backoff) -> dict[Record, int]:
        """Return the seconds that each of them waits. A group waits as long as its longest wait."""
        longest: dict[str, int] = {}
        for record, failure in self.failures.items():
            wait = backoff.seconds(record.receive_count, failure.after)
            longest[record.sequence] = max(wait, longest.get(record.sequence, 0))
        return {record: longest.get(record.sequence, 0) for record in self.unfinished()}
