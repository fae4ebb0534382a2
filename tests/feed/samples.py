"""Batches and events that are right, to be changed by a test."""

import json
from typing import Any

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.feed import Batch, CustomEvent, CustomEventType, Environment, UserIdentities, encode
from mparticle_firehose.feed.events_api import EventsApi, FeedCredentials

NOW_MS = 1_800_000_000_000
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
CREDENTIALS = FeedCredentials("canary-key", "canary-secret")


def event(**changes: Any) -> CustomEvent:
    fields: dict[str, Any] = {
        "timestamp_unixtime_ms": NOW_MS - MINUTE_MS,
        "event_name": "Email Opened",
        "custom_event_type": CustomEventType.OTHER,
    }
    return CustomEvent(**{**fields, **changes})


def batch(**changes: Any) -> Batch:
    fields: dict[str, Any] = {
        "environment": Environment.DEVELOPMENT,
        "source_request_id": "r-1",
        "user_identities": UserIdentities(customer_id="canary-customer"),
        "events": (event(),),
    }
    return Batch(**{**fields, **changes})


def aged(age_ms: int, **changes: Any) -> Batch:
    """Return a batch with one event of this age."""
    return batch(events=(event(timestamp_unixtime_ms=NOW_MS - age_ms),), **changes)


def numbered(count: int, **changes: Any) -> list[Batch]:
    return [batch(source_request_id=f"r-{place}", **changes) for place in range(count)]


def sent(of: Batch) -> dict[str, Any]:
    """Return what is sent of a batch."""
    parsed: dict[str, Any] = json.loads(encode(of).body)
    return parsed


def sent_event(**changes: Any) -> dict[str, Any]:
    data: dict[str, Any] = sent(batch(events=(event(**changes),)))["events"][0]["data"]
    return data


def api(url: str, **options: Any) -> EventsApi:
    return EventsApi(f"{url}/v2", CREDENTIALS, clock=lambda: NOW_MS / 1000, **options)


def soon() -> Deadline:
    return Deadline.after(5)
