"""Where dead letters are: in a queue or in the archive. The commands treat both alike."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, Self

from ops.dead_letters import DeadLetter, QueueName


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much is in flight at the same time.

    Attributes:
        letters: far below what SQS allows (120,000, once 20,000 on FIFO queues), and few enough to be renewed in time.
        body_bytes: of bodies in memory. SQS does not return a body again while its letter is in flight.
    """

    letters: int = 15_000
    body_bytes: int = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """The approximate counts of a queue.

    Attributes:
        available: letters that can be received, or wait behind others of their group.
        in_flight: letters that were received by somebody else, and neither deleted nor released.
    """

    available: int = 0
    in_flight: int = 0


class LetterSource(Protocol):
    """The letters of one queue. At the end of its ``with`` block nothing that it holds is lost."""

    @property
    def queue(self) -> QueueName:
        """The queue that the letters were dead-lettered from."""

    @property
    def received(self) -> int:
        """How many letters have been received."""

    @property
    def initial_counts(self) -> Counts:
        """How many letters there were before the first receive; zero if all can be received."""

    @property
    def limit_reached(self) -> bool:
        """Whether the last `receive` ended at a limit. The next one continues."""

    @property
    def unreleased(self) -> int:
        """How many letters could not be made visible again."""

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(self, *_: object) -> None:
        """Release what is held."""

    def receive(self, keep_body: Callable[[DeadLetter], bool] = ...) -> Iterator[DeadLetter]:
        """Yield letters, each once. Those of which ``keep_body`` is true have their body."""

    def holds(self, letter: DeadLetter) -> bool:
        """Return whether the letter can be deleted: nobody else has received it since."""

    def renew(self) -> None:
        """Keep what is held. To be called at least every minute."""

    def delete(self, letters: Iterable[DeadLetter]) -> int:
        """Delete letters, and return how many could not be deleted."""
