"""What `make logs` shows: one line an invocation or message, in the order of time, without what is logged beside."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from local.cloud.partner_log import PartnerLog
from local.logs.entries import Entry, function_entries, partner_entries
from local.logs.lines import lines_of
from local.logs.show import follow, formatted, show
from local.partner.listener import ReceivedRequest
from tests.conftest import Json

REQUEST = "5a3c1e70-0000-4000-8000-00000000000a"


def logged(message: str, second: float = 1.5, **facts: Any) -> str:
    """Return a line as Powertools' logger writes it."""
    moment = f"2026-11-27T00:00:{second:06.3f}+00:00"
    return json.dumps({"level": "INFO", "message": message, "timestamp": moment, **facts})


def ended(message: str, second: float = 1.5, **facts: Any) -> str:
    """Return the line of an invocation, which ends so many seconds after midnight."""
    metrics = {"Timestamp": 1_795_737_600_000 + int(second * 1000), "CloudWatchMetrics": []}
    return json.dumps({"message": message, "service": "s", **facts, "_aws": metrics})


def events(*lines: str, invocation: str = "i-1", stream: str = "s") -> list[Mapping[str, Any]]:
    """Return the events of one invocation."""
    around = [
        f"START RequestId: {invocation} Version: 1\n",
        *lines,
        f"END RequestId: {invocation}",
        "REPORT RequestId: x",
    ]
    return [{"logStreamName": stream, "timestamp": 1_795_737_600_000, "message": line} for line in around]


def shown(*entries: Entry, **options: Any) -> list[str]:
    found: list[str] = []
    show(lambda: list(entries), found.append, **options)
    return [line[14:] if not options.get("as_json") else line for line in found]


def of_handler(*lines: str) -> list[Entry]:
    return [*function_entries("handler", events(*lines))]


def of_worker(*lines: str) -> list[Entry]:
    return [*function_entries("worker", events(*lines, invocation="i-2"))]


def call(second: float, status: int | None = 202, request_id: str = REQUEST) -> Entry:
    content = {"method": "POST", "route": "/v1/things", "status": status, "request_id": request_id}
    return Entry(1_795_737_600 + second, "partner", content)


ANSWERED = ended("answered", 1.5, message_type="event_processing_request", request_id=REQUEST, duration_ms=500.0)
METRICS = json.dumps({"_aws": {"Timestamp": 1_795_737_600_000}, "QueueAge": [1, 2]})
"""What an invocation writes besides its line if it has measured more than fits into one."""


def test_an_invocation_is_one_line_at_its_start_and_calls_are_among_them() -> None:
    delivered = {"dsr_processing_request": [REQUEST]}
    summary = ended("delivered", 3.0, message_type="queue", messages=1, failed=0, duration_ms=1000, delivered=delivered)

    lines = shown(*of_worker(summary, METRICS), call(2.5), *of_handler(ANSWERED, METRICS), call(1.2))

    assert lines == [
        f"handler  events       answered           500 ms     {REQUEST}",
        f"partner  POST /v1/things -> 202                     {REQUEST}",
        f"worker   erasure      delivered         1000 ms     {REQUEST}",
        f"partner  POST /v1/things -> 202                     {REQUEST}",
    ]


def test_messages_of_a_request_with_one_outcome_are_one_line() -> None:
    facts: Json = {"message_type": "audience_membership_change_request", "request_id": REQUEST, "receive_count": 3}
    retried = [logged("retried later", message_id=f"m-{each}", reason="http_503", **facts) for each in range(2)]
    summary = ended("delivered", message_type="queue", messages=2, failed=2, duration_ms=40.4)

    assert shown(*of_worker(*retried, summary)) == [
        f"worker   memberships  retried later       40 ms     {REQUEST}  http_503, 2 messages, received 3 times"
    ]


def test_each_request_that_the_worker_has_delivered_has_a_line_beside_those_that_are_retried() -> None:
    other = REQUEST.replace("a", "b")
    retried = logged(
        "retried later", message_id="m-3", reason="http_503", message_type="event_processing_request", request_id=other
    )
    delivered = {"event_processing_request": [REQUEST], "dsr_processing_request": [other]}
    summary = ended("delivered", message_type="queue", messages=3, failed=1, duration_ms=40, delivered=delivered)
    entries = of_worker(retried, summary)

    assert shown(*entries) == [
        f"worker   events       delivered           40 ms     {REQUEST}",
        f"worker   erasure      delivered           40 ms     {other}",
        f"worker   events       retried later       40 ms     {other}  http_503",
    ]
    assert [line.split()[2] for line in shown(*entries, wanted=REQUEST)] == ["delivered"]


def test_a_batch_of_which_nothing_was_delivered_or_retried_has_one_line_of_its_own() -> None:
    summary = ended("delivered", message_type="queue", messages=2, failed=0, duration_ms=40)

    assert shown(*of_worker(summary)) == ["worker   queue        delivered           40 ms     -  messages 2, failed 0"]


def test_what_a_failed_invocation_has_delivered_is_shown_before_its_failure() -> None:
    delivered = {"event_processing_request": [REQUEST]}
    summary = ended("failed", message_type="queue", duration_ms=40, error="KeyError in x", delivered=delivered)

    assert shown(*of_worker(summary)) == [
        f"worker   events       delivered           40 ms     {REQUEST}",
        "worker   queue        failed              40 ms     -  KeyError in x",
    ]


