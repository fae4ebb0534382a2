"""Discrete-event simulations of what Lambda and SQS do with a burst, to check the arithmetic of the cost model.

Each takes rates and durations as functions, so that tests can put in what queueing theory has formulas for.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from heapq import heappop, heappush, merge
from math import ceil
from operator import itemgetter
from random import Random

from ops.verify.capacity import REQUESTS_PER_UNIT

_ROUNDING = 1e-6  # an allowance of one may be a little less by rounding


class SilentTelemetry:
    """Takes what simulated parts count and log, and drops it."""

    def count(self, name: str, value: int = 1) -> None:
        """Drop it."""

    def measure(self, name: str, milliseconds: float) -> None:
        """Drop it."""

    def list_delivered(self, message_type: str, request_id: str) -> None:
        """Drop it."""

    def note(self, event: str, facts: Mapping[str, str | int]) -> None:
        """Drop it."""

    def warn(self, event: str, facts: Mapping[str, str | int]) -> None:
        """Drop it."""


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
    """How many environments Lambda makes, and how many requests it takes.

    Attributes:
        limit: concurrent executions of the account. Lambda takes ten requests a second for each of them.
        at_once: environments that can be made from a standstill, by documentation 1,000.
        per_second: how fast that allowance comes back, by documentation 1,000 in ten seconds.
        starting: seconds that the first request of a new environment takes longer.
    """

    limit: int
    at_once: float = 1_000
    per_second: float = 100
    starting: float = 0.0

    @property
    def requests_per_second(self) -> float:
        """The most that Lambda takes, however short the requests are."""
        return float(self.limit * REQUESTS_PER_UNIT)


class _Allowance:
    """Something that is used up and comes back evenly, up to a maximum."""

    def __init__(self, maximum: float, per_second: float) -> None:
        self._left = self._maximum = maximum
        self._per_second = per_second
        self._counted_at = 0.0

    def is_left(self, now: float) -> bool:
        self._left = min(self._maximum, self._left + (now - self._counted_at) * self._per_second)
        self._counted_at = now
        return self._left >= 1 - _ROUNDING

    def use(self) -> None:
        self._left -= 1


@dataclass(slots=True)
class Handled:
    """What became of synchronous requests."""

    requests: int = 0
    throttled: int = 0
    environments: int = 0
    max_concurrent: int = 0


def arrivals(rate: Rate, until: float, random: Random | None = None) -> Iterator[float]:
    """Yield when requests come: at even distances, or, with a source of randomness, as a Poisson process."""
    now = 0.0
    while (per_second := rate(now)) > 0:
        now += random.expovariate(per_second) if random else 1 / per_second
        if now >= until:
            break
        yield now


def handled(
    rate: Rate,
    seconds: Callable[[], float],
    scaling: Scaling,
    *,
    until: float,
    warm: int = 0,
    random: Random | None = None,
) -> Handled:
    """Simulate synchronous requests: one that finds no environment is refused, and the caller must repeat it."""
    done = Handled(environments=warm)
    ends: list[float] = []
    new_environments = _Allowance(scaling.at_once, scaling.per_second)
    requests = _Allowance(scaling.requests_per_second, scaling.requests_per_second)
    for now in arrivals(rate, until, random):
        done.requests += 1
        while ends and ends[0] <= now:
            heappop(ends)
        new = len(ends) >= done.environments
        may_start = done.environments < scaling.limit and new_environments.is_left(now) if new else True
        if not may_start or not requests.is_left(now):
            done.throttled += 1
            continue
        requests.use()
        if new:
            new_environments.use()
            done.environments += 1
        heappush(ends, now + seconds() + (scaling.starting if new else 0.0))
        done.max_concurrent = max(done.max_concurrent, len(ends))
    return done


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumers:
    """How an event source mapping empties a queue.

    Attributes:
        maximum: batches at a time at most.
        at_first: batches at a time in the beginning.
        per_second: how many more each second while there is work.
        batch: messages of a batch at most.
    """

    maximum: int
    at_first: int | None = None
    per_second: float = 0.0
    batch: int = 10

    def allowed(self, now: float) -> float:
        return min(self.maximum, (self.maximum if self.at_first is None else self.at_first) + now * self.per_second)


@dataclass(slots=True)
class Drained:
    """What became of queued messages, and each second how many waited and how long the oldest had waited."""

    delivered: int = 0
    waited_seconds: float = 0.0
    backlog: list[int] = field(default_factory=list)
    age: list[float] = field(default_factory=list)

    @property
    def mean_wait(self) -> float:
        """Seconds from queued to taken by a consumer."""
        return self.waited_seconds / self.delivered


class _Queue:
    """An SQS queue with its consumers. In a FIFO queue, a group is locked while a batch holds some of its messages.

    A standard queue is one group that is never locked.
    """

    def __init__(self, seconds: Callable[[int], float], consumers: Consumers, groups: int) -> None:
        self.drained = Drained()
        self._seconds, self._consumers, self._fifo = seconds, consumers, groups > 0
        self._groups: list[deque[float]] = [deque() for _ in range(groups or 1)]  # when each message was queued
        self._ready: deque[int] = deque()  # groups that have messages and are not locked
        self._locked: set[int] = set()
        self._ends: list[tuple[float, int, set[int]]] = []  # of batches: when, how many messages, of which groups
        self._put = 0

    def put(self, now: float) -> None:
        group = self._put % len(self._groups)
        self._put += 1
        self._groups[group].append(now)
        if len(self._groups[group]) == 1 and group not in self._locked:
            self._ready.append(group)
        self._serve(now)

    def sample(self, now: float) -> None:
        self._serve(now)  # by consumers that are new
        self.drained.backlog.append(sum(map(len, self._groups)))
        self.drained.age.append(max((now - waiting[0] for waiting in self._groups if waiting), default=0.0))

    def advance(self, now: float) -> None:
        """Finish the batches that end until now."""
        while self._ends and self._ends[0][0] <= now:
            end, size, groups = heappop(self._ends)
            self.drained.delivered += size
            self._locked -= groups
            self._ready.extend(group for group in sorted(groups) if self._fifo and self._groups[group])
            self._serve(end)

    def _serve(self, now: float) -> None:
        while self._ready and len(self._ends) < int(self._consumers.allowed(now)):
            size, groups = self._take(now)
            heappush(self._ends, (now + self._seconds(size), size, groups))

    def _take(self, now: float) -> tuple[int, set[int]]:
        size, groups = 0, set[int]()
        while self._ready and size < self._consumers.batch:
            group = self._ready.popleft()
            waiting = self._groups[group]
            taken = min(len(waiting), self._consumers.batch - size)
            self.drained.waited_seconds += sum(now - waiting.popleft() for _ in range(taken))
            size += taken
            groups.add(group)
            if self._fifo:
                self._locked.add(group)
            elif waiting:
                self._ready.append(group)
        return size, groups


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
        consumers: what empties it.
        until: when to stop.
        groups: of a FIFO queue, filled in turn; none for a standard queue.
        random: where the gaps between messages come from; even ones without it.
    """
    queue = _Queue(seconds, consumers, groups)
    puts = ((now, queue.put) for now in arrivals(rate, until, random))
    samples = ((float(second), queue.sample) for second in range(ceil(until)))
    for now, act in merge(puts, samples, key=itemgetter(0)):
        queue.advance(now)
        act(now)
    queue.advance(until)
    return queue.drained
