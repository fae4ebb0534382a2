"""What the partner's own feed has sent to mParticle does not come back to the partner."""

from dataclasses import replace
from typing import Any

import pytest

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.processors import process
from mparticle_firehose.protocol import SOURCE_FEED, EventProcessingRequest
from mparticle_firehose.services import EventMode
from tests.conftest import Json, ServicesDouble, load_event, parsed
from tests.sample.partner.integration import INTEGRATION

FEEDING = replace(INTEGRATION, feed=lambda: pytest.fail("the handler must not load the feed"))
FEEDLESS = replace(INTEGRATION, feed_name="", feed=None)


def event(number: int, feed: object = None) -> Json:
    attributes = {} if feed is None else {SOURCE_FEED: feed}
    return {"type": "custom_event", "name": f"n{number}", "source_id": str(number), "attributes": attributes}


def request(*events: Any, **fields: object) -> EventProcessingRequest:
    message = load_event("event_processing_request", **{"events": list(events), "system_notifications": [], **fields})
    read: EventProcessingRequest = parsed(EventProcessingRequest, message)
    return read


def queued(services: ServicesDouble, received: EventProcessingRequest) -> list[list[str]]:
    """Return the events of each request that is queued."""
    process(received, services, Deadline.after(10))
    return [[each["source_id"] for each in rest.source["events"] if each] for rest in services.events.rests if rest]


@pytest.mark.parametrize("mode", ["queue", "in_order"])
@pytest.mark.parametrize("feed", ["Sample", "SAMPLE", "Sample iOS"])
def test_own_events_are_left_out_and_the_others_go_on(mode: EventMode, feed: str) -> None:
    services = ServicesDouble(integration=FEEDING, event_mode=mode)

    assert queued(services, request(event(1), None, event(2, feed), event(3, "Another vendor"))) == [["1", "3"]]
    assert services.telemetry.counts["FeedLooped"] == 1


@pytest.mark.parametrize("mode", ["forward", "queue", "in_order"])
def test_a_request_with_nothing_else_is_acknowledged_and_nothing_is_sent(mode: EventMode) -> None:
    services = ServicesDouble(integration=FEEDING, event_mode=mode)

    assert queued(services, request(event(1, "Sample"))) == []
    assert services.partner.calls == []


def test_events_that_cannot_be_read_are_put_aside_as_ever() -> None:
    services = ServicesDouble(integration=FEEDING, event_mode="queue")
    odd = {"type": "custom_event", "attributes": {"canary": ["list"]}}

    assert queued(services, request(event(1), odd, event(2, "Sample"))) == [["1"]]
    assert len(services.dead_letters.stored) == 1


@pytest.mark.parametrize("integration", [FEEDLESS, replace(FEEDING, feed_name="Other")], ids=["no-feed", "other"])
def test_another_feeds_events_are_events_like_any(integration: Any) -> None:
    services = ServicesDouble(integration=integration, event_mode="queue")

    assert queued(services, request(event(1, "Sample"), event(2))) == [["1", "2"]]


@pytest.mark.parametrize("feed", [7, "", None, ["Sample"]])
def test_an_odd_mark_is_none(feed: object) -> None:
    services = ServicesDouble(integration=FEEDING, event_mode="in_order")
    odd = {**event(1), "attributes": {SOURCE_FEED: feed}}

    assert queued(services, request(odd, event(2))) == [["1", "2"]]
