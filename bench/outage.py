"""A partner that is down for ten minutes, and the worker's circuit breaker, as a discrete-event simulation.

The breakers, one for each environment, are the real ones, and so is the backoff. The store that they share has the
conditions of the table. Messages come at random moments and are taken by a random environment. One that fails or is
held back comes again later, as from SQS. Time is simulated: the figures do not depend on the machine.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from math import ceil
from random import Random
from typing import Any

from bench.benchmark import Benchmark, Figures, Target
from bench.simulation import arrivals
from mparticle_firehose.partner_api.shared_circuit_breaker import PROBE_SECONDS, SharedCircuitBreaker
from mparticle_firehose.queues.backoff import Backoff
from mparticle_firehose.services import Outage, Reports

SITE = ""
MAX_LOAD_WHILE_DOWN = 0.05
MAX_LOAD_OF_RAMP = 2.0
MIN_ADMITTED = 0.99
MAX_SECONDS_TO_RECOVER = PROBE_SECONDS + 3  # until a message is there to probe with
FIRST_SECONDS = 30

DOWN, PARTLY = "Simulated: the partner is down for ten minutes", "Simulated: a part of all calls fails"
LARGE, TENTH, UNPROTECTED, TINY = (
    "2,000/s, 200 environments",
    "200/s, 20 environments",
    "200/s, 20 environments, no breaker",
    "1/min, 1 environment",
)
MAX_FIRST = f"max in {FIRST_SECONDS} s ×"
FLAKY = "20 % of 2,000/s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A deployment and what happens to it. All times in seconds.

    Attributes:
        rate: messages a second; each needs one call.
        environments: of the worker.
        failing: the share of calls that fails while the partner is not down.
        broken_environments: so many of the environments fail all of their calls.
        down_from: when the partner begins to fail all calls.
        down_for: how long it does.
        until: when to stop.
        call: how long a call takes.
        calls_at_a_time: of one environment.
        has_breaker: whether there is a breaker at all.
    """

    rate: float
    environments: int
    failing: float = 0.0
    broken_environments: int = 0
    down_from: float = 30.0
    down_for: float = 600.0
    until: float = 1_700.0
    call: float = 0.05
    calls_at_a_time: int = 4
    has_breaker: bool = True
    seed: int = 1

    @property
    def back_at(self) -> float:
        return self.down_from + self.down_for

    def failure_share(self, now: float, environment: int) -> float:
        if environment < self.broken_environments or self.down_from <= now < self.back_at:
            return 1.0
        return self.failing


def _per_second() -> defaultdict[int, int]:
    return defaultdict(int)


@dataclass(slots=True)
class Course:
    """What happened in each second."""

    calls: defaultdict[int, int] = field(default_factory=_per_second)
    held_back: defaultdict[int, int] = field(default_factory=_per_second)
    delivered: defaultdict[int, int] = field(default_factory=_per_second)
    waiting: defaultdict[int, int] = field(default_factory=_per_second)
    counts: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))

    @property
    def admitted(self) -> float:
        """The share of calls that the breaker admitted."""
        calls = sum(self.calls.values())
        return calls / (calls + sum(self.held_back.values()))


class MemoryStore:
    """Outages in memory, with the conditions of `tables.outages`."""

    def __init__(self) -> None:
        self._entries: dict[str, Outage] = {}

    def read(self, site: str) -> Outage | None:
        return self._entries.get(site)

    def replace(self, site: str, seen: Outage | None, new: Outage) -> bool:
        if not self._is(site, seen):
            return False
        self._entries[site] = new
        return True

    def report(self, site: str, seen: Outage, *, slice_number: int, failed_percent: int) -> Outage | None:
        if not self._is(site, seen):
            return None
        entry = self._entries[site]
        before = entry.reports.get(slice_number, Reports(0, 0))
        added = Reports(before.count + 1, before.failed_percent + failed_percent)
        self._entries[site] = replace(entry, reports={**entry.reports, slice_number: added})
        return self._entries[site]

    def _is(self, site: str, seen: Outage | None) -> bool:
        entry = self._entries.get(site)
        if entry is None or seen is None:
            return entry is seen
        return (entry.since, entry.probe_at) == (seen.since, seen.probe_at)


