"""A message of the feed's queue is one customer's events, or is refused with field and rule."""

import json
from typing import Any

import pytest

from mparticle_firehose.errors import MalformedRequestError
from mparticle_firehose.queues.feed_messages import MAX_EVENTS, feed_body, feed_message

EVENTS: list[Any] = [{"id": "canary-1", "nested": {"list": [1, None]}}, {}]


def test_a_message_has_the_account_and_the_events() -> None:
    message = feed_message(json.dumps({"account_id": 42, "events": EVENTS, "more": "canary"}))

    assert (message.account_id, [*message.events]) == (42, EVENTS)
    assert "canary" not in repr(message)


@pytest.mark.parametrize("literal", ["1.50", "1E5", "-0", "12345678901234567890.12"])
def test_a_message_that_is_written_again_has_the_literals_of_its_numbers(literal: str) -> None:
    text = f'{{"account_id":7,"events":[{{"n":{literal}}}]}}'
    message = feed_message(text)

    assert feed_body(message.account_id, message.events) == text


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"account_id": "42"}, ("account_id", "must be a whole number above zero")),
        ({"account_id": True}, ("account_id", "must be a whole number above zero")),
        ({"account_id": 0}, ("account_id", "must be a whole number above zero")),
        ({"account_id": 2**63}, ("account_id", "must be a whole number above zero")),
        ({"account_id": 1.0}, ("account_id", "must be a whole number above zero")),
        ({"events": []}, ("events", "must be a list of 1 to 1000 events")),
        ({"events": {}}, ("events", "must be a list of 1 to 1000 events")),
        ({"events": [{}] * (MAX_EVENTS + 1)}, ("events", "must be a list of 1 to 1000 events")),
        ({"events": [{}, "canary"]}, ("events.*", "must be an object")),
    ],
)
def test_what_is_no_message_is_refused(change: dict[str, Any], problem: tuple[str, str]) -> None:
    with pytest.raises(MalformedRequestError) as refusal:
        feed_message(json.dumps({"account_id": 42, "events": EVENTS, **change}))

    assert refusal.value.problems == (problem,)


@pytest.mark.parametrize("text", ["", "canary", "[]", "7", "[" * 100_000, '{"account_id": NaN}'])
def test_what_is_no_json_object_is_refused(text: str) -> None:
    with pytest.raises(MalformedRequestError) as refusal:
        feed_message(text)

    assert "canary" not in str(refusal.value)
