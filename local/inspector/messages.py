"""The messages of requests: where they wait, what the worker made of them, and which are dead letters."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from local.inspector.log_lines import log_steps
from local.inspector.shown import parsed, shown
from local.inspector.traces import Trace, Traces
from local.inspector.work import work_of
from local.logs.entries import delivered_requests

type Report = Mapping[str, Any]

_STACK = "mparticle-firehose-"
_DEAD_LETTERS = "-dead-letter"
_MAX_KNOWN = 50_000
_TOO_MANY_RECEIVES = "too many receives"


@dataclass(slots=True)
class _Batch:
    """A batch of messages that the worker has taken."""

    at: float
    records: list[Report]


class Messages:
    """Notes what happens to messages in the traces of their requests. To be used within the lock of the traces."""

    def __init__(self, traces: Traces) -> None:
        """Take the traces."""
        self._traces = traces
        self._batches: dict[int, _Batch] = {}
        self._known: OrderedDict[str, str] = OrderedDict()  # the id of the trace of each; none for unknown requests

    def taken(self, report: Report) -> None:
        """Note that the worker has taken a batch."""
        self._batches[report["invocation"]] = _Batch(report["at"], report["records"])

    def in_flight(self) -> list[list[Trace]]:
        """Return the traces of each batch that the worker has."""
        return [self._of(batch) for batch in self._batches.values()]

    def settle(self, report: Report) -> bool:
        """Note what became of a batch, and return whether it was one."""
        batch = self._batches.pop(report["invocation"], None)
        if batch:
            self._delivered(batch, report)
        return batch is not None

    def sent(self, report: Report) -> None:
        """Note a message that was put on a queue, or on a dead-letter queue."""
        attributes, body = report["attributes"], parsed(report["body"])
        work = attributes.get("request_id") or (work_of(body) if isinstance(body, dict) else "")
        trace = self._traces.of_work(work)
        is_repeated = report["message_id"] in self._known
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

    def deleted(self, report: Report) -> None:
        """Note what a client has deleted: letters that were sent back, for example."""
        for trace, ids in self._by_trace(report["message_ids"]):
            with self._traces.changing(trace):
                trace.waiting -= ids
                trace.letters -= ids

    def moved(self, report: Report) -> None:
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
            if trace := self._trace_of(message_id):
                found.setdefault(trace.id, (trace, set()))[1].add(message_id)
        return list(found.values())

    def _trace_of(self, message_id: str) -> Trace | None:
        return self._traces.get(self._known.get(message_id, ""))

    def _remember(self, message_id: str, trace: Trace | None) -> None:
        self._known[message_id] = trace.id if trace else ""
        if len(self._known) > _MAX_KNOWN:
            self._known.popitem(last=False)

    def _delivered(self, batch: _Batch, report: Report) -> None:
        """Note what became of the messages of a batch, in the trace of each."""
        again = _items_again(report)
        by_trace: dict[str, tuple[Trace, list[Report]]] = {}
        for record in batch.records:
            if trace := self._trace_of(record["message_id"]):
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
                    if _is_about(step["fields"], trace.work):
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

    def _of(self, batch: _Batch) -> list[Trace]:
        return [trace for trace, _ in self._by_trace(record["message_id"] for record in batch.records)]


def _items_again(report: Report) -> set[str]:
    body = report["body"]
    failures = body.get("batchItemFailures", []) if isinstance(body, dict) else []
    return {failure["itemIdentifier"] for failure in failures}


def _is_about(fields: Mapping[str, Any], work: str) -> bool:
    """Return whether a line is about a request: it names it, or it names none."""
    if "request_id" in fields:
        return bool(fields["request_id"] == work)
    named = [*chain.from_iterable(delivered_requests(fields).values())]
    return not named or work in named


def _queue(name: str) -> str:
    return name.removeprefix(_STACK)


def _holds_letters(queue: str) -> bool:
    return queue.removesuffix(".fifo").endswith(_DEAD_LETTERS)
