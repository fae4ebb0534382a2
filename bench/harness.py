"""How everything is measured: in rounds that take turns, as ratios within a round, with median and quartiles."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from statistics import linear_regression, quantiles

type Measure = Callable[[], float]
"""Takes one measurement and returns it."""

_PERCENTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}


def spread(values: Sequence[float], factor: float = 1.0) -> dict[str, float]:
    """Return the median of several measurements and the quartiles, multiplied by a factor."""
    lower, median, upper = (
        quantiles(values, n=4, method="inclusive") if len(values) > 1 else (values[0], values[0], values[0])
    )
    return {"median": median * factor, "lower": lower * factor, "upper": upper * factor, "count": len(values)}


def interleaved(subjects: Mapping[str, Measure], rounds: int) -> dict[str, list[float]]:
    """Measure every subject once a round, forwards and backwards in turn, so that a drift of the machine hits all."""
    samples: dict[str, list[float]] = {name: [] for name in subjects}
    for number in range(rounds):
        for name in list(subjects) if number % 2 == 0 else reversed(list(subjects)):
            samples[name].append(subjects[name]())
    return samples


def ratios(samples: Sequence[float], baseline: Sequence[float]) -> dict[str, float]:
    """Compare within each round, then return the spread: what slows a round down slows both."""
    return spread([one / other for one, other in zip(samples, baseline, strict=True)])


def differences(samples: Sequence[float], baseline: Sequence[float]) -> list[float]:
    """Subtract within each round."""
    return [one - other for one, other in zip(samples, baseline, strict=True)]


def percentiles(values: Sequence[float], factor: float = 1.0) -> dict[str, float]:
    """Return the usual percentiles by the nearest-rank method, multiplied by a factor: each was measured."""
    ordered = sorted(values)
    return {
        name: round(ordered[max(0, math.ceil(part * len(ordered)) - 1)] * factor, 4)
        for name, part in _PERCENTILES.items()
    }


def growth(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """Return the exponent with which the cost grows with the size: 1 is linear, 2 quadratic."""
    return linear_regression([math.log(size) for size in sizes], [math.log(cost) for cost in costs]).slope


def seconds_per_call(
    act: Callable[[], object], *, calls: int = 1, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Return the time of one call, as the mean of several."""
    started = clock()
    for _ in range(calls):
        act()
    return (clock() - started) / calls


def cpu_seconds(act: Callable[[], object], *, calls: int = 1) -> float:
    """Return the processor time of one call; it does not grow while other programs use the machine."""
    return seconds_per_call(act, calls=calls, clock=time.process_time)


def calls_lasting(act: Callable[[], object], seconds: float) -> int:
    """Return how many calls last about that long, after a first call, which may load what the others use."""
    act()
    calls = 1
    while (each := cpu_seconds(act, calls=calls)) * calls < seconds / 4:
        calls *= 2
    return max(1, round(seconds / each))
