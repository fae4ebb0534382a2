"""A rate limit of the Events API: so many batches a second, with one second's worth in store."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

_ROUNDING = 1e-6  # of the clock and of the division: who waits exactly as long as was said must not be too early


@dataclass
class TokenBucket:
    """Batches that one key may send.

    Attributes:
        per_second: how many batches are added each second, and how many there are at most.
        clock: seconds.
    """

    per_second: float
    clock: Callable[[], float]
    _left: float = field(init=False)
    _at: float = field(init=False)

    def __post_init__(self) -> None:
        self._left, self._at = self.per_second, self.clock()

    def take(self, batches: int) -> float:
        """Take as many if there are as many, and return zero; else return the seconds until there are."""
        now = self.clock()
        self._left = min(self.per_second, self._left + max(0.0, now - self._at) * self.per_second)
        self._at = now
        if batches <= self._left + _ROUNDING:
            self._left = max(0.0, self._left - batches)
            return 0.0
        return (batches - self._left) / self.per_second

    @property
    def percentage_used(self) -> int:
        """How much of the limit is in use, in whole percent."""
        return math.ceil(100 * (1 - self._left / self.per_second))
