"""How fast batches go to mParticle with one key pair: below the limit of batches a second, and not faster too soon.

mParticle limits the rate, and how fast the rate grows. So the rate of a key pair is a share of its limit: a tenth at
first, which doubles every DOUBLING_SECONDS of use. Use is the time in which the pair waits for its turn. While it does
not, the share shrinks again, so that a burst after a quiet time, or after an outage, begins slowly.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from time import monotonic

from mparticle_firehose.deadline import Clock, Deadline
from mparticle_firehose.feed.answers import RateLimit
from mparticle_firehose.feed.encoding import MAX_BATCHES

MAX_PAIRS = 10_000

INITIAL_SHARE = 0.1
MIN_SHARE = 0.01
DOUBLING_SECONDS = 10.0
IDLE_SECONDS = 60.0
"""A pair that is not used for so long has INITIAL_SHARE again; after half of the time, the square root of it."""

MAX_PERCENTAGE_USED = 90.0
"""If more is in use, or a limit was exceeded, the rate is halved."""
GROWING_PERCENTAGE_USED = 70.0
"""While less is in use, a rate that was halved grows by GROWTH with each answer."""
GROWTH = 1.1
SETTLING_SECONDS = 5.0
"""After a rate was halved, it is not halved again for so long: answers until then may be about the rate before."""

ACCELERATION = "acceleration"
ACCELERATION_SECONDS = 60.0
"""How long a rate does not grow after mParticle has said that it grew too fast."""

_ROUNDING = 1e-3  # batches: who waits exactly as long as was said must not be too early by the clock's rounding
_LONG_AGO = -math.inf


@dataclass(slots=True)
class _Pace:
    """The pace of one key pair.

    Attributes:
        at: when the rest was brought up to date.
        left: batches that may go at once. Below zero, they were taken in advance.
        share: of the limit, as use and idleness make it.
        max_share: of the limit, as the answers make it.
        halved_at: when the rate was halved last.
        steady_until: until when it must not grow.
    """

    at: float
    left: float = float(MAX_BATCHES)
    share: float = INITIAL_SHARE
    max_share: float = 1.0
    halved_at: float = _LONG_AGO
    steady_until: float = _LONG_AGO

    @property
    def current_share(self) -> float:
        return min(self.share, self.max_share)

    def left_at(self, now: float, rate: float) -> float:
        return min(float(MAX_BATCHES), self.left + max(0.0, now - self.at) * rate)

    def advance(self, now: float, limit: float) -> None:
        """Add the batches of the time since then, and let the share grow by its use and shrink by its idleness."""
        rate, elapsed = limit * self.current_share, max(0.0, now - self.at)
        used = min(elapsed, (MAX_BATCHES - self.left) / rate)
        growing = max(0.0, self.at + used - max(self.at, self.steady_until))
        self.left = self.left_at(now, rate)
        self.share = min(1.0, self.share * 2 ** min(1.0, growing / DOUBLING_SECONDS))
        shrunk = self.share * INITIAL_SHARE ** ((elapsed - used) / IDLE_SECONDS)
        self.share = max(shrunk, min(self.share, INITIAL_SHARE))
        self.at += elapsed

    def learn(self, rate_limit: RateLimit) -> None:
        """Change the share by what mParticle says of its limits. It must be up to date."""
        if rate_limit.exceeded == ACCELERATION:
            self.share = self.current_share
            self.steady_until = self.at + ACCELERATION_SECONDS
        used = rate_limit.percentage_used
        if rate_limit.exceeded not in {None, ACCELERATION} or (used is not None and used > MAX_PERCENTAGE_USED):
            self._halve()
        elif used is not None and used < GROWING_PERCENTAGE_USED:
            self.max_share = min(1.0, self.max_share * GROWTH)

    def _halve(self) -> None:
        if self.at - self.halved_at >= SETTLING_SECONDS:
            self.halved_at = self.at
            self.share = self.max_share = max(MIN_SHARE, self.current_share / 2)


@dataclass(slots=True)
class Paces:
    """The paces of key pairs, in the memory of one environment. Threads may share it.

    A pair has a token bucket of MAX_BATCHES, as many as the largest request has. So one request can go at once after a
    quiet time, whatever the rate is, and the next one waits for as long as the first takes at that rate. If requests go
    when `wait` allows it, there are at most batches_per_second * t + MAX_BATCHES batches in any t seconds. A request of
    more than MAX_BATCHES goes when the bucket is full; what is too many is taken in advance.

    Pauses that mParticle asks for are not kept here, see `RateLimits`.

    Attributes:
        batches_per_second: this environment's limit for one pair: that of all environments, divided by their number.
        clock: seconds that never go backwards.
        max_pairs: how many pairs are kept at most. The one that has not been used for longest is dropped, and begins
            anew if it is used again.
    """

    batches_per_second: float
    clock: Clock = monotonic
    max_pairs: int = MAX_PAIRS
    _paces: dict[str, _Pace] = field(default_factory=dict, init=False, repr=False)
    _lock: Lock = field(default_factory=Lock, init=False, repr=False)

    def wait(self, pair: str, batches: int) -> float:
        """Return the seconds until so many batches may go; zero if they may go now. They are not taken.

        Args:
            pair: a text that tells a key pair from others, never the pair itself.
            batches: of the next request.
        """
        with self._lock:
            pace = self._paces.get(pair)
            if pace is None:
                return 0.0
            rate = self.batches_per_second * pace.current_share
            missing = min(batches, MAX_BATCHES) - pace.left_at(self.clock(), rate)
            return missing / rate if missing > _ROUNDING else 0.0

    def take(self, pair: str, batches: int) -> None:
        """Count batches that go now, whether `wait` has allowed them or not.

        Args:
            pair: as for `wait`.
            batches: of one request.
        """
        with self._lock:
            now = self.clock()
            pace = self._paces.pop(pair, None) or _Pace(now)
            pace.advance(now, self.batches_per_second)
            pace.left -= batches
            self._paces[pair] = pace  # as the last, so that the first is the one to drop
            if len(self._paces) > self.max_pairs:
                del self._paces[next(iter(self._paces))]

    def pause(self, pair: str, batches: int, deadline: Deadline, sleep: Callable[[float], None]) -> None:
        """Wait until so many batches may go, no longer than until the deadline, and count them.

        Args:
            pair: as for `wait`.
            batches: of one request.
            deadline: of the request.
            sleep: waits for seconds.
        """
        if wait := min(self.wait(pair, batches), deadline.remaining()):
            sleep(wait)
        self.take(pair, batches)

    def note(self, pair: str, rate_limit: RateLimit) -> None:
        """Learn what mParticle has said of its limits in the answer to a request of this pair.

        Args:
            pair: as for `wait`.
            rate_limit: of the answer. If it says nothing, nothing changes.
        """
        with self._lock:
            pace = self._paces.get(pair)
            if pace is not None:
                pace.advance(self.clock(), self.batches_per_second)
                pace.learn(rate_limit)

    def forget(self) -> None:
        """Forget all pairs, because time has passed that the clock may not show: each begins anew."""
        with self._lock:
            self._paces.clear()
