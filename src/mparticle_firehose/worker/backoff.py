"""How long a failed message waits before it is delivered again."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import SystemRandom

from mparticle_firehose.queues.visibility import MAX_VISIBILITY_SECONDS

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

    def seconds(self, receive_count: int, asked: float | None = None) -> int:
        """Return the whole seconds to wait: what the partner asked for, else a random wait that grows."""
        maximum = min(self.cap, self.base * 2 ** min(max(receive_count - 1, 0), _MAX_DOUBLINGS))
        wait = self.jitter(maximum) if asked is None else min(asked, self.cap)
        return min(math.ceil(wait), MAX_VISIBILITY_SECONDS)
