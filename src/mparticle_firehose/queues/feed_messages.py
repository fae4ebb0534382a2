"""The messages of the feed's queue: events of the partner, as its own systems write them, and whose they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mparticle_firehose.errors import MalformedRequestError
from mparticle_firehose.protocol import json_document
from mparticle_firehose.queues.splitting import encode

MAX_EVENTS = 1_000
"""Of one message. More would take longer than one invocation at the pace of one key pair."""

MAX_ACCOUNT_ID = 2**63 - 1


@dataclass(frozen=True, slots=True)
class FeedMessage:
    """One message.

    Attributes:
        account_id: mParticle's id of the customer's account.
        events: the partner's own, at least one. Never shown.
    """

    account_id: int
    events: tuple[Mapping[str, Any], ...] = field(repr=False)


def feed_message(text: str) -> FeedMessage:
    """Read a message: ``{"account_id": 42, "events": [{...}, ...]}``. Further fields are ignored.

    Numbers in the events keep their literals, see `mparticle_firehose.protocol.json_text`.

    Raises:
        MalformedRequestError: it is no such message, or has more events than `MAX_EVENTS`. It names the field and
            the rule.
    """
    source = json_document(text)
    if not isinstance(source, dict):
        raise MalformedRequestError(("", "must be a JSON object"))
    return FeedMessage(_account_id(source), _events(source))


def feed_body(account_id: int, events: Sequence[Mapping[str, Any]]) -> str:
    """Return the text of a message, with characters escaped that SQS refuses. `feed_message` reads it."""
    return encode({"account_id": account_id, "events": list(events)})


def _account_id(source: Mapping[str, object]) -> int:
    account_id = _required(source, "account_id")
    if type(account_id) is not int or not 0 < account_id <= MAX_ACCOUNT_ID:  # true and false are integers too
        raise MalformedRequestError(("account_id", "must be a whole number from 1 to 2**63 - 1"))
    return account_id


def _events(source: Mapping[str, object]) -> tuple[Mapping[str, Any], ...]:
    events = _required(source, "events")
    if not isinstance(events, list):
        raise MalformedRequestError(("events", "must be a list"))
    if not 0 < len(events) <= MAX_EVENTS:
        raise MalformedRequestError(("events", f"must have 1 to {MAX_EVENTS} elements"))
    for index, event in enumerate(events):
        if not isinstance(event, dict):
            raise MalformedRequestError((f"events.{index}", "must be an object"))
    return tuple(events)


def _required(source: Mapping[str, object], name: str) -> object:
    if name not in source:
        raise MalformedRequestError((name, "is required"))
    return source[name]
