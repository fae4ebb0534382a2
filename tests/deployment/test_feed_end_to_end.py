"""The feed's path on the local cloud: a real queue, the feed's function, and a fake mParticle over HTTP."""

import json
import time
from collections import Counter

import pytest

from local.cloud.cloud import LocalCloud
from local.mparticle.server import FakeMParticle
from local.partner.faults import Step

pytestmark = pytest.mark.cloud

KEYS = {9101: "key-9101", 9102: "key-9102"}
BULK = "/s2s/v2/bulkevents"
FAULTS: list[Step] = [503, "apply_then_reset", {"status": 429, "retry_after": 1}, "reset", 503, "apply_then_reset"]


def test_each_event_of_two_customers_arrives_once_although_mparticle_fails_in_between(
    cloud: LocalCloud, fake_mparticle: FakeMParticle
) -> None:
    """MiniStack hands out ten messages at once at most, whatever the mapping's BatchSize says.

    So a request has 30 events at most here. Fuller ones are tried in one process, in tests/feed_worker.
    """
    sent = {key: Counter[str]() for key in KEYS.values()}
    for account_id, key in KEYS.items():
        fake_mparticle.events.keys[key] = f"{key}-secret"
        cloud.store_key_pair(account_id, key, f"{key}-secret")
    fake_mparticle.script(BULK, FAULTS)

    for number in range(120):
        account_id = list(KEYS)[number % 2]
        ids = [f"{number}-{each}" for each in range(1 + number % 3)]
        events = [{"id": id_, "type": "open", "user": f"u{number}", "at": int(time.time() * 1000)} for id_ in ids]
        cloud.put_into_feed(json.dumps({"account_id": account_id, "events": events}))
        sent[KEYS[account_id]].update(ids)

    assert cloud.settle()
    assert {key: arrived(fake_mparticle, key) for key in KEYS.values()} == sent
    assert (fake_mparticle.violations, fake_mparticle.dropped) == ((), ())
    assert cloud.dead_letters()["feed-dead-letter"] == 0
    statuses = Counter(request.status for request in fake_mparticle.requests if request.path == BULK)
    assert (statuses[503], statuses[429], statuses[None]) == (2, 1, 3)
    assert fake_mparticle.events.repeats > 0


def arrived(mparticle: FakeMParticle, key: str) -> Counter[str]:
    batches = mparticle.taken(key)
    return Counter(event["data"]["custom_attributes"]["id"] for batch in batches for event in batch["events"])
