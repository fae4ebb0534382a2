"""Traces are kept within bounds, and whoever listens learns of each change."""

import json
import threading

import pytest

from local.inspector import traces as module
from local.inspector.shown import MAX_BYTES, masked_body, masked_headers, masked_path, parsed, shown
from local.inspector.titles import title
from local.inspector.traces import MAX_STEPS, MAX_TRACES, Trace, Traces


def trace(traces: Traces, work: str = "w", **more: object) -> Trace:
    made = Trace(
        id=traces.new_id(), work=work, title="", kind="", request_id=None, request={}, content={}, at=1_800_000_000.0
    )
    for name, value in more.items():
        setattr(made, name, value)
    traces.add(made)
    return made


def ids(traces: Traces, since: int = 0, text: str = "") -> list[object]:
    return [each["id"] for each in traces.changed_since(since, text)[1]]


def test_the_newest_are_kept() -> None:
    traces = Traces()
    for number in range(MAX_TRACES + 5):
        trace(traces, f"w{number % 3}")

    assert ids(traces) == [f"t{number}" for number in range(MAX_TRACES + 5, 5, -1)]
    assert traces.get("t5") is None
    newest = traces.of_work("w0")
    assert newest is not None
    assert newest.id == f"t{MAX_TRACES + 5}"


def test_large_ones_leave_less_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_KEPT_BYTES", 100)
    traces = Traces()
    for size in (40, 40, 40):
        trace(traces, size=size)
    assert ids(traces) == ["t3", "t2"]
    grown = traces.get("t2")
    assert grown is not None
    with traces.changing(grown):
        grown.size += 50
    trace(traces, size=10)

    assert ids(traces) == ["t4", "t3"]


def test_one_that_is_larger_than_all_may_be_is_kept_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_KEPT_BYTES", 100)
    traces = Traces()
    trace(traces)
    trace(traces, size=1_000)

    assert ids(traces) == ["t2"]


def test_further_steps_are_counted_only() -> None:
    traces = Traces()
    made = trace(traces)
    for _ in range(MAX_STEPS + 2):
        made.add({"kind": "log", "at": 1.0})

    found = made.to_json()
    assert (len(made.steps), found["steps_left_out"]) == (MAX_STEPS, 2)


def test_only_what_has_changed_since_is_returned() -> None:
    traces = Traces()
    first, _ = trace(traces), trace(traces)
    version, _ = traces.changed_since(0)
    assert ids(traces, version) == []
    with traces.changing(first):
        first.failed = True

    assert ids(traces, version) == ["t1"]
    assert traces.version > version


def test_traces_are_found_by_a_part_of_their_ids() -> None:
    traces = Traces()
    trace(traces, request_id="AB-12")
    trace(traces, request_id="CD-34")

    assert (ids(traces, text="b-1"), ids(traces, text="T2"), ids(traces, text="x")) == (["t1"], ["t2"], [])


def test_removing_all_is_a_change() -> None:
    traces = Traces()
    trace(traces)
    version = traces.version

    assert (traces.clear(), ids(traces), traces.version > version) == (1, [], True)
    assert traces.cleared == traces.version


def test_a_listener_is_told_of_each_change_until_it_ends() -> None:
    traces = Traces()
    told: list[int] = []
    with traces.listening(lambda: told.append(traces.version)):
        made = trace(traces)
        with traces.changing(made):
            made.failed = True
        traces.clear()
    trace(traces)

    assert told == [1, 2, 3]


