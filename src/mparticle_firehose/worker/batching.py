"""Merges the membership changes of many messages into the fewest partner calls that keep each user's order."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from mparticle_firehose.integration.calls import MembershipChange, MembershipTarget


@dataclass(frozen=True, slots=True)
class Share:
    """One change on its way in a merged call.

    Attributes:
        record: index of the message, in its batch, that the change came with.
        user: who it is about. Personal data: never shown.
        change: the change.
    """

    record: int
    user: str = field(repr=False)
    change: MembershipChange


@dataclass(slots=True)
class _Lane:
    """The calls to one audience, in the order in which they are sent; each has one target, so one credential."""

    calls: list[list[Share]] = field(default_factory=list)
    next_call: dict[str, int] = field(default_factory=dict)
    first_with_room: int = 0

    def add(self, share: Share, most: int) -> None:
        """Put the change into the earliest call that takes it and comes after the last one of the same user."""
        number = max(self.next_call.get(share.user, 0), self.first_with_room)
        while number < len(self.calls) and not self._takes(self.calls[number], share, most):
            number += 1
        if number == len(self.calls):
            self.calls.append([])
        self.calls[number].append(share)
        self.next_call[share.user] = number + 1
        while self.first_with_room < len(self.calls) and len(self.calls[self.first_with_room]) >= most:
            self.first_with_room += 1

    @staticmethod
    def _takes(call: list[Share], share: Share, most: int) -> bool:
        return len(call) < most and call[0].change.target == share.change.target


def merged_calls(shares: Iterable[Share], most: int) -> Iterator[tuple[MembershipTarget, list[Share]]]:
    """Yield what to send, in order: lists of at most ``most`` changes of different users with the same target.

    Two changes of one user in one audience come in calls that follow each other in the order of the changes, also when
    the customer's key has changed in between. The order of different audiences among each other means nothing.
    """
    lanes: dict[tuple[int, str], _Lane] = {}
    for share in shares:
        target = share.change.target
        lanes.setdefault((target.account_id, target.path), _Lane()).add(share, most)
    for lane in lanes.values():
        for call in lane.calls:
            yield call[0].change.target, call
