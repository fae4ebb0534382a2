"""Access tokens of OAuth 2.0 (RFC 6749): fetched when a call needs one, kept, and renewed before they expire."""

import hashlib
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

from mparticle_firehose.deadline import Clock
from mparticle_firehose.integration import Answer, DeploymentSecret, Form, OAuth2, Outcome, PartnerCall, Retry, Suspend
from mparticle_firehose.partner_api.deployment_secrets import DeploymentSecrets
from mparticle_firehose.partner_api.retry_policy import RetryPolicy
from mparticle_firehose.partner_api.transport import OutOfTimeError, Transfer

DEFAULT_LIFETIME_SECONDS = 300.0
"""Lifetime of a token if the answer does not name one, which RFC 6749 allows."""

MAX_MARGIN_SECONDS = 60.0
"""A token is renewed this long before it expires, or a tenth of its lifetime, whichever is less."""

MAX_TOKENS = 2_000
"""Kept at a time; then the oldest one makes room."""

TIMEOUT = Retry("oauth_timeout")
"""The outcome of a call whose time was up while the token endpoint was asked."""

_PAUSE_SECONDS = 10.0
"""Between two tries to renew a token that is still valid."""

_LATER_STATUSES = frozenset({408, 425, 429})
_CLIENT_ERRORS = range(400, 500)
_ERRORS = frozenset(
    {
        "access_denied",
        "invalid_client",
        "invalid_grant",
        "invalid_request",
        "invalid_scope",
        "server_error",
        "temporarily_unavailable",
        "unauthorized_client",
        "unsupported_grant_type",
    }
)
"""Values of ``error`` that a reason may show: those of RFC 6749, sections 4.1.2.1 and 5.2. Others may hold anything."""

type Fetch = Callable[[PartnerCall, Transfer], Answer | Outcome]
"""Makes a token request for the call of a transfer."""


@dataclass(frozen=True, slots=True)
class _Token:
    text: str = field(repr=False)
    renew_at: float
    expires_at: float


class AccessTokens:
    """The tokens of all credentials. Several threads may use it: one renews a token, the others wait for it."""

    def __init__(
        self, fetch: Fetch, retry_policy: RetryPolicy, secrets: DeploymentSecrets, clock: Clock = time.monotonic
    ) -> None:
        """Take what makes a token request, what reads waits, what reports refused secrets, and a monotonic clock."""
        self._fetch = fetch
        self._retry_policy = retry_policy
        self._secrets = secrets
        self._clock = clock
        self._tokens: dict[bytes, _Token] = {}
        self._renewals: dict[bytes, Future[_Token | Outcome]] = {}
        self._lock = threading.Lock()

    def token(self, auth: OAuth2, transfer: Transfer) -> str | Outcome:
        """Return a token, from the token endpoint if there is none that is valid for long enough.

        Args:
            auth: the credential.
            transfer: of the call that needs the token.

        Returns:
            The token, or the outcome of the call if there is none.

        Raises:
            OutOfTimeError: the time was up before the token endpoint was asked.
            UnsendableError, SecretUnavailableError: as `encode`, of the token request.
        """
        key = _key(auth)
        renewed: _Token | Outcome | None = None
        while renewed is None:
            mine: Future[_Token | Outcome] = Future()
            with self._lock:
                token = self._tokens.get(key)
                if token and self._clock() < token.renew_at:
                    return token.text
                renewal = self._renewals.setdefault(key, mine)
            renewed = self._renew(key, auth, transfer, mine) if renewal is mine else _wait(renewal, transfer)
        return renewed.text if isinstance(renewed, _Token) else renewed

    def refuse(self, auth: OAuth2, token: str) -> None:
        """Forget a token that the partner refuses, unless it has been renewed already."""
        with self._lock:
            kept = self._tokens.get(_key(auth))
            if kept and kept.text == token:
                del self._tokens[_key(auth)]

    def forget(self) -> None:
        """Forget all tokens: they may be too old."""
        with self._lock:
            self._tokens.clear()

    def _renew(
        self, key: bytes, auth: OAuth2, transfer: Transfer, renewal: Future[_Token | Outcome]
    ) -> _Token | Outcome:
        """Renew a token, and tell all that wait for it."""
        try:
            renewed = self._renewed(key, auth, transfer)
        except BaseException as error:
            with self._lock:
                del self._renewals[key]
            renewal.set_exception(error)
            raise
        with self._lock:
            if isinstance(renewed, _Token):
                self._keep(key, renewed)
            del self._renewals[key]
        renewal.set_result(renewed)
        return renewed

    def _renewed(self, key: bytes, auth: OAuth2, transfer: Transfer) -> _Token | Outcome:
        request = PartnerCall(site=auth.site, path=auth.path, auth=auth.client, body=Form(dict(auth.form)))
        answer = self._fetch(request, transfer)
        renewed = self._read(auth, answer) if isinstance(answer, Answer) else answer
        kept = self._tokens.get(key)
        now = self._clock()
        if isinstance(renewed, Retry) and kept and now < kept.expires_at:
            return replace(kept, renew_at=min(now + _PAUSE_SECONDS, kept.expires_at))
        return renewed

    def _keep(self, key: bytes, token: _Token) -> None:
        self._tokens.pop(key, None)
        if len(self._tokens) >= MAX_TOKENS:
            del self._tokens[next(iter(self._tokens))]
        self._tokens[key] = token

    def _read(self, auth: OAuth2, answer: Answer) -> _Token | Outcome:
        if answer.succeeded:
            return self._granted(answer)
        if answer.status not in _CLIENT_ERRORS or answer.status in _LATER_STATUSES:
            return Retry(f"oauth_http_{answer.status}", self._retry_policy.wait(answer))
        error = answer.text("error")
        if error in auth.customers_fault:
            return Suspend(f"oauth_{error}")
        reason = f"oauth_{error}" if error in _ERRORS else "oauth_refused"
        self._secrets.refused(reason)
        return Retry(reason, self._retry_policy.wait(answer))

    def _granted(self, answer: Answer) -> _Token | Outcome:
        text = answer.text("access_token")
        if not text or not text.isascii() or not text.isprintable():
            return Retry("oauth_no_token")
        lifetime = answer.seconds(answer.at("expires_in")) or DEFAULT_LIFETIME_SECONDS
        now = self._clock()
        margin = min(MAX_MARGIN_SECONDS, lifetime / 10)
        return _Token(text, renew_at=now + lifetime - margin, expires_at=now + lifetime)


def _wait(renewal: Future[_Token | Outcome], transfer: Transfer) -> _Token | Outcome | None:
    """Wait for what another call's thread gets; None if that call's time was up before it asked."""
    transfer.unsent = TIMEOUT
    try:
        return renewal.result(transfer.deadline.remaining())
    except TimeoutError:
        return TIMEOUT
    except OutOfTimeError:
        return None


def _key(auth: OAuth2) -> bytes:
    """Return what tells one credential from another, and does not show it."""
    client = (auth.client.username, auth.client.password) if auth.client else ()
    parts = [auth.site, auth.path, auth.form, client]
    return hashlib.sha256(json.dumps(parts, default=_name).encode()).digest()


def _name(secret: object) -> dict[str, str]:
    if isinstance(secret, DeploymentSecret):
        return {"name": secret.name}
    raise TypeError(f"{type(secret).__name__} is no part of a credential")
