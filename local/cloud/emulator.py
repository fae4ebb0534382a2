"""An emulator of AWS, whichever process runs it."""

from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import override

from local.cloud.clients import Clients
from local.isolation import tail

LOG = "ministack.log"


class Emulator(Clients):
    """Clients of an emulator, and its files."""

    @property
    @abstractmethod
    def home(self) -> Path:
        """A folder that is removed with the emulator."""

    def log_tail(self) -> str:
        """Return the last lines of the emulator's own log."""
        return tail(self.home / LOG)


@dataclass(frozen=True)
class RunningEmulator(Emulator):
    """An emulator that another process has started.

    Attributes:
        url: of every service.
        folder: the emulator's home.
    """

    url: str
    folder: Path

    @property
    @override
    def endpoint(self) -> str:
        return self.url

    @property
    @override
    def home(self) -> Path:
        return self.folder
