"""Pauses of credentials: a rate limit is for one customer, and the calls for the others go on."""

from dataclasses import dataclass, field
from heapq import nlargest
from threading import Lock
from time import monotonic

from mparticle_firehose.deadline import Clock

MAX_CREDENTIALS = 10_000


@dataclass(slots=True)
class RateLimits:
    """The pauses that the partner has asked for, in the memory of one environment. Threads may share it.

    Attributes:
        clock: seconds that never go backwards.
        max_credentials: how many pauses are kept at most. If there are more, those that end first are dropped.
    """

    clock: Clock = monotonic
    max_credentials: int = MAX_CREDENTIALS
    _ends: dict[str, float] = field(default_factory=dict, init=False, repr=False)
    _lock: Lock = field(default_factory=Lock, init=False, repr=False)

    def pause(self, credential: str, seconds: float) -> None:
        """Make no call with a credential for so many seconds. A longer pause that was asked for before stays.

        Args:
            credential: a digest of the site and the auth value, never the secret itself.
            seconds: from now.
        """
        end = self.clock() + seconds
        with self._lock:
            self._ends[credential] = max(end, self._ends.get(credential, end))
            if len(self._ends) > self.max_credentials:
                self._shrink()

    @property
    def is_pausing(self) -> bool:
        """Whether any credential may have to wait."""
        return bool(self._ends)

    def wait(self, credential: str) -> float:
        """Return the seconds until a call with the credential may be made; zero if it may be made now."""
        with self._lock:
            end = self._ends.get(credential)
            wait = 0.0 if end is None else max(0.0, end - self.clock())
            if end is not None and not wait:
                del self._ends[credential]
            return wait

    def forget(self) -> None:
        """Forget all pauses."""
        with self._lock:
            self._ends.clear()

    def _shrink(self) -> None:
        """Drop what is over, and then more than must be, so that the next credentials need no such search."""
        now = self.clock()
        lasting = {credential: end for credential, end in self._ends.items() if end > now}
        if len(lasting) > self.max_credentials:
            kept = max(1, self.max_credentials * 9 // 10)
            lasting = dict(nlargest(kept, lasting.items(), key=lambda entry: entry[1]))
        self._ends = lasting