def test_threads_may_share_them() -> None:
    traces = Traces()

    def work(name: str) -> None:
        for _ in range(60):
            made = trace(traces, name)
            with traces.changing(made):
                made.add({"kind": "log", "at": 1.0})
        traces.changed_since(0)

    threads = [threading.Thread(target=work, args=[f"w{number}"]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (len(ids(traces)), traces.version) == (MAX_TRACES, 480)


def test_a_small_value_is_shown_whole_and_a_large_one_says_what_is_left_out() -> None:
    small = {"a": ["x" * 600] * 3}
    large = {"list": list(range(50_000)), "text": "y" * 1_000, **{f"n{number}": 1 for number in range(30)}}

    assert shown(small) is small
    cut = shown(large)
    assert isinstance(cut, dict)
    assert cut["list"] == [*range(20), "(49,980 more)"]
    assert cut["text"] == f"{'y' * 500}… (500 more characters)"
    assert (cut["…"], len(cut)) == ("(12 more)", 21)


def test_what_is_large_however_it_is_cut_is_not_shown() -> None:
    wide: object = "z" * 400
    for _ in range(3):
        wide = [wide] * 20

    assert shown(wide) == f"(too large to be shown: {len(json.dumps(wide)):,} bytes)"
    assert len(str(wide)) > MAX_BYTES


def test_a_text_that_is_no_json_is_shown_as_it_is() -> None:
    deep = "[" * 100_000

    assert [parsed(text) for text in ('{"a": 1}', "plain", "", None, deep)] == [{"a": 1}, "plain", None, None, deep]


@pytest.mark.parametrize("name", ["refresh_token", "client_secret", "access_token", "apiKey", "password"])
def test_credentials_in_bodies_and_queries_show_their_length(name: str) -> None:
    assert masked_body({name: "canary", "grant_type": "x", "expires_in": 60}) == {
        name: "(6 characters)",
        "grant_type": "x",
        "expires_in": 60,
    }
    assert masked_path(f"/track?a=b&{name}=canary&c=") == f"/track?a=b&{name}=(6 characters)&c="


@pytest.mark.parametrize("body", [None, "text", b"bytes", ["refresh_token"], {"refresh_token": None}, {"token": "t"}])
def test_other_bodies_stay_as_they_are(body: object) -> None:
    assert masked_body(body) == body


@pytest.mark.parametrize("path", ["/track", "/track?", "/track?a=b%20c&d", "/track?a=1&a=2"])
def test_other_paths_stay_as_they_are(path: str) -> None:
    assert masked_path(path) == path


def test_only_headers_that_never_hold_a_credential_show_their_value() -> None:
    headers = {"Host": "h", "correlation-id": "c", "Authorization": "Bearer canary-key", "X-Key": "canary"}

    assert masked_headers(headers) == {
        "Host": "h",
        "correlation-id": "c",
        "Authorization": "(17 characters)",
        "X-Key": "(6 characters)",
    }


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({"type": "module_registration_request"}, "Registration"),
        ({"type": "event_processing_request"}, "Keep-alive of events"),
        ({"type": "event_processing_request", "events": None, "user_attributes": {"a": "b"}}, "User without events"),
        ({"type": "event_processing_request", "events": [{"type": "screen_view"}, None]}, "Event: screen view"),
        (
            {"type": "event_processing_request", "events": [{"type": t} for t in ("a", "b", "a", "c", "d")]},
            "5 events: 2× a, b, c, 1 more type",
        ),
        ({"type": "event_processing_request", "events": [{"type": 1}]}, "Event: unknown"),
        ({"type": "audience_subscription_request", "action": "ADD"}, "Audience connected"),
        ({"type": "audience_subscription_request", "action": [1]}, "Audience subscription"),
        ({"type": "audience_membership_change_request", "user_profiles": 1}, "Keep-alive of audiences"),
        (
            {"type": "audience_membership_change_request", "user_profiles": [{"audiences": [{}, {}]}, {}]},
            "2 membership changes of 2 users",
        ),
        ({"type": "dsr_processing_request"}, "Erasure"),
        ({"type": "other"}, "Request of an unknown type"),
        ({}, "Request without a type"),
    ],
)
def test_a_request_has_a_short_name(request_: dict[str, object], expected: str) -> None:
    assert title(request_) == expected
