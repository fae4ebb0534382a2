"""How everything is measured: in rounds that take turns, as ratios within a round, with median and spread."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import linear_regression, quantiles

type Figures = dict[str, object]
"""What a benchmark has measured: numbers, texts, lists and dicts of them, as JSON has them."""

type Measure = Callable[[], float]
"""Takes one measurement and returns it."""

_PERCENTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of several measurements, and the quartiles on both sides of it."""

    median: float
    lower: float
    upper: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        if len(values) == 1:
            return cls(values[0], values[0], values[0], 1)
        lower, middle, upper = quantiles(values, n=4, method="inclusive")
        return cls(middle, lower, upper, len(values))

    def scaled(self, factor: float) -> "Spread":
        return Spread(self.median * factor, self.lower * factor, self.upper * factor, self.count)

    def figures(self) -> dict[str, float]:
        return asdict(self)


def interleaved(subjects: Mapping[str, Measure], rounds: int) -> dict[str, list[float]]:
    """Measure every subject once a round, forwards and backwards in turn, so that a drift of the machine hits all."""
    samples: dict[str, list[float]] = {name: [] for name in subjects}
    for number in range(rounds):
        for name in list(subjects) if number % 2 == 0 else reversed(list(subjects)):
            samples[name].append(subjects[name]())
    return samples


def ratios(samples: Sequence[float], baseline: Sequence[float]) -> Spread:
    """Compare within each round, then take the median: what slows a round down slows both."""
    return Spread.of([one / other for one, other in zip(samples, baseline, strict=True)])


def less(samples: Sequence[float], others: Sequence[float]) -> list[float]:
    """Subtract within each round."""
    return [one - other for one, other in zip(samples, others, strict=True)]


def differences(samples: Sequence[float], baseline: Sequence[float]) -> Spread:
    """Subtract within each round, then take the median."""
    return Spread.of(less(samples, baseline))


def with_quartiles(figures: Mapping[str, float], digits: int = 2) -> str:
    """Return a spread's figures as they stand in tables."""
    middle, lower, upper = (f"{figures[name]:.{digits}f}" for name in ("median", "lower", "upper"))
    return f"{middle} ({lower}-{upper})"


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """Return the usual percentiles by the nearest-rank method: each is a value that was measured."""
    ordered = sorted(values)
    return {name: ordered[max(0, math.ceil(part * len(ordered)) - 1)] for name, part in _PERCENTILES.items()}


def growth(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """Return the exponent with which the cost grows with the size: 1 is linear, 2 quadratic."""
    return linear_regression([math.log(size) for size in sizes], [math.log(cost) for cost in costs]).slope


def cpu_seconds(act: Callable[[], object], *, calls: int) -> float:
    """Return the processor time of one call; unlike the clock it stands still while other programs run."""
    started = time.process_time()
    for _ in range(calls):
        act()
    return (time.process_time() - started) / calls


def calls_lasting(act: Callable[[], object], seconds: float) -> int:
    """Return how many calls last about that long, after warming up: the first call may load what the others use."""
    act()
    calls = 1
    while (each := cpu_seconds(act, calls=calls)) * calls < seconds / 4:
        calls *= 2
    return max(1, round(seconds / each))


def wall_seconds(act: Callable[[], object]) -> float:
    """Return the time one call takes by the clock."""
    started = time.perf_counter()
    act()
    return time.perf_counter() - started
