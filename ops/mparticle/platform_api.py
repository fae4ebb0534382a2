"""mParticle's Platform API, as far as it can be read: nothing is created, changed or deleted."""

import time
from collections.abc import Callable
from urllib.parse import quote, urlencode

from mparticle_firehose.integration import Answer
from ops.mparticle.errors import NotFoundError, PlatformError, TemporaryError, retried, stated_errors
from ops.mparticle.http_client import HttpClient, checked_url
from ops.mparticle.resources import (
    AppPlatformService,
    Audience,
    Feed,
    Service,
    ServiceConfiguration,
    Workspace,
    read_list,
    read_one,
)
from ops.mparticle.tokens import ACCOUNT_ID, TokenSource

BASE_URL = "https://api.mparticle.com/v1"

PAUSES = (1.0, 2.0, 4.0)
"""Seconds before each further try."""

MAX_WAIT_SECONDS = 60.0
"""Longest wait that mParticle may ask for; who is asked to wait longer had better come back later."""

_SUCCESSES = range(200, 300)
_UNAUTHORISED, _NOT_FOUND, _TOO_MANY = 401, 404, 429
_UNAVAILABLE = frozenset({502, 503, 504})
_MEANINGS = {
    400: "this command asks for something that the API does not know",
    401: f"{ACCOUNT_ID} is missing or wrong, or the credential has no access to this account",
    403: "the credential needs the Platform API of this account in its scope, with the permission Admin or User",
    405: "this command asks for something that the API does not know",
    422: "the request breaks a rule",
    500: "contact mParticle if it stays so",
}


class PlatformApi:
    """Reads the entities of one account.

    Every method raises NotFoundError if there is no such entity or the credential may not see it, and PlatformError for
    any other refusal or fault. A call is repeated three times if the API is unavailable: 504, which mParticle calls Bad
    Gateway, 502, 503, no answer, or 429 after the wait that it asks for.
    """

    def __init__(
        self,
        token_source: TokenSource,
        account_id: str,
        *,
        http: HttpClient,
        base_url: str = BASE_URL,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Take the tokens, the account, the client, and where the API is.

        Raises:
            PlatformError: the URL may not be used.
        """
        self._tokens = token_source
        self._account_id = account_id
        self._http = http
        self._base_url = checked_url(base_url)
        self._sleep = sleep

    def workspaces(self) -> tuple[Workspace, ...]:
        """Return the workspaces of the account."""
        return read_list(Workspace, self._get("workspaces", "workspace"))

    def services(self) -> tuple[Service, ...]:
        """Return the modules that the account can connect."""
        return read_list(Service, self._get("services", "services"))

    def service(self, name: str) -> Service:
        """Return one module."""
        return read_one(Service, self._get("service", "services", name))

    def service_configurations(self, workspace: str, module: str) -> tuple[ServiceConfiguration, ...]:
        """Return a module's configurations in a workspace."""
        answer = self._get("configurations", "workspace", workspace, module, "serviceconfigurations")
        return read_list(ServiceConfiguration, answer)

    def app_platform_services(self, app: str, os: str) -> tuple[AppPlatformService, ...]:
        """Return the modules that a platform of an app is connected to, such as ``iOS``."""
        return read_list(AppPlatformService, self._get("connections", "apps", app, "platforms", os, "services"))

    def audiences(self, workspace: str | None = None) -> tuple[Audience, ...]:
        """Return the audiences of a workspace, or of the account."""
        path = ("audiences",) if workspace is None else ("workspace", workspace, "audiences")
        return read_list(Audience, self._get("audiences", *path))

    def feeds(self, workspace: str) -> tuple[Feed, ...]:
        """Return the partners' feeds of a workspace."""
        return read_list(Feed, self._get("feeds", "workspace", workspace, "partnerfeeds"))

    def feed(self, feed_id: str) -> Feed:
        """Return one feed."""
        return read_one(Feed, self._get("feed", "partnerfeeds", feed_id))

    def _get(self, entity: str, *path: str) -> Answer:
        """Return the answer for a path; `entity` says in errors what was asked for."""
        if any(step in {"", ".", ".."} for step in path):
            raise NotFoundError(f"{entity}: not found, or not in this account")
        steps = "/".join(quote(step, safe="") for step in path)
        url = f"{self._base_url}/{steps}?{urlencode({'accountId': self._account_id})}"
        return retried(lambda: _checked(entity, self._ask(url)), PAUSES, self._sleep)

    def _ask(self, url: str) -> Answer:
        token = self._tokens.token()
        answer = self._send(url, token)
        return self._send(url, self._tokens.renew(token)) if answer.status == _UNAUTHORISED else answer

    def _send(self, url: str, token: str) -> Answer:
        return self._http.send("GET", url, {"Authorization": f"Bearer {token}"})


def _checked(entity: str, answer: Answer) -> Answer:
    """Return a success; raise what any other status means."""
    status = answer.status
    if status in _SUCCESSES:
        return answer
    if status == _NOT_FOUND:
        raise NotFoundError(f"{entity}: not found, or not in this account")
    if status in _UNAVAILABLE:
        raise TemporaryError(f"{entity}: mParticle is unavailable ({status})")
    if status == _TOO_MANY:
        raise _throttled(entity, answer.wait("Retry-After"))
    parts = [f"{entity}: mParticle answers {status}", _MEANINGS.get(status, ""), stated_errors(answer)]
    raise PlatformError(": ".join(part for part in parts if part))


def _throttled(entity: str, wait: float | None) -> PlatformError:
    if wait is not None and wait > MAX_WAIT_SECONDS:
        return PlatformError(f"{entity}: mParticle asks to wait {wait:.0f} seconds (429): repeat the command then")
    return TemporaryError(f"{entity}: too many requests (429)", wait)
