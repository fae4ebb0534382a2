"""What runs: whose integration, where, since when, and whether the code on disk is another one by now."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from local.inspector.app import Call
from local.rooms import Room

type Json = dict[str, object]

DESCRIBED = ("name", "description", "version", "sdk_version", "firehose_version")
"""What the registration says of the integration itself."""


@dataclass(frozen=True, kw_only=True)
class Overview:
    """What was deployed when this was made.

    Attributes:
        room: whose integration it is.
        endpoint: the URL of every AWS service.
        https: the base URL of the HTTPS endpoint.
        alias: the ARN that mParticle invokes.
        partner_url: of the fake API.
        fingerprint: returns a hash of the code on disk.
    """

    room: Room
    endpoint: str
    https: str
    alias: str
    partner_url: str
    fingerprint: Callable[[], str]
    _deployed_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="milliseconds"))
    _deployed: str = field(default="", init=False)

    def __post_init__(self) -> None:
        """Remember the code that was deployed."""
        object.__setattr__(self, "_deployed", self.fingerprint())

    def show(self, _: Call) -> Json:
        """Answer ``GET api/overview``."""
        module = described_module(self.room)
        return {
            "partner": module.get("name") or self.room.partner.parent.name,
            "module": module,
            "endpoint": self.endpoint,
            "https": self.https,
            "alias": self.alias,
            "partner_url": self.partner_url,
            "deployed_at": self._deployed_at,
            "is_stale": self.fingerprint() != self._deployed,
        }


def described_module(room: Room) -> Json:
    """Return what the registration says of the integration itself."""
    declared = room.integration().declaration()
    return {name: value for name in DESCRIBED if (value := getattr(declared, name, None)) is not None}
