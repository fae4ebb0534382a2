"""Access tokens of mParticle's Platform API: fetched when needed, kept in memory, renewed before they expire."""

import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Self

from mparticle_firehose.deadline import Clock
from mparticle_firehose.integration import Answer
from ops.mparticle.errors import PlatformError, TemporaryError, retried
from ops.mparticle.http_client import HttpClient, checked_url

TOKEN_URL = "https://sso.auth.mparticle.com/oauth/token"  # noqa: S105 - a URL
CLIENT_ID, CLIENT_SECRET, ACCOUNT_ID = "MPARTICLE_CLIENT_ID", "MPARTICLE_CLIENT_SECRET", "MPARTICLE_ACCOUNT_ID"

DEFAULT_LIFETIME_SECONDS = 300.0
"""Lifetime of a token if the answer names none that can be used."""

MAX_LIFETIME_SECONDS = 28_800.0
"""mParticle's tokens last eight hours; one that claims more is renewed as early."""

MAX_MARGIN_SECONDS = 300.0
"""A token is renewed this long before it expires, or a tenth of its lifetime, whichever is less."""

PAUSES = (1.0, 2.0)
"""Seconds between the tries to fetch a token."""

_AUDIENCE = "https://api.mparticle.com"
_TOKEN = re.compile(r"[\x21-\x7e]+")
_REFUSALS = frozenset({400, 401, 403})
_SERVER_ERRORS = range(500, 600)
_OK = 200


@dataclass(frozen=True)
class Credential:
    """An API credential for the Platform API.

    Attributes:
        client_id: never shown.
        client_secret: never shown.
        account_id: the account that is asked about.
    """

    client_id: str = field(repr=False)
    client_secret: str = field(repr=False)
    account_id: str

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Read the credential from the environment variables: nothing on a command line stays secret.

        Raises:
            PlatformError: naming each variable that is missing.
        """
        names = (CLIENT_ID, CLIENT_SECRET, ACCOUNT_ID)
        values = [environ.get(name, "").strip() for name in names]
        if missing := [name for name, value in zip(names, values, strict=True) if not value]:
            raise PlatformError(f"set {', '.join(missing)} in the environment")
        return cls(*values)


@dataclass(frozen=True)
class _Token:
    text: str = field(repr=False)
    renew_at: float
    expires_at: float


class TokenSource:
    """The token of one credential, for all threads of the process. It is never written to a disk."""

    def __init__(
        self,
        credential: Credential,
        http: HttpClient,
        *,
        url: str = TOKEN_URL,
        clock: Clock = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Take the credential, the client, and where tokens are issued.

        Raises:
            PlatformError: the URL may not be used.
        """
        self._credential = credential
        self._http = http
        self._url = checked_url(url)
        self._clock = clock
        self._sleep = sleep
        self._token: _Token | None = None
        self._lock = threading.Lock()

    def token(self) -> str:
        """Return a valid token. If it cannot be renewed in time, it is used to its end.

        Raises:
            PlatformError: there is none.
        """
        with self._lock:
            kept = self._token
            if kept is None or self._clock() >= kept.renew_at:
                try:
                    kept = self._token = self._fetch()
                except PlatformError:
                    if kept is None or self._clock() >= kept.expires_at:
                        raise
            return kept.text

    def renew(self, refused: str) -> str:
        """Return another token than the one that was refused, which is not used again.

        Raises:
            PlatformError: there is none.
        """
        with self._lock:
            if self._token is None or self._token.text == refused:
                self._token = None
                self._token = self._fetch()
            return self._token.text

    def _fetch(self) -> _Token:
        try:
            return retried(self._ask, PAUSES, self._sleep)
        except TemporaryError as error:
            raise PlatformError(f"there is no access token after {len(PAUSES) + 1} tries: {error}") from None

    def _ask(self) -> _Token:
        asked_at = self._clock()
        body = {
            "client_id": self._credential.client_id,
            "client_secret": self._credential.client_secret,
            "audience": _AUDIENCE,
            "grant_type": "client_credentials",
        }
        answer = _checked(self._http.send("POST", self._url, {}, body))
        text = answer.text("access_token")
        if not _TOKEN.fullmatch(text):
            raise PlatformError("mParticle's answer holds no usable access token")
        lifetime = _lifetime(answer.at("expires_in"))
        margin = min(MAX_MARGIN_SECONDS, lifetime / 10)
        return _Token(text, asked_at + lifetime - margin, asked_at + lifetime)


def _checked(answer: Answer) -> Answer:
    if answer.status in _REFUSALS:
        raise PlatformError(
            f"mParticle refuses the credential ({answer.status}): check {CLIENT_ID} and {CLIENT_SECRET}"
        )
    if answer.status in _SERVER_ERRORS or answer.status == 429:  # noqa: PLR2004 - HTTP's own
        raise TemporaryError(f"the token endpoint answers {answer.status}")
    if answer.status != _OK:
        raise PlatformError(f"the token endpoint answers {answer.status}")
    return answer


def _lifetime(seconds: object) -> float:
    if isinstance(seconds, int | float) and not isinstance(seconds, bool) and seconds > 0:
        return float(min(seconds, MAX_LIFETIME_SECONDS))
    return DEFAULT_LIFETIME_SECONDS
