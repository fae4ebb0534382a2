"""A dead-letter queue that can be looked into: what is taken out of it is deleted on purpose or put back."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from itertools import batched, takewhile
from typing import TYPE_CHECKING, Self

from botocore.exceptions import BotoCoreError, ClientError

from ops.interruption import Shield
from ops.letters import Letter, QueueName

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

HOLD_SECONDS = 300
"""How long a letter stays invisible if this process is killed; while it lives, the time is renewed at half of it."""

_BATCH = 10  # by SQS, for receiving, deleting and changing visibility
_WAIT_SECONDS = 1  # any wait makes SQS ask all of its servers; without one it may say "empty" and be wrong
_PATIENCE = 3  # empty answers in a row before an approximate count is taken for too high


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much is taken out at the same time.

    Attributes:
        letters: far inside what SQS allows in flight (120,000 today; FIFO queues had 20,000 for long), and few enough
            to renew their time.
        body_bytes: of bodies in memory. A body cannot be asked for again while its letter is held.
    """

    letters: int = 15_000
    body_bytes: int = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What SQS says of a queue, approximately.

    Attributes:
        waiting: letters that can be received, or stand behind others of their group.
        in_use: letters that somebody else has received and not yet deleted or put back.
    """

    waiting: int = 0
    in_use: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    receipt: str = field(repr=False)
    until: float
    body: str | None = field(default=None, repr=False)


@dataclass(kw_only=True)
class Letterbox:
    """Looks into a dead-letter queue, for the time of a ``with`` block; on leaving it, all that it holds is put back.

    Attributes:
        sqs: the client.
        queue: whose dead-letter queue it is.
        url: the dead-letter queue.
        shield: wraps every SQS call, see Interruption.
        clock: seconds that never go backwards.
        wait_seconds: how long an empty queue is watched.
        limits: how much is taken out at the same time.
        seen: how many letters have been handed out since it was opened.
        at_first: what SQS said of the queue before the first look.
        cut_short: whether the last look ended at a limit.
        not_put_back: how many letters could not be made visible again; they become so within HOLD_SECONDS.
    """

    sqs: "SQSClient"
    queue: QueueName
    url: str
    shield: Shield = nullcontext
    clock: Callable[[], float] = time.monotonic
    wait_seconds: int = _WAIT_SECONDS
    limits: Limits = field(default_factory=Limits)
    seen: int = 0
    at_first: Counts = field(default_factory=Counts)
    cut_short: bool = False
    not_put_back: int = 0
    _held: dict[str, _Held] = field(default_factory=dict, repr=False)
    _body_bytes: int = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.put_back()

    def counts(self) -> Counts:
        """Ask how many letters there are."""
        attributes = self.sqs.get_queue_attributes(
            QueueUrl=self.url,
            AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
        )["Attributes"]
        return Counts(
            waiting=int(attributes["ApproximateNumberOfMessages"]),
            in_use=int(attributes["ApproximateNumberOfMessagesNotVisible"]),
        )

    def browse(self, keep_body: Callable[[Letter], bool] = lambda _: False) -> Iterator[Letter]:
        """Yield the letters that are not held yet, as SQS hands them out, and hold them.

        It ends when SQS has none left to hand out or a limit is reached. Of a FIFO group SQS hands out at most ten
        until these are deleted.

        Args:
            keep_body: whose bodies to keep in memory.
        """
        self.cut_short = False
        counts = self.counts()
        self.at_first = self.at_first if self.seen else counts
        found = empty = 0
        while empty < (1 if found >= counts.waiting else _PATIENCE):
            if self._is_full():
                self.cut_short = True
                return
            letters = self._take(keep_body)
            found += len(letters)
            self.seen += len(letters)
            empty = 0 if letters else empty + 1
            yield from letters
            self.renew()

    def body(self, letter: Letter) -> str:
        """Return the body of a letter that is held and whose body was to be kept. Personal data."""
        return self._held[letter.message_id].body or ""

    def holds(self, letter: Letter) -> bool:
        """Tell whether nobody else can receive the letter at present."""
        return letter.message_id in self._held

    def renew(self) -> None:
        """Prolong the time of the letters that have used up half of it. To be called at least every minute."""
        soon = self.clock() + HOLD_SECONDS / 2
        due = list(takewhile(lambda entry: entry[1].until < soon, self._held.items()))
        for batch in batched(due, _BATCH, strict=False):
            with self.shield():
                until = self.clock() + HOLD_SECONDS
                lost = self._change_visibility(batch, HOLD_SECONDS)
                for name, held in batch:
                    if name in lost:
                        self._forget(name)
                    else:  # as the last one: they are kept in the order of their time
                        del self._held[name]
                        self._held[name] = replace(held, until=until)

    def delete(self, letters: Iterable[Letter]) -> int:
        """Delete letters that are held, for good, and return how many SQS did not delete; these are still held."""
        undeleted = 0
        for batch in batched([letter.message_id for letter in letters], _BATCH, strict=False):
            with self.shield():
                response = self.sqs.delete_message_batch(
                    QueueUrl=self.url,
                    Entries=[{"Id": str(n), "ReceiptHandle": self._held[name].receipt} for n, name in enumerate(batch)],
                )
                for success in response.get("Successful", []):
                    self._forget(batch[int(success["Id"])])
                undeleted += len(response.get("Failed", []))
        return undeleted

    def put_back(self) -> None:
        """Make every letter that is held visible again at once."""
        with self.shield():
            for batch in batched(list(self._held.items()), _BATCH, strict=False):
                try:
                    self._change_visibility(batch, 0)  # one that fails has become visible already
                except (BotoCoreError, ClientError):
                    self.not_put_back += len(batch)
            self._held.clear()
            self._body_bytes = 0

    def _is_full(self) -> bool:
        return len(self._held) >= self.limits.letters or self._body_bytes >= self.limits.body_bytes

    def _take(self, keep_body: Callable[[Letter], bool]) -> list[Letter]:
        """Receive once, hold what comes, and return what was not held before."""
        with self.shield():
            until = self.clock() + HOLD_SECONDS
            messages = self.sqs.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=_BATCH,
                WaitTimeSeconds=self.wait_seconds,
                VisibilityTimeout=HOLD_SECONDS,
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["All"],
            ).get("Messages", [])
            return [letter for message in messages if (letter := self._hold(message, until, keep_body))]

    def _hold(self, message: "MessageTypeDef", until: float, keep_body: Callable[[Letter], bool]) -> Letter | None:
        """Hold a message; of one that is held already, a standard queue may give a copy with a newer receipt."""
        letter = _letter(self.queue, message)
        known = self._held.pop(letter.message_id, None)
        if known is not None:
            self._held[letter.message_id] = replace(known, receipt=message["ReceiptHandle"], until=until)
            return None
        body = message["Body"] if keep_body(letter) else None
        self._held[letter.message_id] = _Held(receipt=message["ReceiptHandle"], until=until, body=body)
        self._body_bytes += len(body or "")
        return letter

    def _forget(self, message_id: str) -> None:
        self._body_bytes -= len(self._held.pop(message_id).body or "")

    def _change_visibility(self, batch: Iterable[tuple[str, _Held]], seconds: int) -> set[str]:
        """Set the time that letters stay invisible and return those that are no longer ours."""
        names = [name for name, _ in batch]
        response = self.sqs.change_message_visibility_batch(
            QueueUrl=self.url,
            Entries=[
                {"Id": str(n), "ReceiptHandle": self._held[name].receipt, "VisibilityTimeout": seconds}
                for n, name in enumerate(names)
            ],
        )
        return {names[int(failure["Id"])] for failure in response.get("Failed", [])}


def _letter(queue: QueueName, message: "MessageTypeDef") -> Letter:
    system = message["Attributes"]
    written = message.get("MessageAttributes", {})
    return Letter(
        queue=queue,
        message_id=message["MessageId"],
        attributes={name: entry["StringValue"] for name, entry in written.items() if "StringValue" in entry},
        sent_at=int(system["SentTimestamp"]),
        own_group=system.get("MessageGroupId") if queue == "membership" else None,
        sequence_number=int(system.get("SequenceNumber", "0")),
    )
