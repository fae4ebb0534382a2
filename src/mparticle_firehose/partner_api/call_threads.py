"""The threads that make exchanges for callers who wait no longer than their deadline."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from mparticle_firehose.integration import NetworkFault
from mparticle_firehose.partner_api.transport import MAX_CALLERS, FaultError, OutOfTimeError, Transfer

_GRACE_SECONDS = 0.01  # lets a socket's own timeout come first


class CallThreads:
    """Up to MAX_CALLERS threads for one site, so that another site's calls have their own.

    A call that is given up ends its thread by shutting its connection down. Before there is a connection, a thread can
    be stuck: nothing ends a lookup at the name server. Once all threads are stuck, further calls are refused at once.
    So there are never more threads, nor calls that wait for one, than that.
    """

    def __init__(self, name: str) -> None:
        """Take the name that the threads have in a stack trace. They are started when they are needed."""
        self._executor = ThreadPoolExecutor(MAX_CALLERS, thread_name_prefix=name)
        self._free = threading.Semaphore(MAX_CALLERS)
        self._stuck: set[Future[Any]] = set()

    def run[T](self, act: Callable[[], T], transfer: Transfer) -> T:
        """Return or raise what the act does in a thread.

        Args:
            act: makes the exchange of the transfer.
            transfer: given up if the act has not ended by its `read_by`.

        Raises:
            FaultError: all threads are stuck.
            OutOfTimeError: no thread became free in time.
            TimeoutError: the transfer was given up.
        """
        if len(self._stuck) >= MAX_CALLERS:
            raise FaultError(NetworkFault.DNS)
        if not self._free.acquire(timeout=transfer.deadline.remaining()):
            raise OutOfTimeError
        exchange = self._executor.submit(act)
        exchange.add_done_callback(self._end)
        try:
            return exchange.result(transfer.read_by.remaining() + _GRACE_SECONDS)
        except TimeoutError:
            transfer.give_up()
            if not transfer.is_written:
                self._stuck.add(exchange)
                exchange.add_done_callback(self._stuck.discard)
            raise

    def _end(self, _: Future[Any]) -> None:
        self._free.release()
