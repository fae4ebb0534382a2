"""Batches as bytes, and requests of batches."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from functools import cache

from mparticle_firehose.errors import FeedError
from mparticle_firehose.feed.batch import MAX_EVENTS, Batch
from mparticle_firehose.feed.events import Event
from mparticle_firehose.feed.model import FeedModel
from mparticle_firehose.integration import number

MAX_BATCH_BYTES = 128_000
MAX_REQUEST_BYTES = 256_000
"""mParticle says 256 KB. Here a KB is 1,000 bytes, which is right either way."""

MAX_BATCHES = 100


@dataclass(frozen=True, slots=True)
class EncodedBatch:
    """What is sent of a batch.

    Attributes:
        body: JSON in UTF-8. Never shown.
        events: how many are in it.
    """

    body: bytes = field(repr=False)
    events: int


def encode(batch: Batch) -> EncodedBatch:
    """Return the JSON of a batch: equal batches have the same bytes.

    What is not set is left out, and so are empty lists and maps; zero and false are written. Everything is checked once
    more, because a model that was copied with changes, or whose maps were changed, may break a rule.

    Raises:
        FeedError: a rule is broken, or the batch has more than MAX_BATCH_BYTES.
    """
    text = json.dumps(_plain(batch), ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
    body = text.encode()
    if len(body) > MAX_BATCH_BYTES:
        raise FeedError(("Batch", f"must have at most {MAX_BATCH_BYTES:,} bytes"))
    return EncodedBatch(body, len(batch.events))


def pack(batches: Sequence[EncodedBatch]) -> list[range]:
    """Return which batches go together in a request, as ranges of positions, in the order of the batches.

    A request has at most MAX_BATCHES batches, MAX_EVENTS events and MAX_REQUEST_BYTES bytes.
    """
    requests: list[range] = []
    start = size = events = 0
    for place, batch in enumerate(batches):
        size += len(batch.body) + 1  # with a comma or a bracket
        events += batch.events
        is_full = place - start == MAX_BATCHES or events > MAX_EVENTS or size >= MAX_REQUEST_BYTES
        if is_full and place > start:
            requests.append(range(start, place))
            start, size, events = place, len(batch.body) + 1, batch.events
    return [*requests, range(start, len(batches))] if batches else []


def array(batches: Sequence[EncodedBatch]) -> bytes:
    """Return the body of a request for several batches."""
    return b"[" + b",".join(batch.body for batch in batches) + b"]"


def _plain(value: object) -> object:
    match value:
        case FeedModel():
            fields = dict(_fields(value))
            return {"event_type": value.event_type, "data": fields} if isinstance(value, Event) else fields
        case Enum():
            return value.value
        case Decimal():
            return number(value)
        case dict():
            return {name: _plain(each) for name, each in value.items()}
        case tuple():
            return [_plain(each) for each in value]
        case _:
            return value


def _fields(model: FeedModel) -> Iterator[tuple[str, object]]:
    names = _names(type(model))
    given = {names.get(name, name): value for name, value in model if name in model.model_fields_set}
    for name, value in type(model)(**given):
        if value is not None and value not in ((), {}):
            yield names[name], _plain(value)


@cache
def _names(model: type[FeedModel]) -> dict[str, str]:
    """Return the name of each field as it is sent."""
    return {name: info.alias or name for name, info in model.model_fields.items()}
