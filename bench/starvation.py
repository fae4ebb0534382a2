"""Whether one customer's failing messages, or an outage of hours, keep others waiting on the standard queues.

A simulation: time goes on in seconds, and messages are counted in groups that are alike, because tens of millions wait
in an outage of six hours. How long a failed message waits, and whether in flight or delayed, is what the real backoff,
circuit breaker and thresholds say. What SQS and Lambda do is what AWS documents: the quota of messages in flight, the
rule of fair queues, and batches at a time. Among equals, the message that is visible for longest is handed out first.

*Before* is how it was: all messages in one queue, without tenants, waiting by their visibility timeouts.
"""

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from bench.benchmark import Benchmark, Figures, Target
from bench.outage import SITE, MemoryStore
from bench.simulation import SilentTelemetry
from mparticle_firehose.delivery.side_by_side import CALLS_AT_A_TIME
from mparticle_firehose.partner_api.shared_circuit_breaker import (
    DOUBLING_SECONDS,
    FEW,
    INITIAL_SHARE,
    PROBE_SECONDS,
    WATCH_SECONDS,
    SharedCircuitBreaker,
)
from mparticle_firehose.queues.backoff import Backoff
from mparticle_firehose.queues.delays import MAX_DELAY_SECONDS, MIN_DELAY_SECONDS
from mparticle_firehose.services import Outage

MAX_IN_FLIGHT = 120_000
"""Of a queue, by AWS's documentation."""

NOISY_SHARE, NOISY_MESSAGES = 0.1, 30
"""A tenant with more than this share of the messages in flight, and at least so many, is handed out last."""

BATCH = 10
OVERHEAD_SECONDS = 0.035
"""Of a batch: the invocation, reading it, and one request to SQS. An assumption."""

CALL_SECONDS = 0.05
EVENT_CONCURRENCY, ERASURE_CONCURRENCY = 100, 5
MAX_ATTEMPTS_APART = 11
"""More attempts wait as long as so many do: the backoff has reached its maximum."""

QUANTILES = [(2 * number + 1) / 20 for number in range(10)]
"""What is drawn at random takes these values equally often."""

FAILING, HELD_BACK, OTHER, ERASURE = "failing", "held back", "other", "erasure"
"""Whose messages they are. What is held back because its site is down is of one tenant then, whoever's it was."""

OTHER_CUSTOMERS = 50

