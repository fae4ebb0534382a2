"""A file of events is a message of the feed's queue, a list or JSON lines; its errors show no content."""

import io
from pathlib import Path

import pytest

from mparticle_firehose.errors import MalformedRequestError
from ops.feed.files import EventFile, events_in, read_file

EVENT = '{"type": "open"}'


@pytest.mark.parametrize(
    ("text", "account_id", "events"),
    [
        pytest.param(f'{{"account_id": 42, "events": [{EVENT}]}}', 42, [(1, {"type": "open"})], id="message"),
        pytest.param(f"[{EVENT}, 7]", None, [(1, {"type": "open"}), (2, 7)], id="list"),
        pytest.param(EVENT, None, [(1, {"type": "open"})], id="one-event"),
        pytest.param(
            f"{EVENT}\r\n\n  {EVENT}\n7\n", None, [(1, {"type": "open"}), (3, {"type": "open"}), (4, 7)], id="lines"
        ),
    ],
)
def test_events_come_with_their_positions(text: str, account_id: int | None, events: list[tuple[int, object]]) -> None:
    assert events_in("f", text) == EventFile("f", account_id, events)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("", "f: must have an event", id="empty"),
        pytest.param("\n \n", "f: must have an event", id="blank"),
        pytest.param("[]", "f: must have an event", id="no-events"),
        pytest.param('{"account_id": 42, "events": []}', "f: must have an event", id="no-events-in-message"),
        pytest.param('"canary"', "f: must be a message, a list of events or JSON lines", id="text"),
        pytest.param("canary", "f: must be JSON, or JSON lines", id="no-json"),
        pytest.param('{"type":\n"canary",\n}', "f: must be JSON, or JSON lines", id="broken-json"),
        pytest.param(f"{EVENT}\n\ncanary\n", "f: line 3 is not JSON", id="broken-line"),
        pytest.param('{"canary": NaN}', "f: must be JSON, or JSON lines", id="nan"),
        pytest.param("[" * 100_000, "f: must be JSON, or JSON lines", id="nested-too-deeply"),
        pytest.param('{"events": []}', "f: account_id: must be a whole number, 1 or more", id="no-account"),
        pytest.param(
            '{"account_id": "canary", "events": []}', "f: account_id: must be a whole number, 1 or more", id="account"
        ),
        pytest.param(
            '{"account_id": true, "events": []}', "f: account_id: must be a whole number, 1 or more", id="boolean"
        ),
        pytest.param('{"account_id": 0, "events": []}', "f: account_id: must be a whole number, 1 or more", id="zero"),
        pytest.param('{"account_id": 42, "events": {"canary": 1}}', "f: events: must be a list", id="events"),
    ],
)
def test_another_text_is_refused_without_showing_it(text: str, problem: str) -> None:
    with pytest.raises(MalformedRequestError) as caught:
        events_in("f", text)

    assert str(caught.value) == problem


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "events.json").write_bytes(b"\xef\xbb\xbf" + EVENT.encode())

    assert read_file(str(tmp_path / "events.json")) == EventFile("events.json", None, [(1, {"type": "open"})])


def test_a_hyphen_is_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(EVENT.encode())))

    assert read_file("-") == EventFile("standard input", None, [(1, {"type": "open"})])


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "events.json: cannot be read"), (b"[\xff]", "events.json: must be UTF-8")],
    ids=["missing", "bytes"],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None, problem: str) -> None:
    if content is not None:
        (tmp_path / "events.json").write_bytes(content)

    with pytest.raises(MalformedRequestError) as caught:
        read_file(str(tmp_path / "events.json"))

    assert str(caught.value) == problem


def test_events_are_not_shown() -> None:
    assert repr(events_in("f", '[{"email": "canary"}]')) == "EventFile(name='f', account_id=None)"
