"""The circuit breakers: no calls to a site that is known to be down, of one environment or shared between all.

The handler has a breaker of its own in each environment: what it does not send is queued, so a wrong decision costs
little. The worker's is shared, because each of its environments would otherwise have to find out by failing calls, and
because all of them would return at once when the site does.
"""

import time
from collections import defaultdict
from dataclasses import dataclass, field
from threading import Lock

from mparticle_firehose.deadline import Clock
from mparticle_firehose.services import Telemetry


@dataclass(slots=True)
class _Circuit:
    failures: int = 0
    open_until: float | None = None  # None while it is closed


@dataclass(slots=True, kw_only=True)
class CircuitBreaker:
    """The breaker of one environment, with one circuit for each site.

    Enough failures in a row open the circuit. After ``open_seconds`` one call is admitted as a probe. A success closes
    the circuit; otherwise the next probe is admitted after ``open_seconds`` more.

    Attributes:
        telemetry: counts ``CircuitOpened`` and ``CircuitProbe``.
        failures_to_open: how many calls in a row must fail.
        open_seconds: the time from the opening to the first probe, and between probes.
        clock: seconds that never go backwards.
    """

    telemetry: Telemetry
    failures_to_open: int = 5
    open_seconds: float = 10.0
    clock: Clock = time.monotonic
    _circuits: defaultdict[str, _Circuit] = field(default_factory=lambda: defaultdict(_Circuit), init=False)
    _lock: Lock = field(default_factory=Lock, init=False, repr=False)

    def admits(self, site: str) -> bool:
        """Return whether a call may be made now; as `Breaker.admits`."""
        with self._lock:
            circuit, now = self._circuits[site], self.clock()
            if circuit.open_until is None:
                return True
            if now < circuit.open_until:
                return False
            circuit.open_until = now + self.open_seconds
        self.telemetry.count("CircuitProbe")
        return True

    def note(self, site: str, *, failed: bool) -> None:
        """Take what a call came to; as `Breaker.note`."""
        with self._lock:
            circuit = self._circuits[site]
            circuit.failures = circuit.failures + 1 if failed else 0
            if not failed:
                circuit.open_until = None
            opens = circuit.open_until is None and circuit.failures >= self.failures_to_open
            if opens:
                circuit.open_until = self.clock() + self.open_seconds
        if opens:
            report_opened(self.telemetry, site)

    def wait(self, site: str) -> float:
        """Return the seconds until a call may be admitted; as `Breaker.wait`."""
        with self._lock:
            open_until = self._circuits[site].open_until
            return 0.0 if open_until is None else max(0.0, open_until - self.clock())

    def forget(self) -> None:
        """Close all circuits; as `Breaker.forget`."""
        with self._lock:
            self._circuits.clear()


def report_opened(telemetry: Telemetry, site: str) -> None:
    """Count and log that a circuit was opened."""
    telemetry.count("CircuitOpened")
    telemetry.warn("circuit opened", {"site": site})
