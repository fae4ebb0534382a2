"""Sends calls in several threads, as far as their order allows."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, Future, wait
from queue import SimpleQueue

from mparticle_firehose.delivery.merging import Call

CALLS_AT_A_TIME = 4
"""Calls that one batch of the worker makes at a time."""


class SideBySide:
    """Sends calls in several threads. A call waits for those that hold earlier items of its users and keys."""

    def __init__(self, calls: Sequence[Call], send: Callable[[Call], None], executor: Executor) -> None:
        self._calls = calls
        self._send = send
        self._executor = executor
        self._awaited = [len(call.after) for call in calls]
        self._followers: list[list[int]] = [[] for _ in calls]
        for index, call in enumerate(calls):
            for before in call.after:
                self._followers[before].append(index)
        self._running: dict[Future[None], int] = {}
        self._ended: SimpleQueue[Future[None]] = SimpleQueue()

    def run(self) -> None:
        """Send them all. An error ends it when every call that has begun has ended."""
        try:
            self._start(index for index, awaited in enumerate(self._awaited) if not awaited)
            while self._running:
                future = self._ended.get()
                index = self._running.pop(future)
                future.result()
                self._start(self._freed_by(index))
        finally:
            wait(self._running)

    def _start(self, indexes: Iterable[int]) -> None:
        for index in indexes:
            future = self._executor.submit(self._send, self._calls[index])
            self._running[future] = index
            future.add_done_callback(self._ended.put)

    def _freed_by(self, ended: int) -> Iterable[int]:
        """Yield the calls that wait for no other one any more."""
        for index in self._followers[ended]:
            self._awaited[index] -= 1
            if not self._awaited[index]:
                yield index
