"""An inspector whose operations answer from memory, served by the real server: for fast tests of the page."""

import asyncio
import copy
import itertools
from collections.abc import AsyncIterator, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from local.inspector.app import Call, Operation, build
from local.inspector.errors import unusable
from local.inspector.letters import MAX_LISTED
from local.inspector.server import InspectorServer
from tests.local.inspector import fake_data

type Json = dict[str, Any]


class FakeInspector:
    """Holds what the page shows; a test puts traces and letters into it, and looks at what the page asked for."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything, for another test."""
        self.traces: dict[str, Json] = {}
        self.active: list[Json] = []
        self.letters: list[Json] = []
        self.sent: list[Json] = []
        self.redriven: list[Json] = []
        self.is_stale = False
        self.deployed_at: str = fake_data.OVERVIEW["deployed_at"]
        self.samples: list[Json] = fake_data.SAMPLES
        self.registration: Json = fake_data.REGISTRATION
        self._version = 0
        self._cleared = 0
        self._changed: dict[str, int] = {}
        self._ids = itertools.count(1)

    def server(self) -> InspectorServer:
        """Return the server to enter."""
        return InspectorServer(build(self._operations(), {"/api/stream": self._stream}))

    def put(self, trace: Json) -> None:
        """Let a trace arrive, or change."""
        self._version += 1
        self.traces[trace["id"]] = trace
        self._changed[trace["id"]] = self._version

    def new_trace(self, content: Json, **fields: object) -> Json:
        """Return a trace of a request, which is answered and delivered."""
        return fake_data.trace(f"t{next(self._ids)}", content, **fields)

    def _operations(self) -> dict[str, Operation]:
        return {
            "GET /api/overview": lambda _: self._overview(),
            "GET /api/samples": lambda _: self.samples,
            "GET /api/schema/{type}": lambda call: fake_data.SCHEMAS.get(call.path["type"], {}),
            "POST /api/check": lambda call: {"problems": fake_data.problems(call.content["content"])},
            "POST /api/send": self._send,
            "GET /api/traces": self._traces,
            "DELETE /api/traces": self._clear,
            "POST /api/traces/{id}/replay": self._replay,
            "GET /api/faults": lambda _: self._faults(),
            "POST /api/faults": self._break,
            "DELETE /api/faults": self._heal,
            "GET /api/registration": lambda _: self.registration,
            "GET /api/dead-letters": lambda _: {
                "groups": fake_data.groups(self.letters),
                "letters": self.letters[:MAX_LISTED],
            },
            "GET /api/dead-letters/{queue}/{message_id}": self._show,
            "POST /api/dead-letters/redrive": self._redrive,
            "POST /api/dead-letters/purge": self._purge,
        }

    def _overview(self) -> Json:
        return {**fake_data.OVERVIEW, "is_stale": self.is_stale, "deployed_at": self.deployed_at}

    def _send(self, call: Call) -> Json:
        asked: Json = dict(call.content)
        self.sent.append(asked)
        made = [self.new_trace(asked["content"], route=asked["route"]) for _ in range(asked["count"])]
        for trace in made:
            self.put(trace)
        return {"sent": [trace["id"] for trace in made]}

    def _traces(self, call: Call) -> Json:
        since = int(call.query.get("since", "0"))
        changed = [copy.deepcopy(trace) for id_, trace in self.traces.items() if self._changed[id_] > since]
        return {"version": self._version, "cleared": self._cleared, "traces": changed[::-1]}

    def _clear(self, _: Call) -> Json:
        removed = len(self.traces)
        self.traces.clear()
        self._version += 1
        self._cleared = self._version
        return {"removed": removed}

    def _replay(self, call: Call) -> Json:
        made = self.new_trace(self.traces[call.path["id"]]["request"])
        self.put(made)
        return {"sent": [made["id"]]}

    def _faults(self) -> Json:
        return {**fake_data.FAULTS, "active": self.active}

    def _break(self, call: Call) -> Json:
        asked: Json = dict(call.content)
        self.active.append({"kind": asked["kind"], "route": asked["route"], "left": asked["times"]})
        return self._faults()

    def _heal(self, _: Call) -> Json:
        self.active.clear()
        return self._faults()

    def _matching(self, selection: Mapping[str, object]) -> list[Json]:
        wanted = {name: selection[name] for name in ("queue", "reason", "account") if name in selection}
        return [letter for letter in self.letters if wanted.items() <= letter.items()]

    def _show(self, call: Call) -> Json:
        return {"lines": [f"email: <masked> ({call.path['message_id']})"]}

    def _redrive(self, call: Call) -> Json:
        found = self._matching(call.content)
        if not call.content["dry_run"]:
            self.redriven += found
            self.letters = [letter for letter in self.letters if letter not in found]
        sent = 0 if call.content["dry_run"] else len(found)
        return {"matched": len(found), "sent": sent, "lines": ["", "a wide table " * 20, f"would send {len(found)}"]}

    def _purge(self, call: Call) -> Json:
        found = self._matching(call.content)
        if call.content["confirm"] != len(found):
            raise unusable("The number is not the number of letters.")
        self.letters = [letter for letter in self.letters if letter not in found]
        return {"deleted": len(found)}

    async def _stream(self, request: Request) -> Response:
        return StreamingResponse(self._versions(request), media_type="text/event-stream")

    async def _versions(self, request: Request) -> AsyncIterator[str]:
        told = 0
        yield ": open\n\n"
        while not await request.is_disconnected():
            if told != self._version:
                told = self._version
                yield f'event: version\ndata: {{"version": {told}}}\n\n'
            await asyncio.sleep(0.03)
