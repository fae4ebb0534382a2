"""Authorizes mParticle's requests by the tokens that the deployment's source holds."""

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

MAX_TOKENS = 2
"""The one in use and the one that takes its place."""

MAX_OUTAGE_SECONDS = 3_600.0
"""How long tokens stay valid after they should have been read again, if their source cannot be read."""

MIN_TOKEN_LENGTH = 8
"""Characters. A shorter text could be guessed."""

PAUSE_SECONDS = 10
"""Between two reads of the source while tokens are known: wrong tokens must not cause a read each."""

_SHORT_PAUSE_SECONDS = 1.0
"""The same while no token is known, when every request is refused."""

_SCHEME = "token"
_AUTHORIZATION = re.compile(rf"\s*{_SCHEME}\s+(\S+)\s*", re.IGNORECASE)
_BYTE_ORDER_MARK = "\ufeff"
_BLANKS = " \t\r\n"
_WORD_BEFORE = (f"{_SCHEME} ", f"{_SCHEME}\t")
_NAMES = frozenset({"current", "next"})
"""Of a secret that is a JSON object. A value with any other name may be anything, such as the environment's name."""

_CHARACTERS = frozenset(string.ascii_letters + string.digits + string.punctuation) - frozenset('"[]{},')
"""Of a token. Quotes, brackets and commas show that the secret is a list or JSON in a form that is not supported."""

_COMMENT_MARKS = ("#", ";", "//", "--")
"""What a comment begins with. A label ends with a colon."""

_MIN_DISTINCT_CHARACTERS = 4
"""A text with fewer different characters is a separator line, or a placeholder such as ``********``."""

_LONG_AGO = float("-inf")


@dataclass(slots=True)
class Tokens:
    """The tokens, read from their source when they are first needed, and again after ``refresh_seconds``.

    Each execution environment has its own, and handles one request at a time.

    Attributes:
        fetch: reads the source; raises NoTokensError if it holds none, and TokensUnavailableError if it cannot be read.
        refresh_seconds: how old the tokens may be.
        telemetry: reports that they could not be read again.
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
    _missed_at: float = field(default=_LONG_AGO, init=False)

    def verify(self, authorization: str | None) -> None:
        """Authorize a request by its token.

        An unknown token may be new, and mParticle does not repeat after 403: the source is read again. If it was read
        for an unknown token a moment ago, mParticle is asked to repeat the request.

        Args:
            authorization: the header's value, ``Token <token>`` in any spacing.

        Raises:
            RefusedRequestError: 401, the header is missing or says something else.
            UnknownTokenError: the source, read just now, does not hold the token.
            TokenNotKnownYetError: the token is unknown, and the source was read too recently.
            TokensUnavailableError: the token is unknown, and the source cannot be read.
        """
        token = _presented(authorization)
        if due := self._is_due():
            self._read()
        asked = due or (not self._is_known(token) and self._read_for(token))
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

    def _read_for(self, token: bytes) -> bool:
        """Read the source because of an unknown token, unless it was just done in vain; return whether it was read.

        Without any tokens, only `_is_due` decides.
        """
        if not self._tokens or self.clock() < self._missed_at + PAUSE_SECONDS:
            return False
        self._read()
        if not self._is_known(token):
            self._missed_at = self._asked_at
        return True

    def _read(self) -> None:
        """Read the tokens again.

        What the source holds is valid at once, also if it holds no usable token. If it cannot be read, the tokens that
        were read last stay valid for a while.
        """
        self._asked_at = self.clock()
        try:
            self._tokens, self._problem, self._read_at = tokens_in(self.fetch()), "", self._asked_at
        except NoTokensError as error:
            self._tokens, self._problem, self._read_at = (), str(error), _LONG_AGO
        except TokensUnavailableError as error:
            self._keep_last(str(error))

    def _keep_last(self, problem: str) -> None:
        self._problem = problem
        if self._tokens:
            self.telemetry.warn("tokens not refreshed", {"reason": problem})
        if self._asked_at >= self._read_at + self.refresh_seconds + MAX_OUTAGE_SECONDS:
            self._tokens = ()


def tokens_in(text: str) -> tuple[bytes, ...]:
    """Return the one or two tokens in a secret's text.

    What is no token is never taken for one: a secret in any other form authorizes nobody. mParticle then gets 503 and
    repeats, and the reason is logged.

    Args:
        text: one token a line; or a JSON object that has the token in use as ``current`` and another one as ``next``.

    Raises:
        NoTokensError: it has another form; nothing of it is said.
    """
    tokens = sorted(
        {token for value in _values(text.removeprefix(_BYTE_ORDER_MARK)) if (token := value.strip(_BLANKS))}
    )
    if not tokens:
        raise NoTokensError("the source holds no token")
    if any(token.lower().startswith(_WORD_BEFORE) for token in tokens):
        raise NoTokensError(f"the source must hold the token alone, without the word {_SCHEME!r} before it")
    if len(tokens) > MAX_TOKENS:
        raise NoTokensError(f"the source holds more than {MAX_TOKENS} tokens")
    characters = {*"".join(tokens)} - _CHARACTERS
    if not characters.issubset(_BLANKS):
        raise NoTokensError("a token in the source holds a character that no token has")
    if characters:
        raise NoTokensError("a token in the source holds a blank: each token must have a line of its own")
    if any(len(token) < MIN_TOKEN_LENGTH for token in tokens):
        raise NoTokensError(f"a token in the source is shorter than {MIN_TOKEN_LENGTH} characters")
    if any(map(_is_no_token, tokens)):
        raise NoTokensError("a line of the source looks like a comment, a label or a placeholder")
    return tuple(map(_bytes, tokens))


def _is_no_token(text: str) -> bool:
    return text.startswith(_COMMENT_MARKS) or text.endswith(":") or len({*text}) < _MIN_DISTINCT_CHARACTERS


def _values(text: str) -> Iterable[str]:
    if not text.lstrip().startswith("{"):
        return text.split("\n")
    try:
        pairs = json.loads(text, object_pairs_hook=list)
    except (ValueError, RecursionError):
        raise NoTokensError("the source starts like a JSON object and is none") from None
    names = [name for name, _ in pairs]
    if not _NAMES.issuperset(names):
        raise NoTokensError("the source's JSON object has another name than 'current' and 'next'")
    if len(names) > len({*names}):
        raise NoTokensError("the source's JSON object has a name twice")
    values = [value for _, value in pairs]
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
