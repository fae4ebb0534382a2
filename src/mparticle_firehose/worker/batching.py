"""Merges the membership changes of many messages into the fewest partner calls that keep each user's order."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from mparticle_firehose.integration import MembershipChange, MembershipTarget
from mparticle_firehose.queues.record import Record


@dataclass(frozen=True, slots=True)
class PendingChange:
    """One change of a message that waits to be delivered.

    Attributes:
        record: the message.
        user: whose membership it is. Personal data: never shown.
        change: the change.
    """

    record: Record
    user: str = field(repr=False)
    change: MembershipChange


@dataclass(slots=True)
class _AudienceCalls:
    """The calls to one audience, in the order in which they are sent. Each has one target."""

    calls: list[list[PendingChange]] = field(default_factory=list)
    next_call: dict[str, int] = field(default_factory=dict)
    first_with_room: int = 0

    def add(self, pending: PendingChange, maximum: int) -> None:
        """Put the change into the earliest call that has room and comes after the last call of the same user."""
        number = max(self.next_call.get(pending.user, 0), self.first_with_room)
        while number < len(self.calls) and not self._fits(self.calls[number], pending, maximum):
            number += 1
        if number == len(self.calls):
            self.calls.append([])
        self.calls[number].append(pending)
        self.next_call[pending.user] = number + 1
        while self.first_with_room < len(self.calls) and len(self.calls[self.first_with_room]) >= maximum:
            self.first_with_room += 1

    @staticmethod
    def _fits(call: list[PendingChange], pending: PendingChange, maximum: int) -> bool:
        return len(call) < maximum and call[0].change.target == pending.change.target


def merged_calls(
    changes: Iterable[PendingChange], maximum: int
) -> Iterator[tuple[MembershipTarget, list[PendingChange]]]:
    """Yield what to send, in order: lists of at most ``maximum`` changes of different users with the same target.

    Two changes of one user in one audience are in different calls, in the order of the changes, also when the
    customer's key changed in between. The order of changes in different audiences is free.
    """
    audiences: dict[tuple[int, str], _AudienceCalls] = {}
    for pending in changes:
        target = pending.change.target
        audiences.setdefault((target.account_id, target.path), _AudienceCalls()).add(pending, maximum)
    for audience in audiences.values():
        for call in audience.calls:
            yield call[0].change.target, call