class NoBreaker:
    """Admits everything."""

    def admits(self, _site: str) -> bool:
        return True

    def note(self, _site: str, *, failed: bool) -> None:
        pass

    def wait(self, _site: str) -> float:
        return 0.0


class _Simulation:
    """Messages that arrive or come again, and calls that end. A message is how often it was tried."""

    def __init__(self, scenario: Scenario, random: Random) -> None:
        self.course = Course()
        self._scenario, self._random = scenario, random
        self._now, self._waiting = 0.0, 0
        self._events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._number = 0
        self._visible: deque[int] = deque()
        self._idle = scenario.environments * scenario.calls_at_a_time
        self._backoff = Backoff(2.0, 900.0, lambda maximum: random.uniform(0, maximum))
        store = MemoryStore()
        self._breakers = [self._breaker(store) for _ in range(scenario.environments)]

    def run(self) -> Course:
        scenario = self._scenario
        for now in arrivals(lambda _: scenario.rate, scenario.until, self._random):
            self._advance(now)
            self._now = now
            self._count_waiting(1)
            self._receive(0)
        self._advance(scenario.until)
        return self.course

    def _count_waiting(self, change: int) -> None:
        self._waiting += change
        self.course.waiting[int(self._now)] = self._waiting

    def _advance(self, until: float) -> None:
        while self._events and self._events[0][0] <= until:
            self._now, _, act, arguments = heappop(self._events)
            act(*arguments)

    def _receive(self, attempts: int) -> None:
        if not self._idle:
            self._visible.append(attempts)
            return
        environment, second = int(self._random.random() * len(self._breakers)), int(self._now)
        breaker = self._breakers[environment]
        if not breaker.admits(SITE):
            self.course.held_back[second] += 1
            self._again(ceil(max(1.0, breaker.wait(SITE))), attempts)
            return
        failed = self._random.random() < self._scenario.failure_share(self._now, environment)
        self.course.calls[second] += 1
        self._idle -= 1
        self._at(self._now + self._scenario.call, self._end, breaker, attempts + 1, failed)

    def _end(self, breaker: SharedCircuitBreaker | NoBreaker, attempts: int, failed: bool) -> None:
        self._idle += 1
        breaker.note(SITE, failed=failed)
        if failed:
            self._again(self._backoff.seconds(attempts), attempts)
        else:
            self.course.delivered[int(self._now)] += 1
            self._count_waiting(-1)
        if self._visible:
            self._receive(self._visible.popleft())

    def _again(self, seconds: float, attempts: int) -> None:
        self._at(self._now + seconds, self._receive, attempts)

    def _at(self, when: float, act: Callable[..., None], *arguments: Any) -> None:
        self._number += 1
        heappush(self._events, (when, self._number, act, arguments))

    def _breaker(self, store: MemoryStore) -> SharedCircuitBreaker | NoBreaker:
        if not self._scenario.has_breaker:
            return NoBreaker()
        return SharedCircuitBreaker(store=store, telemetry=self, clock=lambda: self._now, random=self._random.random)

    # --- the telemetry of the breakers -------------------------------------------------------------------------------

    def count(self, name: str, value: int = 1) -> None:
        self.course.counts[name] += value

    def measure(self, name: str, milliseconds: float) -> None:
        pass

    def list_delivered(self, message_type: str, request_id: str) -> None:
        pass

    def note(self, event: str, _facts: object) -> None:
        self.course.counts[event] += 1

    warn = note


def simulate(scenario: Scenario) -> Course:
    """Simulate a scenario; twice the same with the same seed."""
    return _Simulation(scenario, Random(scenario.seed)).run()  # noqa: S311 - a simulation must be repeatable


