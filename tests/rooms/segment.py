"""Segment: a success tells nothing, and an answer 400 means the size."""

from collections.abc import Sequence

from mparticle_firehose.integration import (
    Answer,
    Basic,
    Endpoint,
    Json,
    JsonObject,
    Outcome,
    PartnerCall,
    Split,
    Target,
)
from tests.rooms.judging import room

ROOM = room(
    {"us": "https://api.segment.io/v1", "eu": "https://events.eu1.segmentapis.com/v1"},
    wait_headers=("Retry-After", "X-RateLimit-Reset"),
)


def access(write_key: str, site: str = "us") -> Target:
    return Target(site=site, auth=Basic(write_key))


def batch(_target: Target, bodies: Sequence[JsonObject]) -> PartnerCall:
    return PartnerCall(path="/batch", body=Json({"batch": [*bodies]}))


def by_size(_bodies: Sequence[JsonObject], answer: Answer) -> Outcome | None:
    return Split() if answer.status == 400 else None


BATCH = Endpoint(name="batch", call=batch, judge=by_size, max_items=1000, max_bytes=500_000, max_item_bytes=32_000)
ENDPOINTS = (BATCH,)
