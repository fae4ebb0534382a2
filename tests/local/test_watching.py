"""`make up WATCH=1`: each edit is deployed once, and an edit that cannot be deployed does not end the watching."""

import shutil
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from local.cloud.sources import Sources, watched
from local.cloud.watching import await_edit, redeploy_edits
from local.rooms import Room
from tests.conftest import SAMPLE


@dataclass
class World:
    """Files that change at each turn, and a cloud that is up for a number of turns."""

    versions: list[str]
    turn: int = 0
    deployed: list[str] = field(default_factory=list)

    def is_up(self) -> bool:
        return self.turn < len(self.versions) - 1

    def sources(self) -> Sources:
        return Sources(self.versions[min(self.turn, len(self.versions) - 1)], "")

    def wait(self) -> None:
        self.turn += 1

    def redeploy(self) -> None:
        self.deployed.append(self.versions[self.turn])


@pytest.mark.parametrize(
    ("versions", "deployed"),
    [
        (["a", "a", "a", "a"], []),
        (["a", "b", "b", "c", "c"], ["b", "c"]),
        (["a", "b", "a", "a"], ["b", "a"]),
        (["a", "b"], []),  # the cloud is down by then
    ],
)
def test_each_edit_is_deployed_once_while_the_cloud_is_up(versions: list[str], deployed: list[str]) -> None:
    world = World(versions)

    redeploy_edits(is_up=world.is_up, sources=world.sources, redeploy=world.redeploy, wait=world.wait)

    assert world.deployed == deployed


@pytest.fixture
def room(tmp_path: Path) -> Room:
    folder = tmp_path / "room"
    for name in ("partner", "fake_api"):
        shutil.copytree(SAMPLE.partner.parent / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return Room.of(str(folder))


def test_an_edit_ends_the_waiting(room: Room) -> None:
    def edit() -> None:
        time.sleep(0.2)
        (room.partner / "new.py").write_text("x = 1")

    before = Sources.of(room)
    editor = threading.Thread(target=edit)
    editor.start()
    started = time.monotonic()

    while Sources.of(room) == before and time.monotonic() - started < 30:
        await_edit(watched(room))

    editor.join()
    assert Sources.of(room) != before


def test_the_sources_tell_the_stack_from_the_fake_api(room: Room) -> None:
    first = Sources.of(room)
    (room.fake_api_folder / "new.py").write_text("")
    second = Sources.of(room)
    (room.partner / "new.py").write_text("")
    third = Sources.of(room)
    (room.fake_api_folder.parent / "parameters.json").write_text("{}")
    fourth = Sources.of(room)
    (room.partner / "__pycache__").mkdir()
    (room.partner / "__pycache__" / "new.pyc").write_text("")

    assert (second.stack, second.fake_api != first.fake_api) == (first.stack, True)
    assert (third.fake_api, third.stack != second.stack) == (second.fake_api, True)
    assert fourth.stack != third.stack
    assert Sources.of(room) == fourth


def test_all_files_of_a_room_are_watched(room: Room) -> None:
    own = Room.of()

    assert {room.partner, room.fake_api_folder.parent} <= {*watched(room)}
    assert own.partner in watched(own)
    assert own.partner not in watched(room)
