"""Dead letters as values: what is known of one without opening it, which ones are meant, and in which order they go."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby, zip_longest
from typing import Literal

from mparticle_firehose.queues.record import FIRST_AT, REDRIVEN_AT

type QueueName = Literal["membership", "event"]

QUEUES: tuple[QueueName, ...] = ("membership", "event")

TOO_MANY_RECEIVES = "too many receives"
"""The reason of a message that SQS moved by itself: it writes none."""

_UNKNOWN = "-"
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_DURATION = re.compile(r"([0-9]{1,6})([smhd])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One dead letter, unopened.

    Attributes:
        queue: whose dead-letter queue it is in.
        message_id: what SQS calls it.
        attributes: what whoever put it aside has written on it; none of it is personal.
        sent_at: when SQS counts it as sent, in epoch milliseconds.
        own_group: on the FIFO queue, the message group that it has here.
        sequence_number: on the FIFO queue, its place in that group.
    """

    queue: QueueName
    message_id: str
    attributes: Mapping[str, str]
    sent_at: int
    own_group: str | None = None
    sequence_number: int = 0

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
        """The type of the request in it."""
        return self.attributes.get("message_type", _UNKNOWN)

    @property
    def attempts(self) -> int | None:
        """How often delivery was tried, if that was written on it."""
        return self._number("attempts")

    @property
    def put_aside_at(self) -> int:
        """When it became a dead letter, in epoch milliseconds; for one that SQS moved, as SQS counts."""
        return self._number("last_at") or self.sent_at

    @property
    def group(self) -> str | None:
        """The message group that it belongs to in the queue where it came from, if that has groups."""
        return self.attributes.get("group_id", self.own_group) if self.own_group is not None else None

    @property
    def may_hide_others(self) -> bool:
        """Whether it shares its group here, so that SQS hands out at most ten of them until these are gone."""
        return self.own_group is not None and self.own_group == self.group

    @property
    def place(self) -> tuple[int, int, int]:
        """What letters of a group are sorted by: first queued, then put aside, then as the queue has them.

        The sequence number comes last because SQS promises that it rises within a group, not across groups.
        """
        return (self._number(FIRST_AT) or self.sent_at, self.put_aside_at, self.sequence_number)

    def was_redriven_since(self, moment: int) -> bool:
        """Tell whether it has been through redrive at this moment, in epoch milliseconds, or later."""
        return (self._number(REDRIVEN_AT) or 0) >= moment

    def _number(self, name: str) -> int | None:
        text = self.attributes.get(name, "")
        return int(text) if text.isascii() and text.isdigit() else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which letters are meant. What is None does not matter.

    Attributes:
        queue: in the dead-letter queue of this one.
        reason: exactly this reason.
        account: of this account.
        older_than: put aside longer ago than this.
        newer_than: put aside less long ago than this.
    """

    queue: QueueName | None = None
    reason: str | None = None
    account: str | None = None
    older_than: timedelta | None = None
    newer_than: timedelta | None = None

    @property
    def queues(self) -> tuple[QueueName, ...]:
        """The queues to look into."""
        return (self.queue,) if self.queue else QUEUES

    @property
    def is_everything(self) -> bool:
        """Whether there is no filter at all."""
        return self == Selection()

    def matches(self, letter: Letter, now: int) -> bool:
        """Tell whether a letter is meant, at this moment in epoch milliseconds."""
        age = timedelta(milliseconds=now - letter.put_aside_at)
        return (
            letter.queue in self.queues
            and self.reason in {None, letter.reason}
            and self.account in {None, letter.account}
            and (self.older_than is None or age > self.older_than)
            and (self.newer_than is None or age < self.newer_than)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Heap:
    """Letters that have the same queue, reason, account and type.

    Attributes:
        count: how many.
        oldest: when the first of them was put aside, in epoch milliseconds.
        newest: when the last of them was.
        attempts: the least and the most that delivery was tried, if it is written on any.
    """

    queue: QueueName
    reason: str
    account: str
    message_type: str
    count: int
    oldest: int
    newest: int
    attempts: tuple[int, int] | None


def heaps(letters: Iterable[Letter]) -> list[Heap]:
    """Group letters, the queues in their usual order and the largest heap of each first."""
    gathered: dict[tuple[QueueName, str, str, str], list[Letter]] = {}
    for letter in letters:
        key = (letter.queue, letter.reason, letter.account, letter.message_type)
        gathered.setdefault(key, []).append(letter)
    made = [_heap(alike) for alike in gathered.values()]
    return sorted(made, key=lambda heap: (QUEUES.index(heap.queue), -heap.count, heap.reason, heap.account))


def _heap(alike: Sequence[Letter]) -> Heap:
    times = [letter.put_aside_at for letter in alike]
    attempts = [letter.attempts for letter in alike if letter.attempts is not None]
    return Heap(
        queue=alike[0].queue,
        reason=alike[0].reason,
        account=alike[0].account,
        message_type=alike[0].message_type,
        count=len(alike),
        oldest=min(times),
        newest=max(times),
        attempts=(min(attempts), max(attempts)) if attempts else None,
    )


def in_turns(letters: Iterable[Letter]) -> list[Letter]:
    """Sort the letters of each group by their original order, and let the groups take turns.

    A batch to SQS holds one letter of a group at most, so that taking turns makes full batches.
    """
    ordered = sorted(letters, key=lambda letter: (_group_key(letter), letter.place))
    series = [list(group) for _, group in groupby(ordered, key=_group_key)]
    return [letter for turn in zip_longest(*series) for letter in turn if letter]


def _group_key(letter: Letter) -> tuple[str, str]:
    """Letters without a group go by themselves, the oldest first."""
    return ("group", letter.group) if letter.group is not None else ("alone", "")


def duration(text: str) -> timedelta:
    """Read a duration such as 90s, 30m, 12h or 2d.

    Raises:
        ValueError: it is none.
    """
    found = _DURATION.fullmatch(text)
    if not found:
        raise ValueError("write a number and s, m, h or d, such as 30m, 12h or 2d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})
