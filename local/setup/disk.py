"""Says what is wrong with a disk that cannot be written, in a sentence instead of a traceback."""

import errno
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

_REASONS: Mapping[int, str] = MappingProxyType(
    {
        errno.ENOSPC: "the disk is full",
        errno.EDQUOT: "your quota of disk is used up",
        errno.EROFS: "it is on a disk that can only be read",
        errno.EACCES: "you may not write there",
        errno.EPERM: "you may not write there",
    }
)
_IN_OUTPUT = re.compile(r"\(os error (\d+)\)|\[Errno (\d+)\]")


class SetupError(Exception):
    """An environment could not be made; the message says why."""


@contextmanager
def explained[E: Exception](as_error: type[E]) -> Iterator[None]:
    """Raise this error for a file that cannot be written, with the reason, and let other errors through."""
    try:
        yield
    except OSError as error:
        reason = _REASONS.get(error.errno or 0)
        if reason is None:
            raise
        raise as_error(f"{_place(error)} cannot be written: {reason}") from error


def reason_in(output: str) -> str | None:
    """Return the reason if a program's output says that it could not write."""
    numbers = [int(first or second) for first, second in _IN_OUTPUT.findall(output)]
    return next((_REASONS[number] for number in numbers if number in _REASONS), None)


def megabytes(folder: Path) -> tuple[int, int]:
    """Return how much disk a folder takes, and how much of it has another name elsewhere, such as in uv's cache."""
    size = shared = 0
    seen: set[int] = set()
    for place, _, names in folder.walk():
        for name in names:
            status = (place / name).lstat()
            if status.st_ino not in seen:
                seen.add(status.st_ino)
                size += status.st_blocks * 512
                shared += status.st_blocks * 512 if status.st_nlink > 1 else 0
    return round(size / 1e6), round(shared / 1e6)


def _place(error: OSError) -> str:
    return str(error.filename) if isinstance(error.filename, str | os.PathLike) else "a file"
