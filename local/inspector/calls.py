"""The partner calls of traces, as the fake API has received them."""

import json
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from local.inspector.shown import masked_body, masked_headers, masked_path, shown
from local.inspector.traces import Step, Trace, Traces
from local.partner.listener import ReceivedRequest

MAX_NAMED_REQUESTS = 5
"""How many requests a call that merges several of them names in Correlation-Id: as `delivery.asking` has it."""

_MAX_ORPHANS = 500
_ORPHAN_SECONDS = 2.0
_LABEL = "Correlation-Id"


@dataclass(slots=True)
class _Open:
    """A call that is not answered yet, and where it is noted."""

    request: ReceivedRequest
    noted: list[tuple[Trace, Step]]


@dataclass(slots=True)
class _Orphan:
    """A call whose trace is not known yet: the emulator's report of the request may come a little later."""

    works: tuple[str, ...]
    request: ReceivedRequest


class Calls:
    """Notes each call in the trace of each request that it is for. To be used within the lock of the traces."""

    def __init__(self, traces: Traces, in_flight: Callable[[str], list[Trace]]) -> None:
        """Take the traces, and what returns those that an invocation works on which has a request, or any."""
        self._traces = traces
        self._in_flight = in_flight
        self._open: dict[int, _Open] = {}
        self._orphans: deque[_Orphan] = deque(maxlen=_MAX_ORPHANS)

    def note(self, request: ReceivedRequest) -> None:
        """Note a call that has come, or what became of one that is noted already."""
        known = self._open.get(id(request))
        if known is None:
            self._begin(request)
            return
        for trace, step in known.noted:
            with self._traces.changing(trace):
                result = _result(request)
                step.update(result)
                trace.size += len(json.dumps(result, default=repr))
        if request.milliseconds is not None:
            del self._open[id(request)]

    def _begin(self, request: ReceivedRequest) -> None:
        works = tuple(request.headers.get(_LABEL, "").split())
        traces = self._traces_of(works)
        self._open[id(request)] = _Open(request, [self._add(trace, request) for trace in traces])
        if not traces and works:
            self._orphans.append(_Orphan(works, request))

    def adopt(self, trace: Trace) -> None:
        """Note the calls of a trace that came before it."""
        for orphan in list(self._orphans):
            is_recent = time.time() - orphan.request.received_at < _ORPHAN_SECONDS
            if trace.work in orphan.works and is_recent:
                noted = self._add(trace, orphan.request)
                if known := self._open.get(id(orphan.request)):
                    known.noted.append(noted)
                self._orphans.remove(orphan)

    def _traces_of(self, works: tuple[str, ...]) -> Iterable[Trace]:
        if not works:
            return _distinct(self._in_flight(""))
        found = [trace for work in works if (trace := self._traces.of_work(work))]
        if len(works) == MAX_NAMED_REQUESTS:
            found += self._in_flight(works[0])
        return _distinct(found)

    def _add(self, trace: Trace, request: ReceivedRequest) -> tuple[Trace, Step]:
        body, path = shown(masked_body(request.body)), masked_path(request.path)
        earlier = [
            step
            for step in trace.steps
            if step["kind"] == "call" and (step["method"], step["path"], step["body"]) == (request.method, path, body)
        ]
        step: Step = {
            "kind": "call",
            "at": request.received_at,
            "method": request.method,
            "site": request.headers.get("Host", ""),
            "path": path,
            "headers": masked_headers(request.headers),
            "body": body,
            "attempt": len(earlier) + 1,
            **_result(request),
        }
        with self._traces.changing(trace):
            trace.add(step)
        return trace, step


def _result(request: ReceivedRequest) -> Step:
    is_treated = request.milliseconds is not None
    lost = request.behaviour.get("lost")
    return {
        "fault": request.behaviour.get("name"),
        "status": request.status,
        "lost": lost if is_treated or lost == "hang" else None,
        "answer": shown(masked_body(request.reply.body)) if request.reply else None,
        "milliseconds": None if request.milliseconds is None else round(request.milliseconds, 1),
    }


def _distinct(traces: Iterable[Trace]) -> list[Trace]:
    return list({trace.id: trace for trace in traces}.values())
