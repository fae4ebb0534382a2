"""Dead letters as values: what their message attributes say, which ones match, and the order in which they are sent."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import groupby, zip_longest
from typing import TYPE_CHECKING, Literal, Self

from mparticle_firehose.errors import MalformedRequestError
from mparticle_firehose.protocol.enums import MessageType
from mparticle_firehose.protocol.wire.json_reader import json_object
from mparticle_firehose.queues.large_bodies import is_reference
from mparticle_firehose.queues.record import FIRST_AT, REDRIVEN_AT, SETTLED
from mparticle_firehose.tables.progress import Progress

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageTypeDef

type QueueName = Literal["membership", "event", "erasure", "feed"]

QUEUES: tuple[QueueName, ...] = ("membership", "event", "erasure", "feed")

FEED: QueueName = "feed"
"""The queue of the partner's own events, which only a deployment with a feed has."""

TOO_MANY_RECEIVES = "too many receives"
"""The reason of a message that SQS moved by itself, without an attribute that gives one."""

MESSAGE_TYPE = "message_type"
"""The attribute that names the request's type."""

_UNKNOWN = "-"
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_DURATION = re.compile(r"([0-9]{1,6})([smhd])")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One message of a dead-letter queue.

    Attributes:
        queue: the queue that it was dead-lettered from.
        message_id: given by SQS.
        attributes: its message attributes, written by this product; none is personal.
        sent_at: SQS's own time of sending, in epoch milliseconds.
        own_group: its message group in the dead-letter queue, if that is FIFO.
        sequence_number: its number in that group.
        type_in_body: the type that the request itself names.
        body: the request, or nothing if it was not asked for. Personal data.
        reference: what stands for the body, if that is kept in S3. Nothing of a feed is: its messages are not ours.
        archived_in: the key of the archive's object that holds it; nothing if it is in the queue.
    """

    queue: QueueName
    message_id: str
    attributes: Mapping[str, str]
    sent_at: int
    own_group: str | None = None
    sequence_number: int = 0
    type_in_body: str = _UNKNOWN
    body: str = field(default="", repr=False)
    reference: str = ""
    archived_in: str = ""

    @classmethod
    def from_message(cls, queue: QueueName, message: "MessageTypeDef", archived_in: str = "") -> Self:
        """Read a received message, without its body: of that only the type, if no attribute says it."""
        system = message["Attributes"]
        written = message.get("MessageAttributes", {})
        return cls(
            queue=queue,
            message_id=message["MessageId"],
            attributes={name: entry["StringValue"] for name, entry in written.items() if "StringValue" in entry},
            sent_at=int(system["SentTimestamp"]),
            own_group=system.get("MessageGroupId") if queue == "membership" else None,
            sequence_number=int(system.get("SequenceNumber", "0")),
            type_in_body=_UNKNOWN if MESSAGE_TYPE in written else _type_of(message["Body"]),
            reference=message["Body"] if queue != FEED and is_reference(message["Body"]) else "",
            archived_in=archived_in,
        )

    @property
    def reason(self) -> str:
        """Why it could not be delivered."""
        return self.attributes.get("reason", TOO_MANY_RECEIVES)

    @property
    def account(self) -> str:
        """The customer's account at mParticle."""
        return self.attributes.get("account_id", _UNKNOWN)

    @property
    def message_type(self) -> str:
        """The type of the request. The attributes of letters of the FIFO queue have no room for it."""
        return self.attributes.get(MESSAGE_TYPE, self.type_in_body)

    @property
    def attempts(self) -> int | None:
        """How often delivery was tried, if known."""
        return self._number("attempts")

    @property
    def dead_lettered_at(self) -> int:
        """When it became a dead letter, in epoch milliseconds; if SQS moved it, its time of sending."""
        return self._number("last_at") or self.sent_at

    @property
    def settled(self) -> int:
        """How many items of the request need nothing more."""
        return len(Progress.from_text(self.attributes.get(SETTLED, "")).settled)

    @property
    def source_group(self) -> str | None:
        """Its message group in the queue that it came from, if that is FIFO."""
        return self.attributes.get("group_id", self.own_group) if self.own_group is not None else None

    @property
    def shares_group(self) -> bool:
        """Whether other dead letters may have its group; SQS returns ten of a group until these are deleted."""
        return self.own_group is not None and self.own_group == self.source_group

    @property
    def position(self) -> tuple[int, int, int]:
        """What the letters of a group are sorted by: when first queued, when dead-lettered, sequence number.

        The sequence number comes last because it rises within a group only, and most letters have groups of their own.
        """
        return (self._number(FIRST_AT) or self.sent_at, self.dead_lettered_at, self.sequence_number)

    def was_redriven_since(self, moment: int) -> bool:
        """Return whether it was redriven at this moment, in epoch milliseconds, or later."""
        return (self._number(REDRIVEN_AT) or 0) >= moment

    def _number(self, name: str) -> int | None:
        text = self.attributes.get(name, "")
        return int(text) if text.isdecimal() else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which dead letters a command is for. What is None matches every letter.

    Attributes:
        queue: dead-lettered from this queue.
        reason: with exactly this reason.
        account: of this account at mParticle.
        older_than: dead-lettered longer ago than this.
        newer_than: dead-lettered less long ago than this.
    """

    queue: QueueName | None = None
    reason: str | None = None
    account: str | None = None
    older_than: timedelta | None = None
    newer_than: timedelta | None = None

    @property
    def queues(self) -> tuple[QueueName, ...]:
        """The queues to read."""
        return (self.queue,) if self.queue else QUEUES

    @property
    def is_everything(self) -> bool:
        """Whether there is no filter at all."""
        return self == Selection()

    def matches(self, letter: DeadLetter, now: int) -> bool:
        """Return whether a letter matches at this moment, in epoch milliseconds."""
        age = timedelta(milliseconds=now - letter.dead_lettered_at)
        return (
            letter.queue in self.queues
            and self.reason in {None, letter.reason}
            and self.account in {None, letter.account}
            and (self.older_than is None or age > self.older_than)
            and (self.newer_than is None or age < self.newer_than)
        )


@dataclass(slots=True, kw_only=True)
class Group:
    """How many letters of one kind there are. Times are epoch milliseconds.

    Attributes:
        first: one of them.
        letters: their number.
        oldest: when the first of them was dead-lettered.
        newest: when the last of them was.
        attempts: the fewest and the most attempts, as far as they are known.
    """

    first: DeadLetter
    letters: int = 0
    oldest: int
    newest: int
    attempts: tuple[int, int] | None = None

    def add(self, letter: DeadLetter) -> None:
        """Count a letter."""
        self.letters += 1
        self.oldest = min(self.oldest, letter.dead_lettered_at)
        self.newest = max(self.newest, letter.dead_lettered_at)
        if letter.attempts is not None:
            fewest, most = self.attempts or (letter.attempts, letter.attempts)
            self.attempts = min(fewest, letter.attempts), max(most, letter.attempts)


def grouped(letters: Iterable[DeadLetter]) -> list[Group]:
    """Group letters by queue, reason, account and message type, in the order of the queues and the largest first.

    No letter is kept, because there may be millions.
    """
    groups: dict[tuple[str, str, str, str], Group] = {}
    for letter in letters:
        kind = letter.queue, letter.reason, letter.account, letter.message_type
        at = letter.dead_lettered_at
        groups.setdefault(kind, Group(first=letter, oldest=at, newest=at)).add(letter)
    ordered = sorted(groups.items(), key=lambda it: (QUEUES.index(it[1].first.queue), -it[1].letters, it[0]))
    return [group for _, group in ordered]


def interleaved(letters: Iterable[DeadLetter]) -> list[DeadLetter]:
    """Sort the letters of each message group by position, and alternate between the groups.

    A batch to SQS takes one letter of a group: alternating fills the batches.
    """
    ordered = sorted(letters, key=lambda letter: (letter.source_group or "", letter.position))
    groups = [list(group) for _, group in groupby(ordered, key=lambda letter: letter.source_group)]
    return [letter for row in zip_longest(*groups) for letter in row if letter]


def duration(text: str) -> timedelta:
    """Parse a duration such as 90s, 30m, 12h or 2d.

    Raises:
        ValueError: it is not a duration.
    """
    found = _DURATION.fullmatch(text)
    if not found:
        raise ValueError("write a number and s, m, h or d, such as 30m, 12h or 2d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def _type_of(body: str) -> str:
    """Return the type that a request names, if it is one of mParticle's."""
    try:
        return str(MessageType(str(json_object(body)["type"])))
    except (MalformedRequestError, ValueError, KeyError):
        return _UNKNOWN
