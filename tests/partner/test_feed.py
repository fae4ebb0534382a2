"""Acme Engage's own events, and what they become at mParticle."""

from typing import Any

import pytest

from mparticle_firehose.feed import CustomEvent, FeedError
from partner.feed import FEED

type Json = dict[str, Any]


def source(name: str, **fields: object) -> Json:
    contact = {"id": "contact-7", "email": "ada@example.com"}
    return {"id": "evt-1", "type": name, "occurred_at": "2026-03-01T10:00:00Z", "contact": contact, **fields}


def test_each_event_is_a_custom_event_with_a_listed_name() -> None:
    made = [FEED.event_of(source(name)) for name in FEED.mappings]

    names = [each.event.event_name for each in made if each and isinstance(each.event, CustomEvent)]
    assert sorted(names) == sorted(FEED.event_names)
    assert made.count(None) == 1  # email.queued


def test_an_unsubscribe_opts_nobody_out_of_mparticle_and_goes_where_a_refusal_is_seen() -> None:
    made = FEED.event_of(source("email.unsubscribed"))

    assert made is not None
    assert (made.event.event_type, made.certain) == ("custom_event", True)


def test_another_event_goes_in_bulk() -> None:
    made = FEED.event_of(source("email.opened", campaign="Spring sale"))

    assert made is not None
    assert (made.certain, made.event.custom_attributes) == (False, {"campaign": "Spring sale"})


@pytest.mark.parametrize("written", ["2026-03-01T10:00:00", "yesterday"])
def test_a_time_without_a_zone_is_refused(written: str) -> None:
    with pytest.raises(FeedError, match="occurred_at: must be a time with its zone"):
        FEED.event_of(source("email.opened", occurred_at=written))
