"""The time that is left for a piece of work."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, Self

Clock = Callable[[], float]

_SPARE_SECONDS = 0.05
"""Kept of the function's own timeout, to write the response."""


class Invocation(Protocol):
    """What Lambda's context tells of an invocation."""

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until Lambda ends the invocation."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on a monotonic clock by which work must be over.

    Attributes:
        at: the moment, in seconds of ``clock``.
        clock: seconds that never go backwards.
    """

    at: float
    clock: Clock = time.monotonic

    @classmethod
    def after(cls, seconds: float, clock: Clock = time.monotonic) -> Self:
        """Return the moment this many seconds from now."""
        return cls(clock() + seconds, clock)

    @classmethod
    def of_invocation(cls, invocation: Invocation, spare_seconds: float = _SPARE_SECONDS) -> Self:
        """Return the moment so many seconds before Lambda ends the invocation."""
        return cls.after(invocation.get_remaining_time_in_millis() / 1000 - spare_seconds)

    def remaining(self) -> float:
        """Return the seconds that are left, never less than zero."""
        return max(0.0, self.at - self.clock())

    def within(self, seconds: float) -> Self:
        """Return the earlier of this moment and the one this many seconds from now."""
        return type(self)(min(self.at, self.clock() + seconds), self.clock)

    def at_least(self, seconds: float) -> Self:
        """Return the later of this moment and the one this many seconds from now."""
        return type(self)(max(self.at, self.clock() + seconds), self.clock)

    def later(self, seconds: float) -> Self:
        """Return the moment this many seconds after this one."""
        return type(self)(self.at + seconds, self.clock)
