"""Previews again after each save, each time in a new interpreter: no module of the user's is left over."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import watchfiles

from local.isolation import ROOT, end_group
from local.rooms import Room
from local.signals import can_be_ended

_SECONDS_BETWEEN_LOOKS = 0.1

type Process = subprocess.Popen[bytes]


def watch(room: Room, *, event: str, partner: str) -> int:
    """Preview now and after each change, until Ctrl-C, and return the exit status.

    Args:
        room: whose code, requests and fake API are watched.
        event: the file of the only request; empty for all of the room.
        partner: the room's folder as the command line has it.
    """
    can_be_ended()
    command = [sys.executable, "-m", "local.preview", f"--event={event}", f"--partner={partner}"]
    paths = [room.partner, room.fake_api_folder, Path(event) if event else room.events]
    try:
        # A session of its own: Ctrl-C reaches this process only, which ends the other without a traceback.
        repeat(lambda: subprocess.Popen(command, start_new_session=True), changes(paths), _announce)
    except KeyboardInterrupt:
        print()
    return 0


def repeat(start: Callable[[], Process], saves: Iterable[Sequence[Path]], announce: Callable[[str], None]) -> None:
    """Start a process now and after each save. One that still runs, such as in an endless loop, is ended before."""
    process = start()
    try:
        for saved in saves:
            _end(process)
            announce(", ".join(map(_shown, saved)))
            process = start()
    finally:
        _end(process)


def changes(paths: Sequence[Path]) -> Iterator[Sequence[Path]]:
    """Yield the files that were saved, each time that some were.

    Each time it begins to watch anew: an editor that replaces a file leaves nothing of the one that was watched. What
    is saved meanwhile is seen by the process that has been started, since it has not read anything yet.
    """
    while True:
        found = [path for path in paths if path.exists()]
        if not found:
            time.sleep(_SECONDS_BETWEEN_LOOKS)
            continue
        changed = next(watchfiles.watch(*found))
        yield sorted({Path(path) for _, path in changed})


def _end(process: Process) -> None:
    if process.poll() is None:
        end_group(process)


def _shown(path: Path) -> str:
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


def _announce(saved: str) -> None:
    """Say what was saved, and when, so that the outputs can be told apart."""
    print(f"\n{time.strftime('%H:%M:%S')}  {saved} has changed\n", flush=True)
