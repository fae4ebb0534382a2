"""The threads that make exchanges for callers who wait no longer than their deadline."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.integration import NetworkFault
from mparticle_firehose.partner_api.transport import MAX_CALLERS, FaultError, OutOfTimeError, Transfer

_GRACE_SECONDS = 0.01  # lets a socket's own timeout come first
_ENDS_WITHIN_SECONDS = 0.01  # of a thread whose connection was shut down


class CallThreads:
    """Up to MAX_CALLERS threads for one site, so that another site's calls have their own.

    A call whose caller waits no longer may keep its thread, to read a late answer: only then can its connection be used
    again, and the next call needs one round trip instead of three. When no thread is free, the oldest of these calls is
    given up, which ends its thread by shutting its connection down. Before there is a connection, a thread can be
    stuck: nothing ends a lookup at the name server. Once all threads are stuck, further calls are refused at once. So
    there are never more threads, nor calls that wait for one, than that.
    """

    def __init__(self, name: str) -> None:
        """Take the name that the threads have in a stack trace. They are started when they are needed."""
        self._executor = ThreadPoolExecutor(MAX_CALLERS, thread_name_prefix=name)
        self._free = threading.Semaphore(MAX_CALLERS)
        self._stuck: set[Future[Any]] = set()
        self._late: dict[Future[Any], Transfer] = {}

    def run[T](self, act: Callable[[], T], transfer: Transfer, until: Deadline | None = None) -> T:
        """Return or raise what the act does in a thread.

        Args:
            act: makes the exchange of the transfer.
            transfer: left if the act has not ended in time, see `Transfer.leave`.
            until: how long the caller waits; None is until the `read_by` of the transfer.

        Raises:
            FaultError: all threads are stuck.
            OutOfTimeError: no thread became free in time.
            TimeoutError: the transfer was left or given up.
        """
        if len(self._stuck) >= MAX_CALLERS:
            raise FaultError(NetworkFault.DNS)
        self._end_overdue()
        self._take_thread(transfer.deadline)
        exchange = self._executor.submit(act)
        exchange.add_done_callback(self._end)
        try:
            return exchange.result(until.remaining() if until else transfer.read_by.remaining() + _GRACE_SECONDS)
        except TimeoutError:
            transfer.leave()
            if transfer.is_sent:
                self._late[exchange] = transfer
                exchange.add_done_callback(self._forget)
            elif not transfer.is_written:
                self._stuck.add(exchange)
                exchange.add_done_callback(self._stuck.discard)
            raise

    def _take_thread(self, deadline: Deadline) -> None:
        """Wait for a free thread. Another call may take the one that was freed for this call, so free one more then."""
        while not self._free.acquire(blocking=False):
            self._give_up_oldest()
            if self._free.acquire(timeout=min(_ENDS_WITHIN_SECONDS, deadline.remaining())):
                return
            if deadline.remaining() <= 0:
                raise OutOfTimeError

    def _end_overdue(self) -> None:
        """Give up calls that have read long enough: their sockets' timeouts do not end an answer that drips."""
        for exchange, transfer in list(self._late.items()):
            if transfer.read_by.remaining() <= 0:
                transfer.give_up()
                self._forget(exchange)

    def _give_up_oldest(self) -> None:
        """Give up one call that reads a late answer, if there is one: its thread is needed."""
        for exchange in list(self._late):
            if transfer := self._forget(exchange):
                transfer.give_up()
                return

    def _forget(self, exchange: Future[Any]) -> Transfer | None:
        return self._late.pop(exchange, None)

    def _end(self, _: Future[Any]) -> None:
        self._free.release()
