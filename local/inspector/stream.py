"""Tells the page that something has changed, as server-sent events."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress

from starlette.requests import Request
from starlette.responses import StreamingResponse

from local.inspector.traces import Traces

_COMMENT_SECONDS = 15.0
_PAUSE_SECONDS = 0.1
"""Between two events: many changes at once are one."""


class Stream:
    """Answers ``GET api/stream``."""

    def __init__(self, traces: Traces, comment_seconds: float = _COMMENT_SECONDS) -> None:
        """Take the traces, and how often something is sent even if nothing has changed."""
        self._traces = traces
        self._comment_seconds = comment_seconds

    async def open(self, _: Request) -> StreamingResponse:
        """Answer with events until the page closes the connection."""
        return StreamingResponse(self._events(), media_type="text/event-stream")

    async def _events(self) -> AsyncIterator[str]:
        loop, changed = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(changed.set)

        with self._traces.listening(wake):
            yield _event(self._traces.version)
            while True:
                try:
                    await asyncio.wait_for(changed.wait(), self._comment_seconds)
                except TimeoutError:
                    yield ": nothing new\n\n"
                    continue
                changed.clear()
                yield _event(self._traces.version)
                await asyncio.sleep(_PAUSE_SECONDS)


def _event(version: int) -> str:
    return f"event: version\ndata: {json.dumps({'version': version})}\n\n"
