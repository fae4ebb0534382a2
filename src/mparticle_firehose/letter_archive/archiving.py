"""Moves letters from the dead-letter queues into the archive: each is written before it is deleted.

A run receives every letter of a queue once. What is old goes into the archive. Of the others, a number stays in the
queue: few enough for the operators' commands, and few enough to be received together in the next run, so that no old
letter is overlooked. SQS gives no other way to find old letters: it neither sorts nor searches. What exceeds the number
is archived at once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import batched
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.errors import DeliveryError
from mparticle_firehose.letter_archive.archive import LetterArchive
from mparticle_firehose.letter_archive.objects import Message

if TYPE_CHECKING:  # stubs that do not ship
    from mypy_boto3_sqs import SQSClient

MAX_KEPT_IN_QUEUE = 10_000
"""Letters that stay in a queue. `ops` looks at 15,000, and until the next run there is room for some more."""

TIMEOUT_SECONDS = 600
"""Of the function. A run that ends earlier continues with the next one."""

VISIBILITY_SECONDS = TIMEOUT_SECONDS + 60
"""How long a letter stays invisible if a run is killed. No run is longer, so nothing is renewed."""

FINISH_SECONDS = 40.0
"""Of a queue's time, for the last object and to make visible again what stays: a thousand calls to SQS."""

MAX_BYTES = 16 * 1024 * 1024
"""Of the letters of an object, before they are compressed; the last one may exceed it."""

_BATCH = 10


@dataclass(slots=True, kw_only=True)
class Counts:
    """What a run has done with one queue.

    Attributes:
        archived: letters that are in the archive.
        kept: letters that were looked at and stay in the queue.
        undeleted: archived letters that SQS did not delete. They are archived once more by the next run, and count as
            one letter for whoever reads the archive.
        is_complete: whether all letters were looked at.
    """

    archived: int = 0
    kept: int = 0
    undeleted: int = 0
    is_complete: bool = False


@dataclass(slots=True)
class _Chunk:
    """Letters that become one object."""

    messages: list[Message] = field(default_factory=list)
    size: int = 0

    def add(self, message: Message) -> None:
        self.messages.append(message)
        self.size += len(message["Body"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Archiving:
    """Moves the old letters of one queue, and those that are too many.

    Attributes:
        sqs: the client.
        archive: where they go.
        min_age_seconds: how old a letter is that is archived.
        clock: seconds since the epoch.
        max_kept: how many letters stay in the queue.
        max_letters: of an object.
        wait_seconds: the wait time of a receive. Any makes SQS query all of its servers.
    """

    sqs: "SQSClient"
    archive: LetterArchive
    min_age_seconds: int
    clock: Callable[[], float]
    max_kept: int = MAX_KEPT_IN_QUEUE
    max_letters: int = 1_000
    wait_seconds: int = 1

    def run(self, queue: str, url: str, deadline: Deadline, counts: Counts) -> None:
        """Move the letters of a queue, until all were looked at or the time is over.

        Args:
            queue: the name of the queue that the letters were dead-lettered from.
            url: of its dead-letter queue.
            deadline: when to be done, with `FINISH_SECONDS` of it to finish.
            counts: kept up to date, so that they are right after an error.

        Raises:
            DeliveryError: S3 or SQS cannot be used. Nothing is lost: what is not in the archive is in the queue.
        """
        kept: list[str] = []
        try:
            self._move(queue, url, deadline, counts, kept)
        except (BotoCoreError, ClientError) as error:
            raise DeliveryError(f"the dead-letter queue cannot be used: {type(error).__name__}") from error
        finally:
            self._release(url, kept)

    def _move(self, queue: str, url: str, deadline: Deadline, counts: Counts, kept: list[str]) -> None:
        chunk = _Chunk()
        while deadline.remaining() > FINISH_SECONDS and not counts.is_complete:
            messages = self._receive(url)
            counts.is_complete = not messages
            for message in messages:
                if self._is_old(message) or len(kept) >= self.max_kept:
                    chunk.add(message)
                else:
                    kept.append(message["ReceiptHandle"])
                    counts.kept += 1
            if len(chunk.messages) >= self.max_letters or chunk.size >= MAX_BYTES:
                self._archive(queue, url, chunk, counts)
                chunk = _Chunk()
        self._archive(queue, url, chunk, counts)

    def _receive(self, url: str) -> Sequence[Message]:
        return self.sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=_BATCH,
            WaitTimeSeconds=self.wait_seconds,
            VisibilityTimeout=VISIBILITY_SECONDS,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
        ).get("Messages", [])

    def _is_old(self, message: Message) -> bool:
        """SQS counts the days that it keeps a message from the same time."""
        return self.clock() - int(message["Attributes"]["SentTimestamp"]) / 1000 >= self.min_age_seconds

    def _archive(self, queue: str, url: str, chunk: _Chunk, counts: Counts) -> None:
        """Write letters, and then delete them."""
        if not chunk.messages:
            return
        self.archive.store(queue, chunk.messages, self.clock())
        counts.archived += len(chunk.messages)
        for batch in batched(chunk.messages, _BATCH, strict=False):
            response = self.sqs.delete_message_batch(
                QueueUrl=url,
                Entries=[{"Id": str(n), "ReceiptHandle": it["ReceiptHandle"]} for n, it in enumerate(batch)],
            )
            counts.undeleted += len(response.get("Failed", []))

    def _release(self, url: str, receipts: Sequence[str]) -> None:
        """Make letters visible again. SQS does it later with those that fail."""
        for batch in batched(receipts, _BATCH, strict=False):
            try:
                self.sqs.change_message_visibility_batch(
                    QueueUrl=url,
                    Entries=[
                        {"Id": str(n), "ReceiptHandle": receipt, "VisibilityTimeout": 0}
                        for n, receipt in enumerate(batch)
                    ],
                )
            except (BotoCoreError, ClientError):
                return


def run_all(archiving: Archiving, urls: Mapping[str, str], deadline: Deadline) -> tuple[dict[str, Counts], list[str]]:
    """Move the letters of all queues, each in its share of the time, and return the counts and what has failed.

    A queue that fails costs the others nothing. What one does not need of its time is for those after it.
    """
    counts = {queue: Counts() for queue in urls}
    failures: list[str] = []
    for number, (queue, url) in enumerate(urls.items()):
        share = deadline.within(deadline.remaining() / (len(urls) - number))
        try:
            archiving.run(queue, url, share, counts[queue])
        except DeliveryError as error:
            failures.append(f"{queue}: {error}")
    return counts, failures
