"""Which deliveries are written down, so that an older change that comes back does not undo them.

An older change comes back if it was dead-lettered and is redriven. So what is tracked is what the letters may still
write: the memberships of their users and audiences, and the state of their users.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.services import OUT_OF_TIME
from mparticle_firehose.tables.ledger import COMES_BACK_SECONDS, Ledger, TrackedGroup
from mparticle_firehose.worker.last_write_wins import is_of_state, tracked_key

_RENEWED_AFTER_SECONDS = 86_400
"""An entry is stored for so much longer than it is needed, and letters of a whole day share it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a dead letter may still write when it is redriven.

    Attributes:
        keys: memberships and states, see `last_write_wins`.
        states: whether it may write a user's state, and it is not known whose.
        everything: whether it cannot be read.
    """

    keys: frozenset[str] = frozenset()
    states: bool = False
    everything: bool = False


EVERYTHING = Scope(everything=True)

_NOTHING = TrackedGroup()


class OrderTracking:
    """What is tracked of the groups of one batch."""

    def __init__(self, ledger: Ledger, clock: Callable[[], float]) -> None:
        """Take the ledger and a clock of seconds since the epoch."""
        self._ledger = ledger
        self._clock = clock
        self._groups: dict[str, TrackedGroup] = {}
        self._keys: dict[str, int] = {}
        self._unstored_groups: dict[str, str] = {}
        self._unstored_keys: dict[str, str] = {}

    def recall(self, groups: Mapping[str, TrackedGroup]) -> None:
        """Take what the ledger has of the groups of the batch."""
        self._groups.update(groups)

    def of_keys(self, group: str | None) -> bool:
        """Return whether some keys of a group are tracked, but not all."""
        tracked = self._of(group)
        return tracked.keys > self._clock() >= tracked.everything

    def look_up(self, keys: Iterable[str], deadline: Deadline) -> None:
        """Read which of these keys are tracked.

        Raises:
            DeliveryError: that is not known.
        """
        for key, until in self._ledger.tracked(keys, deadline).items():
            self._keys[key] = max(until, self._keys.get(key, 0))

    def is_any_tracked(self, group: str | None) -> bool:
        """Return whether any delivery of a group may have to be written down."""
        return group in self._groups

    def is_tracked(self, group: str | None, key: str) -> bool:
        """Return whether a delivery that has written this key must be written down."""
        now, tracked = self._clock(), self._of(group)
        if tracked.everything > now or (is_of_state(key) and tracked.states > now):
            return True
        return self._keys.get(tracked_key(key), 0) > now

    def lose(self, group: str, scope: Scope) -> None:
        """Track what a change may write that is to leave the queue, in this batch at once. `store` stores it."""
        needed = int(self._clock()) + COMES_BACK_SECONDS
        until, tracked = needed + _RENEWED_AFTER_SECONDS, self._of(group)
        if scope.everything and tracked.everything < needed:
            tracked = replace(tracked, everything=until)
        if scope.states and max(tracked.states, tracked.everything) < needed:
            tracked = replace(tracked, states=until)
        if scope.keys and tracked.everything < needed:
            late = {key for key in scope.keys if self._keys.get(key, 0) < needed}
            self._keys |= dict.fromkeys(late, until)
            self._unstored_keys |= dict.fromkeys(late, OUT_OF_TIME)
            tracked = replace(tracked, keys=tracked.keys if tracked.keys >= needed else until)
        if tracked != self._of(group):
            self._groups[group] = tracked
            self._unstored_groups[group] = OUT_OF_TIME

    def store(self, deadline: Deadline) -> None:
        """Store what is newly tracked, as far as the ledger takes it."""
        groups = {name: self._groups[name] for name in self._unstored_groups}
        keys = {key: self._keys[key] for key in self._unstored_keys}
        if groups or keys:
            self._unstored_groups, self._unstored_keys = self._ledger.track(groups, keys, deadline)

    def failure(self, group: str, scope: Scope) -> str | None:
        """Return why a change must not leave the queue yet; None if all that it may write is stored as tracked."""
        if group in self._unstored_groups:
            return self._unstored_groups[group]
        return next((self._unstored_keys[key] for key in scope.keys if key in self._unstored_keys), None)

    def _of(self, group: str | None) -> TrackedGroup:
        return self._groups.get(group or "", _NOTHING)
