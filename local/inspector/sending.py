"""Sends requests as mParticle does, by the alias or over HTTPS, in threads of its own."""

import json
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Protocol

from local.inspector.app import Call
from local.inspector.errors import InspectorError, unusable
from local.inspector.following import Follower
from local.inspector.traces import Trace, Traces
from mparticle_firehose.endpoint.router import ROUTES
from mparticle_firehose.errors import described
from mparticle_firehose.protocol import REQUEST_MODELS
from mparticle_firehose.protocol.enums import MessageType

type Json = Mapping[str, object]

MAX_COUNT = 100
MAX_WAITING = 1_000
"""Requests that are not sent yet."""

_PARALLEL = 8
_ROUTES = ("alias", "https")
_NOT_INVOKED = 400
"""Statuses from here on may be the emulator's own, which did not invoke the function."""


class Transport(Protocol):
    """How requests reach the handler. Its answers are seen where the handler gives them."""

    def invoke(self, payload: bytes) -> object:
        """Invoke the alias."""

    def post(self, path: str, body: bytes) -> int:
        """Send a request over HTTPS, and return the status."""


@dataclass(frozen=True, slots=True)
class Sending:
    """Sends what the page asks for.

    Attributes:
        follower: makes the traces.
        traces: holds them.
        transport: reaches the handler.
    """

    follower: Follower
    traces: Traces
    transport: Transport
    _threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(_PARALLEL, "inspector-send"))
    _lock: Lock = field(default_factory=Lock)
    _waiting: set[str] = field(default_factory=set)

    def send(self, call: Call) -> Json:
        """Answer ``POST api/send``."""
        content, route, count = (call.content.get(name) for name in ("content", "route", "count"))
        count = 1 if count is None else count
        if not isinstance(content, dict):
            raise unusable("content: must be a JSON object.")
        if route not in _ROUTES:
            raise unusable("route: must be alias or https.")
        if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MAX_COUNT:
            raise unusable(f"count: must be a whole number from 1 to {MAX_COUNT}.")
        return self._start([with_new_id(content, always=count > 1) for _ in range(count)], str(route))

    def replay(self, call: Call) -> Json:
        """Answer ``POST api/traces/{id}/replay``: the same request with the same id, as mParticle repeats it."""
        trace = self.traces.get(call.path["id"])
        if trace is None:
            raise InspectorError(404, "There is no such trace any more.")
        if not trace.content or not trace.kind:
            raise InspectorError(409, "This request is too large to be kept, or is none of mParticle's.")
        return self._start([trace.content], "https" if trace.is_http else "alias")

    def close(self) -> None:
        """Send nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _start(self, contents: list[Json], route: str) -> Json:
        with self._lock:
            if len(self._waiting) + len(contents) > MAX_WAITING:
                raise InspectorError(409, f"There are {len(self._waiting)} requests to be sent first.")
            traces = [self.follower.begin(content, route) for content in contents]
            self._waiting.update(trace.id for trace in traces)
        for trace, content in zip(traces, contents, strict=True):
            self._threads.submit(self._send, trace, content)
        return {"sent": [trace.id for trace in traces]}

    def _send(self, trace: Trace, content: Json) -> None:
        self.follower.start(trace)
        try:
            payload = json.dumps(content).encode()  # only now: what waits shares the parts of one message
            if trace.is_http:
                status = self.transport.post(http_path(trace.kind), payload)
                if status >= _NOT_INVOKED:
                    self.follower.fail(trace, f"the emulator answered {status}", status)
            else:
                self.transport.invoke(payload)
        except Exception as error:  # noqa: BLE001  its text could quote the request
            self.follower.fail(trace, f"The request could not be sent: {described(error)}.")
        finally:
            with self._lock:
                self._waiting.discard(trace.id)


def with_new_id(content: dict[str, Any], *, always: bool) -> Json:
    """Return a request with an id of its own, as mParticle gives each: queues drop what comes twice under one id.

    Args:
        content: the request.
        always: whether it gets one even if it has no id, or one that is no GUID, which may be on purpose.
    """
    return {**content, "id": str(uuid.uuid4())} if always or _is_id(content.get("id")) else content


def http_path(kind: str) -> str:
    """Return the path of the HTTPS endpoint that takes a type of request."""
    models = {str(name): model for name, model in REQUEST_MODELS.items()}
    if kind not in models:
        return "/"
    model = models[MessageType(kind)]
    return next(path for path, route in ROUTES.items() if path != "/" and model in route.messages)


def _is_id(value: object) -> bool:
    try:
        return bool(uuid.UUID(str(value)))
    except ValueError:
        return False
