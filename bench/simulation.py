"""Discrete-event simulations of what Lambda and SQS do with a burst, to check the arithmetic of the cost model.

Each takes rates and durations as functions, so that tests can put in what queueing theory has formulas for.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from random import Random

import simpy

type Seconds = Callable[[], float]
"""Draws a duration."""

type _Process = Generator[simpy.Event, object]

type Rate = Callable[[float], float]
"""Requests a second at a moment."""


@dataclass(frozen=True, slots=True)
class Burst:
    """A steady rate with a burst in it, in requests a second."""

    steady: float
    peak: float
    begins: float
    lasts: float

    def __call__(self, now: float) -> float:
        return self.peak if self.begins <= now < self.begins + self.lasts else self.steady


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """How many environments Lambda makes.

    Attributes:
        limit: concurrent executions of the account.
        at_once: environments that can be made from a standstill, by documentation 1,000.
        per_second: how fast that allowance comes back, by documentation 1,000 in ten seconds.
        starting: seconds that the first request of a new environment takes longer.
    """

    limit: int
    at_once: float = 1_000
    per_second: float = 100
    starting: float = 0.0


@dataclass(slots=True)
class Handled:
    """What became of synchronous requests, and each second how many were being answered, and throttled so far."""

    requests: int = 0
    throttled: int = 0
    environments: int = 0
    most_concurrent: int = 0
    concurrency: list[tuple[float, float]] = field(default_factory=list)
    refused: list[tuple[float, float]] = field(default_factory=list)


def arrivals(rate: Rate, until: float, random: Random | None = None) -> Iterator[float]:
    """Yield the gaps between requests: even ones, or, with a source of randomness, those of a Poisson process."""
    now = 0.0
    while now < until and (per_second := rate(now)) > 0:
        gap = random.expovariate(per_second) if random else 1 / per_second
        now += gap
        yield gap


class _Environments:
    """A function's execution environments: a request gets an idle one, or a new one, or is refused."""

    def __init__(self, world: simpy.Environment, seconds: Seconds, scaling: Scaling, *, warm: int) -> None:
        self.done = Handled(environments=warm)
        self._world, self._seconds, self._scaling = world, seconds, scaling
        self._busy = 0
        self._allowance, self._counted_at = scaling.at_once, 0.0

    def take(self) -> None:
        self.done.requests += 1
        fresh = self._busy >= self.done.environments
        if fresh and not self._may_grow():
            self.done.throttled += 1
            return
        self._busy += 1
        self.done.most_concurrent = max(self.done.most_concurrent, self._busy)
        duration = self._seconds() + (self._scaling.starting if fresh else 0.0)
        _after(self._world, duration, self._release)

    def sample(self) -> None:
        self.done.concurrency.append((self._world.now, self._busy))
        self.done.refused.append((self._world.now, self.done.throttled))

    def _may_grow(self) -> bool:
        elapsed, self._counted_at = self._world.now - self._counted_at, self._world.now
        self._allowance = min(self._scaling.at_once, self._allowance + elapsed * self._scaling.per_second)
        if self.done.environments >= self._scaling.limit or self._allowance < 1:
            return False
        self._allowance -= 1
        self.done.environments += 1
        return True

    def _release(self) -> None:
        self._busy -= 1


def handled(
    rate: Rate, seconds: Seconds, scaling: Scaling, *, until: float, warm: int = 0, random: Random | None = None
) -> Handled:
    """Simulate synchronous requests: one that finds no environment is refused, and the caller's to repeat."""
    world = simpy.Environment()
    environments = _Environments(world, seconds, scaling, warm=warm)
    world.process(_feeding(world, arrivals(rate, until, random), environments.take))
    world.process(_sampling(world, environments.sample))
    world.run(until)
    return environments.done


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumers:
    """How an event source mapping empties a queue.

    Attributes:
        most: batches at a time at most.
        at_first: batches at a time in the beginning.
        per_second: how many more each second while there is work.
        batch: messages of a batch at most.
    """

    most: int
    at_first: int | None = None
    per_second: float = 0.0
    batch: int = 10

    def allowed(self, now: float) -> float:
        return self.most if self.at_first is None else min(self.most, self.at_first + now * self.per_second)


