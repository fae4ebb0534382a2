"""How long a failed message waits before it is delivered again."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import SystemRandom

_MAX_DOUBLINGS = 30

_random = SystemRandom()  # drawn from the operating system: two restores of one snapshot must not draw the same


@dataclass(frozen=True, slots=True)
class Backoff:
    """Full-jitter exponential backoff.

    Attributes:
        base: maximum seconds of the first wait; doubles with each attempt.
        cap: maximum seconds of any wait.
        jitter: draws a wait between zero and the given seconds.
    """

    base: float
    cap: float
    jitter: Callable[[float], float] = lambda maximum: _random.uniform(0, maximum)

    def seconds(self, attempts: int) -> int:
        """Return the whole seconds to wait after so many attempts: a random wait that grows with them."""
        maximum = min(self.cap, self.base * 2 ** min(max(attempts - 1, 0), _MAX_DOUBLINGS))
        return math.ceil(self.jitter(maximum))