HOUR = 3_600
_NOTHING = 1e-9  # what remains of a second, or of a message, by rounding
MAX_SECONDS_OF_OTHERS = 60
MAX_SHARE_IN_FLIGHT = 0.5
BEFORE, OWN_TENANTS, NOW = "before", "now, but each customer a tenant of its own", "now"
DEAD_KEY, OUTAGE = "Simulated: one customer's messages all fail", "Simulated: a site is down for six hours"
OTHERS, ERASURES = "others' events wait s", "others' erasures wait s"
IN_FLIGHT, NOT_DELIVERED = "max in flight", "others' messages not delivered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What comes, and what fails.

    Attributes:
        failing: messages a second whose calls fail.
        customers: that they are of, each with the same number of them.
        is_site_down: whether they fail because their site is down, so that the circuit breaker holds them back;
            otherwise the partner answers each call with a failure that is retried.
        fails_for: seconds from the beginning.
        others: events a second of customers of another site.
        erasures: of these customers, a second.
        until: when to stop.
        is_changed: whether messages are delayed, have tenants, and erasures have a queue of their own.
        is_site_tenant: whether what is held back because its site is down is of one tenant.
        event_concurrency: batches of events at a time.
        scale: of rates, concurrency and quotas: a smaller one takes less time.
    """

    failing: float
    customers: int = 1
    is_site_down: bool = False
    fails_for: int = 2 * HOUR
    others: float = 50.0
    erasures: float = 1.0
    until: int = 2 * HOUR
    is_changed: bool = True
    is_site_tenant: bool = True
    event_concurrency: int = EVENT_CONCURRENCY
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Kind:
    """Messages that are alike.

    Attributes:
        name: whose they are.
        attempts: how often they were tried.
        queued_at: when they were queued, if that matters.
    """

    name: str
    attempts: int = 0
    queued_at: int = 0


@dataclass(slots=True)
class Course:
    """What became of the messages.

    Attributes:
        waited: seconds at most, by whose they are.
        received: messages, each time that one was.
        drained_at: seconds from the end of the failures.
    """

    waited: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    delivered: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    undelivered: float = 0.0
    received: float = 0.0
    max_in_flight: float = 0.0
    drained_at: int | None = None


class _Queue:
    """A standard queue and the batches that Lambda takes from it."""

    def __init__(self, scenario: Scenario, concurrency: int) -> None:
        self._seconds = concurrency * scenario.scale
        self._quota = MAX_IN_FLIGHT * scenario.scale
        self._scenario = scenario
        self.visible: defaultdict[str, deque[tuple[int, Kind, float]]] = defaultdict(deque)
        self._returns: defaultdict[int, dict[tuple[Kind, bool], float]] = defaultdict(dict)
        self._in_flight: defaultdict[str, float] = defaultdict(float)

    @property
    def in_flight(self) -> float:
        return sum(self._in_flight.values())

    @property
    def waiting(self) -> float:
        """Messages that are visible, in flight or delayed."""
        visible = sum(number for line in self.visible.values() for _, _, number in line)
        return visible + sum(number for kinds in self._returns.values() for number in kinds.values())

    def put(self, now: int, kind: Kind, number: float) -> None:
        self.visible[kind.name].append((now, kind, number))

    def advance(self, now: int) -> None:
        """Make visible whose wait is over."""
        for (kind, was_in_flight), number in self._returns.pop(now, {}).items():
            self.put(now, kind, number)
            if was_in_flight:
                self._in_flight[kind.name] -= number

    def wait(self, now: int, kind: Kind, number: float, seconds: int) -> None:
        """Let messages wait. What is delayed waits no longer than SQS delays a message; a few seconds more are cut."""
        is_delayed = self._scenario.is_changed and seconds >= MIN_DELAY_SECONDS
        returns = self._returns[now + max(1, min(seconds, MAX_DELAY_SECONDS) if is_delayed else seconds)]
        key = (kind, not is_delayed)
        returns[key] = returns.get(key, 0.0) + number
        if not is_delayed:
            self._in_flight[kind.name] += number

    def receive(self, cost: Mapping[str, float]) -> Iterator[tuple[Kind, float]]:
        """Yield what is received in a second, as far as the worker's time and the quota allow.

        Args:
            cost: seconds of a batch for each message, by whose it is.
        """
        seconds, room = self._seconds, self._quota - self.in_flight
        while seconds > _NOTHING and room > _NOTHING and (name := self._next()) is not None:
            line = self.visible[name]
            since, kind, number = line.popleft()
            taken = min(number, seconds / cost[name], room)
            if taken < number:
                line.appendleft((since, kind, number - taken))
            seconds -= taken * cost[name]
            room -= taken
            yield kind, taken

    def _next(self) -> str | None:
        heads = {name: line[0][0] for name, line in self.visible.items() if line}
        quiet = {name: since for name, since in heads.items() if not self._is_noisy(name)}
        return min(quiet or heads, key=heads.__getitem__, default=None)

    def _is_noisy(self, name: str) -> bool:
        """Return whether its tenants are handed out after others: by the messages in flight, or the processing time."""
        if not self._scenario.is_changed:
            return False
        tenants = {FAILING: self._scenario.customers, HELD_BACK: 1}.get(name, OTHER_CUSTOMERS)
        backlog = sum(number for _, _, number in self.visible[name])
        processing = min(backlog, BATCH * self._seconds) / tenants
        mine = self._in_flight[name] / tenants + processing
        return mine >= NOISY_MESSAGES * self._scenario.scale and mine > NOISY_SHARE * self._all_processing()

    def _all_processing(self) -> float:
        return self.in_flight + BATCH * self._seconds


class _Simulation:
    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._now = 0
        self._quantile = 0.5
        self._backoff = Backoff(2.0, 900.0, lambda maximum: maximum * self._quantile)
        self._store = MemoryStore()
        self._breaker = SharedCircuitBreaker(
            store=self._store,
            telemetry=SilentTelemetry(),
            clock=lambda: float(self._now),
            random=lambda: self._quantile,
        )
        self._events = _Queue(scenario, scenario.event_concurrency)
        self._erasures = _Queue(scenario, ERASURE_CONCURRENCY) if scenario.is_changed else self._events
        self._queues = list(dict.fromkeys([self._events, self._erasures]))
        self._ramp_since: int | None = None
        self.course = Course()

    def run(self) -> Course:
        if self._scenario.is_site_down:
            self._store.replace(SITE, None, Outage(since=0, share=0.0, began=0, probe_at=PROBE_SECONDS))
        for now in range(self._scenario.until):
            self._now = now
            self._arrive()
            share = self._admitted_share()
            for queue in self._queues:
                queue.advance(self._now)
                for kind, number in list(queue.receive(self._cost(share))):
                    self.course.received += number
                    self._deliver(queue, kind, number, share)
                self.course.max_in_flight = max(self.course.max_in_flight, queue.in_flight)
            self._note_drained()
        others = (line for queue in self._queues for line in (queue.visible[OTHER], queue.visible[ERASURE]))
        self.course.undelivered = sum(number for line in others for _, _, number in line)
        return self.course

    @property
    def _fails(self) -> bool:
        return self._now < self._scenario.fails_for

    def _arrive(self) -> None:
        scenario = self._scenario
        if self._fails:
            self._events.put(self._now, Kind(FAILING), scenario.failing * scenario.scale)
        self._events.put(self._now, Kind(OTHER, queued_at=self._now), scenario.others * scenario.scale)
        self._erasures.put(self._now, Kind(ERASURE, queued_at=self._now), scenario.erasures * scenario.scale)

    def _admitted_share(self) -> float:
        """Return the share of calls to the failing site that the breaker admits."""
        if not self._scenario.is_site_down or not self._now:
            return 0.0 if self._scenario.is_site_down else 1.0
        admitted = [self._breaker.admits(SITE) for _ in range(FEW + 1)]  # so that no message is one of few
        if any(admitted) and self._ramp_since is None:
            self._breaker.note(SITE, failed=self._fails)
            self._ramp_since = None if self._fails else self._now
        if self._ramp_since is None:
            return 0.0
        age = self._now - self._ramp_since
        return 1.0 if age >= WATCH_SECONDS else min(1.0, INITIAL_SHARE * 2 ** (age / DOUBLING_SECONDS))

    @staticmethod
    def _cost(share: float) -> dict[str, float]:
        called = CALL_SECONDS / CALLS_AT_A_TIME
        overhead = OVERHEAD_SECONDS / BATCH
        return {
            **dict.fromkeys((FAILING, HELD_BACK), overhead + called * share),
            **dict.fromkeys((OTHER, ERASURE), overhead + called),
        }

    def _deliver(self, queue: _Queue, kind: Kind, number: float, share: float) -> None:
        if kind.name in {OTHER, ERASURE}:
            self._count(kind, number)
            return
        name = HELD_BACK if self._scenario.is_site_tenant else FAILING
        self._hold_back(queue, replace(kind, name=name), number * (1 - share))
        called = number * share
        if self._fails:
            self._retry(queue, kind, called)
        else:
            self._count(kind, called)

    def _count(self, kind: Kind, number: float) -> None:
        self.course.delivered[kind.name] += number
        self.course.waited[kind.name] = max(self.course.waited[kind.name], self._now - kind.queued_at)

    def _hold_back(self, queue: _Queue, kind: Kind, number: float) -> None:
        for _ in self._draws(number):
            seconds = round(max(1.0, self._breaker.wait(SITE)))
            queue.wait(self._now, kind, number / len(QUANTILES), seconds)

    def _retry(self, queue: _Queue, kind: Kind, number: float) -> None:
        again = replace(kind, attempts=min(kind.attempts + 1, MAX_ATTEMPTS_APART))
        for _ in self._draws(number):
            queue.wait(self._now, again, number / len(QUANTILES), self._backoff.seconds(again.attempts))

    def _draws(self, number: float) -> Iterator[None]:
        """Let each value be drawn once, if there is a message to draw it for."""
        for quantile in QUANTILES if number else ():
            self._quantile = quantile
            yield

    def _note_drained(self) -> None:
        if self._fails or self.course.drained_at is not None:
            return
        if sum(queue.waiting for queue in self._queues) <= self._scenario.failing * self._scenario.scale:
            self.course.drained_at = self._now - self._scenario.fails_for


def simulate(scenario: Scenario) -> Course:
    """Simulate a scenario. Nothing is drawn at random: it is the same each time."""
    return _Simulation(scenario).run()


def measure(quick: bool) -> Figures:
    scale, hours = (0.01, 1) if quick else (1.0, 6)
    dead_key = Scenario(failing=133, scale=scale)
    outage = Scenario(
        failing=2_000, customers=20, is_site_down=True, fails_for=hours * HOUR, until=(hours + 3) * HOUR, scale=scale
    )
    return {
        DEAD_KEY: {name: waits(simulate(each)) for name, each in _variants(dead_key).items()},
        OUTAGE: {name: waits(simulate(each)) for name, each in _variants(outage).items()},
    }


def _variants(scenario: Scenario) -> dict[str, Scenario]:
    return {
        BEFORE: replace(scenario, is_changed=False),
        **({OWN_TENANTS: replace(scenario, is_site_tenant=False)} if scenario.is_site_down else {}),
        NOW: scenario,
    }


def waits(course: Course) -> dict[str, object]:
    """Return how long the messages of others waited, and how many were in flight."""
    return {
        OTHERS: course.waited[OTHER],
        ERASURES: course.waited[ERASURE],
        NOT_DELIVERED: round(course.undelivered),
        IN_FLIGHT: round(course.max_in_flight),
        "all delivered after s": course.drained_at,
    }


def targets(figures: Figures) -> list[Target]:
    found = []
    for name, table in figures.items():
        before, now = (max(table[row][OTHERS], table[row][ERASURES]) for row in (BEFORE, NOW))
        title = name.removeprefix("Simulated: ")
        in_flight = table[NOW][IN_FLIGHT]
        found += [
            Target(
                f"{title[0].upper()}{title[1:]}: others' events and erasures wait ≤ {MAX_SECONDS_OF_OTHERS} s",
                f"{now} s ({BEFORE}: {before} s)",
                now <= MAX_SECONDS_OF_OTHERS and not table[NOW][NOT_DELIVERED],
            ),
            Target(
                f"{title[0].upper()}{title[1:]}: ≤ {MAX_SHARE_IN_FLIGHT:.0%} of the quota in flight",
                f"{in_flight / MAX_IN_FLIGHT:.1%} ({BEFORE}: {table[BEFORE][IN_FLIGHT] / MAX_IN_FLIGHT:.1%})",
                in_flight <= MAX_SHARE_IN_FLIGHT * MAX_IN_FLIGHT,
            ),
        ]
    return found


BENCHMARK = Benchmark(title="Who waits for whom", measure=measure, targets=targets)
