"""Which messages of a batch must come again, and when."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mparticle_firehose.queues.record import Record
from mparticle_firehose.queues.visibility import Backoff


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a message must come again.

    Attributes:
        reason: the policy's name, or ours.
        after: seconds to wait, if it is not for the backoff to say.
        tried: whether its own delivery was tried. Having no turn is no attempt.
        counts: whether the attempt counts towards giving up; waiting for a customer's new credentials does not.
    """

    reason: str
    after: float | None = None
    tried: bool = True
    counts: bool = True


class Standing:
    """The messages of one batch, known by their place in it.

    On a FIFO queue a message that fails holds back the later ones of its group: they come again with it, however well
    their own delivery went. On a standard queue each message stands for itself.

    Attributes:
        failures: the messages that must come again for their own sake.
    """

    def __init__(self, records: Sequence[Record]) -> None:
        """Take the batch, in the order in which SQS handed it over."""
        self._records = records
        self._failed_from: dict[str, int] = {}
        self._put_aside: set[int] = set()
        self.failures: dict[int, Failure] = {}

    def fail(self, numbers: Iterable[int], failure: Failure) -> None:
        """Let messages come again."""
        for number in numbers:
            self.failures.setdefault(number, failure)
            group = self._records[number].sequence
            self._failed_from[group] = min(number, self._failed_from.get(group, number))

    def give_up(self, number: int) -> None:
        """Let a failed message not come again after all: the dead-letter queue has it."""
        self._put_aside.add(number)
        del self.failures[number]

    def is_held(self, number: int) -> bool:
        """Return whether a message, or an earlier one of its group, has failed."""
        return number >= self._failed_from.get(self._records[number].sequence, len(self._records))

    def unfinished(self) -> list[int]:
        """Return what must come again."""
        return [
            number for number in range(len(self._records)) if self.is_held(number) and number not in self._put_aside
        ]

    def waits(self, backoff: Backoff) -> dict[Record, int]:
        """Return the seconds after which each of them comes again: a group waits as one, as long as any of it must."""
        longest: dict[str, int] = {}
        for number, failure in self.failures.items():
            record = self._records[number]
            wait = backoff.seconds(record.receive_count, failure.after)
            longest[record.sequence] = max(wait, longest.get(record.sequence, 0))
        unfinished = [self._records[number] for number in self.unfinished()]
        return {record: longest.get(record.sequence, 0) for record in unfinished}
