"""The page learns within 300 ms that something has changed."""

import json
import threading
import time
from collections.abc import Iterator

import pytest
import urllib3

from local.inspector.app import build
from local.inspector.server import InspectorServer
from local.inspector.stream import Stream
from local.inspector.traces import Traces
from tests.local.inspector.test_traces import trace

MAX_SECONDS = 0.3


class Listening:
    """The stream as the page reads it, in a thread."""

    def __init__(self, url: str) -> None:
        self._pool = urllib3.PoolManager(retries=False, timeout=10)
        self._response = self._pool.request("GET", f"{url}api/stream", preload_content=False)
        self.headers = self._response.headers
        self._lines = self._response.stream(amt=None)
        self.buffer = ""

    def next(self) -> str:
        while "\n\n" not in self.buffer:
            self.buffer += next(self._lines).decode()
        event, _, self.buffer = self.buffer.partition("\n\n")
        return event

    def close(self) -> None:
        self._response.close()
        self._pool.clear()


@pytest.fixture
def traces() -> Traces:
    return Traces()


@pytest.fixture
def listening(traces: Traces) -> Iterator[Listening]:
    app = build({}, {"/api/stream": Stream(traces, comment_seconds=0.5).open})
    with InspectorServer(app) as server:
        opened = Listening(server.url)
        yield opened
        opened.close()


def version(event: str) -> int:
    kind, data = event.splitlines()
    assert kind == "event: version"
    found: int = json.loads(data.removeprefix("data: "))["version"]
    return found


def test_it_says_the_version_at_once_and_after_each_change(traces: Traces, listening: Listening) -> None:
    assert listening.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert version(listening.next()) == 0
    waits = []
    for _ in range(3):
        started = time.monotonic()
        trace(traces)
        assert version(listening.next()) == traces.version
        waits.append(time.monotonic() - started)

    assert sorted(waits)[1] < MAX_SECONDS  # the median: the machine may have other work to do


def test_many_changes_at_once_are_few_events(traces: Traces, listening: Listening) -> None:
    listening.next()
    threads = [threading.Thread(target=lambda: [trace(traces) for _ in range(100)]) for _ in range(3)]
    for thread in threads:
        thread.start()
    events = [version(listening.next())]
    while events[-1] < 300:
        events.append(version(listening.next()))

    assert (events, len(events) < 30) == (sorted(events), True)
    for thread in threads:
        thread.join()


def test_without_a_change_there_is_a_comment(listening: Listening) -> None:
    listening.next()

    assert listening.next() == ": nothing new"
