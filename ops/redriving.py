"""Sends dead letters back to the queue where they came from."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import batched, islice

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.queues.record import REDRIVEN_AT
from mparticle_firehose.queues.sender import (
    MAX_BATCH_ENTRIES,
    MAX_MESSAGE_BYTES,
    QueueMessage,
    QueueSender,
    batches,
)
from ops.interruption import Shield
from ops.letterbox import Letterbox
from ops.letters import Letter, in_turns

_SEND_SECONDS = 20.0
"""How long SQS may go on refusing a batch for reasons of its own before the run gives up."""

_DISPENSABLE = ("reason", "request_id")
"""What a letter may lose if there is no room for the time of its redrive: it can be told from logs and body."""


@dataclass(kw_only=True)
class Pace:
    """Keeps the average under a number of letters a second.

    Attributes:
        rate: letters a second; None is as fast as SQS takes them.
        clock: seconds that never go backwards.
        sleep: waits for seconds.
    """

    rate: int | None = None
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _free_at: float = 0.0

    @property
    def at_once(self) -> int:
        """How many letters may go together, so that no wait is longer than about a second."""
        return min(self.rate or MAX_BATCH_ENTRIES, MAX_BATCH_ENTRIES)

    def wait(self, letters: int) -> None:
        """Wait until this many more letters may go."""
        if self.rate is None:
            return
        if (early := self._free_at - self.clock()) > 0:
            self.sleep(early)
        self._free_at = max(self._free_at, self.clock()) + letters / self.rate


@dataclass(slots=True, kw_only=True)
class Tally:
    """What a run has done so far.

    Attributes:
        sent: letters that are in the queue again.
        undeleted: those of them that are still dead letters too, so that a further run sends them once more.
    """

    sent: int = 0
    undeleted: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Redriver:
    """Sends letters of one dead-letter queue back.

    A letter is sent first and deleted after: whatever ends the run in between, nothing is lost. What was sent and not
    deleted is sent again by the next run, which SQS ignores within five minutes in the FIFO queue and the worker bears.

    Attributes:
        sender: puts messages on queues.
        destination_url: the queue where the letters came from.
        pace: how fast.
        now: epoch milliseconds.
        shield: wraps sending and deleting.
        tally: is kept up to date, so that it is right at any interruption.
    """

    sender: QueueSender
    destination_url: str
    pace: Pace
    now: Callable[[], int]
    shield: Shield = nullcontext
    tally: Tally = field(default_factory=Tally)

    def run(
        self,
        box: Letterbox,
        matches: Callable[[Letter], bool],
        progress: Callable[[int, int], None] = lambda _sent, _found: None,
    ) -> None:
        """Send all matching letters back, those of a group in their original order.

        It looks again as long as the letters that are gone may have hidden others. What fails anew while it runs and
        comes back is left alone.

        Args:
            box: the dead-letter queue.
            matches: which letters are meant.
            progress: is told, after each batch, how many are sent and how many have been found so far.

        Raises:
            DeliveryError: the queue does not take them.
        """
        started, found = self.now(), 0

        def is_due(letter: Letter) -> bool:
            return matches(letter) and not letter.was_redriven_since(started)

        while letters := [letter for letter in box.browse(is_due) if is_due(letter)]:
            hides_more = box.cut_short or any(letter.may_hide_others for letter in letters)
            found += len(letters)
            for batch in self._batches(box, letters):
                self._send(box, batch)
                progress(self.tally.sent, found)
            if not hides_more:
                return

    def _batches(self, box: Letterbox, letters: Iterable[Letter]) -> Iterator[tuple[Letter, ...]]:
        """Cut letters into batches that SQS takes and the pace allows."""
        ordered = in_turns(letter for letter in letters if box.holds(letter))
        waiting = iter(ordered)
        for packed in batches([self._message(box, letter) for letter in ordered]):
            yield from batched(islice(waiting, len(packed)), self.pace.at_once, strict=False)

    def _send(self, box: Letterbox, batch: Sequence[Letter]) -> None:
        self.pace.wait(len(batch))
        box.renew()
        ours = [letter for letter in batch if box.holds(letter)]
        with self.shield():
            messages = [self._message(box, letter) for letter in ours]
            self.sender.send(self.destination_url, messages, Deadline.after(_SEND_SECONDS))
            self.tally.sent += len(ours)
            self.tally.undeleted += len(ours)
            self.tally.undeleted -= len(ours) - box.delete(ours)

    def _message(self, box: Letterbox, letter: Letter) -> QueueMessage:
        body = box.body(letter)
        attributes = {**letter.attributes, REDRIVEN_AT: str(self.now())}
        return QueueMessage(
            body=body,
            attributes=_fitting(body, attributes),
            group_id=letter.group,
            # Its own and always the same, so that a run repeated after a crash does not store it twice.
            deduplication_id=f"redrive-{letter.message_id}" if letter.group is not None else None,
        )


def _fitting(body: str, attributes: Mapping[str, str]) -> dict[str, str]:
    """Return the attributes without the dispensable ones that the largest bodies leave no room for."""
    kept = dict(attributes)
    for name in _DISPENSABLE:
        if QueueMessage(body=body, attributes=kept).size <= MAX_MESSAGE_BYTES:
            break
        kept.pop(name, None)
    return kept
