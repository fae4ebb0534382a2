"""What became of each request, kept in memory only: the newest ones, within a number of bytes."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from local.inspector.shown import moment
from local.latency_limits import ALIAS_MS, HTTPS_MS

MAX_TRACES = 200
MAX_STEPS = 300
"""Of one trace. Further ones are counted only."""

MAX_KEPT_BYTES = 96 * 1024 * 1024
"""Of all traces. The oldest ones go first."""

type Step = dict[str, Any]
type State = Literal["running", "waiting", "done", "failed", "dead"]


@dataclass(slots=True, kw_only=True, eq=False)
class Trace:
    """One request and what became of it. It holds personal data, and is never shown but to the page.

    Attributes:
        id: of the trace.
        work: mParticle's id of the request, or its time if it has none: what calls and messages are labelled with.
        request: as it was sent, cut if it is large.
        content: the same, whole.
        at: when it began, in seconds since the epoch.
        route: how it was sent: by this page by the alias or over HTTPS, or by somebody else.
        is_http: whether it came over HTTPS.
        waiting: the ids of its messages that are in a queue.
        letters: the ids of its messages that are in a dead-letter queue.
        is_over: whether the handler has answered.
        answered_at: when it did.
        is_cold: whether an environment was started for it, which the emulator unpacks the code for.
        version: of the last change.
        size: of everything in it, in bytes, about.
    """

    id: str
    work: str
    title: str
    kind: str
    request_id: str | None
    request: object
    content: Mapping[str, object] | None
    at: float
    route: str = "other"
    is_http: bool = False
    answer: object = None
    failed: bool = False
    status: int | None = None
    milliseconds: float | None = None
    is_over: bool = False
    answered_at: float | None = None
    is_cold: bool = False
    steps: list[Step] = field(default_factory=list)
    steps_left_out: int = 0
    waiting: set[str] = field(default_factory=set)
    letters: set[str] = field(default_factory=set)
    version: int = 0
    size: int = 0

    @property
    def state(self) -> State:
        """What is to be expected of it."""
        if not self.is_over:
            return "running"
        if self.waiting:
            return "waiting"
        if self.letters:
            return "dead"
        return "failed" if self.failed else "done"

    def add(self, step: Step) -> None:
        """Add what happened, unless there are too many steps."""
        if len(self.steps) >= MAX_STEPS:
            self.steps_left_out += 1
            return
        self.steps.append(step)
        self.size += len(json.dumps(step, default=repr))

    def to_json(self) -> dict[str, object]:
        """Return what the page shows."""
        limit = HTTPS_MS if self.is_http else ALIAS_MS
        return {
            "id": self.id,
            "request_id": self.request_id,
            "type": self.kind,
            "title": self.title,
            "route": self.route,
            "at": moment(self.at),
            "request": self.request,
            "answer": self.answer,
            "failed": self.failed,
            "status": self.status,
            "milliseconds": None if self.milliseconds is None else round(self.milliseconds, 1),
            "answer_offset_ms": None if self.answered_at is None else self._offset(self.answered_at),
            "limit_ms": limit,
            "is_cold": self.is_cold,
            "is_slow": self.milliseconds is not None and self.milliseconds > limit,
            "state": self.state,
            "steps": [self._step(step) for step in sorted(self.steps, key=lambda step: float(step["at"]))],
            "steps_left_out": self.steps_left_out,
        }

    def _step(self, step: Step) -> Step:
        return {**step, "at": moment(step["at"]), "offset_ms": self._offset(step["at"])}

    def _offset(self, at: float) -> float:
        """Return how long after the beginning something happened, in milliseconds."""
        return round((at - self.at) * 1000, 1)


class Traces:
    """The traces of a local cloud. Threads may share them; whoever changes one does it within `changing`.

    Attributes:
        version: grows with each change.
        cleared: the version with which all of them were removed for the last time.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self._lock = threading.RLock()
        self._traces: dict[str, Trace] = {}
        self._by_work: dict[str, list[Trace]] = {}
        self._listeners: list[Callable[[], None]] = []
        self._count = 0
        self._size = 0
        self.version = 0
        self.cleared = 0

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let no other thread change anything meanwhile."""
        with self._lock:
            yield

    @contextmanager
    def changing(self, trace: Trace) -> Iterator[None]:
        """Let no other thread change anything meanwhile, and tell the listeners of the change."""
        with self._lock:
            before = trace.size
            yield
            self._changed(trace, trace.size - before)
        self._tell()

    def new_id(self) -> str:
        """Return the id of a further trace."""
        with self._lock:
            self._count += 1
            return f"t{self._count}"

    def add(self, trace: Trace) -> None:
        """Keep a trace, in place of the oldest ones if there are too many."""
        with self._lock:
            self._traces[trace.id] = trace
            self._by_work.setdefault(trace.work, []).append(trace)
            self._changed(trace, trace.size)
            while len(self._traces) > MAX_TRACES or (self._size > MAX_KEPT_BYTES and len(self._traces) > 1):
                self._drop(next(iter(self._traces.values())))
        self._tell()

    def get(self, trace_id: str) -> Trace | None:
        """Return the trace with this id, if it is kept."""
        with self._lock:
            return self._traces.get(trace_id)

    def of_work(self, work: str) -> Trace | None:
        """Return the newest trace of this request of mParticle's."""
        with self._lock:
            found = self._by_work.get(work)
            return found[-1] if found else None

    def holds(self, trace: Trace) -> bool:
        """Return whether a trace is still kept."""
        with self._lock:
            return trace.id in self._traces

    def changed_since(self, version: int, text: str = "") -> tuple[int, list[dict[str, object]]]:
        """Return the present version and what has changed since another one, the newest first.

        Args:
            version: what is known already.
            text: part of the trace's id or of the request's.
        """
        with self._lock:
            changed = [each for each in self._traces.values() if each.version > version and _fits(each, text)]
            return self.version, [trace.to_json() for trace in reversed(changed)]

    def clear(self) -> int:
        """Remove all, and return how many there were."""
        with self._lock:
            number = len(self._traces)
            self._traces.clear()
            self._by_work.clear()
            self._size = 0
            self.version += 1
            self.cleared = self.version
        self._tell()
        return number

    @contextmanager
    def listening(self, listener: Callable[[], None]) -> Iterator[None]:
        """Have a function called after each change, from any thread. It must return at once."""
        with self._lock:
            self._listeners.append(listener)
        try:
            yield
        finally:
            with self._lock:
                self._listeners.remove(listener)

    def _changed(self, trace: Trace, growth: int) -> None:
        self.version += 1
        trace.version = self.version
        if trace.id in self._traces:
            self._size += growth

    def _drop(self, trace: Trace) -> None:
        del self._traces[trace.id]
        self._size -= trace.size
        same = self._by_work[trace.work]
        same.remove(trace)
        if not same:
            del self._by_work[trace.work]

    def _tell(self) -> None:
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            listener()


def _fits(trace: Trace, text: str) -> bool:
    return text.lower() in f"{trace.id} {trace.request_id or ''}".lower()
