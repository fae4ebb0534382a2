"""Keeps the secrets that requests are checked with, and reads them again when they may be out of date."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto

from mparticle_firehose.deadline import Clock
from mparticle_firehose.endpoint.errors import NoTokensError, TokensUnavailableError

MAX_OUTAGE_SECONDS = 3_600.0
"""How long secrets stay valid after they should have been read again, if their source cannot be read."""

PAUSE_SECONDS = 10
"""Between two reads of the source while secrets are known: wrong requests must not cause a read each."""

_SHORT_PAUSE_SECONDS = 1.0
"""The same while no secret is known, when every request is refused."""

_LONG_AGO = float("-inf")


class Check(Enum):
    """What checking a request came to."""

    PASSED = auto()
    """A known secret fits."""

    FAILED = auto()
    """No secret fits, and the source was read just now."""

    UNDECIDED = auto()
    """No secret fits, but a new one may: the source was read too recently to read it again."""

    UNAVAILABLE = auto()
    """No secret fits, and the source cannot be read or holds none; see `SecretCache.problem`."""


@dataclass(slots=True)
class SecretCache:
    """The secrets, read from their source when they are first needed, and again after ``refresh_seconds``.

    Each execution environment has its own, and handles one request at a time.

    Attributes:
        fetch: reads the source; raises NoTokensError if it holds nothing usable, and TokensUnavailableError if it
            cannot be read.
        refresh_seconds: how old the secrets may be.
        report: is told why they could not be read again, while those that were read last are still used.
        clock: seconds that never go backwards.
        problem: why the source was of no use when it was read last; empty if it was.
    """

    fetch: Callable[[], tuple[bytes, ...]] = field(repr=False)
    refresh_seconds: float
    report: Callable[[str], None] = field(repr=False)
    clock: Clock = time.monotonic
    problem: str = field(default="", init=False)
    _known: tuple[bytes, ...] = field(default=(), init=False, repr=False)
    _read_at: float = field(default=_LONG_AGO, init=False)
    _asked_at: float = field(default=_LONG_AGO, init=False)
    _missed_at: float = field(default=_LONG_AGO, init=False)

    def check(self, fits: Callable[[bytes], bool]) -> Check:
        """Return whether a secret fits. If none does, the source is read again, unless that was just done in vain.

        Args:
            fits: whether the request was made with this secret. It is called with every known secret, also after one
                has fitted, so that the time tells nothing.
        """
        if due := self._is_due():
            self._read()
        if self._is_known(fits):
            return Check.PASSED
        asked = due or self._may_ask()
        if asked and not due:
            self._read()
            if self._is_known(fits):
                return Check.PASSED
            self._missed_at = self._asked_at
        if self.problem:
            return Check.UNAVAILABLE
        return Check.FAILED if asked else Check.UNDECIDED

    def _is_known(self, fits: Callable[[bytes], bool]) -> bool:
        matches = [fits(known) for known in self._known]  # each, whatever the first one says
        return any(matches)

    def _is_due(self) -> bool:
        pause = PAUSE_SECONDS if self._known else _SHORT_PAUSE_SECONDS
        return self.clock() >= max(self._read_at + self.refresh_seconds, self._asked_at + pause)

    def _may_ask(self) -> bool:
        """Return whether the source may be read because no secret fits. Without any secrets, only `_is_due` decides."""
        return bool(self._known) and self.clock() >= self._missed_at + PAUSE_SECONDS

    def _read(self) -> None:
        """Read the secrets again.

        What the source holds is valid at once, also if it holds nothing usable. If it cannot be read, the secrets that
        were read last stay valid for a while.
        """
        self._asked_at = self.clock()
        try:
            self._known, self.problem, self._read_at = self.fetch(), "", self._asked_at
        except NoTokensError as error:
            self._known, self.problem, self._read_at = (), str(error), _LONG_AGO
        except TokensUnavailableError as error:
            self._keep_last(str(error))

    def _keep_last(self, problem: str) -> None:
        self.problem = problem
        if self._known:
            self.report(problem)
        if self._asked_at >= self._read_at + self.refresh_seconds + MAX_OUTAGE_SECONDS:
            self._known = ()
