"""Authorizes mParticle's requests by the tokens that the deployment's source holds."""

import hmac
import json
import re
import string
import time
from collections.abc import Callable, Iterable
from functools import partial

from mparticle_firehose.deadline import Clock
from mparticle_firehose.endpoint.errors import (
    NoTokensError,
    RefusedRequestError,
    TokenNotKnownYetError,
    TokensUnavailableError,
    UnknownTokenError,
)
from mparticle_firehose.endpoint.secret_cache import PAUSE_SECONDS, Check, SecretCache
from mparticle_firehose.services import Telemetry

MAX_TOKENS = 2
"""The one in use and the one that takes its place."""

MIN_TOKEN_LENGTH = 8
"""Characters. A shorter text could be guessed."""

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


class Tokens:
    """The tokens. Each execution environment has its own, and handles one request at a time."""

    def __init__(
        self,
        fetch: Callable[[], str],
        refresh_seconds: float,
        telemetry: Telemetry,
        clock: Clock = time.monotonic,
    ) -> None:
        """Take where the tokens come from.

        Args:
            fetch: reads the source; raises NoTokensError if it holds none, and TokensUnavailableError if it cannot be
                read.
            refresh_seconds: how old the tokens may be.
            telemetry: reports that they could not be read again.
            clock: seconds that never go backwards.
        """
        self._cache = SecretCache(
            lambda: tokens_in(fetch()),
            refresh_seconds,
            report=lambda problem: telemetry.warn("tokens not refreshed", {"reason": problem}),
            clock=clock,
        )

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
        match self._cache.check(partial(hmac.compare_digest, token)):
            case Check.UNAVAILABLE:
                raise TokensUnavailableError(self._cache.problem)
            case Check.UNDECIDED:
                raise TokenNotKnownYetError(PAUSE_SECONDS)
            case Check.FAILED:
                raise UnknownTokenError


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
