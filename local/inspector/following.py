"""Follows requests: makes traces of what the emulator reports, and of what the fake API receives.

Everything that belongs to a request is labelled with mParticle's id of it: the message attributes ``request_id``, the
header ``Correlation-Id``, the lines of the log. A request without a usable id is known by its time, as it is in those.
"""

import hashlib
import json
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from local.inspector.calls import Calls
from local.inspector.http_requests import HttpExchange
from local.inspector.log_lines import log_steps
from local.inspector.messages import Messages
from local.inspector.shown import shown
from local.inspector.titles import title
from local.inspector.traces import Trace, Traces
from local.inspector.work import work_of
from local.partner.listener import ReceivedRequest

type Report = Mapping[str, Any]

_MAX_REPLAYED_BYTES = 1_000_000
_MIN_ERROR = 400
_COLD_STARTS = "ColdStarts"
"""What the line of an environment's first invocation has."""


class Follower:
    """Puts together what belongs to each request. Threads may share it."""

    def __init__(self, traces: Traces) -> None:
        """Take where the traces are kept."""
        self._traces = traces
        self._expected: dict[bytes, deque[Trace]] = {}
        self._running: dict[int, Trace] = {}
        self._messages = Messages(traces)
        self._calls = Calls(traces, self._traces_in_flight)
        self._actions: Mapping[str, Callable[[Report], None]] = {
            "invoked": self._invoked,
            "returned": self._returned,
            "sent": self._messages.sent,
            "deleted": self._messages.deleted,
            "moved": self._messages.moved,
        }

    def observe(self, report: Report) -> None:
        """Take a report of the emulator's."""
        with self._traces.locked():
            self._actions[report["kind"]](report)

    def receive(self, request: ReceivedRequest) -> None:
        """Take a request that the fake API has got, and once more when it has treated it."""
        with self._traces.locked():
            self._calls.note(request)

    def begin(self, content: Mapping[str, object], route: str) -> Trace:
        """Return the trace of a request that the page is about to send."""
        trace = self._new(content, time.time(), route=route, is_http=route == "https")
        with self._traces.locked():
            self._expected.setdefault(_key(content), deque()).append(trace)
            self._traces.add(trace)
        return trace

    def start(self, trace: Trace) -> None:
        """Say that a request of the page's is sent now; until then it has waited for its turn."""
        with self._traces.changing(trace):
            trace.at = time.time()

    def fail(self, trace: Trace, sentence: str, status: int | None = None) -> None:
        """Say that a request of the page's did not reach the handler, unless it did."""
        with self._traces.locked():
            if not self._forget_expected(trace):
                return
        with self._traces.changing(trace):
            trace.answer, trace.failed, trace.is_over, trace.status = {"error": sentence}, True, True, status

    # --- the functions -----------------------------------------------------------------------------------------------

    def _invoked(self, report: Report) -> None:
        if "records" in report:
            self._messages.taken(report)
            return
        exchange = HttpExchange.of(report["event"])
        content = exchange.content if exchange else report["event"]
        whole = content if isinstance(content, dict) else {}
        trace = self._next_expected(whole)
        if trace is None:
            trace = self._new(whole, report["at"], is_http=exchange is not None)
            if exchange and not whole:
                trace.title, trace.request = exchange.line, {"method": exchange.method, "path": exchange.path}
            elif not whole:
                trace.request = shown(content)
            self._traces.add(trace)
        self._running[report["invocation"]] = trace
        self._calls.adopt(trace)

    def _returned(self, report: Report) -> None:
        if self._messages.settle(report):
            return
        trace = self._running.pop(report["invocation"], None)
        if trace is None:
            return
        with self._traces.changing(trace):
            trace.is_over, trace.milliseconds, trace.answered_at = True, report["milliseconds"], report["at"]
            trace.failed = report["failed"]
            trace.answer = shown(report["body"])
            if trace.is_http and not report["failed"]:
                trace.status, trace.answer = HttpExchange.response(report["body"])
                trace.failed = trace.status >= _MIN_ERROR
            for step in log_steps("handler", report["log"], report["at"]):
                trace.is_cold = trace.is_cold or _COLD_STARTS in step["fields"]
                trace.add(step)

    # --- traces ------------------------------------------------------------------------------------------------------

    def _new(self, content: Mapping[str, object], at: float, *, route: str = "other", is_http: bool) -> Trace:
        size = len(json.dumps(content, default=repr))
        request_id = content.get("id")
        return Trace(
            id=self._traces.new_id(),
            work=work_of(content),
            title=title(content),
            kind=str(content.get("type") or ""),
            request_id=request_id if isinstance(request_id, str) else None,
            request=shown(content),
            content=content if size <= _MAX_REPLAYED_BYTES else None,
            at=at,
            route=route,
            is_http=is_http,
            size=size,
        )

    def _next_expected(self, content: Mapping[str, object]) -> Trace | None:
        """Return the trace of the page's own request with this content, if one is to come."""
        key = _key(content)
        expected = self._expected.get(key)
        if not expected:
            return None
        trace = expected.popleft()
        if not expected:
            del self._expected[key]
        return trace

    def _forget_expected(self, trace: Trace) -> bool:
        """Return whether a trace was not invoked yet, and expect it no longer."""
        for key, waiting in self._expected.items():
            if trace in waiting:
                waiting.remove(trace)
                if not waiting:
                    del self._expected[key]
                return True
        return False

    def _traces_in_flight(self, work: str) -> list[Trace]:
        """Return the traces of the batches that hold a request; without one, of the only invocation that runs."""
        batches = self._messages.in_flight()
        if work:
            return [trace for traces in batches if any(each.work == work for each in traces) for trace in traces]
        every = [*batches, *([trace] for trace in self._running.values())]
        return every[0] if len(every) == 1 else []


def _key(content: Mapping[str, object]) -> bytes:
    """Return the same few bytes for the same JSON."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).digest()
