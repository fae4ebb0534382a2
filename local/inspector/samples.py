"""Requests to begin with: some made from what the integration declares, and the files of its folder ``events``."""

from collections.abc import Iterator
from dataclasses import dataclass

from local.inspector.app import Call
from local.rooms import Room
from local.run.expected import is_offered
from local.run.messages import Message, messages_in
from local.samples import samples, values_in

type Json = dict[str, object]

_FILES = "Files in events/"


@dataclass(frozen=True)
class Samples:
    """The samples of one room.

    Attributes:
        room: whose integration is to take them.
    """

    room: Room

    def show(self, _: Call) -> list[Json]:
        """Answer ``GET api/samples``. The settings are those in the files, which the fake API accepts."""
        files = messages_in(self.room.events)
        return [*self._generated(files), *self._of_files(files)]

    def _generated(self, files: list[Message]) -> Iterator[Json]:
        """Yield requests with new ids and the present time, as of requests that were never sent."""
        declaration = self.room.integration().declaration()
        settings = values_in(message.content for message in files)
        for sample in samples(declaration, settings=settings, fresh=True):
            kind = str(sample.content["type"])
            yield _sample(sample.name, sample.group, sample.title, kind, sample.content)

    def _of_files(self, files: list[Message]) -> Iterator[Json]:
        integration = self.room.integration()
        for message in files:
            yield {
                **_sample(f"file/{message.name}", _FILES, f"{message.name}.json", message.kind, message.content),
                "offered": is_offered(integration, message.kind),
            }


def _sample(name: str, group: str, title: str, kind: str, content: object) -> Json:
    return {"name": name, "group": group, "title": title, "type": kind, "offered": True, "content": content}
