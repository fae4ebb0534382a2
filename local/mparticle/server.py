"""Hosts a fake mParticle on this machine: checks every request, keeps what it takes, and fails on demand.

Use it as a context manager: ``with FakeMParticle(FakeEvents({"key": "secret"})) as mparticle``.
"""

from email.message import Message
from typing import override
from urllib.parse import urlsplit

from local.mparticle.batches import Batch
from local.mparticle.events_api import PARTNER_FEED_BASE, POD_BASE, Dropped, FakeEvents, Upload
from local.mparticle.platform_api import BASE, TOKEN_PATH, FakePlatform, Resource, TokenRequest
from local.partner.contract import ContractError
from local.partner.listener import ReceivedRequest, Reply
from local.partner.scripted import ScriptedServer

_RECORDED_HEADERS = ("Authorization", "Content-Type", "Content-Encoding", "User-Agent", "Host", "Accept")
_INVALID_CREDENTIAL = 403


class FakeMParticle(ScriptedServer[Upload | Resource | TokenRequest]):
    """A fake mParticle on a port of this machine.

    `violations` keeps the rules that requests break. Of an invalid credential it keeps nothing: credentials are rotated
    in real life. Dropped batches are in `dropped`, as they are answered with 202.
    """

    def __init__(self, events: FakeEvents | None = None, platform: FakePlatform | None = None, port: int = 0) -> None:
        """Take the two APIs, which know no credential by default, and the port; 0 picks a free one."""
        super().__init__(port, "fake-mparticle")
        self.events = events or FakeEvents()
        self.platform = platform or FakePlatform()

    @property
    def partner_feed_url(self) -> str:
        """The base URL of partner feeds."""
        return self.url + PARTNER_FEED_BASE

    @property
    def pod_url(self) -> str:
        """The base URL of a pod, for custom feeds."""
        return self.url + POD_BASE

    @property
    def dropped(self) -> tuple[Dropped, ...]:
        """What was answered with 202 and silently dropped, repeats left out, in order."""
        with self._lock:
            return tuple(self.events.dropped)

    def taken(self, key: str) -> tuple[Batch, ...]:
        """Return the batches of a key that were taken, in order."""
        with self._lock:
            return self.events.taken(key)

    @override
    def received(self, method: str, path: str, headers: Message) -> ReceivedRequest:
        kept = {name: headers[name] for name in _RECORDED_HEADERS if name in headers}
        return ReceivedRequest(method, path, kept, None, urlsplit(path).path)

    @override
    def check(self, request: ReceivedRequest) -> Upload | Resource | TokenRequest | Reply:
        try:
            return self._checked(request)
        except ContractError as error:
            if error.status == _INVALID_CREDENTIAL:
                return _error(error.status, error.rule)
            return self.refuse(request, error.status, error.rule)

    @override
    def carry_out(self, request: ReceivedRequest, call: Upload | Resource | TokenRequest) -> Reply:
        match call:
            case Upload():
                return self.events.carry_out(call, lambda rule: self.record(request, rule))
            case Resource():
                return Reply(200, call.body())
            case TokenRequest():
                return self.platform.issue()

    @override
    def refuse(self, request: ReceivedRequest, status: int, rule: str) -> Reply:
        self.record(request, rule)
        return _error(status, rule)

    def _checked(self, request: ReceivedRequest) -> Upload | Resource | TokenRequest:
        if request.route == TOKEN_PATH:
            return self.platform.check_token_request(request)
        if request.route.startswith(f"{BASE}/"):
            return self.platform.check(request)
        return self.events.check(request)


def _error(status: int, rule: str) -> Reply:
    """Return an answer with mParticle's error object; a missing or invalid credential gets no body."""
    if status in (401, _INVALID_CREDENTIAL):
        return Reply(status)
    return Reply(status, {"errors": [{"code": "BAD_REQUEST", "message": rule}]})
