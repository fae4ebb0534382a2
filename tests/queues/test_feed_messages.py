import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mparticle_firehose.errors import MalformedRequestError
from mparticle_firehose.queues.feed_messages import (
    MAX_ACCOUNT_ID,
    MAX_EVENTS,
    FeedMessage,
    feed_body,
    feed_message,
)

EVENT = {"name": "open", "user": "canary-user"}
ACCOUNT_RULE = "must be a whole number from 1 to 2**63 - 1"
COUNT_RULE = "must have 1 to 1000 elements"

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def text_of(**fields: object) -> str:
    return json.dumps({"account_id": 42, "events": [EVENT], **fields})


@given(st.integers(1, MAX_ACCOUNT_ID), st.lists(st.dictionaries(st.text(), json_values, max_size=4), min_size=1))
def test_what_is_written_is_read_the_same(account_id: int, events: list[dict[str, Any]]) -> None:
    body = feed_body(account_id, events)

    assert feed_message(body) == FeedMessage(account_id, tuple(events))
    assert not {"\ufffe", "\uffff"} & {*body}
    assert body.encode()


@pytest.mark.parametrize("literal", ["1.50", "1e5", "-0", "12345678901234567890.12", "1e999", "9" * 5_000])
def test_a_number_keeps_its_literal(literal: str) -> None:
    body = f'{{"account_id":42,"events":[{{"amount":{literal}}}]}}'

    assert feed_body(42, feed_message(body).events) == body


def test_further_fields_are_ignored() -> None:
    assert feed_message(text_of(sent_by="canary-name")) == FeedMessage(42, (EVENT,))


@pytest.mark.parametrize("text", [f" \n{text_of()}\r\n\t ", f"\ufeff{text_of()}"], ids=["white-space", "mark"])
def test_what_may_surround_json_may_surround_a_message(text: str) -> None:
    assert feed_message(text) == FeedMessage(42, (EVENT,))


@pytest.mark.parametrize("count", [1, MAX_EVENTS])
def test_as_many_events_as_the_limit_says_are_read(count: int) -> None:
    assert len(feed_message(text_of(events=[EVENT] * count)).events) == count


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", ("", "must not be empty")),
        ("canary-text", ("", "must be JSON")),
        (text_of()[:-1], ("", "must be JSON")),
        ('{"account_id":42,"events":[{"x":NaN}]}', ("", "must be JSON")),
        (text_of() + "canary-text", ("", "must be one JSON value and nothing after it")),
        (text_of() * 2, ("", "must be one JSON value and nothing after it")),
        (text_of() + "\0", ("", "must be one JSON value and nothing after it")),
        ("[" * 100_000, ("", "is nested too deeply")),
        (f'{{"account_id":42,"events":[{{"x":{"[" * 50_000}{"]" * 50_000}}}]}}', ("", "is nested too deeply")),
        ("[]", ("", "must be a JSON object")),
        ("null", ("", "must be a JSON object")),
        ('"canary-text"', ("", "must be a JSON object")),
        ("{}", ("account_id", "is required")),
        ('{"account_id":42}', ("events", "is required")),
        *[
            (text_of(account_id=odd), ("account_id", ACCOUNT_RULE))
            for odd in (0, -1, True, None, "42", 42.0, [42], MAX_ACCOUNT_ID + 1)
        ],
        (f'{{"account_id":{"9" * 5_000},"events":[{{}}]}}', ("account_id", ACCOUNT_RULE)),
        ('{"account_id":-0,"events":[{}]}', ("account_id", ACCOUNT_RULE)),
        *[(text_of(events=odd), ("events", "must be a list")) for odd in (None, EVENT, "canary-text", 1)],
        (text_of(events=[]), ("events", COUNT_RULE)),
        (text_of(events=[EVENT] * (MAX_EVENTS + 1)), ("events", COUNT_RULE)),
        *[
            (text_of(events=[EVENT, EVENT, odd, odd]), ("events.2", "must be an object"))
            for odd in (None, "canary-text", 1, [], [EVENT])
        ],
    ],
    ids=itertools.count(),
)
def test_anything_else_is_refused_with_field_and_rule(text: str, problem: tuple[str, str]) -> None:
    with pytest.raises(MalformedRequestError) as caught:
        feed_message(text)

    assert caught.value.problems == (problem,)


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")], ids=["lists", "objects"])
def test_whatever_depth_can_be_read_can_be_written(opening: str, closing: str) -> None:
    outcomes = set()
    for depth in (1_000, 9_000, *range(9_850, 10_150, 10), 11_000, 20_000):
        text = f'{{"account_id":42,"events":[{{"x":{opening * depth}1.50{closing * depth}}}]}}'
        try:
            message = feed_message(text)
        except MalformedRequestError:
            outcomes.add("refused")
            continue
        assert feed_body(42, message.events) == text
        outcomes.add("written")

    assert outcomes == {"refused", "written"}


def test_a_message_does_not_show_its_events() -> None:
    assert "canary" not in repr(feed_message(text_of()))
