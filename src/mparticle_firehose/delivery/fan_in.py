"""Merges the membership changes of many messages into the fewest partner calls that keep each user's order."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from mparticle_firehose.delivery.partner_call import MembershipChange, MembershipTarget


@dataclass(frozen=True, slots=True)
class Share:
    """One change on its way in a merged call.

    Attributes:
        record: index of the message, in its batch, that the change came with.
        user: who it is about. Personal data: never shown.
        change: the change.
        key: the same for all changes of this user in this audience, and nobody can tell from it who that is.
        made_at_ms: when mParticle made the change, in milliseconds since the epoch.
    """

    record: int
    user: str = field(repr=False)
    change: MembershipChange
    key: str = ""
    made_at_ms: int = 0


@dataclass(slots=True)
class _Lane:
    """The calls to one target, in the order in which they are sent."""

    calls: list[list[Share]] = field(default_factory=list)
    next_call: dict[str, int] = field(default_factory=dict)
    first_with_room: int = 0

    def add(self, share: Share, most: int) -> None:
        """Put the change into the earliest call that has room and comes after the last one of the same user."""
        number = max(self.next_call.get(share.user, 0), self.first_with_room)
        while number < len(self.calls) and len(self.calls[number]) >= most:
            number += 1
        if number == len(self.calls):
            self.calls.append([])
        self.calls[number].append(share)
        self.next_call[share.user] = number + 1
        while self.first_with_room < len(self.calls) and len(self.calls[self.first_with_room]) >= most:
            self.first_with_room += 1


def merged_calls(shares: Iterable[Share], most: int) -> Iterator[tuple[MembershipTarget, list[Share]]]:
    """Yield what to send, in order: for each target, lists of at most ``most`` changes of different users.

    Two changes of one user to one target come in calls that follow each other in the order of the changes. Different
    targets are different audiences, whose order among each other means nothing.
    """
    lanes: dict[MembershipTarget, _Lane] = {}
    for share in shares:
        lanes.setdefault(share.change.target, _Lane()).add(share, most)
    for target, lane in lanes.items():
        for call in lane.calls:
            yield target, call
