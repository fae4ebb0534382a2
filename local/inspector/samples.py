"""Requests to begin with: generated ones, and the files of the room's folder ``events``."""

from collections.abc import Iterator
from dataclasses import dataclass

from local.inspector.app import Call
from local.rooms import Room
from local.run.expected import is_offered
from local.run.messages import messages_in

type Json = dict[str, object]

_FILES = "Files in events/"


@dataclass(frozen=True)
class Samples:
    """The samples of one room.

    Attributes:
        room: whose integration is to take them.
    """

    room: Room

    def list(self, _: Call) -> list[Json]:
        """Answer ``GET api/samples``."""
        return [*self._of_files()]

    def _of_files(self) -> Iterator[Json]:
        integration = self.room.integration()
        for message in messages_in(self.room.events):
            yield {
                "name": f"file/{message.name}",
                "group": _FILES,
                "title": message.name.replace("_", " ").capitalize(),
                "type": message.kind,
                "offered": is_offered(integration, message.kind),
                "content": message.content,
            }
