"""What the tests of mParticle's Platform API share: an account in the fake mParticle, and clients of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from local.mparticle.platform_api import FakePlatform, resources_of
from local.mparticle.server import FakeMParticle
from ops.mparticle.http_client import HttpClient
from ops.mparticle.platform_api import PlatformApi
from ops.mparticle.tokens import Credential, TokenSource
from tests.conftest import Clock

CLIENT_ID, CLIENT_SECRET = "canary-client-id", "canary-client-secret"

_SETTING = {"type": "text", "description": "", "visible": True, "required": True}
_API_KEY = {**_SETTING, "id": "apiKey", "name": "API key", "confidential": True}

REGISTRATION: dict[str, Any] = {
    "type": "module_registration_response",
    "name": "Sample Module",
    "event_processing_registration": {
        "account_settings": [
            _API_KEY,
            {**_SETTING, "id": "batch", "name": "Batch size", "type": "integer", "required": False},
        ],
        "event_connection_settings": [
            {**_SETTING, "id": "debug", "name": "Debug", "type": "boolean", "required": False},
        ],
    },
    "audience_processing_registration": {
        "account_settings": [_API_KEY],
        "audience_subscription_settings": [
            {**_SETTING, "id": "listId", "name": "List id", "visible": False, "required": False},
        ],
    },
}


@dataclass
class Account:
    """A running fake mParticle with one account, and clients whose sleeps move a clock."""

    mparticle: FakeMParticle
    clock: Clock
    http: HttpClient = field(default_factory=HttpClient)
    sleeps: list[float] = field(default_factory=list)

    def tokens(self, **changes: Any) -> TokenSource:
        credential = Credential(
            client_id=changes.get("client_id", CLIENT_ID), client_secret=CLIENT_SECRET, account_id="4242"
        )
        url = f"{self.mparticle.url}/oauth/token"
        return TokenSource(credential, self.http, url=url, clock=self.clock, sleep=self.sleep)

    def api(self, account_id: str = "4242", **changes: Any) -> PlatformApi:
        return PlatformApi(
            self.tokens(**changes),
            account_id,
            http=changes.get("http", self.http),
            base_url=f"{self.mparticle.url}/v1",
            sleep=self.sleep,
        )

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.clock.now += seconds

    def answer(self, path: str, *bodies: object) -> None:
        """Answer the next requests to a path with these bodies."""
        self.mparticle.script(path, [{"status": 200, "body": body} for body in bodies])

    def asked(self, path: str) -> int:
        """Return how often a path was asked for."""
        return sum(request.route == path for request in self.mparticle.requests)


@contextmanager
def running_account() -> Iterator[Account]:
    clock = Clock()
    platform = FakePlatform(CLIENT_ID, CLIENT_SECRET, resources=resources_of(REGISTRATION), clock=clock)
    with FakeMParticle(platform=platform) as mparticle:
        account = Account(mparticle, clock)
        yield account
        account.http.close()
