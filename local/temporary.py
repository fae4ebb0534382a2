"""Temporary folders that also go when their process is killed."""

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

_LOCK = "lock"


class TemporaryFolder:
    """A folder of this process in the system's temporary folder.

    The process holds a lock in it. If it is killed, the next one that makes such a folder finds the lock free, and
    removes what was left behind.

    Args:
        prefix: of the name. Only folders with the same one are looked at.
    """

    def __init__(self, prefix: str) -> None:
        _remove_abandoned(Path(tempfile.gettempdir()), prefix)
        self.path = Path(tempfile.mkdtemp(prefix=prefix))
        draft = self.path / f"{_LOCK}.draft"
        # A lock that others can see must be held already.
        self._lock = draft.open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        draft.rename(self.path / _LOCK)

    def remove(self) -> None:
        """Remove it with all that it holds. May be called more than once."""
        _remove(self.path)
        self._lock.close()


def _remove_abandoned(parent: Path, prefix: str) -> None:
    for folder in parent.glob(f"{prefix}*"):
        if _is_own(folder) and _is_abandoned(folder / _LOCK):
            _remove(folder)


def _is_own(folder: Path) -> bool:
    try:
        return not folder.is_symlink() and folder.stat().st_uid == os.getuid()
    except FileNotFoundError:
        return False


def _is_abandoned(lock: Path) -> bool:
    """Return whether a folder has a lock that no process holds. One without a lock was made by something else."""
    try:
        with lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _remove(folder: Path) -> None:
    """Remove a folder, its lock last, so that a removal that is interrupted can be repeated."""
    for entry in [*folder.glob("*"), *folder.glob(".*")]:
        if entry.name != _LOCK:
            _remove_entry(entry)
    shutil.rmtree(folder, ignore_errors=True)


def _remove_entry(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry, ignore_errors=True)
    else:
        entry.unlink(missing_ok=True)
