"""The invented partner on a port of this machine."""

from typing import Any

from local.partner.server import PartnerServer
from tests.sample.fake_api import FakeApi

type Json = dict[str, Any]


class SamplePartner(PartnerServer):
    """Hosts the sample's fake API, and shows what it has taken."""

    def __init__(self) -> None:
        super().__init__(FakeApi())

    @property
    def memberships(self) -> dict[str, dict[str, Json]]:
        """The members of each segment: the user's mpid, else the first identity, to the user's attributes."""
        found: dict[str, dict[str, Json]] = self.state("memberships")
        return found

    @property
    def events(self) -> list[Json]:
        """The body of each event call that took effect."""
        found: list[Json] = self.state("events")
        return found

    @property
    def erasures(self) -> list[Json]:
        """The body of each erasure that took effect."""
        found: list[Json] = self.state("erasures")
        return found
