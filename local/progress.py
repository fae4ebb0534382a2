"""What a command is doing, for whoever waits for it."""

from contextlib import AbstractContextManager
from typing import Protocol, Self, override

from rich.console import Console
from rich.status import Status

_DOING = "… "
_DONE = "✓ "


class Progress(Protocol):
    """Is told of each step."""

    def doing(self, step: str) -> None:
        """A step begins."""

    def done(self, step: str) -> None:
        """A step has ended."""


class Silent(Progress):
    """Shows nothing."""

    @override
    def doing(self, step: str) -> None: ...

    @override
    def done(self, step: str) -> None: ...


class Briefly(Progress):
    """Shows what is being done and no line for what has been.

    Args:
        progress: is told of the steps that begin.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    @override
    def doing(self, step: str) -> None:
        self._progress.doing(step)

    @override
    def done(self, step: str) -> None: ...


class Lines(Progress):
    """Writes a line for each step to standard output, which another process reads and shows; see `repeat`."""

    @override
    def doing(self, step: str) -> None:
        print(f"{_DOING}{step}", flush=True)

    @override
    def done(self, step: str) -> None:
        print(f"{_DONE}{step}", flush=True)


class Spinner(Progress, AbstractContextManager["Spinner"]):
    """Shows the present step beside a spinner, if the console is a terminal, and a line for each step that has ended.

    Args:
        out: where to show them.
    """

    def __init__(self, out: Console) -> None:
        self._out = out
        self._status: Status = out.status("Starting ...")

    def __enter__(self) -> Self:
        self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._status.stop()

    @override
    def doing(self, step: str) -> None:
        self._status.update(f"{step} ...")

    @override
    def done(self, step: str) -> None:
        self._out.print(f"[green]✓[/green] {step}", soft_wrap=True)


def without_steps(text: str) -> str:
    """Return the lines of a text that `Lines` has not written; all of them if it has written each."""
    others = [line for line in text.splitlines() if not line.startswith((_DOING, _DONE))]
    return "\n".join(others) or text


def repeat(line: str, progress: Progress) -> None:
    """Show a line that another process has written with `Lines`; other lines are not shown."""
    if line.startswith(_DOING):
        progress.doing(line.removeprefix(_DOING))
    elif line.startswith(_DONE):
        progress.done(line.removeprefix(_DONE))
