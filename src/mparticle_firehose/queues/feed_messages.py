"""What the feed's queue holds: events of one customer's users, as the partner's own system writes them.

{"account_id": 4242, "events": [{"id": "evt-1", "type": "email.opened", ...}, ...]}
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mparticle_firehose.errors import MalformedRequestError
from mparticle_firehose.protocol import json_text, json_value

MAX_EVENTS = 1_000
"""Of one message. More would take longer than one invocation at the pace of one key pair."""

_MAX_ACCOUNT_ID = 2**63 - 1


@dataclass(frozen=True, slots=True)
class FeedMessage:
    """One message of the feed's queue.

    Attributes:
        account_id: mParticle's id of the customer's account, as its requests have it.
        events: the partner's events. Never shown.
    """

    account_id: int
    events: Sequence[Mapping[str, Any]] = field(repr=False)


def feed_message(text: str) -> FeedMessage:
    """Read a message. Numbers keep their literals, and further fields are ignored.

    Raises:
        MalformedRequestError: it is none, or has too many events.
    """
    source = json_value(text)
    if not isinstance(source, dict):
        raise MalformedRequestError(("", "must be a JSON object"))
    account_id, events = source.get("account_id"), source.get("events")
    if not isinstance(account_id, int) or isinstance(account_id, bool) or not 0 < account_id <= _MAX_ACCOUNT_ID:
        raise MalformedRequestError(("account_id", "must be a whole number above zero"))
    if not isinstance(events, list) or not events or len(events) > MAX_EVENTS:
        raise MalformedRequestError(("events", f"must be a list of 1 to {MAX_EVENTS} events"))
    if not all(isinstance(event, dict) for event in events):
        raise MalformedRequestError(("events.*", "must be an object"))
    return FeedMessage(int(account_id), events)


def feed_body(account_id: int, events: Sequence[Mapping[str, Any]]) -> str:
    """Return the body of a message with these events."""
    return json_text({"account_id": account_id, "events": [*events]})
