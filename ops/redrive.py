"""Sends dead letters back to the queue that they came from."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import batched, islice

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.errors import MalformedRequestError
from mparticle_firehose.queues.event_queue import tenant
from mparticle_firehose.queues.large_bodies import LargeBodies
from mparticle_firehose.queues.record import REDRIVEN_AT, RESENT
from mparticle_firehose.queues.sender import MAX_BATCH_ENTRIES, QueueMessage, QueueSender, RefusedMessagesError, batches
from ops.dead_letters import DeadLetter, interleaved
from ops.interrupts import Uninterrupted
from ops.letter_source import LetterSource

_SEND_SECONDS = 20.0
"""How long a batch is sent again while SQS fails, before the run ends."""


@dataclass(kw_only=True)
class RateLimit:
    """Keeps the average below a number of letters a second.

    Attributes:
        rate: letters a second; None is no limit.
        clock: monotonic seconds.
        sleep: waits for seconds.
    """

    rate: int | None = None
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _next_at: float = 0.0

    @property
    def batch_size(self) -> int:
        """How many letters may be sent together, so that no wait is longer than about a second."""
        return min(self.rate or MAX_BATCH_ENTRIES, MAX_BATCH_ENTRIES)

    def wait(self, letters: int) -> None:
        """Wait until this many more letters may be sent."""
        if self.rate is None:
            return
        if (seconds := self._next_at - self.clock()) > 0:
            self.sleep(seconds)
        self._next_at = max(self._next_at, self.clock()) + letters / self.rate


@dataclass(slots=True, kw_only=True)
class Tally:
    """What a run has done so far.

    Attributes:
        sent: letters that are in their queue again.
        undeleted: those of them that are still dead letters too, so that a further run sends them once more.
    """

    sent: int = 0
    undeleted: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Redrive:
    """Sends letters of one dead-letter queue, or of its part of the archive, back.

    A letter is sent first and deleted after, so that nothing is lost if the run ends in between. A letter that was sent
    and not deleted is sent again by the next run; the FIFO queue ignores it within five minutes, and the worker
    tolerates it.

    Attributes:
        sender: puts messages on queues.
        large_bodies: the bodies that are kept in S3.
        source_url: the queue that the letters came from.
        rate_limit: how fast.
        now: epoch milliseconds.
        uninterrupted: wraps sending and deleting.
        tally: kept up to date, so that it is right after an interrupt.
    """

    sender: QueueSender
    large_bodies: LargeBodies
    source_url: str
    rate_limit: RateLimit
    now: Callable[[], int]
    uninterrupted: Uninterrupted = nullcontext
    tally: Tally = field(default_factory=Tally)

    def run(
        self,
        dead_letters: LetterSource,
        matches: Callable[[DeadLetter], bool],
        progress: Callable[[int, int], None] = lambda _sent, _found: None,
    ) -> None:
        """Send all matching letters back, those of a group in their original order.

        The queue is read again while deleted letters may have hidden others. A letter that fails again during the run
        is not sent a second time.

        Args:
            dead_letters: where the letters are.
            matches: which letters to send.
            progress: called after each batch with the numbers of letters sent and found so far.

        Raises:
            DeliveryError: the queue does not take them.
        """
        started, found = self.now(), 0

        def is_due(letter: DeadLetter) -> bool:
            return matches(letter) and not letter.was_redriven_since(started)

        while letters := [letter for letter in dead_letters.receive(is_due) if is_due(letter)]:
            may_be_more = dead_letters.limit_reached or any(letter.shares_group for letter in letters)
            found += len(letters)
            for batch in self._batches(filter(dead_letters.holds, letters)):
                self._send(dead_letters, batch)
                progress(self.tally.sent, found)
            if not may_be_more:
                return

    def _batches(self, letters: Iterable[DeadLetter]) -> Iterator[tuple[DeadLetter, ...]]:
        """Split letters into batches that SQS takes and the rate allows."""
        ordered = interleaved(letters)
        remaining = iter(ordered)
        for batch in batches([self._message(letter, letter.body) for letter in ordered]):
            yield from batched(islice(remaining, len(batch)), self.rate_limit.batch_size, strict=False)

    def _send(self, dead_letters: LetterSource, batch: Sequence[DeadLetter]) -> None:
        self.rate_limit.wait(len(batch))
        dead_letters.renew()
        held = [letter for letter in batch if dead_letters.holds(letter)]
        with self.uninterrupted():
            messages = [self._message(letter, self._body(letter)) for letter in held]
            try:
                self.sender.send(self.source_url, messages, Deadline.after(_SEND_SECONDS))
            except RefusedMessagesError as error:
                refused = set(map(id, error.refused))
                self._delete(
                    dead_letters,
                    [letter for letter, message in zip(held, messages, strict=True) if id(message) not in refused],
                )
                raise
            self._delete(dead_letters, held)

    def _body(self, letter: DeadLetter) -> str:
        """Return what to send. A body in S3 is copied, so that `purge` of the letter leaves the one of the message.

        The worker says it if there is no body.
        """
        try:
            return self.large_bodies.copy(letter.reference) if letter.reference else letter.body
        except MalformedRequestError:
            return letter.body

    def _delete(self, dead_letters: LetterSource, sent: Sequence[DeadLetter]) -> None:
        """Delete letters that are in their queue again."""
        self.tally.sent += len(sent)
        self.tally.undeleted += len(sent)
        self.tally.undeleted -= len(sent) - dead_letters.delete(sent)

    def _message(self, letter: DeadLetter, body: str) -> QueueMessage:
        return QueueMessage(
            body=body,
            # It begins anew: what a letter has behind it, which SQS moved by itself, must not end it at once.
            attributes={
                **{name: text for name, text in letter.attributes.items() if name != RESENT},
                REDRIVEN_AT: str(self.now()),
            },
            group_id=letter.source_group,
            # The same in every run, so that a run repeated after a crash does not store the letter twice.
            tenant=tenant(letter.attributes.get("account_id")),
            deduplication_id=f"redrive-{letter.message_id}" if letter.source_group is not None else None,
        )
