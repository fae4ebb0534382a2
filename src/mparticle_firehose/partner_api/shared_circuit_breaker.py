"""The worker's circuit breaker: one circuit for each site, shared between all environments through a store.

States of a circuit, as the site's `Outage` has them:

- *closed*: there is no entry, or one that is over. All calls are admitted.
- *watched*: an environment has seen many failures in a row. All calls are still admitted, and every environment reports
  each second how many of its calls failed. The circuit opens if nearly all do: a fault of one environment alone, or of
  a part of the calls, opens nothing.
- *open*: no call is admitted but a probe, by one environment at a time.
- *ramping*: a probe has succeeded. A share of the calls is admitted, which doubles every few seconds, and the circuit
  is watched as above.

When the store cannot be used, the circuit counts as closed: the breaker must not stop work for another service's fault.
"""

import math
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import SystemRandom
from threading import Lock

from mparticle_firehose.deadline import Clock
from mparticle_firehose.errors import DeliveryError
from mparticle_firehose.partner_api.circuit_breaker import report_opened
from mparticle_firehose.services import Outage, OutageStore, Telemetry

FAILURES_TO_WATCH = 10
"""In a row, in one environment. Ten are chance once in ten million if 20 % of all calls fail."""

FAILED_PERCENT_TO_OPEN = 80
MIN_REPORTS = 3
SLICE_SECONDS = 4.0
"""The reports of a slice of time are judged when it is over. An environment that works makes three or four in it."""

REPORT_SECONDS = 1.0
REFRESH_SECONDS = 1.0
PROBE_SECONDS = 10.0

INITIAL_SHARE = 0.05
DOUBLING_SECONDS = 5.0
CALLS_PER_SECOND = 10.0
"""Calls of one environment at a share of 100 %; at any other share of a ramp in proportion. The share alone would admit
too much when far more than usual is waiting."""

WATCH_SECONDS = 30.0
"""How long a ramp or a watch lasts."""

MAX_SPREAD_SECONDS = 900.0
FEW = 3
"""So many of the calls that one environment holds back between two probes come again when the next probe is due. There
is something to probe with then, and a small deployment loses no time."""
FEW_SPREAD_SECONDS = 2.0

_NEVER = float("-inf")
_random = SystemRandom().random  # drawn from the operating system: two restores of one snapshot must not draw the same


@dataclass(slots=True)
class _Circuit:
    """What one environment knows of a site."""

    known: Outage | None = None
    read_at: float = _NEVER
    is_reading: bool = False
    probe: Outage | None = None  # the entry that this environment wrote to make a probe
    held_back: int = 0  # since the entry was last written
    next_call_at: float = _NEVER
    failures: int = 0
    made: int = 0  # since the last report, as the next two
    failed: int = 0
    reported_at: float = _NEVER

    def learn(self, outage: Outage | None, read_at: float) -> None:
        """Take the entry as it is now; _NEVER if it must be read again before the next call."""
        if outage is None or self.known is None or not _is_same(outage, self.known):
            self.held_back = 0
        self.known, self.read_at = outage, read_at

    def count(self, now: float, *, failed: bool) -> None:
        """Count a call for the next report."""
        if now - self.reported_at > SLICE_SECONDS:
            self.made = self.failed = 0  # too old to be reported
        self.made += 1
        self.failed += failed

    def take_report(self, now: float) -> int:
        """Return what the next report says, in percent, and begin another one."""
        percent = round(100 * self.failed / self.made)
        self.made = self.failed = 0
        self.reported_at = now
        return percent