def measure(quick: bool) -> Figures:
    scale, down_for, until = (0.02, 100.0, 400.0) if quick else (1.0, 600.0, 1_700.0)
    large = Scenario(rate=2_000 * scale, environments=round(200 * scale), down_for=down_for, until=until)
    tenth = replace(large, rate=200 * max(scale, 0.1), environments=round(20 * max(scale, 0.1)))
    down = {
        LARGE: large,
        TENTH: tenth,
        UNPROTECTED: replace(tenth, has_breaker=False),
        TINY: replace(large, rate=1 / 60, environments=1),
    }
    always = replace(large, down_for=0.0, until=60.0 if quick else 300.0)
    tenth_always = replace(always, rate=tenth.rate, environments=tenth.environments)
    partly = {
        FLAKY: replace(always, failing=0.2),
        "50 % of 200/s": replace(tenth_always, failing=0.5),
        "95 % of 200/s": replace(tenth_always, failing=0.95),
        "all in 1 of 20 environments, 200/s": replace(tenth_always, broken_environments=1),
    }
    return {
        DOWN: {name: outage(scenario, simulate(scenario)) for name, scenario in down.items()},
        PARTLY: {name: _steady(scenario, simulate(scenario)) for name, scenario in partly.items()},
    }


def outage(scenario: Scenario, course: Course) -> dict[str, Any]:
    """Return the load on the partner, as a multiple of the normal one, and the seconds from the partner's return."""
    begin, back, end = int(scenario.down_from), int(scenario.back_at), int(scenario.until)
    is_tiny = scenario.rate < 1  # one call is a multiple of what is normal in a second
    most_waiting = max(course.waiting.values())
    return {
        "load while down ×": _mean(course.calls, begin, back) / scenario.rate,
        "held back / s": _mean(course.held_back, begin, back),
        "opened": course.counts["CircuitOpened"],
        "first delivery s": _first(back, end, lambda second: course.delivered[second] > 0),
        "normal load s": _first(back, end, lambda second: course.calls[second] >= scenario.rate),
        MAX_FIRST: None if is_tiny else _max(course.calls, back, back + FIRST_SECONDS) / scenario.rate,
        "max later ×": None if is_tiny else _max(course.calls, back + FIRST_SECONDS, end) / scenario.rate,
        "drained s": _first(back, end, lambda second: 0 < course.waiting[second] <= most_waiting / 100),
    }


def _steady(scenario: Scenario, course: Course) -> dict[str, Any]:
    return {
        "load ×": _mean(course.calls, 0, int(scenario.until)) / scenario.rate,
        "admitted %": 100 * course.admitted,
        "opened": course.counts["CircuitOpened"],
    }


def _mean(values: Mapping[int, int], begin: int, end: int) -> float:
    return sum(values[second] for second in range(begin, end)) / (end - begin)


def _max(values: Mapping[int, int], begin: int, end: int) -> int:
    return max(values[second] for second in range(begin, end))


def _first(begin: int, end: int, holds: Callable[[int], bool]) -> int | None:
    """Return how many seconds after the beginning it holds first."""
    return next((second - begin for second in range(begin, end) if holds(second)), None)


def targets(figures: Figures) -> list[Target]:
    large, tiny, unprotected = (figures[DOWN][name] for name in (LARGE, TINY, UNPROTECTED))
    load, ramp, recovered = large["load while down ×"], large[MAX_FIRST], tiny["first delivery s"]
    admitted = figures[PARTLY][FLAKY]["admitted %"]
    return [
        Target(
            f"Partner down, {LARGE}: ≤ {MAX_LOAD_WHILE_DOWN:.0%} of the normal calls",
            f"{load:.1%} (no breaker: {unprotected['load while down ×']:.0%})",
            load <= MAX_LOAD_WHILE_DOWN,
        ),
        Target(
            f"Partner back: ≤ {MAX_LOAD_OF_RAMP:.0f} × the normal calls in the first {FIRST_SECONDS} s",
            f"{ramp:.2f} ×",
            ramp <= MAX_LOAD_OF_RAMP,
        ),
        Target(
            f"Partner back, {TINY}: delivers within {MAX_SECONDS_TO_RECOVER:.0f} s",
            "-" if recovered is None else f"{recovered} s",
            recovered is not None and recovered <= MAX_SECONDS_TO_RECOVER,
        ),
        Target(f"{FLAKY} fail: ≥ {MIN_ADMITTED:.0%} admitted", f"{admitted:.1f} %", admitted >= 100 * MIN_ADMITTED),
    ]


BENCHMARK = Benchmark(title="The partner is down", measure=measure, targets=targets)
