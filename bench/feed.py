"""The feed's pace against mParticle's limits, as a discrete-event simulation, and what a million feed events cost.

Environments of the feed's function always have more to send. They send requests of 100 batches with one key pair, one
after the other. `Paces` is the real one. mParticle's limit of the rate is what it
documents, 270 batches a second, with one second's worth in store. How it limits acceleration is not documented: here a
limit is assumed. Time is simulated: the figures do not depend on the machine, except the processor time of the costs.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from heapq import heappop, heappush
from math import ceil
from typing import Any, Protocol

from bench.benchmark import Benchmark, Figures, Target
from bench.feed_cost import costs
from local.mparticle.token_bucket import TokenBucket
from mparticle_firehose.deadline import Clock
from mparticle_firehose.feed.answers import RateLimit
from mparticle_firehose.feed.encoding import MAX_BATCHES
from mparticle_firehose.feed_worker.pace import Paces

LIMIT = 270.0
"""Batches a second with one key, by mParticle's documentation, which calls it variable."""

PACED = 240.0
"""FEED_BATCHES_PER_SECOND by default: of all environments."""

CALL_SECONDS = 0.1
"""Of a request, whether it is taken or refused. An assumption."""

SLICE_SECONDS, SLICE_GROWTH, FREE_PER_SECOND = 5.0, 2.0, 80.0
"""The assumed limit of acceleration: in a slice of time, twice as many batches as mParticle took in the slice before. A
rate of FREE_PER_SECOND is always allowed."""

STEADY_FROM = 60.0
PAIR = "pair"
MIN_STEADY = 235.0

PACES = "Simulated: one key pair sends as much as it may for two minutes, requests of 100 batches"
TWO_PACED, THREE_PACED = "2 environments, paced", "3 environments, paced"
APART = "2 environments, paced, that begin 5 s apart"
FALLING = "2 environments, paced, the limit falls to 150/s after a minute"
NO_SLOW_START = "2 environments, paced, without a slow start"
TWO_UNPACED, FIFTY_UNPACED = "2 environments, unpaced", "50 environments, unpaced"
OBEDIENT = "2 environments, unpaced, each 429 waits as it asks"
STEADY, REFUSED, ACCELERATED = f"batches/s after {STEADY_FROM:.0f} s", "429", "429 for acceleration, if it is limited"


class Pace(Protocol):
    """What decides when a request may go."""

    def wait(self, pair: str, batches: int) -> float: ...

    def take(self, pair: str, batches: int) -> None: ...

    def note(self, pair: str, rate_limit: RateLimit) -> None: ...


class Unpaced:
    """Lets everything go at once."""

    def wait(self, _pair: str, _batches: int) -> float:
        return 0.0

    def take(self, _pair: str, _batches: int) -> None:
        pass

    def note(self, _pair: str, _rate_limit: RateLimit) -> None:
        pass


@dataclass(slots=True)
class SteadyPace(Unpaced):
    """Has one rate from the beginning."""

    per_second: float
    clock: Clock
    _next: float = 0.0

    def wait(self, _pair: str, _batches: int) -> float:
        return max(0.0, self._next - self.clock())

    def take(self, _pair: str, batches: int) -> None:
        self._next = self.clock() + batches / self.per_second


type PaceOf = Callable[[float, Clock], Pace]
"""Returns the pace of an environment with its own limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Who sends, and what mParticle limits. All times in seconds.

    Attributes:
        environments: that send at the same time.
        pace_of: what decides when they send.
        waits_after_refusals: whether an environment waits as a 429 asks, in whole seconds.
        limits_acceleration: whether mParticle does.
        apart: between their beginnings.
        falls_to: the limit of the rate after STEADY_FROM.
        until: when to stop.
    """

    environments: int
    pace_of: PaceOf = Paces
    waits_after_refusals: bool = True
    limits_acceleration: bool = False
    apart: float = 0.0
    falls_to: float = LIMIT
    until: float = 120.0


@dataclass(slots=True)
class Course:
    """What became of the requests.

    Attributes:
        taken: batches that mParticle has taken, in each second.
        refused: requests that it has refused, by the limit.
    """

    taken: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    refused: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))

    def rate(self, begin: float, end: float) -> float:
        """Return the batches a second."""
        return sum(self.taken[second] for second in range(int(begin), int(end))) / (end - begin)


