"""What Acme Engage's own events become at mParticle."""

import json
from typing import Any

import pytest

from local.rooms import Room
from mparticle_firehose.feed import CustomEvent, Environment, FeedError, FeedEvent, encode
from partner.feed import FEED
from partner.integration import INTEGRATION

EVENT: dict[str, Any] = {
    "id": "evt-1",
    "type": "email.clicked",
    "occurred_at": "2026-03-01T10:00:20Z",
    "contact": {"id": "contact-7", "customer_id": "customer-7", "email": "canary@example.com"},
    "campaign": "Spring sale",
    "url": "https://shop.example.com",
}


def mapped(**changes: Any) -> FeedEvent:
    found = FEED.event_of({**EVENT, **changes})
    assert found
    return found


def test_an_event_becomes_a_custom_event_of_the_contact() -> None:
    event = mapped()

    batch = json.loads(encode(event.batch(INTEGRATION.feed_name, 4242, Environment.DEVELOPMENT)).body)
    (sent,) = batch["events"]
    assert batch["user_identities"] == {"customer_id": "customer-7", "email": "canary@example.com"}
    assert (sent["data"]["event_name"], sent["data"]["timestamp_unixtime_ms"]) == ("Email Clicked", 1_772_359_220_000)
    assert sent["data"]["custom_attributes"] == {"campaign": "Spring sale", "url": "https://shop.example.com"}
    assert batch["source_request_id"] == sent["data"]["source_message_id"]


def test_every_mapping_makes_an_event_whose_name_is_declared() -> None:
    made = [FEED.event_of({**EVENT, "type": name}) for name, mapping in FEED.mappings.items() if mapping]

    assert {each.event.event_name for each in made if each and isinstance(each.event, CustomEvent)} == {
        *FEED.event_names
    }


def test_an_unsubscribe_alone_must_not_be_lost() -> None:
    certain = [name for name, mapping in FEED.mappings.items() if mapping and mapped(type=name).certain]

    assert certain == ["email.unsubscribed"]


def test_what_says_nothing_about_a_person_is_left_out() -> None:
    assert FEED.event_of({**EVENT, "type": "email.queued"}) is None


@pytest.mark.parametrize("moment", ["2026-03-01T10:00:20", "yesterday", ""])
def test_a_time_without_a_zone_is_refused(moment: str) -> None:
    with pytest.raises(FeedError, match="occurred_at: must be a time with its zone"):
        mapped(occurred_at=moment)


def test_the_sample_events_can_be_sent() -> None:
    messages = [json.loads(text) for text in Room.of().feed_messages]

    events = [FEED.event_of(event) for message in messages for event in message["events"]]
    assert {encode(each.batch("Acme", 1, Environment.DEVELOPMENT)).events for each in events if each} == {1}
