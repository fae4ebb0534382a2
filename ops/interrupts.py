"""SIGINT and SIGTERM, delayed while an SQS call is running."""

import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType
from typing import Self

type Uninterrupted = Callable[[], AbstractContextManager[object]]
"""Returns a context in which an interrupt is delayed until the end of the block."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Turns SIGINT and SIGTERM into KeyboardInterrupt, for the time of a ``with`` block.

    Inside an `uninterrupted` block the first signal waits for the end of the block: SQS may execute a call although
    the client has dropped the connection, and messages whose receipt handles are lost stay invisible for minutes. A
    second signal is raised at once.

    Attributes:
        signal: the last signal that was received, if any.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._depth = 0
        self._is_pending = False

    def __enter__(self) -> Self:
        self._previous = [signal.signal(number, self._on_signal) for number in _SIGNALS]
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in zip(_SIGNALS, self._previous, strict=True):
            signal.signal(number, handler)

    @contextmanager
    def uninterrupted(self) -> Iterator[None]:
        """Delay a first interrupt until the end of the outermost block."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
        if self._is_pending and not self._depth:
            self._is_pending = False
            raise KeyboardInterrupt

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        is_first, self.signal = self.signal is None, number
        if is_first and self._depth:
            self._is_pending = True
        else:
            raise KeyboardInterrupt
