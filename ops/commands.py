"""The four commands. Each prints what it did and returns its exit status."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mparticle_firehose.queues.sender import QueueSender
from ops.deployment import DEAD_LETTERS, ORIGINS
from ops.display import counted, say, show_each, show_heaps, show_letter, show_not_put_back, show_unseen
from ops.interruption import Shield
from ops.letterbox import Letterbox, Limits
from ops.letters import QUEUES, Letter, QueueName, Selection
from ops.redriving import Pace, Redriver, Tally

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

DONE, NOTHING, INCOMPLETE = 0, 1, 2
"""Exit statuses: done; nothing matched, or refused; not all of it could be done."""


def _now() -> int:
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, kw_only=True)
class Desk:
    """What a command works with.

    Attributes:
        sqs: the client.
        urls: the queues' URLs, by the name of the stack's output.
        out: where results go.
        side: where progress goes.
        ask: puts a question and returns the answer.
        now: epoch milliseconds.
        clock: seconds that never go backwards.
        sleep: waits for seconds.
        shield: wraps SQS calls, see Interruption.
        wait_seconds: how long an empty queue is watched.
        limits: how many letters are taken out at the same time.
    """

    sqs: "SQSClient"
    urls: Mapping[str, str]
    out: Console
    side: Console
    ask: Callable[[str], str] = input
    now: Callable[[], int] = _now
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    shield: Shield = nullcontext
    wait_seconds: int = 1
    limits: Limits = field(default_factory=Limits)

    @contextmanager
    def opened(self, queue: QueueName) -> Iterator[Letterbox]:
        """Open a dead-letter queue, and put back what was taken out of it and not deleted."""
        box = Letterbox(
            sqs=self.sqs,
            queue=queue,
            url=self.urls[DEAD_LETTERS[queue]],
            shield=self.shield,
            clock=self.clock,
            wait_seconds=self.wait_seconds,
            limits=self.limits,
        )
        try:
            with box:
                yield box
        finally:
            show_not_put_back(self.out, box.not_put_back)

    def looking(self, queue: QueueName) -> AbstractContextManager[object]:
        """Tell, for the time of a ``with`` block, that a queue is being looked through."""
        return self.side.status(f"Looking through the dead letters of the {queue} queue ...")

    def found(self, selection: Selection) -> list[Letter]:
        """Return the matching letters, all put back, and tell which ones could not be looked at."""
        now = self.now()
        matching: list[Letter] = []
        for queue in selection.queues:
            with self.looking(queue), self.opened(queue) as box:
                matching += [letter for letter in box.browse() if selection.matches(letter, now)]
            show_unseen(self.out, box)
        return matching


def list_letters(desk: Desk, selection: Selection, *, each: bool = False) -> int:
    """Show how many letters there are of what kind, or each of them with its message id."""
    letters = desk.found(selection)
    if letters:
        (show_each if each else show_heaps)(desk.out, letters)
    say(desk.out, f"{counted(len(letters), 'dead letter')}{'' if selection.is_everything else ' of this kind'}.")
    return DONE


def show(desk: Desk, message_id: str) -> int:
    """Show one letter, masked."""
    seen = 0
    for queue in QUEUES:
        with desk.looking(queue), desk.opened(queue) as box:
            for letter in box.browse(lambda letter: letter.message_id == message_id):
                if letter.message_id == message_id:
                    show_letter(desk.out, letter, box.body(letter))
                    return DONE
                seen += 1
    say(desk.out, f"None of the {counted(seen, 'dead letter')} that could be looked at has this message id.")
    return NOTHING


def redrive(desk: Desk, selection: Selection, *, rate: int | None = None, dry_run: bool = False) -> int:
    """Send matching letters back to the queues where they came from, in the original order of each group."""
    if dry_run:
        return _rehearse(desk, selection)
    tallies = [_redrive_queue(desk, queue, selection, rate) for queue in selection.queues]
    if not any(tally.sent for tally in tallies):
        say(desk.out, "Nothing matches.")
        return NOTHING
    return INCOMPLETE if any(tally.undeleted for tally in tallies) else DONE


def purge(desk: Desk, selection: Selection, *, everything: bool = False, confirmed: int | None = None) -> int:
    """Delete matching letters for good, after someone has confirmed how many.

    They are looked for, put back while the question is open, and looked for again: exactly those that were counted are
    deleted, however long the answer takes and whatever arrives in the meantime.
    """
    if selection.is_everything and not everything:
        say(desk.out, "Refused: purge needs a filter, or --all for every dead letter there is.")
        return NOTHING
    letters = desk.found(selection)
    if not letters:
        say(desk.out, "Nothing matches.")
        return NOTHING
    show_heaps(desk.out, letters)
    if not _is_confirmed(desk, len(letters), confirmed):
        return NOTHING
    deleted = _delete(desk, {letter.message_id for letter in letters}, selection)
    say(desk.out, f"{counted(deleted)} deleted.")
    if deleted < len(letters):
        say(desk.out, f"{counted(len(letters) - deleted)} could not be found again or not be deleted: repeat it.")
    return DONE if deleted == len(letters) else INCOMPLETE


def _rehearse(desk: Desk, selection: Selection) -> int:
    letters = desk.found(selection)
    if not letters:
        say(desk.out, "Nothing matches.")
        return NOTHING
    show_heaps(desk.out, letters)
    say(desk.out, f"{counted(len(letters))} would be sent back. Nothing was changed.")
    return DONE


def _redrive_queue(desk: Desk, queue: QueueName, selection: Selection, rate: int | None) -> Tally:
    """Send back what matches in one queue, and tell how far it came, also if it fails or is interrupted."""
    now = desk.now()
    redriver = Redriver(
        sender=QueueSender(desk.sqs),
        destination_url=desk.urls[ORIGINS[queue]],
        pace=Pace(rate=rate, clock=desk.clock, sleep=desk.sleep),
        now=desk.now,
        shield=desk.shield,
    )
    try:
        with desk.opened(queue) as box, _progress(desk.side, queue) as progress:
            redriver.run(box, lambda letter: selection.matches(letter, now), progress)
        show_unseen(desk.out, box)
    finally:
        _report(desk.out, queue, redriver.tally)
    return redriver.tally


@contextmanager
def _progress(side: Console, queue: QueueName) -> Iterator[Callable[[int, int], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=side, transient=True, disable=not side.is_terminal) as bar:
        task = bar.add_task(f"Redriving {queue}", total=None)
        yield lambda sent, found: bar.update(task, completed=sent, total=found)


def _report(out: Console, queue: QueueName, tally: Tally) -> None:
    if tally.sent:
        say(out, f"{queue}: {counted(tally.sent)} sent back.")
    if tally.undeleted:
        say(out, f"{queue}: {tally.undeleted} of them could not be deleted: they are dead letters still, and the next "
                 "run sends them once more.")  # fmt: skip


def _is_confirmed(desk: Desk, number: int, confirmed: int | None) -> bool:
    if confirmed is not None:
        if confirmed != number:
            say(desk.out, f"Refused: {counted(number)} would be deleted, not {confirmed}. Nothing was deleted.")
        return confirmed == number
    try:
        answer = desk.ask(f"They cannot be brought back. Type {number} to delete {counted(number)} for good: ")
    except EOFError:
        answer = ""
    if answer.strip() != str(number):
        say(desk.out, "Refused: that is not the number. Nothing was deleted.")
    return answer.strip() == str(number)


def _delete(desk: Desk, message_ids: set[str], selection: Selection) -> int:
    """Delete the letters with these ids, as far as they are found again, and return how many."""
    deleted = 0
    for queue in selection.queues:
        with desk.looking(queue), desk.opened(queue) as box:
            letters = [letter for letter in box.browse() if letter.message_id in message_ids]
            held = [letter for letter in letters if box.holds(letter)]
            deleted += len(held) - box.delete(held)
    return deleted
