"""Follows requests: makes traces of what the emulator reports, and of what the fake API receives.

Everything that belongs to a request is labelled with mParticle's id of it: the message attributes ``request_id``, the
header ``Correlation-Id``, the lines of the log. A request without a usable id is known by its time, as it is in those.
"""

import json
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from local.inspector.calls import Calls
from local.inspector.http_requests import HttpExchange
from local.inspector.log_lines import log_steps
from local.inspector.shown import parsed, shown
from local.inspector.titles import title
from local.inspector.traces import Trace, Traces
from local.partner.listener import ReceivedRequest

type Report = Mapping[str, Any]

_STACK = "mparticle-firehose-"
_DEAD_LETTERS = "-dead-letter"
_MAX_KNOWN_MESSAGES = 50_000
_MAX_REPLAYED_BYTES = 1_000_000
_TOO_MANY_RECEIVES = "too many receives"


@dataclass(slots=True)
class _Batch:
    """A batch of messages that the worker has taken."""

    at: float
    records: list[Report]


class Follower:
    """Puts together what belongs to each request. Threads may share it."""

    def __init__(self, traces: Traces) -> None:
        """Take where the traces are kept."""
        self._traces = traces
        self._expected: dict[str, deque[Trace]] = {}
        self._running: dict[int, Trace] = {}
        self._batches: dict[int, _Batch] = {}
        self._messages: OrderedDict[str, Trace | None] = OrderedDict()
        self._calls = Calls(traces, self._traces_in_flight)
        self._actions: Mapping[str, Callable[[Report], None]] = {
            "invoked": self._invoked,
            "returned": self._returned,
            "sent": self._sent,
            "deleted": self._deleted,
            "moved": self._moved,
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
            self._batches[report["invocation"]] = _Batch(report["at"], report["records"])
            return
        exchange = HttpExchange.of(report["event"])
        content = exchange.content if exchange else report["event"]
        if not isinstance(content, dict):
            content = {}
        waiting = self._expected.get(_key(content))
        trace = waiting.popleft() if waiting else self._new(content, report["at"], is_http=exchange is not None)
        if not waiting:
            self._expected.pop(_key(content), None)
        if exchange and not content:
            trace.title, trace.request = exchange.line, {"method": exchange.method, "path": exchange.path}
        self._running[report["invocation"]] = trace
        if not self._traces.holds(trace) and trace.route == "other":
            self._traces.add(trace)
        self._calls.adopt(trace)

    def _returned(self, report: Report) -> None:
        batch = self._batches.pop(report["invocation"], None)
        if batch:
            self._delivered(batch, report)
            return
        trace = self._running.pop(report["invocation"], None)
        if trace is None:
            return
        with self._traces.changing(trace):
            trace.is_over, trace.milliseconds = True, report["milliseconds"]
            trace.failed = report["failed"]
            trace.answer = shown(report["body"])
            if trace.is_http and not report["failed"]:
                trace.status, trace.answer = HttpExchange.response(report["body"])
                trace.failed = trace.status >= 400  # noqa: PLR2004  an error
            for step in log_steps("handler", report["log"], report["at"]):
                trace.add(step)

    def _delivered(self, batch: _Batch, report: Report) -> None:
        """Note what became of the messages of a batch, in the trace of each."""
        again = _items_again(report)
        by_trace: dict[str, tuple[Trace, list[Report]]] = {}
        for record in batch.records:
            trace = self._messages.get(record["message_id"])
            if trace:
                by_trace.setdefault(trace.id, (trace, []))[1].append(record)
        lines = log_steps("worker", report["log"], report["at"])
        for trace, records in by_trace.values():
            ids = {record["message_id"] for record in records}
            with self._traces.changing(trace):
                trace.add(
                    {
                        "kind": "delivery",
                        "at": batch.at,
                        "function": "worker",
                        "queue": _queue(records[0]["queue"]),
                        "messages": len(records),
                        "receive_count": max(record["receive_count"] for record in records),
                        "outcome": self._outcome(report, trace, ids & again, batch.at),
                        "milliseconds": round(report["milliseconds"], 1),
                    }
                )
                for step in lines:
                    if step["fields"].get("request_id", trace.work) == trace.work:
                        trace.add(step)
                if not report["failed"]:
                    trace.waiting -= ids - again

    @staticmethod
    def _outcome(report: Report, trace: Trace, again: set[str], since: float) -> str:
        """Return what became of a trace's messages. One that waits long on a standard queue is sent to it anew."""
        if report["failed"]:
            return "failed"
        resent = any(
            step["kind"] == "queued" and "resent" in step["attributes"] and step["at"] >= since for step in trace.steps
        )
        return "again" if again or resent else "done"

    # --- the queues --------------------------------------------------------------------------------------------------

    def _sent(self, report: Report) -> None:
        attributes, body = report["attributes"], parsed(report["body"])
        work = attributes.get("request_id") or (_work(body) if isinstance(body, dict) else "")
        trace = self._traces.of_work(work)
        is_repeated = report["message_id"] in self._messages
        if not is_repeated:
            self._remember(report["message_id"], trace)
        if trace is None:
            return
        queue = _queue(report["queue"])
        with self._traces.changing(trace):
            if _holds_letters(queue):
                trace.letters.add(report["message_id"])
                reason = attributes.get("reason", _TOO_MANY_RECEIVES)
                trace.add({"kind": "dead_letter", "at": report["at"], "queue": queue, "reason": reason})
                return
            if not is_repeated:
                trace.waiting.add(report["message_id"])
            trace.add(
                {
                    "kind": "queued",
                    "at": report["at"],
                    "queue": queue,
                    "group": report["group"],
                    "attributes": attributes,
                    "body": shown(body),
                    "bytes": len(report["body"].encode("utf-8", "surrogatepass")),
                    "is_duplicate": is_repeated,
                }
            )

    def _deleted(self, report: Report) -> None:
        for trace, ids in self._by_trace(report["message_ids"]):
            with self._traces.changing(trace):
                trace.waiting -= ids
                trace.letters -= ids

    def _moved(self, report: Report) -> None:
        """Note what SQS itself has moved to a dead-letter queue."""
        queue = _queue(report["queue"])
        for trace, ids in self._by_trace(report["message_ids"]):
            with self._traces.changing(trace):
                trace.waiting -= ids
                trace.letters |= ids
                trace.add({"kind": "dead_letter", "at": report["at"], "queue": queue, "reason": _TOO_MANY_RECEIVES})

    def _by_trace(self, message_ids: Iterable[str]) -> list[tuple[Trace, set[str]]]:
        found: dict[str, tuple[Trace, set[str]]] = {}
        for message_id in message_ids:
            if trace := self._messages.get(message_id):
                found.setdefault(trace.id, (trace, set()))[1].add(message_id)
        return list(found.values())

    def _remember(self, message_id: str, trace: Trace | None) -> None:
        self._messages[message_id] = trace
        if len(self._messages) > _MAX_KNOWN_MESSAGES:
            self._messages.popitem(last=False)

    # --- traces ------------------------------------------------------------------------------------------------------

    def _new(self, content: Mapping[str, object], at: float, *, route: str = "other", is_http: bool) -> Trace:
        size = len(json.dumps(content, default=repr))
        request_id = content.get("id")
        return Trace(
            id=self._traces.new_id(),
            work=_work(content),
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
        batches = [self._of(batch) for batch in self._batches.values()]
        if work:
            return [trace for traces in batches if any(each.work == work for each in traces) for trace in traces]
        every = [*batches, *([trace] for trace in self._running.values())]
        return every[0] if len(every) == 1 else []

    def _of(self, batch: _Batch) -> list[Trace]:
        return [trace for trace, _ in self._by_trace(record["message_id"] for record in batch.records)]


def _items_again(report: Report) -> set[str]:
    body = report["body"]
    failures = body.get("batchItemFailures", []) if isinstance(body, dict) else []
    return {failure["itemIdentifier"] for failure in failures}


def _queue(name: str) -> str:
    return name.removeprefix(_STACK)


def _holds_letters(queue: str) -> bool:
    return queue.removesuffix(".fifo").endswith(_DEAD_LETTERS)


def _work(content: Mapping[str, object]) -> str:
    """Return a request's id as the product writes it, or its time if it has no usable one."""
    try:
        return str(UUID(str(content.get("id"))))
    except ValueError:
        return str(content.get("timestamp_ms") or 0)


def _key(content: Mapping[str, object]) -> str:
    """Return the same text for the same JSON."""
    return json.dumps(content, sort_keys=True)
