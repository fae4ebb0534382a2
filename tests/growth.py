"""Tells work that grows with its input from work that grows with the square of it, on a busy machine too."""

import gc
import time
from collections.abc import Callable

MAX_GROWTH = 3.5
"""How much longer an input of twice the length may take. Linear work takes 2 times as long, quadratic work 4 times."""

_RUNS = 7
_NEGLIGIBLE_SECONDS = 0.000_3


def seconds(work: Callable[[], object], runs: int = _RUNS) -> float:
    """The processor time of this thread in the quickest of several runs: what others do on the machine adds to most."""
    return min(_once(work) for _ in range(runs))


def growth(once: Callable[[], object], twice: Callable[[], object]) -> float:
    """How much longer the second work takes, which has an input of twice the length; 0 if it takes next to nothing.

    A growth that is too large is measured once more: quadratic work is too slow each time.
    """
    first = _growth(once, twice)
    return first if first < MAX_GROWTH else min(first, _growth(once, twice))


def _growth(once: Callable[[], object], twice: Callable[[], object]) -> float:
    if (longer := seconds(twice)) < _NEGLIGIBLE_SECONDS:
        return 0.0
    return longer / seconds(once)


def _once(work: Callable[[], object]) -> float:
    gc.disable()  # it takes time in proportion to what other tests have left
    try:
        start = time.thread_time()
        work()
        return time.thread_time() - start
    finally:
        gc.enable()
