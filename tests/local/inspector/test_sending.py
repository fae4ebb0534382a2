"""Requests are sent as mParticle sends them, each with an id of its own, a few at a time."""

import json
import threading
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

import pytest

from local.inspector.app import Call
from local.inspector.errors import InspectorError
from local.inspector.following import Follower
from local.inspector.sending import MAX_WAITING, Sending, http_path
from local.inspector.traces import MAX_TRACES, Traces
from mparticle_firehose.protocol import REQUEST_MODELS
from tests.local.inspector.reports import ID, event_request


@dataclass
class Handler:
    """Stands in for the deployed handler; it answers when it may."""

    sent: list[tuple[str, bytes]] = field(default_factory=list)
    status: int = 200
    error: Exception | None = None
    may_answer: threading.Event = field(default_factory=threading.Event)
    at_once: int = 0
    most_at_once: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def invoke(self, payload: bytes) -> object:
        return self._take("alias", payload)

    def post(self, path: str, body: bytes) -> int:
        return self._take(path, body)

    def _take(self, place: str, body: bytes) -> int:
        with self._lock:
            self.sent.append((place, body))
            self.at_once += 1
            self.most_at_once = max(self.at_once, self.most_at_once)
        self.may_answer.wait(10)
        with self._lock:
            self.at_once -= 1
        if self.error:
            raise self.error
        return self.status

    def ids(self) -> list[str]:
        return [json.loads(body)["id"] for _, body in self.sent]


@pytest.fixture
def handler() -> Handler:
    return Handler()


@pytest.fixture
def traces() -> Traces:
    return Traces()


@pytest.fixture
def sending(handler: Handler, traces: Traces) -> Iterator[Sending]:
    made = Sending(Follower(traces), traces, handler)
    yield made
    handler.may_answer.set()
    made.close()


def done(sending: Sending, handler: Handler) -> None:
    """Wait until all is sent and answered."""
    handler.may_answer.set()
    sending._threads.shutdown(wait=True)  # noqa: SLF001  there is no other way to know


@pytest.mark.parametrize(("route", "place"), [("alias", "alias"), ("https", "/events")])
def test_a_request_is_sent_and_traced(
    sending: Sending, handler: Handler, traces: Traces, route: str, place: str
) -> None:
    answer = sending.send(Call(content={"content": event_request(), "route": route}))
    assert answer == {"sent": ["t1"]}
    done(sending, handler)

    [(found, body)] = handler.sent
    trace = traces.get("t1")
    assert trace is not None
    assert (found, json.loads(body), trace.route) == (place, trace.content, route)


def test_each_of_a_hundred_has_an_id_of_its_own_and_eight_are_sent_at_once(sending: Sending, handler: Handler) -> None:
    without_id = {"type": "event_processing_request"}
    sent = sending.send(Call(content={"content": without_id, "route": "alias", "count": 100}))["sent"]
    while handler.at_once < 8:
        threading.Event().wait(0.01)
    done(sending, handler)

    assert sent == [f"t{number}" for number in range(1, 101)]
    assert (len(set(handler.ids())), len({UUID(each) for each in handler.ids()}), handler.most_at_once) == (100, 100, 8)


def test_many_large_requests_that_wait_share_their_memory(sending: Sending, handler: Handler) -> None:
    large = {"type": "event_processing_request", "events": ["x" * 2_000_000]}
    tracemalloc.start()
    try:
        sending.send(Call(content={"content": large, "route": "alias", "count": 40}))
        while handler.at_once < 8:
            threading.Event().wait(0.01)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    done(sending, handler)

    assert held < 12 * 2_000_000  # eight are being sent
    assert len(handler.sent) == 40


@pytest.mark.parametrize(("given", "is_kept"), [(ID.format(1), False), ("no id", True), (None, True), (7, True)])
def test_one_request_gets_a_new_id_in_place_of_a_usable_one(
    sending: Sending, handler: Handler, given: object, is_kept: bool
) -> None:
    sending.send(Call(content={"content": {"type": "x", "id": given}, "route": "alias"}))
    done(sending, handler)

    assert (json.loads(handler.sent[0][1])["id"] == given) is is_kept


def test_a_replay_has_the_id_of_the_request_as_mparticles_repetition_has(
    sending: Sending, handler: Handler, traces: Traces
) -> None:
    sending.send(Call(content={"content": event_request(), "route": "https"}))
    assert sending.replay(Call(path={"id": "t1"})) == {"sent": ["t2"]}
    done(sending, handler)

    assert (len(set(handler.ids())), [place for place, _ in handler.sent]) == (1, ["/events", "/events"])
    assert len(traces.changed_since(0)[1]) == 2


@pytest.mark.parametrize("error", [None, ValueError("canary-personal")])
def test_what_does_not_reach_the_handler_has_failed_without_a_quotation(
    sending: Sending, handler: Handler, traces: Traces, error: Exception | None
) -> None:
    handler.status, handler.error = 429, error
    sending.send(Call(content={"content": event_request(), "route": "https"}))
    done(sending, handler)

    trace = traces.get("t1")
    assert trace is not None
    assert (trace.state, trace.status) == ("failed", None if error else 429)
    assert "canary" not in json.dumps(trace.answer)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"route": "alias"}, "content: must be a JSON object."),
        ({"content": [], "route": "alias"}, "content: must be a JSON object."),
        ({"content": {}, "route": "post"}, "route: must be alias or https."),
        ({"content": {}}, "route: must be alias or https."),
        ({"content": {}, "route": "alias", "count": 0}, "count: must be a whole number from 1 to 100."),
        ({"content": {}, "route": "alias", "count": 101}, "count: must be a whole number from 1 to 100."),
        ({"content": {}, "route": "alias", "count": True}, "count: must be a whole number from 1 to 100."),
        ({"content": {}, "route": "alias", "count": "2"}, "count: must be a whole number from 1 to 100."),
    ],
)
def test_what_cannot_be_sent_is_named(sending: Sending, content: dict[str, object], sentence: str) -> None:
    with pytest.raises(InspectorError, match=sentence) as caught:
        sending.send(Call(content=content))
    assert caught.value.status == 400


def test_with_too_many_to_be_sent_further_ones_are_refused(sending: Sending) -> None:
    request = Call(content={"content": event_request(), "route": "alias", "count": 100})
    for _ in range(MAX_WAITING // 100):
        sending.send(request)

    with pytest.raises(InspectorError, match="There are 1000 requests to be sent first") as caught:
        sending.send(request)
    assert caught.value.status == 409


def test_a_trace_that_is_gone_or_has_no_message_cannot_be_replayed(sending: Sending, traces: Traces) -> None:
    with pytest.raises(InspectorError) as gone:
        sending.replay(Call(path={"id": "t9"}))
    sending.send(Call(content={"content": {"a": 1}, "route": "alias"}))
    with pytest.raises(InspectorError) as none:
        sending.replay(Call(path={"id": "t1"}))

    assert (gone.value.status, none.value.status) == (404, 409)
    assert len(traces.changed_since(0)[1]) < MAX_TRACES


def test_every_type_of_request_has_a_path_over_https() -> None:
    paths = {str(kind): http_path(str(kind)) for kind in REQUEST_MODELS}

    assert (len(paths), "/" in paths.values(), http_path("other")) == (5, False, "/")
    assert paths["dsr_processing_request"] == "/dsr"
