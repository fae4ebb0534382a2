"""Says where the user's code has failed: the file, the line and the error."""

import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from local.isolation import ROOT, LocalCloudError
from local.rooms import Room

_NOT_INSIDE = " (no line of your code raises it, so look at what your code returns)"


def fault(error: BaseException, folders: Sequence[Path]) -> str:
    """Return an error with the last place in these folders that it came through, or else the last place at all."""
    if isinstance(error, SyntaxError) and error.filename:
        return _text(error, Path(error.filename), error.lineno or 0, error.text or "", error.msg)
    frames = traceback.extract_tb(error.__traceback__)
    inside = [frame for frame in frames if _is_below(Path(frame.filename), folders)]
    if not frames:
        return f"{type(error).__name__}: {error}"
    last = (inside or frames)[-1]
    hint = _NOT_INSIDE if folders and not inside else ""
    return _text(error, Path(last.filename), last.lineno or 0, last.line or "", f"{error}{hint}")


@contextmanager
def told_in_a_sentence(room: Room) -> Iterator[None]:
    """Raise LocalCloudError, with the place, for whatever the room's code raises while it is loaded."""
    try:
        yield
    except LocalCloudError:
        raise
    except Exception as error:
        place = fault(error, (room.partner, room.fake_api_folder))
        raise LocalCloudError(f"your code cannot be loaded: {place}") from error


def _text(error: BaseException, file: Path, number: int, line: str, message: str) -> str:
    shown = file.relative_to(ROOT) if file.is_relative_to(ROOT) else file
    told = f"{shown}, line {number}: {type(error).__name__}: {message}".rstrip(": ")
    return f"{told}\n    {line.strip()}" if line.strip() else told


def _is_below(file: Path, folders: Sequence[Path]) -> bool:
    return any(file.is_relative_to(folder) for folder in folders)
