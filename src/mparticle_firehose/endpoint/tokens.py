"""Who may come in: mParticle, by the tokens that it was given, as long as their source says so."""

import hmac
import json
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from mparticle_firehose.delivery.deadline import Clock
from mparticle_firehose.delivery.interfaces import Telemetry
from mparticle_firehose.endpoint.refusal import RefusedRequestError, TokensUnavailableError, UnknownTokenError

MOST_TOKENS = 2
"""The one in use and the one that takes its place."""

LONGEST_OUTAGE_SECONDS = 3_600.0
"""How long tokens stay in use that should have been read again and could not be."""

PAUSE_SECONDS = 10.0
"""Between two questions to the source while tokens are known, so that a flood of wrong ones is none of questions."""

_SHORT_PAUSE_SECONDS = 1.0
"""The same while none are known, and everybody is kept waiting."""

_SCHEME = "token"
_AUTHORIZATION = re.compile(rf"\s*{_SCHEME}\s+(\S+)\s*", re.IGNORECASE)
_LONG_AGO = float("-inf")


@dataclass(slots=True)
class Tokens:
    """The tokens, read when they are first needed and from then on every ``refresh_seconds``.

    Each execution environment has its own, and handles one request at a time.

    Attributes:
        fetch: reads their source; raises TokensUnavailableError.
        refresh_seconds: how old they may be.
        telemetry: to say that they could not be read again.
        clock: seconds that never go backwards.
    """

    fetch: Callable[[], str] = field(repr=False)
    refresh_seconds: float
    telemetry: Telemetry
    clock: Clock = time.monotonic
    _tokens: tuple[bytes, ...] = field(default=(), init=False, repr=False)
    _problem: str = field(default="", init=False)
    _read_at: float = field(default=_LONG_AGO, init=False)
    _asked_at: float = field(default=_LONG_AGO, init=False)
    _doubted_at: float = field(default=_LONG_AGO, init=False)

    def verify(self, authorization: str | None) -> None:
        """Let pass who has one of the tokens.

        A token that is not known may be new: the source is asked again, since mParticle does not repeat after 403.

        Args:
            authorization: the header's value, ``Token <token>`` in any spacing.

        Raises:
            RefusedRequestError: 401, the header is missing or says something else.
            UnknownTokenError: the token is none of ours.
            TokensUnavailableError: it is not known, and whether it should be cannot be told.
        """
        token = _presented(authorization)
        if due := self._is_due():
            self._ask()
        if self._is_known(token):
            return
        if not due and self._may_doubt():
            self._ask()
        if self._is_known(token):
            return
        if self._problem:
            raise TokensUnavailableError(self._problem)
        raise UnknownTokenError

    def _is_known(self, token: bytes) -> bool:
        matches = [hmac.compare_digest(token, known) for known in self._tokens]  # each, whatever the first one says
        return any(matches)

    def _is_due(self) -> bool:
        pause = PAUSE_SECONDS if self._tokens else _SHORT_PAUSE_SECONDS
        return self.clock() >= max(self._read_at + self.refresh_seconds, self._asked_at + pause)

    def _may_doubt(self) -> bool:
        """Return whether to ask because of an unknown token; without any tokens, being due decides alone."""
        if not self._tokens or self.clock() < self._doubted_at + PAUSE_SECONDS:
            return False
        self._doubted_at = self.clock()
        return True

    def _ask(self) -> None:
        """Read the tokens again.

        What the source says holds at once, even if it is unusable. If it says nothing, what it said last holds for a
        while.
        """
        self._asked_at = self.clock()
        try:
            text = self.fetch()
        except TokensUnavailableError as error:
            self._do_without(str(error))
        else:
            self._take(text)

    def _take(self, text: str) -> None:
        try:
            self._tokens, self._problem, self._read_at = tokens_in(text), "", self._asked_at
        except TokensUnavailableError as error:
            self._tokens, self._problem, self._read_at = (), str(error), _LONG_AGO

    def _do_without(self, problem: str) -> None:
        self._problem = problem
        if self._tokens:
            self.telemetry.warn("tokens not refreshed", {"reason": problem})
        if self._asked_at >= self._read_at + self.refresh_seconds + LONGEST_OUTAGE_SECONDS:
            self._tokens = ()


def tokens_in(text: str) -> tuple[bytes, ...]:
    """Return the one or two tokens in a secret's text.

    Args:
        text: tokens with white space between them, or a JSON object whose values they are, which is what the console of
            Secrets Manager makes.

    Raises:
        TokensUnavailableError: there are none, or too many, or something that is no token; nothing of it is said.
    """
    tokens = sorted({token for value in _values(text) for token in value.split()})
    if not tokens:
        raise TokensUnavailableError("the source holds no token")
    if any(token.lower() == _SCHEME for token in tokens):
        raise TokensUnavailableError(f"the source must hold the token alone, without the word {_SCHEME!r} before it")
    if len(tokens) > MOST_TOKENS:
        raise TokensUnavailableError(f"the source holds more than {MOST_TOKENS} tokens")
    return tuple(map(_bytes, tokens))


def _values(text: str) -> Iterable[str]:
    if not text.lstrip().startswith("{"):
        return [text]
    try:
        values = list(json.loads(text).values())
    except (ValueError, RecursionError):
        raise TokensUnavailableError("the source starts like a JSON object and is none") from None
    if not all(isinstance(value, str) for value in values):
        raise TokensUnavailableError("a value in the source's JSON object is no text")
    return values


def _presented(authorization: str | None) -> bytes:
    match = _AUTHORIZATION.fullmatch(authorization or "")
    if not match:
        raise RefusedRequestError(401, "token_required", {"WWW-Authenticate": "Token"})
    return _bytes(match[1])


def _bytes(token: str) -> bytes:
    return token.encode("utf-8", errors="surrogatepass")  # compare_digest refuses text that is not ASCII
