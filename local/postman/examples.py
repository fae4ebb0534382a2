"""The bodies of a collection: sample requests, with variables in the place of confidential settings."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from local.confidential_settings import confidential_ids, settings_in
from local.rooms import Room
from local.run.messages import messages_in
from mparticle_firehose.integration import Integration

FEED = "feed"
"""The kind of an example that is a message of the feed."""

FEED_PATH = "/feed "
"""What the names of the requests with messages of the feed begin with."""

SETTING_PREFIX = "setting_"
"""What the variables of settings begin with, so that they are not taken for the collection's own."""


@dataclass(frozen=True, slots=True)
class Example:
    """One body.

    Attributes:
        name: of its file.
        kind: the message's type on the wire, or `FEED`.
        body: its JSON.
    """

    name: str
    kind: str
    body: str


def examples_of(room: Room) -> list[Example]:
    """Return the requests of a room, and the messages of its feed."""
    integration = room.integration()
    messages = [Example(each.name, each.kind, body_of(each.content, integration)) for each in messages_in(room.events)]
    files = sorted((room.events / "feed").glob("*.json"))
    return [*messages, *(Example(file.stem, FEED, _text(json.loads(file.read_text()))) for file in files)]


def examples_in(collection: Mapping[str, Any]) -> list[Example]:
    """Return the bodies that a collection has: those of its folder for Lambda, and those of the feed."""
    bodies = [(item["name"], item["request"]["body"]["raw"]) for item in _items(collection, "Lambda")]
    feed = [
        Example(item["name"].removeprefix(FEED_PATH), FEED, item["request"]["body"]["raw"])
        for item in _items(collection, "HTTPS")
        if item["name"].startswith(FEED_PATH)
    ]
    return [*(Example(name, str(json.loads(body).get("type") or ""), body) for name, body in bodies), *feed]


def body_of(content: Mapping[str, Any], integration: Integration) -> str:
    """Return a request's JSON, with a variable for each confidential setting that has a value."""
    copy = json.loads(json.dumps(content))
    secret = confidential_ids(integration.registration())
    for settings in settings_in(copy):
        for name in secret & settings.keys():
            if settings[name] is not None:
                settings[name] = f"{{{{{SETTING_PREFIX}{name}}}}}"
    return _text(copy)


def _items(collection: Mapping[str, Any], folder: str) -> Iterator[dict[str, Any]]:
    for each in collection["item"]:
        if each["name"] == folder:
            yield from each["item"]


def _text(content: object) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False)
