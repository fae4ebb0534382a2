"""Reads a dead-letter queue: each letter that is received is deleted, or made visible again."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from itertools import batched, takewhile
from typing import TYPE_CHECKING, Self

from botocore.exceptions import BotoCoreError, ClientError

from mparticle_firehose.queues.sender import MAX_BATCH_ENTRIES
from mparticle_firehose.queues.splitting import utf8_length
from ops.dead_letters import DeadLetter, QueueName
from ops.interrupts import Uninterrupted
from ops.letter_source import Counts, Limits

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import DeleteMessageBatchRequestEntryTypeDef, MessageTypeDef

VISIBILITY_SECONDS = 300
"""How long a letter stays invisible if this process is killed. While it lives, the time is renewed at half of it."""

_WAIT_SECONDS = 1  # any wait makes SQS query all of its servers; without one it may return nothing by mistake
_MAX_EMPTY_RECEIVES = 3  # in a row, while the approximate count says that there are more


@dataclass(frozen=True, slots=True, kw_only=True)
class _InFlight:
    receipt: str = field(repr=False)
    until: float
    body_bytes: int = 0


def approximate_counts(sqs: "SQSClient", url: str) -> Counts:
    """Return the approximate counts of a queue."""
    attributes = sqs.get_queue_attributes(
        QueueUrl=url,
        AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
    )["Attributes"]
    return Counts(
        available=int(attributes["ApproximateNumberOfMessages"]),
        in_flight=int(attributes["ApproximateNumberOfMessagesNotVisible"]),
    )


@dataclass(kw_only=True)
class DeadLetterQueue:
    """Receives the letters of a dead-letter queue, and releases all that are in flight at the end of a ``with`` block.

    Attributes:
        sqs: the client.
        queue: the queue whose dead-letter queue it is.
        url: of the dead-letter queue.
        uninterrupted: wraps every SQS call.
        clock: monotonic seconds.
        wait_seconds: the wait time of a receive.
        limits: how much is in flight at the same time.
        received: how many letters have been received.
        initial_counts: the counts before the first receive.
        limit_reached: whether the last `receive` ended at a limit.
        unreleased: how many letters could not be made visible again; SQS does that after VISIBILITY_SECONDS.
    """

    sqs: "SQSClient"
    queue: QueueName
    url: str
    uninterrupted: Uninterrupted = nullcontext
    clock: Callable[[], float] = time.monotonic
    wait_seconds: int = _WAIT_SECONDS
    limits: Limits = field(default_factory=Limits)
    received: int = 0
    initial_counts: Counts = field(default_factory=Counts)
    limit_reached: bool = False
    unreleased: int = 0
    _in_flight: dict[str, _InFlight] = field(default_factory=dict, repr=False)  # sorted by `until`
    _body_bytes: int = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def receive(self, keep_body: Callable[[DeadLetter], bool] = lambda _: False) -> Iterator[DeadLetter]:
        """Yield letters as SQS returns them, each once, and keep them in flight.

        It ends when SQS returns no more, or at a limit. Of a FIFO group SQS returns at most ten letters until these
        are deleted.

        Args:
            keep_body: which letters are to have their body.
        """
        counts, self.limit_reached = approximate_counts(self.sqs, self.url), False
        self.initial_counts = self.initial_counts if self.received else counts
        found = empty = 0
        while empty < (1 if found >= counts.available else _MAX_EMPTY_RECEIVES):
            if len(self._in_flight) >= self.limits.letters or self._body_bytes >= self.limits.body_bytes:
                self.limit_reached = True
                return
            letters = self._receive_batch(keep_body)
            found += len(letters)
            self.received += len(letters)
            empty = 0 if letters else empty + 1
            yield from letters
            self.renew()

    def holds(self, letter: DeadLetter) -> bool:
        """Return whether the letter is in flight for this process, so that nobody else can receive it."""
        return letter.message_id in self._in_flight

    def renew(self) -> None:
        """Extend the visibility timeouts of which half is over. To be called at least every minute."""
        soon = self.clock() + VISIBILITY_SECONDS / 2
        due = [name for name, _ in takewhile(lambda entry: entry[1].until < soon, self._in_flight.items())]
        for batch in batched(due, MAX_BATCH_ENTRIES, strict=False):
            with self.uninterrupted():
                until = self.clock() + VISIBILITY_SECONDS
                expired = self._change_visibility(batch, VISIBILITY_SECONDS)
                for name in batch:
                    renewed = replace(self._forget(name), until=until)
                    if name not in expired:
                        self._remember(name, renewed)

    def delete(self, letters: Iterable[DeadLetter]) -> int:
        """Delete letters that are in flight, and return how many SQS did not delete. These stay in flight."""
        undeleted = 0
        for batch in batched([letter.message_id for letter in letters], MAX_BATCH_ENTRIES, strict=False):
            with self.uninterrupted():
                entries: list[DeleteMessageBatchRequestEntryTypeDef] = [
                    {"Id": str(n), "ReceiptHandle": self._in_flight[name].receipt} for n, name in enumerate(batch)
                ]
                response = self.sqs.delete_message_batch(QueueUrl=self.url, Entries=entries)
                for success in response.get("Successful", []):
                    self._forget(batch[int(success["Id"])])
                undeleted += len(response.get("Failed", []))
        return undeleted

    def release(self) -> None:
        """Make every letter that is in flight visible again at once."""
        with self.uninterrupted():
            for batch in batched(list(self._in_flight), MAX_BATCH_ENTRIES, strict=False):
                try:
                    self._change_visibility(batch, 0)  # one that fails is visible already
                except (BotoCoreError, ClientError):
                    self.unreleased += len(batch)
            self._in_flight.clear()
            self._body_bytes = 0

    def _receive_batch(self, keep_body: Callable[[DeadLetter], bool]) -> list[DeadLetter]:
        with self.uninterrupted():
            until = self.clock() + VISIBILITY_SECONDS
            messages = self.sqs.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=MAX_BATCH_ENTRIES,
                WaitTimeSeconds=self.wait_seconds,
                VisibilityTimeout=VISIBILITY_SECONDS,
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["All"],
            ).get("Messages", [])
            return [letter for message in messages if (letter := self._take(message, until, keep_body))]

    def _take(
        self, message: "MessageTypeDef", until: float, keep_body: Callable[[DeadLetter], bool]
    ) -> DeadLetter | None:
        """Remember a message; a standard queue may return one again, with a newer receipt handle."""
        letter = DeadLetter.from_message(self.queue, message)
        receipt = message["ReceiptHandle"]
        if self.holds(letter):
            self._remember(letter.message_id, replace(self._forget(letter.message_id), receipt=receipt, until=until))
            return None
        if keep_body(letter):
            letter = replace(letter, body=message["Body"])
        self._remember(letter.message_id, _InFlight(receipt=receipt, until=until, body_bytes=utf8_length(letter.body)))
        return letter

    def _remember(self, message_id: str, entry: _InFlight) -> None:
        self._in_flight[message_id] = entry
        self._body_bytes += entry.body_bytes

    def _forget(self, message_id: str) -> _InFlight:
        entry = self._in_flight.pop(message_id)
        self._body_bytes -= entry.body_bytes
        return entry

    def _change_visibility(self, message_ids: tuple[str, ...], seconds: int) -> set[str]:
        """Set the visibility timeout, and return the letters whose own has ended before."""
        response = self.sqs.change_message_visibility_batch(
            QueueUrl=self.url,
            Entries=[
                {"Id": str(n), "ReceiptHandle": self._in_flight[name].receipt, "VisibilityTimeout": seconds}
                for n, name in enumerate(message_ids)
            ],
        )
        return {message_ids[int(failure["Id"])] for failure in response.get("Failed", [])}
