"""The objects of the archive: their keys, and letters as gzipped lines of JSON.

A key says nothing but the queue and when the letters were archived. An object holds whole messages, as SQS returns
them, so that a letter can be sent again exactly as it was.
"""

import base64
import gzip
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

PREFIX = "dead-letters/"
"""How the keys of all archived letters begin. The bucket's other keys have no slash."""

type Message = Mapping[str, Any]
"""A message as boto3 returns it. Personal data."""

_SUFFIX = ".ndjson.gz"
_MOMENT = "%Y-%m-%d/%H%M%S"
_MOMENT_LENGTH = len("2026-11-22/103000")
_KEPT = ("MessageId", "Body", "Attributes", "MessageAttributes")


def new_key(queue: str, now: float) -> str:
    """Return a key for letters of a queue that are archived now, in seconds since the epoch.

    Keys of one queue sort by the time of archiving.
    """
    return f"{PREFIX}{queue}/{datetime.fromtimestamp(now, UTC).strftime(_MOMENT)}-{uuid4()}{_SUFFIX}"


def archived_at(key: str) -> float | None:
    """Return when the letters of an object were archived, in seconds since the epoch; None if it is no such key."""
    _, _, moment = key.removeprefix(PREFIX).partition("/")
    try:
        return datetime.strptime(moment[:_MOMENT_LENGTH], _MOMENT).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def encode(messages: Iterable[Message]) -> bytes:
    """Return letters as the content of an object."""
    lines = (json.dumps(_to_json(message), separators=(",", ":")) + "\n" for message in messages)
    return gzip.compress("".join(lines).encode())


def decode(content: bytes) -> Iterator[Message]:
    """Yield the letters of an object in the order in which they were archived.

    Raises:
        ValueError: it is no such content.
    """
    try:
        text = gzip.decompress(content).decode()
    except (OSError, EOFError) as error:
        raise ValueError("the object is not gzipped") from error
    for line in text.splitlines():
        yield _from_json(json.loads(line))


def _to_json(message: Message) -> Message:
    kept = {name: message[name] for name in _KEPT if name in message}
    attributes = {name: _with_text(value) for name, value in message.get("MessageAttributes", {}).items()}
    return {**kept, "MessageAttributes": attributes}


def _from_json(message: Message) -> Message:
    attributes = {name: _with_bytes(value) for name, value in message["MessageAttributes"].items()}
    return {**message, "MessageAttributes": attributes}


def _with_text(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an attribute whose binary value, which only a foreign sender writes, is text."""
    binary = value.get("BinaryValue")
    return value if binary is None else {**value, "BinaryValue": base64.b64encode(binary).decode()}


def _with_bytes(value: Mapping[str, Any]) -> Mapping[str, Any]:
    text = value.get("BinaryValue")
    return value if text is None else {**value, "BinaryValue": base64.b64decode(text)}