def test_a_failure_is_shown_with_its_error_and_without_its_traceback() -> None:
    failed = ended(
        "failed", message_type="unreadable", error="UnsupportedMessageError: type: is required", duration_ms=1
    )
    traceback = [
        "Traceback (most recent call last):",
        '  File "x"',
        "errors.UnsupportedMessageError: type: is required",
    ]

    assert shown(*of_handler(failed, *traceback)) == [
        "handler  unreadable   failed               1 ms     -  UnsupportedMessageError: type: is required"
    ]


def test_a_traceback_that_nothing_else_tells_is_shown() -> None:
    lines = shown(*of_handler("Traceback (most recent call last):", "ImportError: no module"))

    assert [line.split("| ")[1].strip(" -") for line in lines] == [
        "Traceback (most recent call last):",
        "ImportError: no module",
    ]


def test_what_is_logged_or_printed_on_the_way_has_a_line_of_its_own() -> None:
    warning = logged("circuit opened", 1.1, site="eu", service="mparticle-firehose")

    assert shown(*of_handler(ANSWERED, warning, "printed by a mapping")) == [
        "handler  | printed by a mapping                     -",
        f"handler  events       answered           500 ms     {REQUEST}",
        "handler  circuit opened                             -  site eu",
    ]


def test_a_call_without_an_answer_says_so() -> None:
    assert "POST /v1/things -> no answer" in shown(call(1, None))[0]


@pytest.mark.parametrize(
    ("wanted", "functions"),
    [
        (REQUEST, ["handler", "partner"]),
        (REQUEST[-12:].upper(), ["handler", "partner"]),
        ("handler", ["handler"]),
        ("partner", ["partner", "partner"]),
        ("i-1", ["handler"]),
        ("-> 500", ["partner"]),
        ("nothing", []),
    ],
)
def test_a_filter_is_a_function_or_a_text(wanted: str, functions: list[str]) -> None:
    entries = [*of_handler(ANSWERED), call(2), call(3, 500, "other")]

    assert [line.split()[0] for line in shown(*entries, wanted=wanted)] == functions


def test_how_many_lines_there_are_is_known_so_that_none_can_be_said() -> None:
    entries = of_handler(ANSWERED)

    assert [show(lambda: entries, lambda _: None, wanted=wanted) for wanted in ("", "no-such-text")] == [1, 0]


def test_a_narrow_terminal_gets_the_end_of_a_request_id_in_80_columns() -> None:
    (line,) = lines_of(of_handler(ANSWERED))

    assert formatted(line, 80).endswith("…00000000000a")
    assert len(formatted(line, 80)) <= 80
    assert REQUEST in formatted(line, 104)


def test_as_json_everything_is_there() -> None:
    lines = [json.loads(line) for line in shown(*of_handler(ANSWERED, METRICS, "printed"), as_json=True)]

    assert [line["from"] for line in lines] == ["handler"] * 3
    assert [line["invocation"] for line in lines] == ["i-1"] * 3
    assert {"answered"} == {line["message"] for line in lines if "message" in line}
    assert [line["text"] for line in lines if "text" in line] == ["printed"]
    assert sum("_aws" in line for line in lines) == 2


def test_invocations_that_ran_at_the_same_time_are_kept_apart_by_their_streams() -> None:
    first, second = events(ANSWERED, invocation="a", stream="1"), events(ANSWERED, invocation="b", stream="2")
    mixed = [event for pair in zip(first, second, strict=True) for event in pair]

    assert [entry.invocation for entry in function_entries("handler", mixed)] == ["a", "b"]


def test_the_log_of_the_fake_api_has_each_request_once_it_has_ended(tmp_path: Path) -> None:
    request = ReceivedRequest("POST", "/v1/things/7?user=canary", {"Correlation-Id": REQUEST}, {}, "/v1/things/{id}")
    lost = ReceivedRequest("GET", "/v1", {}, None, "/v1", received_at=request.received_at - 60)
    file = tmp_path / "partner.log"
    with PartnerLog(file) as log:
        log.write([request])
        before = [*partner_entries(file)]
        request.status = 202
        log.write([request, lost])
        log.write([request, lost])

    found = {entry.content["route"]: entry.content for entry in partner_entries(file)}
    assert before == []
    assert found == {
        "/v1/things/{id}": {"method": "POST", "route": "/v1/things/{id}", "status": 202, "request_id": REQUEST},
        "/v1": {"method": "GET", "route": "/v1", "status": None, "request_id": ""},
    }
    assert len(file.read_text().splitlines()) == 2


def test_following_shows_what_is_new_until_the_cloud_is_down() -> None:
    states, waits, turns = iter([True, True, False]), list[float](), list[int]()

    follow(lambda: turns.append(1), is_up=lambda: next(states), wait=waits.append)

    assert (len(turns), waits) == (2, [1.0, 1.0])


def test_a_run_of_the_archive_tells_of_each_queue_that_has_letters() -> None:
    none, some = {"archived": 0, "kept": 0, "complete": True}, {"archived": 3, "kept": 2, "complete": True}
    ran = ended("letters archived", message_type="letter_archive", event=none, membership=some, duration_ms=45.0)

    lines = shown(*function_entries("archive", events(ran, METRICS)))

    assert lines == ["archive  dead letters letters archived    45 ms     -  3 of 5 from membership"]
