"""What the commands for letters work with."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.console import Console
from rich.status import Status

from mparticle_firehose.queues.large_bodies import LargeBodies
from ops.archived_letters import ArchivedLetters
from ops.dead_letter_queue import DeadLetterQueue
from ops.dead_letters import DeadLetter, QueueName, Selection
from ops.display import print_line, print_not_received, print_unreleased
from ops.interrupts import Uninterrupted
from ops.letter_source import LetterSource, Limits
from ops.stack import DEAD_LETTER_QUEUES, LARGE_BODY_BUCKET

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient


def _now() -> int:
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a command works with.

    Attributes:
        sqs: the client.
        s3: the client.
        urls: queue URLs, and the bucket's name, by the names of their stack outputs.
        archived: whether the commands are about the letters of the archive, and not about those of the queues.
        large_bodies: the bodies that are kept in S3.
        out: where results are printed.
        progress: where it is shown that a command is still busy.
        ask: prints a question and returns the user's answer.
        now: epoch milliseconds.
        clock: monotonic seconds.
        sleep: waits for seconds.
        uninterrupted: wraps SQS calls.
        wait_seconds: the wait time of a receive.
        limits: how much is in flight at the same time.
    """

    sqs: "SQSClient"
    s3: "S3Client"
    urls: Mapping[str, str]
    archived: bool = False
    large_bodies: LargeBodies
    out: Console
    progress: Console
    ask: Callable[[str], str] = input
    now: Callable[[], int] = _now
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    uninterrupted: Uninterrupted = nullcontext
    wait_seconds: int = 1
    limits: Limits = field(default_factory=Limits)

    def print(self, text: str) -> None:
        """Print a result."""
        print_line(self.out, text)

    @contextmanager
    def open(self, queue: QueueName) -> Iterator[tuple[LetterSource, Status]]:
        """Open a dead-letter queue, or its part of the archive, with the line that is shown meanwhile.

        At the end, every letter that was received from a queue and not deleted is visible again.
        """
        place = "archived letters" if self.archived else "dead letters"
        with self.progress.status(f"Reading the {place} of the {queue} queue") as status:
            letters = self._archived(queue, status) if self.archived else self._queued(queue)
            try:
                with letters:
                    yield letters, status
            finally:
                print_unreleased(self.out, letters.unreleased)

    def _queued(self, queue: QueueName) -> LetterSource:
        return DeadLetterQueue(
            sqs=self.sqs,
            queue=queue,
            url=self.urls[DEAD_LETTER_QUEUES[queue]],
            uninterrupted=self.uninterrupted,
            clock=self.clock,
            wait_seconds=self.wait_seconds,
            limits=self.limits,
        )

    def _archived(self, queue: QueueName, status: Status) -> LetterSource:
        return ArchivedLetters(
            s3=self.s3,
            bucket=self.urls[LARGE_BODY_BUCKET],
            queue=queue,
            now=self.now() / 1000,
            limits=self.limits,
            uninterrupted=self.uninterrupted,
            progress=lambda read: status.update(f"Reading the archived letters of the {queue} queue: {read}"),
        )

    def present(self, queues: Iterable[QueueName]) -> list[QueueName]:
        """Return those of these queues that the deployment has. The archive may have letters of others."""
        return [queue for queue in queues if self.archived or DEAD_LETTER_QUEUES[queue] in self.urls]

    def matching(self, selection: Selection) -> Iterator[DeadLetter]:
        """Yield the matching letters, and print how many could not be received. At the end all are visible again."""
        now = self.now()
        for queue in self.present(selection.queues):
            with self.open(queue) as (dead_letters, _):
                yield from (letter for letter in dead_letters.receive() if selection.matches(letter, now))
            print_not_received(self.out, dead_letters)