class Acceleration:
    """The assumed limit of how fast a rate grows."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._taken: defaultdict[int, int] = defaultdict(int)

    def take(self, batches: int) -> bool:
        """Take batches, and return True, if the rate grows slowly enough."""
        number = int(self._clock() / SLICE_SECONDS)
        allowed = max(FREE_PER_SECOND * SLICE_SECONDS, SLICE_GROWTH * self._taken[number - 1])
        if self._taken[number] + batches > allowed:
            return False
        self._taken[number] += batches
        return True


class _Simulation:
    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._now = 0.0
        self._number = 0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._bucket = TokenBucket(LIMIT, self._clock)
        self._acceleration = Acceleration(self._clock)
        self.course = Course()

    def _clock(self) -> float:
        return self._now

    def run(self) -> Course:
        scenario = self._scenario
        for number in range(scenario.environments):
            pace = scenario.pace_of(PACED / scenario.environments, self._clock)
            self._at(number * scenario.apart, partial(self._send, pace))
        self._at(STEADY_FROM, self._fall)
        while self._events and self._events[0][0] < scenario.until:
            self._now, _, act = heappop(self._events)
            act()
        return self.course

    def _fall(self) -> None:
        self._bucket.per_second = self._scenario.falls_to

    def _send(self, pace: Pace) -> None:
        if wait := pace.wait(PAIR, MAX_BATCHES):
            self._at(self._now + wait, partial(self._send, pace))
            return
        pace.take(PAIR, MAX_BATCHES)
        rate_limit, retry_after = self._answer()
        self._at(self._now + CALL_SECONDS, partial(self._end, pace, rate_limit, retry_after))

    def _end(self, pace: Pace, rate_limit: RateLimit, retry_after: float) -> None:
        pace.note(PAIR, rate_limit)
        self._at(self._now + retry_after, partial(self._send, pace))

    def _answer(self) -> tuple[RateLimit, float]:
        """Return what mParticle says of its limits, and how long the environment waits then."""
        if self._scenario.limits_acceleration and not self._acceleration.take(MAX_BATCHES):
            return self._refuse("acceleration", 1.0)
        if seconds := self._bucket.take(MAX_BATCHES):
            return self._refuse("feed", seconds)
        self.course.taken[int(self._now)] += MAX_BATCHES
        return RateLimit(percentage_used=self._bucket.percentage_used), 0.0

    def _refuse(self, limit: str, seconds: float) -> tuple[RateLimit, float]:
        self.course.refused[limit] += 1
        return RateLimit(exceeded=limit), float(ceil(seconds)) if self._scenario.waits_after_refusals else 0.0

    def _at(self, when: float, act: Callable[[], None]) -> None:
        self._number += 1
        heappush(self._events, (when, self._number, act))


def simulate(scenario: Scenario) -> Course:
    """Simulate a scenario. Nothing is drawn at random: it is the same each time."""
    return _Simulation(scenario).run()


def unpaced(_per_second: float, _clock: Clock) -> Pace:
    return Unpaced()


SCENARIOS = {
    TWO_PACED: Scenario(environments=2),
    APART: Scenario(environments=2, apart=5.0),
    THREE_PACED: Scenario(environments=3),
    FALLING: Scenario(environments=2, falls_to=150.0),
    NO_SLOW_START: Scenario(environments=2, pace_of=SteadyPace),
    TWO_UNPACED: Scenario(environments=2, pace_of=unpaced, waits_after_refusals=False),
    OBEDIENT: Scenario(environments=2, pace_of=unpaced),
    FIFTY_UNPACED: Scenario(environments=50, pace_of=unpaced, waits_after_refusals=False),
}


def measure(quick: bool) -> Figures:
    return {PACES: {name: row(scenario) for name, scenario in SCENARIOS.items()}, **costs(quick)}


def row(scenario: Scenario) -> dict[str, Any]:
    """Return how much was taken and refused, without and with the limit of acceleration."""
    course = simulate(scenario)
    limited = simulate(replace(scenario, limits_acceleration=True))
    steady = course.rate(STEADY_FROM, scenario.until)
    return {
        STEADY: steady,
        f"batches/s in the first {STEADY_FROM:.0f} s": course.rate(0, STEADY_FROM),
        REFUSED: sum(course.refused.values()),
        ACCELERATED: limited.refused["acceleration"],
    }


def targets(figures: Figures) -> list[Target]:
    paced, two, fifty = (figures[PACES][name] for name in (TWO_PACED, TWO_UNPACED, FIFTY_UNPACED))
    return [
        Target(
            f"Feed, one key pair, two environments: ≥ {MIN_STEADY:.0f} batches a second",
            f"{paced[STEADY]:.0f}/s",
            paced[STEADY] >= MIN_STEADY,
        ),
        Target(
            "Feed, the same: no 429",
            f"{paced[REFUSED]} (unpaced {two[REFUSED]:,}; fifty unpaced {fifty[REFUSED]:,})",
            not paced[REFUSED],
        ),
        Target(
            "Feed, the same: no 429 for acceleration, as it is assumed",
            f"{paced[ACCELERATED]} (without a slow start {figures[PACES][NO_SLOW_START][ACCELERATED]:,})",
            not paced[ACCELERATED],
        ),
    ]


BENCHMARK = Benchmark(title="The feed", measure=measure, targets=targets)
