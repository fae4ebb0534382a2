"""The server of fake APIs checks every call, fails exactly as scripted, and applies each call once."""

import socket
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import cast

import pytest
import urllib3

from local.partner.faults import Step
from tests.sample.server import SamplePartner

KEY = "canary-partner-key"
EVENTS_BODY: dict[str, object] = {"account": 7, "request": "r-1", "user": {}, "events": [{"kind": "custom_event"}]}
SEGMENT_BODY: dict[str, object] = {"account": 7, "audience": 9}
ERASURE_BODY: dict[str, object] = {"request": "s-1", "identities": {"email": "a@example.com"}}
MEMBERS = "/segments/seg-7-9/changes"


def change(mpid: str, action: str = "add", **attributes: object) -> dict[str, object]:
    return {"action": action, "user": {"mpid": mpid, "identities": {}}, "attributes": attributes, "at": 1}


def members(*changes: dict[str, object]) -> dict[str, object]:
    return {"account": 7, "changes": list(changes)}


@pytest.fixture
def partner() -> Iterator[SamplePartner]:
    with SamplePartner() as running:
        yield running


class Caller:
    """Calls the partner as an integration would."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._pool = urllib3.PoolManager(retries=False, timeout=5)
        self._calls = 0

    def close(self) -> None:
        self._pool.clear()

    def send(
        self,
        path: str,
        body: object,
        *,
        method: str = "POST",
        key: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> urllib3.BaseHTTPResponse:
        self._calls += 1
        usual = {"X-Sample-Token": KEY, "Idempotency-Key": key or f"call-{self._calls}"}
        return self._pool.request(method, self._url + path, json=body, headers=usual if headers is None else headers)


@pytest.fixture
def caller(partner: SamplePartner) -> Iterator[Caller]:
    calling = Caller(partner.url)
    yield calling
    calling.close()


@pytest.mark.parametrize(
    ("headers", "status", "rule"),
    [
        pytest.param({"Idempotency-Key": "k"}, 401, "X-Sample-Token: must be present", id="no-key"),
        pytest.param({"X-Sample-Token": " "}, 401, "X-Sample-Token: must be present", id="empty-key"),
        pytest.param(
            {"X-Sample-Token": KEY, "Content-Type": "text/plain"},
            400,
            "body: Content-Type must be application/json",
            id="no-json",
        ),
    ],
)
def test_a_missing_header_is_refused(
    partner: SamplePartner, caller: Caller, headers: dict[str, str], status: int, rule: str
) -> None:
    assert caller.send("/track", EVENTS_BODY, headers=headers).status == status
    assert partner.violations == (f"POST /track: {rule}",)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        pytest.param("GET", "/track", 405, id="method"),
        pytest.param("POST", "/trace", 404, id="path"),
        pytest.param("POST", "/segments/seg-7-9", 405, id="method-of-audience"),
    ],
)
def test_what_is_not_offered_is_refused(
    partner: SamplePartner, caller: Caller, method: str, path: str, status: int
) -> None:
    assert caller.send(path, EVENTS_BODY, method=method).status == status
    assert len(partner.violations) == 1


def test_a_key_takes_effect_once_and_its_repeat_gets_the_same_answer(partner: SamplePartner, caller: Caller) -> None:
    answers = [caller.send("/segments", SEGMENT_BODY, key="same").json() for _ in range(2)]
    assert answers == [{"segment": "seg-7-9"}, {"segment": "seg-7-9"}]
    assert partner.repeats == 1

    other = caller.send("/segments", {**SEGMENT_BODY, "account": 8}, key="same")
    assert (other.status, other.json()) == (422, {"error": "Idempotency-Key: belongs to a different call"})
    assert partner.state("segments") == {"seg-7-9": SEGMENT_BODY}


def test_a_failed_attempt_does_not_use_up_its_key(partner: SamplePartner, caller: Caller) -> None:
    partner.script("/track", [503])
    statuses = [caller.send("/track", EVENTS_BODY, key="same").status for _ in range(2)]
    assert (statuses, partner.repeats, len(partner.events)) == ([503, 202], 0, 1)


def test_a_script_is_followed_step_by_step_and_then_forgotten(partner: SamplePartner, caller: Caller) -> None:
    steps: list[Step] = [500, {"status": 429, "retry_after": 2}, {"status": 400, "body": {"error": "no"}}, 200]
    partner.script("/track", steps)
    answers = [caller.send("/track", EVENTS_BODY) for _ in range(5)]
    assert [answer.status for answer in answers] == [500, 429, 400, 202, 202]
    assert [answer.headers.get("Retry-After") for answer in answers] == [None, "2", None, None, None]
    assert answers[2].json() == {"error": "no"}
    assert (len(partner.events), partner.violations) == (2, ())
    assert [request.status for request in partner.requests] == [500, 429, 400, 202, 202]


def test_a_script_may_set_headers_of_the_answer(partner: SamplePartner, caller: Caller) -> None:
    partner.script("/track", [{"status": 429, "headers": {"X-Reset": "7"}, "retry_after": 2}])

    headers = caller.send("/track", EVENTS_BODY).headers

    assert (headers["X-Reset"], headers["Retry-After"]) == ("7", "2")


def test_the_longest_scripted_path_wins_and_others_are_left_alone(partner: SamplePartner, caller: Caller) -> None:
    partner.script("/", [500])
    partner.script("/segments", [503])
    statuses = [
        caller.send(path, body).status
        for path, body in [(MEMBERS, members(change("1"))), ("/track", EVENTS_BODY), ("/forget", ERASURE_BODY)]
    ]
    assert statuses == [503, 500, 202]


def test_a_scripted_success_may_break_its_promise(partner: SamplePartner, caller: Caller) -> None:
    partner.script("/segments", [{"status": 201, "body": {}}])
    answer = caller.send("/segments", SEGMENT_BODY)
    assert (answer.status, answer.json(), list(partner.state("segments"))) == (201, {}, ["seg-7-9"])


def test_a_scripted_success_never_hides_a_broken_rule(partner: SamplePartner, caller: Caller) -> None:
    partner.script("/track", [200])
    assert caller.send("/track", {}).status == 422


@pytest.mark.parametrize(
    ("step", "applied"), [pytest.param("reset", 0, id="reset"), pytest.param("apply_then_reset", 1, id="applied")]
)
def test_a_lost_connection_is_an_error_for_the_caller(
    partner: SamplePartner, caller: Caller, step: Step, applied: int
) -> None:
    partner.script("/track", [step])
    with pytest.raises(urllib3.exceptions.ProtocolError):
        caller.send("/track", EVENTS_BODY, key="same")
    assert len(partner.events) == applied
    assert [request.status for request in partner.requests] == [None]

    assert caller.send("/track", EVENTS_BODY, key="same").status == 202
    assert (len(partner.events), partner.repeats) == (1, applied)


def test_a_delay_holds_the_answer_back(partner: SamplePartner, caller: Caller) -> None:
    partner.script("/track", [{"delay": 0.2}])
    started = time.monotonic()
    assert caller.send("/track", EVENTS_BODY).status == 202
    assert time.monotonic() - started >= 0.2


def test_closing_releases_what_hangs(caller: Caller) -> None:
    with SamplePartner() as partner:
        partner.script("/", ["hang"])
        hanging = HTTPConnection("127.0.0.1", int(partner.url.rpartition(":")[2]), timeout=10)
        hanging.request("POST", "/track", b"{}", {"Content-Type": "application/json"})
        while not partner.requests:
            time.sleep(0.01)
        started = time.monotonic()
    with pytest.raises(OSError, match=r"reset|closed connection"):
        hanging.getresponse()
    hanging.close()
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("sent", [b"", b'{"account": 7, '])
def test_a_request_whose_caller_hangs_up_before_its_end_is_no_request(partner: SamplePartner, sent: bytes) -> None:
    """As at a real server: a caller whose deadline ends while it sends breaks no rule of the API's."""
    host, port = partner.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        head = f"POST /events HTTP/1.1\r\nHost: {host}\r\nX-Sample-Token: {KEY}\r\nContent-Type: application/json"
        connection.sendall(f"{head}\r\nContent-Length: 100\r\n\r\n".encode() + sent)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(1000)

    assert (answer, partner.requests, partner.violations) == (b"", (), ())