@dataclass(slots=True)
class Drained:
    """What became of queued messages, and each second how many waited and for how long the oldest had."""

    delivered: int = 0
    waited_seconds: float = 0.0
    waiting_seconds: float = 0.0
    backlog: list[tuple[float, float]] = field(default_factory=list)
    age: list[tuple[float, float]] = field(default_factory=list)

    @property
    def mean_wait(self) -> float:
        """Seconds from queued to taken by a consumer."""
        return self.waited_seconds / self.delivered


@dataclass(slots=True, eq=False)
class _Message:
    group: str | None
    queued_at: float
    taken: bool = False


class _Queue:
    """An SQS queue with its consumers. A group, where messages have one, is locked while a batch holds some of it."""

    def __init__(self, world: simpy.Environment, seconds: Callable[[int], float], consumers: Consumers) -> None:
        self.drained = Drained()
        self._world, self._seconds, self._consumers = world, seconds, consumers
        self._groups: dict[str | None, deque[_Message]] = {}
        self._ready: deque[str | None] = deque()
        self._order: deque[_Message] = deque()
        self._locked: set[str | None] = set()
        self._waiting = self._busy = 0
        self._looked_at = 0.0

    def put(self, group: str | None = None) -> None:
        self._look()
        message = _Message(group, self._world.now)
        waiting = self._groups.setdefault(group, deque())
        waiting.append(message)
        self._order.append(message)
        self._waiting += 1
        if len(waiting) == 1 and group not in self._locked:
            self._ready.append(group)
        self._serve()

    def sample(self) -> None:
        while self._order and self._order[0].taken:
            self._order.popleft()
        self.drained.backlog.append((self._world.now, self._waiting))
        self.drained.age.append((self._world.now, self._world.now - self._order[0].queued_at if self._order else 0.0))
        self._serve()

    def _serve(self) -> None:
        while self._ready and self._busy < int(self._consumers.allowed(self._world.now)):
            self._look()
            batch = self._taken()
            self._busy += 1
            _after(self._world, self._seconds(len(batch)), partial(self._finish, batch))

    def _taken(self) -> list[_Message]:
        batch: list[_Message] = []
        while self._ready and len(batch) < self._consumers.batch:
            group = self._ready.popleft()
            waiting = self._groups[group]
            some = [waiting.popleft() for _ in range(min(len(waiting), self._consumers.batch - len(batch)))]
            batch += some
            if group:
                self._locked.add(group)
            elif waiting:
                self._ready.append(group)
        for message in batch:
            message.taken = True
            self.drained.waited_seconds += self._world.now - message.queued_at
        self._waiting -= len(batch)
        return batch

    def _finish(self, batch: list[_Message]) -> None:
        self._busy -= 1
        self.drained.delivered += len(batch)
        for group in dict.fromkeys(message.group for message in batch):
            if group:
                self._locked.remove(group)
                if self._groups[group]:
                    self._ready.append(group)
        self._serve()

    def _look(self) -> None:
        """Add up how many waited for how long, before that changes."""
        self.drained.waiting_seconds += self._waiting * (self._world.now - self._looked_at)
        self._looked_at = self._world.now


def drained(
    rate: Rate,
    seconds: Callable[[int], float],
    consumers: Consumers,
    *,
    until: float,
    groups: int = 0,
    random: Random | None = None,
) -> Drained:
    """Simulate a queue that is filled at a rate and emptied in batches.

    Args:
        rate: messages a second; nothing more comes once it is zero.
        seconds: how long a batch of so many messages takes.
        consumers: who empties it.
        until: when to stop.
        groups: of a FIFO queue, filled in turn; none for a standard queue.
        random: where the gaps between messages come from; even ones without it.
    """
    world = simpy.Environment()
    queue = _Queue(world, seconds, consumers)
    numbers = count()
    put = (lambda: queue.put(f"group-{next(numbers) % groups}")) if groups else queue.put
    world.process(_feeding(world, arrivals(rate, until, random), put))
    world.process(_sampling(world, queue.sample))
    world.run(until)
    return queue.drained


def _feeding(world: simpy.Environment, gaps: Iterator[float], act: Callable[[], None]) -> _Process:
    for gap in gaps:
        yield world.timeout(gap)
        act()


def _sampling(world: simpy.Environment, act: Callable[[], None]) -> _Process:
    while True:
        act()
        yield world.timeout(1)


def _after(world: simpy.Environment, seconds: float, act: Callable[[], None]) -> None:
    """Act later, without a process for it: there are hundreds of thousands of these."""
    event = world.timeout(seconds)
    if event.callbacks is not None:
        event.callbacks.append(lambda _: act())
