"""The partner's own events among the dead letters: everything in them is personal, and not every stack has a feed."""

import json
from typing import Any

import pytest

from ops import commands
from ops.__main__ import _needed, _parser
from ops.dead_letters import Selection
from ops.masking import contents, contents_of_feed, masked, masked_feed
from ops.stack import DEAD_LETTER_QUEUES, SOURCE_QUEUES
from tests.ops.environment import CANARIES, FEED_MESSAGE, Environment

FEED_OUTPUTS = {DEAD_LETTER_QUEUES["feed"], SOURCE_QUEUES["feed"]}
FEED = Selection(queue="feed")


def test_of_a_feeds_message_only_the_account_and_the_number_of_events_are_shown() -> None:
    assert json.loads(masked_feed(json.dumps(FEED_MESSAGE))) == {"account_id": 4242, "events": 2}


def test_the_structure_of_the_partners_events_would_show_words_of_the_protocol() -> None:
    assert "custom_event" in masked(json.dumps(FEED_MESSAGE))
    assert "custom_event" in contents(json.dumps(FEED_MESSAGE))


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ("canary", {"account_id": "<unknown>", "events": "<unknown>"}),
        ('["canary"]', {"account_id": "<unknown>", "events": "<unknown>"}),
        ('{"account_id": "canary", "events": {"canary": 1}}', {"account_id": "<unknown>", "events": "<unknown>"}),
        ('{"account_id": true, "events": []}', {"account_id": "<unknown>", "events": 0}),
        ("[" * 100_000, {"account_id": "<unknown>", "events": "<unknown>"}),
    ],
    ids=["no-json", "no-object", "no-number", "boolean", "deep"],
)
def test_an_unreadable_message_of_a_feed_is_shown_as_unknown(body: str, shown: object) -> None:
    assert json.loads(masked_feed(body)) == shown
    assert contents_of_feed(body) == {}


def test_a_letter_of_the_feed_is_shown_without_anything_of_the_partners(env: Environment) -> None:
    letter = env.put("feed", reason="event_name: must be one of Feed.event_names")

    assert commands.show(env.context(), letter) == commands.DONE
    assert "event_name: must be one of Feed.event_names" in env.text
    assert '"events": 2' in env.text
    assert [canary for canary in (*CANARIES, "custom_event", "7700731") if canary in env.text] == []


def test_letters_of_the_feed_are_listed_with_the_others(env: Environment) -> None:
    env.put("feed")
    env.put("event")

    assert commands.list_letters(env.context(), Selection()) == commands.DONE
    assert "2 dead letters." in env.text
    assert [queue for queue in ("feed", "event") if queue not in env.text] == []


def test_a_redriven_letter_of_the_feed_is_in_the_feeds_queue_with_the_same_body(env: Environment) -> None:
    env.put("feed")
    event = env.put("event")

    assert commands.redrive(env.context(), FEED) == commands.DONE
    (message,) = env.taken(env.feed)
    assert json.loads(message["Body"]) == FEED_MESSAGE
    assert env.visible("feed") == set()
    assert env.visible("event") == {event}


def test_purge_deletes_letters_of_the_feed_alone_if_it_is_told_so(env: Environment) -> None:
    env.put("feed")
    event = env.put("event")

    assert commands.purge(env.context(), FEED, confirmed=1) == commands.DONE
    assert env.visible("feed") == set()
    assert env.visible("event") == {event}


def test_a_message_of_the_feed_that_looks_like_a_reference_deletes_nothing(env: Environment, bucket: Any) -> None:
    reference = env.queues.large_bodies.store("another message's body")
    env.put("feed", reference)

    assert commands.purge(env.context(), FEED, confirmed=1) == commands.DONE
    assert env.queues.large_bodies.open(reference).read() == "another message's body"


def test_an_events_letter_with_that_reference_deletes_it(env: Environment, bucket: Any) -> None:
    env.put("event", env.queues.large_bodies.store("its own body"))

    assert commands.purge(env.context(), Selection(queue="event"), confirmed=1) == commands.DONE
    assert "Contents" not in bucket.list_objects_v2(Bucket="large-bodies")


def test_a_deployment_without_a_feed_has_the_other_queues(env: Environment) -> None:
    env.put("event")
    context = env.context()
    urls = {name: url for name, url in context.urls.items() if name not in FEED_OUTPUTS}

    assert commands.redrive(env.context(urls=urls), Selection()) == commands.DONE
    assert commands.list_letters(env.context(urls=urls), Selection()) == commands.DONE
    assert "event: 1 letter sent back." in env.text


@pytest.mark.parametrize("command", ["list", "redrive", "purge"])
def test_the_feeds_outputs_are_needed_only_if_its_queue_is_named(command: str) -> None:
    needed, optional = _needed(_parser().parse_args([command]), has_feed=False)
    named, rest = _needed(_parser().parse_args([command, "--queue", "feed"]), has_feed=False)

    assert FEED_OUTPUTS.isdisjoint(needed)
    assert set(optional) == (FEED_OUTPUTS if command == "redrive" else {DEAD_LETTER_QUEUES["feed"]})
    assert set(named) & FEED_OUTPUTS == set(optional)
    assert rest == []


def test_the_feeds_outputs_are_needed_if_one_of_them_is_given() -> None:
    needed, optional = _needed(_parser().parse_args(["redrive"]), has_feed=True)

    assert set(needed) >= FEED_OUTPUTS
    assert optional == []