def test_a_revoked_key_is_refused_and_others_are_not(partner: SamplePartner, caller: Caller) -> None:
    partner.revoke(KEY)
    assert caller.send("/track", EVENTS_BODY).status == 401
    other = {"X-Sample-Token": "other", "Idempotency-Key": "k"}
    assert caller.send("/track", EVENTS_BODY, headers=other).status == 202
    assert partner.violations == ()


def test_neither_key_nor_person_shows_when_a_request_is_printed(partner: SamplePartner, caller: Caller) -> None:
    caller.send("/forget", ERASURE_BODY)
    request = partner.requests[0]
    assert request.headers["X-Sample-Token"] == KEY
    assert cast("dict[str, object]", request.body) == ERASURE_BODY
    assert repr(request) == "ReceivedRequest(method='POST', route='/forget', status=202)"


def test_concurrent_callers_lose_nothing(partner: SamplePartner) -> None:
    def send_many(name: str) -> None:
        caller = Caller(partner.url)
        for number in range(25):
            caller.send("/track", EVENTS_BODY, key=f"{name}-{number}")
        caller.close()

    threads = [threading.Thread(target=send_many, args=(str(index),)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(partner.requests), len(partner.events), partner.repeats) == (100, 100, 0)


def test_the_script_of_a_route_is_for_all_its_paths_before_the_scripts_of_paths(
    partner: SamplePartner, caller: Caller
) -> None:
    partner.script("/segments", [503, 503])
    partner.script_route("/segments/{id}/changes", [500, 500])
    answers = [
        caller.send(path, members(change("1"))).status for path in (MEMBERS, "/segments/seg-7-8/changes", MEMBERS)
    ]

    assert (answers, partner.steps_left("/segments/{id}/changes")) == ([500, 500, 503], 0)


def test_the_script_of_every_route_is_for_those_without_one_and_is_taken_back_without_steps(
    partner: SamplePartner, caller: Caller
) -> None:
    partner.script_route("", [500, 500, 500])
    partner.script_route("/track", [429])
    assert [caller.send("/track", EVENTS_BODY).status for _ in range(2)] == [429, 500]
    partner.script_route("", [])

    assert (partner.steps_left(""), caller.send("/track", EVENTS_BODY).status) == (0, 202)


def test_a_watcher_is_told_when_a_request_comes_and_when_it_is_treated(partner: SamplePartner, caller: Caller) -> None:
    told: list[tuple[str, int | None, object]] = []
    partner.watch(lambda request: told.append((request.route, request.status, request.reply and request.reply.body)))
    partner.script("/track", [500, "apply_then_reset"])
    caller.send("/track", EVENTS_BODY)
    with pytest.raises(urllib3.exceptions.ProtocolError):
        caller.send("/track", EVENTS_BODY)

    assert told == [
        ("/track", None, None),
        ("/track", 500, {"error": "scripted"}),
        ("/track", None, None),
        ("/track", None, {"taken": True}),
    ]
    assert all(request.milliseconds is not None for request in partner.requests)
    assert time.time() - partner.requests[0].received_at < 60
