"""Sends calls in several threads, as far as their order allows."""

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait

from mparticle_firehose.delivery.merging import Call


class SideBySide:
    """Sends calls in several threads. A call waits for those that hold earlier items of its users and keys."""

    def __init__(self, calls: Sequence[Call], send: Callable[[Call], None], executor: Executor) -> None:
        self._calls = calls
        self._send = send
        self._executor = executor
        self._blockers = {index: set(call.after) for index, call in enumerate(calls)}
        self._running: dict[Future[None], int] = {}

    def run(self) -> None:
        """Send them all. An error ends it when every call that has begun has ended."""
        try:
            self._start_ready()
            while self._running:
                ended, _ = wait(self._running, return_when=FIRST_COMPLETED)
                for future in ended:
                    self._end(future)
                self._start_ready()
        finally:
            wait(self._running)

    def _start_ready(self) -> None:
        for index in [index for index, blockers in self._blockers.items() if not blockers]:
            del self._blockers[index]
            self._running[self._executor.submit(self._send, self._calls[index])] = index

    def _end(self, future: Future[None]) -> None:
        index = self._running.pop(future)
        future.result()
        for blockers in self._blockers.values():
            blockers.discard(index)
