"""Who may come in: mParticle, by the tokens that it was given, as long as their source says so."""

import hmac
import json
import re
import string
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from mparticle_firehose.deadline import Clock
from mparticle_firehose.endpoint.errors import (
    NoTokensError,
    RefusedRequestError,
    TokenNotKnownYetError,
    TokensUnavailableError,
    UnknownTokenError,
)
from mparticle_firehose.services import Telemetry

MOST_TOKENS = 2
"""The one in use and the one that takes its place."""

LONGEST_OUTAGE_SECONDS = 3_600.0
"""How long tokens stay in use that should have been read again and could not be."""

SHORTEST_TOKEN = 8
"""Characters. What is shorter could be guessed, or is something else that stands in the secret, as a user's name."""

PAUSE_SECONDS = 10
"""Between two questions to the source while tokens are known, so that a flood of wrong ones is none of questions."""

_SHORT_PAUSE_SECONDS = 1.0
"""The same while none are known, and everybody is kept waiting."""

_SCHEME = "token"
_AUTHORIZATION = re.compile(rf"\s*{_SCHEME}\s+(\S+)\s*", re.IGNORECASE)
_BYTE_ORDER_MARK = "\ufeff"
_CHARACTERS = frozenset(string.ascii_letters + string.digits + string.punctuation) - frozenset('"[]{},')
"""Of a token. Quotes, brackets and commas belong to a list or to JSON, which was to be read and is not."""

_LONG_AGO = float("-inf")


@dataclass(slots=True)
class Tokens:
    """The tokens, read when they are first needed and from then on every ``refresh_seconds``.

    Each execution environment has its own, and handles one request at a time.

    Attributes:
        fetch: reads their source; raises NoTokensError if it says that there are none, and TokensUnavailableError if it
            says nothing.
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

        A token that is not known may be new: the source is asked again, since mParticle does not repeat after 403. It
        was asked for such a token a moment ago: mParticle is to repeat.

        Args:
            authorization: the header's value, ``Token <token>`` in any spacing.

        Raises:
            RefusedRequestError: 401, the header is missing or says something else.
            UnknownTokenError: the token is none of ours, says the source, which was asked just now.
            TokenNotKnownYetError: it is not known, and the source is left alone for a moment.
            TokensUnavailableError: it is not known, and whether it should be cannot be told.
        """
        token = _presented(authorization)
        if due := self._is_due():
            self._ask()
        asked = due or (not self._is_known(token) and self._doubt(token))
        if self._is_known(token):
            return
        if self._problem:
            raise TokensUnavailableError(self._problem)
        if not asked:
            raise TokenNotKnownYetError(PAUSE_SECONDS)
        raise UnknownTokenError

    def _is_known(self, token: bytes) -> bool:
        matches = [hmac.compare_digest(token, known) for known in self._tokens]  # each, whatever the first one says
        return any(matches)

    def _is_due(self) -> bool:
        pause = PAUSE_SECONDS if self._tokens else _SHORT_PAUSE_SECONDS
        return self.clock() >= max(self._read_at + self.refresh_seconds, self._asked_at + pause)

    def _doubt(self, token: bytes) -> bool:
        """Ask because of an unknown token, but not again for a while if that was in vain; return whether it was asked.

        Without any tokens, being due decides alone.
        """
        if not self._tokens or self.clock() < self._doubted_at + PAUSE_SECONDS:
            return False
        self._ask()
        if not self._is_known(token):
            self._doubted_at = self._asked_at
        return True

    def _ask(self) -> None:
        """Read the tokens again.

        What the source says holds at once, even if it has none or none that can be used. If it says nothing, what it
        said last holds for a while.
        """
        self._asked_at = self.clock()
        try:
            self._tokens, self._problem, self._read_at = tokens_in(self.fetch()), "", self._asked_at
        except NoTokensError as error:
            self._tokens, self._problem, self._read_at = (), str(error), _LONG_AGO
        except TokensUnavailableError as error:
            self._do_without(str(error))

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
        NoTokensError: there are none, or too many, or something that is no token; nothing of it is said. A closed door
            makes mParticle repeat, which a token that was read wrongly would not.
    """
    tokens = sorted({token for value in _values(text.removeprefix(_BYTE_ORDER_MARK)) for token in value.split()})
    if not tokens:
        raise NoTokensError("the source holds no token")
    if any(token.lower() == _SCHEME for token in tokens):
        raise NoTokensError(f"the source must hold the token alone, without the word {_SCHEME!r} before it")
    if len(tokens) > MOST_TOKENS:
        raise NoTokensError(f"the source holds more than {MOST_TOKENS} tokens")
    if not all(_CHARACTERS.issuperset(token) for token in tokens):
        raise NoTokensError("a token in the source holds a character that no token has")
    if any(len(token) < SHORTEST_TOKEN for token in tokens):
        raise NoTokensError(f"a token in the source is shorter than {SHORTEST_TOKEN} characters")
    return tuple(map(_bytes, tokens))


def _values(text: str) -> Iterable[str]:
    if not text.lstrip().startswith("{"):
        return [text]
    try:
        values = list(json.loads(text).values())
    except (ValueError, RecursionError):
        raise NoTokensError("the source starts like a JSON object and is none") from None
    if not all(isinstance(value, str) for value in values):
        raise NoTokensError("a value in the source's JSON object is no text")
    return values


def _presented(authorization: str | None) -> bytes:
    match = _AUTHORIZATION.fullmatch(authorization or "")
    if not match:
        raise RefusedRequestError(401, "token_required", {"WWW-Authenticate": "Token"})
    return _bytes(match[1])


def _bytes(token: str) -> bytes:
    return token.encode("utf-8", errors="surrogatepass")  # compare_digest refuses text that is not ASCII