@dataclass(slots=True, kw_only=True, eq=False)
class SharedCircuitBreaker:
    """The breaker of the worker. It does for each site what the module says.

    Attributes:
        store: keeps what all environments know.
        telemetry: counts ``CircuitOpened`` and ``CircuitProbe``.
        clock: seconds since the epoch: all environments must have the same.
        random: draws a number from zero to one.
    """

    store: OutageStore
    telemetry: Telemetry
    clock: Clock = time.time
    random: Callable[[], float] = _random
    _circuits: defaultdict[str, _Circuit] = field(default_factory=lambda: defaultdict(_Circuit), init=False)
    _lock: Lock = field(default_factory=Lock, init=False, repr=False)

    def admits(self, site: str) -> bool:
        """Return whether a call may be made now; as `Breaker.admits`.

        Reads the entry once a second, and when a probe is due. Only one thread does; the others go by what is known.
        """
        with self._lock:
            circuit, now = self._circuits[site], self.clock()
            if circuit.is_reading or not _must_read(circuit, now):
                return self._draws(circuit, now)
            circuit.is_reading = True
        try:
            return self._read(site, circuit)
        finally:
            circuit.is_reading = False

    def note(self, site: str, *, failed: bool) -> None:
        """Take what a call came to; as `Breaker.note`."""
        with self._lock:
            circuit, now = self._circuits[site], self.clock()
            circuit.failures = circuit.failures + 1 if failed else 0
            step = self._step(site, circuit, now, failed=failed)
        if step:
            with suppress(DeliveryError):  # what is known is read again within a second
                step()

    def wait(self, site: str) -> float:
        """Return how many seconds what was not admitted should wait; as `Breaker.wait`.

        Until the next probe, or a random part of the ramp, and then a random time of up to twice the outage's age, but
        at most MAX_SPREAD_SECONDS. So what was held back comes again about as fast as it came, and not all at once.
        """
        with self._lock:
            circuit, now = self._circuits[site], self.clock()
            outage, is_one_of_few = circuit.known, circuit.held_back <= FEW
        if outage is None or _admits_all(outage, now):
            return 0.0
        least = _until_probe(outage, now) if not outage.share else _until_over(outage, now) * self.random()
        if is_one_of_few:
            return least + FEW_SPREAD_SECONDS * self.random()
        return least + min(2 * max(FEW_SPREAD_SECONDS, now - outage.began), MAX_SPREAD_SECONDS) * self.random()

    def forget(self) -> None:
        """Forget what is known of all sites; as `Breaker.forget`. The entries stay."""
        with self._lock:
            self._circuits.clear()

    # --- may a call be made? -----------------------------------------------------------------------------------------

    def _draws(self, circuit: _Circuit, now: float) -> bool:
        outage = circuit.known
        if outage is None or _admits_all(outage, now):
            return True
        share = _admitted_share(outage, now)
        if not share or now < circuit.next_call_at or self.random() >= share:
            circuit.held_back += 1
            return False
        circuit.next_call_at = now + 1 / (CALLS_PER_SECOND * share)
        return True

    def _read(self, site: str, circuit: _Circuit) -> bool:
        try:
            outage = self.store.read(site)
            if outage and _is_probe_due(outage, self.clock()):
                return self._probes(site, circuit, outage)
        except DeliveryError:
            outage = None
        with self._lock:
            now = self.clock()
            circuit.learn(outage, now)
            return self._draws(circuit, now)

    def _probes(self, site: str, circuit: _Circuit, outage: Outage) -> bool:
        """Return whether this environment is the one that makes the probe."""
        probe = Outage(since=outage.since, share=0.0, began=outage.began, probe_at=self.clock() + PROBE_SECONDS)
        won = self.store.replace(site, outage, probe)
        with self._lock:
            circuit.learn(probe if won else outage, self.clock() if won else _NEVER)
            circuit.probe = probe if won else None
        if won:
            self.telemetry.count("CircuitProbe")
        return won

    # --- what does a call's end say? ---------------------------------------------------------------------------------

    def _step(self, site: str, circuit: _Circuit, now: float, *, failed: bool) -> Callable[[], None] | None:
        """Return what must be written to the store. The lock is held here, and not while it is written."""
        outage, probe = circuit.known, circuit.probe
        if probe and not failed:
            circuit.probe = None
            return lambda: self._ramp(site, circuit, probe)
        if outage and not _is_over(outage, now):
            if not outage.share:
                return None  # a call that was admitted before the circuit opened
            circuit.count(now, failed=failed)
            if 0 <= now - circuit.reported_at < REPORT_SECONDS:
                return None
            percent = circuit.take_report(now)
            return lambda: self._report(site, circuit, outage, percent)
        if circuit.failures < FAILURES_TO_WATCH:
            return None
        circuit.failures = 0
        return lambda: self._watch(site, circuit, outage)

    def _watch(self, site: str, circuit: _Circuit, seen: Outage | None) -> None:
        now = self.clock()
        self._replace(site, circuit, seen, Outage(since=now, share=1.0, began=now))

    def _ramp(self, site: str, circuit: _Circuit, probe: Outage) -> None:
        ramp = Outage(since=self.clock(), share=INITIAL_SHARE, began=probe.began)
        if self._replace(site, circuit, probe, ramp):
            self.telemetry.note("circuit closing", {"site": site})

    def _report(self, site: str, circuit: _Circuit, seen: Outage, percent: int) -> None:
        now = self.clock()
        number = _slice_number(seen, now)
        outage = self.store.report(site, seen, slice_number=number, failed_percent=percent)
        with self._lock:
            circuit.learn(outage or circuit.known, now if outage else _NEVER)
        if outage and _is_down(outage, number - 1):
            began = outage.began if outage.share < 1 else now
            opened = Outage(since=self.clock(), share=0.0, began=began, probe_at=self.clock() + PROBE_SECONDS)
            if self._replace(site, circuit, outage, opened):
                report_opened(self.telemetry, site)

    def _replace(self, site: str, circuit: _Circuit, seen: Outage | None, new: Outage) -> bool:
        """Write the entry, or read it soon if another environment was faster."""
        replaced = self.store.replace(site, seen, new)
        with self._lock:
            circuit.learn(new if replaced else circuit.known, self.clock() if replaced else _NEVER)
        return replaced


