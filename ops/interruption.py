"""Ctrl-C that never cuts an SQS call in two."""

import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType
from typing import Self

type Shield = Callable[[], AbstractContextManager[object]]
"""Makes a block that an interruption waits for."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Turns Ctrl-C and SIGTERM into KeyboardInterrupt: at once, or at the end of a shielded block.

    An SQS call that is cut off may have been carried out all the same, and letters that were received without anyone
    noting their receipt handles stay invisible for minutes. Who asks a second time gets it at once.

    Attributes:
        signal: the signal that came, if any.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._depth = 0
        self._is_due = False

    def __enter__(self) -> Self:
        self._previous = [signal.signal(number, self._note) for number in _SIGNALS]
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in zip(_SIGNALS, self._previous, strict=True):
            signal.signal(number, handler)

    @contextmanager
    def shield(self) -> Iterator[None]:
        """Let a first interruption wait for the end of the block."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
        if self._is_due and not self._depth:
            self._is_due = False
            raise KeyboardInterrupt

    def _note(self, number: int, _frame: FrameType | None) -> None:
        is_first, self.signal = self.signal is None, number
        if is_first and self._depth:
            self._is_due = True
        else:
            raise KeyboardInterrupt
