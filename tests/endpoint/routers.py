"""A router as the entry point has it."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from mparticle_firehose.endpoint.router import Router


@dataclass
class Application:
    """A router with its settings."""

    router: Router
    settings: Any = field(default_factory=lambda: SimpleNamespace(http_deadline_ms=60))
