"""`make up WATCH=1`: redeploys after each edit."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import watchfiles
from rich.console import Console

from local.cloud.background import BackgroundCloud
from local.cloud.sources import Sources, watched
from local.isolation import ROOT
from local.rooms import Room

_RECHECK_MILLISECONDS = 2_000


def watch(cloud: BackgroundCloud, partner: str, out: Console) -> int:
    """Bring a cloud up to date after each edit, until the user interrupts or the cloud is down.

    Args:
        cloud: that is up.
        partner: the folder of the example in it; empty for the user's own integration.
        out: is told why it ends.

    Returns:
        The exit status.
    """
    room = Room.of(partner)
    try:
        redeploy_edits(
            is_up=lambda: cloud.running() is not None,
            sources=lambda: Sources.of(room),
            redeploy=lambda: _redeploy(cloud.folder, partner),
            wait=lambda: await_edit(watched(room)),
        )
    except KeyboardInterrupt:
        out.print("\nWatching has ended. The local cloud is still up: `make down` stops it.", markup=False)
    else:
        out.print("The local cloud is down, so there is nothing left to watch for.")
    return 0


def redeploy_edits(
    *,
    is_up: Callable[[], bool],
    sources: Callable[[], Sources],
    redeploy: Callable[[], None],
    wait: Callable[[], None],
) -> None:
    """Redeploy when the files have changed, as long as the cloud is up.

    What failed is tried again after the next edit.

    Args:
        is_up: whether the cloud is up.
        sources: the present files.
        redeploy: brings the cloud up to date, and shows what goes wrong.
        wait: returns after an edit, or after a while.
    """
    seen = sources()
    while is_up():
        wait()
        now = sources()
        if now != seen and is_up():
            redeploy()
        seen = now


def await_edit(paths: list[Path]) -> None:
    """Return after an edit of these files or folders, and at the latest after two seconds.

    An edit between two calls is noticed by whoever compares the files after that time.
    """
    edits = watchfiles.watch(*paths, rust_timeout=_RECHECK_MILLISECONDS, yield_on_timeout=True, debounce=300)
    next(edits, None)


def _redeploy(folder: Path, partner: str) -> None:
    """Redeploy in a process of its own: this one has imported the code as it was."""
    command = [sys.executable, "-m", "local.cloud", "update", "--folder", str(folder), "--partner", partner]
    subprocess.run(command, cwd=ROOT, check=False)
