"""Reports as the emulator makes them, and requests as the fake API receives them, without either."""

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from local.inspector.following import Follower
from local.inspector.traces import Traces
from local.partner.faults import Behaviour
from local.partner.listener import ReceivedRequest, Reply

type Json = dict[str, Any]

ID = "5a3c1e70-0000-4000-8000-0000000000{:02d}"
START = 1_800_000_000.0


def event_request(number: int = 1, **more: object) -> Json:
    events = [{"type": "custom_event", "name": "Played"}]
    return {"type": "event_processing_request", "id": ID.format(number), "events": events, **more}


@dataclass
class World:
    """A follower, and the time of what is reported to it."""

    traces: Traces = field(default_factory=Traces)
    now: float = START

    def __post_init__(self) -> None:
        self.follower = Follower(self.traces)
        self._numbers = itertools.count(1)

    def report(self, kind: str, **fields: object) -> None:
        self.now += 0.001
        self.follower.observe({"kind": kind, "at": self.now, **fields})

    def invoke(self, event: object) -> int:
        number = next(self._numbers)
        self.report("invoked", invocation=number, function="handler", event=event)
        return number

    def answer(self, number: int, body: object = None, *, failed: bool = False, log: str = "", ms: float = 5) -> None:
        self.report("returned", invocation=number, failed=failed, body=body or {}, log=log, milliseconds=ms)

    def handle(self, event: object, body: object = None, **more: Any) -> None:
        self.answer(self.invoke(event), body, **more)

    def send(self, message_id: str, request: Json, queue: str = "event", **attributes: str) -> None:
        self.report(
            "sent",
            queue=f"mparticle-firehose-{queue}",
            message_id=message_id,
            group="g",
            attributes={"request_id": request["id"], **attributes} if "id" in request else attributes,
            body=json.dumps(request),
        )

    def take(self, *message_ids: str, queue: str = "event", receive_count: int = 1) -> int:
        number = next(self._numbers)
        name = f"mparticle-firehose-{queue}"
        records = [{"message_id": each, "queue": name, "receive_count": receive_count} for each in message_ids]
        self.report("invoked", invocation=number, function="worker", records=records)
        return number

    def finish(self, number: int, again: Sequence[str] = (), *, failed: bool = False, log: str = "") -> None:
        body = {"batchItemFailures": [{"itemIdentifier": each} for each in again]}
        self.answer(number, body, failed=failed, log=log)

    def call(self, works: str, behaviour: Behaviour | None = None, **body: object) -> ReceivedRequest:
        """Have the fake API receive a call, which it has not treated yet."""
        headers = {"Correlation-Id": works, "X-Sample-Token": "canary-key", "Host": "api.example"}
        request = ReceivedRequest("POST", "/track?a=b", headers, body or {"events": 1}, "/track")
        request.received_at, request.behaviour = self.now, behaviour or {}
        self.follower.receive(request)
        return request

    def reply(self, request: ReceivedRequest, status: int | None = 202) -> None:
        request.reply, request.status = Reply(status or 202, {"taken": True}), status
        request.milliseconds = 1.26
        self.follower.receive(request)

    def shown(self) -> list[Json]:
        """Return the traces as the page gets them, the oldest first."""
        found: list[Any] = self.traces.changed_since(0)[1]
        return found[::-1]

    def only(self) -> Json:
        [trace] = self.shown()
        return trace

    def steps(self, kind: str) -> list[Json]:
        return [step for step in self.only()["steps"] if step["kind"] == kind]
