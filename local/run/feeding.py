"""Sends the partner's own events through the feed, and checks what mParticle has received."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from local.mparticle.events_api import FakeEvents
from local.mparticle.server import FakeMParticle
from mparticle_firehose.errors import FeedError
from mparticle_firehose.feed import Feed
from mparticle_firehose.queues.feed_messages import feed_message

KEY, SECRET = "local-feed-key", "local-feed-secret"
"""The key pair of every customer in the local cloud."""


@dataclass(frozen=True)
class FeedRun:
    """What became of the partner's events.

    Attributes:
        sent: how many events were put on the feed's queue.
        left_out: how many of them the mapping leaves out.
        received: the names of the events that mParticle has taken, with their number.
        problems: why not all of them arrived; empty if they did.
    """

    sent: int
    left_out: int
    received: Counter[str]
    problems: tuple[str, ...]


class Deployment(Protocol):
    """What a run needs of the product, wherever it is deployed; see `local.cloud.cloud.LocalCloud`."""

    def put_into_feed(self, body: str) -> None:
        """Put a message on the feed's queue."""

    def store_key_pair(self, account_id: int, key: str, secret: str) -> None:
        """Store the key pair of a customer's feed."""

    def settle(self) -> bool:
        """Wait for the queues to drain; tell whether they did."""


def fake_mparticle() -> FakeMParticle:
    """Return a fake mParticle that knows the key pair."""
    return FakeMParticle(FakeEvents({KEY: SECRET}))


def send_feed(cloud: Deployment, mparticle: FakeMParticle, bodies: Sequence[str], feed: Feed) -> FeedRun:
    """Put messages on the feed's queue, wait until they are processed, and check what mParticle has taken."""
    messages = [feed_message(body) for body in bodies]
    for account_id in {message.account_id for message in messages}:
        cloud.store_key_pair(account_id, KEY, SECRET)
    for body in bodies:
        cloud.put_into_feed(body)
    settled = cloud.settle()
    received = Counter(_name(event) for batch in mparticle.taken(KEY) for event in batch["events"])
    sources = [source for message in messages for source in message.events]
    expected, problems = Counter[str](), [] if settled else ["the feed's queue did not drain in time"]
    for source in sources:
        try:
            mapped = feed.event_of(source)
        except FeedError as error:
            problems.append(f"an event is refused: {error}")
        else:
            expected.update([getattr(mapped.event, "event_name", mapped.event.event_type)] if mapped else [])
    problems += [f"mParticle has not received {count} {name}" for name, count in (expected - received).items()]
    problems += [f"mParticle has dropped an event: {each.rule}" for each in mparticle.dropped]
    problems += [f"the Events API's contract was broken by {violation}" for violation in mparticle.violations]
    return FeedRun(len(sources), len(sources) - expected.total(), received, tuple(problems))


def _name(event: dict[str, dict[str, str]]) -> str:
    return str(event["data"].get("event_name") or event["event_type"])
