"""The files that a local cloud is made of, so that a change of them is noticed."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from local.isolation import ROOT
from local.rooms import Room

_TEMPLATE = ("template.yaml", "samconfig.toml", "requirements.txt")


@dataclass(frozen=True)
class Sources:
    """Hashes of the names and contents of files.

    Attributes:
        stack: of what is built and deployed: the functions, the template, and the room's settings for the local cloud.
        fake_api: of the fake API.
    """

    stack: str
    fake_api: str

    @classmethod
    def of(cls, room: Room) -> Self:
        """Read the present files of a room and of the project."""
        return cls(_digest(_stack_files(room)), _digest(_files(room.fake_api_folder)))


def watched(room: Room) -> list[Path]:
    """Return the folders and files with all of these files in them."""
    paths = {ROOT / "src", room.partner, room.fake_api_folder.parent, *(ROOT / name for name in _TEMPLATE)}
    return sorted(path for path in paths if path.exists())


def _stack_files(room: Room) -> list[Path]:
    own = [path for path in _files(ROOT / "src") if room.is_own or not path.is_relative_to(ROOT / "src" / "partner")]
    partner = [] if room.is_own else _files(room.partner)
    settings = [room.fake_api_folder.parent / name for name in ("parameters.json", "deployment_secret.json")]
    return [*own, *partner, *(ROOT / name for name in _TEMPLATE), *settings]


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")


def _digest(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        try:
            content = path.read_bytes()
        except FileNotFoundError:  # optional, or removed by an editor that is about to write it anew
            continue
        digest.update(f"{path}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()
