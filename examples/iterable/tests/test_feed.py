"""What Iterable's system webhooks become at mParticle."""

import json
from typing import Any

import pytest

from examples.iterable.partner.feed import FEED
from local.rooms import Room
from mparticle_firehose.feed import Environment, FeedError, FeedEvent, encode

WEBHOOKS: list[Any] = [
    webhook for text in Room.of("examples/iterable").feed_messages for webhook in json.loads(text)["events"]
]


def mapped(webhook: Any) -> FeedEvent:
    found = FEED.event_of(webhook)
    assert found
    return found


def sent(webhook: Any) -> Any:
    return json.loads(encode(mapped(webhook).batch("Iterable", 4242, Environment.DEVELOPMENT)).body)


def test_webhooks_become_custom_events_of_the_person() -> None:
    batches = [sent(webhook) for webhook in WEBHOOKS]

    names = [batch["events"][0]["data"]["event_name"] for batch in batches]
    assert names == ["Email Sent", "Email Opened", "Email Clicked", "Email Unsubscribed"]
    assert batches[1]["events"][0]["data"]["custom_attributes"] == {
        "campaign_id": 59667,
        "template_id": 93849,
        "is_bot": False,
    }
    assert set(batches[2]["user_identities"]) == {"email", "customer_id"}


def test_equal_events_at_different_times_are_different_and_a_repetition_is_the_same() -> None:
    opened = WEBHOOKS[1]
    later = {**opened, "dataFields": {**opened["dataFields"], "createdAt": "2026-03-02 08:00:00 +00:00"}}

    ids = [sent(webhook)["source_request_id"] for webhook in (opened, opened, later)]

    assert ids[0] == ids[1] != ids[2]


def test_complaints_and_unsubscribes_must_not_be_lost() -> None:
    certain = [name for name in FEED.mappings if mapped({**WEBHOOKS[0], "eventName": name}).certain]

    assert certain == ["emailComplaint", "emailUnSubscribe"]


@pytest.mark.parametrize("moment", ["2026-03-01", "2026-03-01T10:00:00Z", ""])
def test_a_time_in_another_form_is_refused(moment: str) -> None:
    fields = {**WEBHOOKS[0]["dataFields"], "createdAt": moment}

    with pytest.raises(FeedError, match=r"dataFields\.createdAt"):
        FEED.event_of({**WEBHOOKS[0], "dataFields": fields})
