"""What runs: whose integration, where, since when, and whether the code on disk is another one by now."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from local.cloud.running import Running
from local.cloud.sources import Sources
from local.inspector.app import Call
from local.rooms import Room

type Json = dict[str, object]

DESCRIBED = ("name", "description", "version", "sdk_version", "firehose_version")
"""What the registration says of the integration itself."""


@dataclass(frozen=True, kw_only=True)
class Overview:
    """What is deployed.

    Attributes:
        room: whose integration it is.
        running: returns what other processes know of the cloud; None before it is ready.
        endpoint: the URL of every AWS service.
        https: the base URL of the HTTPS endpoint.
        alias: the ARN that mParticle invokes.
        partner_url: of the fake API.
    """

    room: Room
    running: Callable[[], Running | None]
    endpoint: str
    https: str
    alias: str
    partner_url: str

    def show(self, _: Call) -> Json:
        """Answer ``GET api/overview``."""
        module, running = described_module(self.room), self.running()
        deployed_at = datetime.fromtimestamp(running.deployed_at, UTC) if running else datetime.now(UTC)
        return {
            "partner": module.get("name") or self.room.partner.parent.name,
            "module": module,
            "endpoint": self.endpoint,
            "https": self.https,
            "alias": self.alias,
            "partner_url": self.partner_url,
            "deployed_at": deployed_at.isoformat(timespec="milliseconds"),
            "is_stale": bool(running and running.sources != Sources.of(self.room)),
        }


def described_module(room: Room) -> Json:
    """Return what the registration says of the integration itself."""
    declared = room.integration().declaration()
    return {name: value for name in DESCRIBED if (value := getattr(declared, name, None)) is not None}
