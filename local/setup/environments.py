"""The environments, and the lock file that says what is in each."""

import hashlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

ROOT = Path(__file__).resolve().parent.parent.parent
_LOCKS = "local/requirements"
_STAMP = ".installed"


@dataclass(frozen=True, slots=True)
class Environment:
    """One virtual environment.

    Attributes:
        folder: relative to the project.
        locks: what it holds is the first; the others hold that and more, and do as well if they are installed.
        megabytes: of disk that it takes, about.
    """

    folder: str
    locks: Sequence[str]
    megabytes: int

    @property
    def lock(self) -> Path:
        """The file with the versions and hashes of what is installed."""
        return ROOT / self.locks[0]

    @property
    def place(self) -> Path:
        """Where it is."""
        return ROOT / self.folder

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.place / "bin" / "python"

    def is_current(self) -> bool:
        """Return whether it is there, complete, and as its lock says."""
        stamp = self.place / _STAMP
        if not self.python.exists() or not stamp.exists():
            return False
        return stamp.read_text() in {_inputs(ROOT / lock) for lock in self.locks}

    def is_complete(self) -> bool:
        """Return whether it was once installed to the end on this Python, perhaps from another lock."""
        stamp = self.place / _STAMP
        return self.python.exists() and stamp.exists() and stamp.read_text().startswith(sys.version)

    def forget(self) -> None:
        """Mark it as incomplete."""
        (self.place / _STAMP).unlink(missing_ok=True)

    def confirm(self) -> None:
        """Mark it as complete."""
        (self.place / _STAMP).write_text(_inputs(self.lock))


ENVIRONMENTS: Mapping[str, Environment] = MappingProxyType(
    {
        "local": Environment(".venv", (f"{_LOCKS}/local.txt", f"{_LOCKS}/tests.txt"), 80),
        "tests": Environment(".venv", (f"{_LOCKS}/tests.txt",), 240),
        "sam": Environment(".local/sam", (f"{_LOCKS}/sam.txt",), 250),
        "ministack": Environment(".local/ministack", (f"{_LOCKS}/ministack.txt",), 80),
        "runtime": Environment(".local/runtime", (f"{_LOCKS}/runtime.txt",), 3),
        "lint": Environment(".local/lint", (f"{_LOCKS}/lint.txt",), 350),
        "bench": Environment(".local/bench", ("requirements.txt",), 50),
    }
)
"""By the name of the dependency group in pyproject.toml; `bench` has what ships."""

UV = Environment(".local/uv", (f"{_LOCKS}/uv.txt",), 40)
"""What makes the others, for those who have no uv."""


def _inputs(lock: Path) -> str:
    return f"{sys.version} {hashlib.sha256(lock.read_bytes()).hexdigest()}"