def _must_read(circuit: _Circuit, now: float) -> bool:
    is_fresh = 0 <= now - circuit.read_at < REFRESH_SECONDS
    return not is_fresh or (circuit.known is not None and _is_probe_due(circuit.known, now))


def _is_over(outage: Outage, now: float) -> bool:
    return outage.share > 0 and now >= outage.since + WATCH_SECONDS


def _is_probe_due(outage: Outage, now: float) -> bool:
    return not outage.share and now >= outage.probe_at


def _admits_all(outage: Outage, now: float) -> bool:
    return outage.share >= 1 or _is_over(outage, now)


def _admitted_share(outage: Outage, now: float) -> float:
    """Return the share of calls to admit: zero while the circuit is open, and more than one near the end of a ramp."""
    if not outage.share:
        return 0.0
    return outage.share * math.exp2(max(0.0, now - outage.since) / DOUBLING_SECONDS)


def _until_probe(outage: Outage, now: float) -> float:
    return max(0.0, outage.probe_at - now)


def _until_over(outage: Outage, now: float) -> float:
    return max(0.0, outage.since + WATCH_SECONDS - now)


def _is_same(one: Outage, other: Outage) -> bool:
    return (one.since, one.probe_at) == (other.since, other.probe_at)


def _slice_number(outage: Outage, now: float) -> int:
    return max(0, int((now - outage.since) // SLICE_SECONDS))


def _is_down(outage: Outage, slice_number: int) -> bool:
    """Return whether nearly all calls failed, by the reports of a slice of time that is over."""
    reports = outage.reports.get(slice_number)
    return (
        reports is not None
        and reports.count >= MIN_REPORTS
        and reports.failed_percent >= FAILED_PERCENT_TO_OPEN * reports.count
    )
