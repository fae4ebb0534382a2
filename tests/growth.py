"""Tells work that grows with its input from work that grows with the square of it, on a busy machine too."""

import gc
import time
from collections.abc import Callable

MAX_GROWTH = 9
"""How much longer an input of four times the length may take. Linear work takes 4 times as long, quadratic work 16.

Work that makes many objects takes up to 7 times as long beside other processes, which share the processor's cache.
"""

_RUNS = 7
_NEGLIGIBLE_SECONDS = 0.000_3


def seconds(work: Callable[[], object], runs: int = _RUNS) -> float:
    """The processor time of this thread in the quickest of several runs: what others do on the machine adds to most."""
    return min(_once(work) for _ in range(runs))


def growth(once: Callable[[], object], fourfold: Callable[[], object]) -> float:
    """How much longer the second work takes, whose input is four times as long; 0 if it takes next to nothing.

    A growth that is too large is measured once more: quadratic work is too slow each time.
    """
    first = _growth(once, fourfold)
    return first if first < MAX_GROWTH else min(first, _growth(once, fourfold))


def _growth(once: Callable[[], object], fourfold: Callable[[], object]) -> float:
    if (longer := seconds(fourfold)) < _NEGLIGIBLE_SECONDS:
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
