"""What holds calls back: a site that is down, and a credential that is refused or must wait."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from mparticle_firehose.delivery.plan import Envelope
from mparticle_firehose.integration import Answer, Auth, NetworkFault, Outcome, Retry, Suspend, Target
from mparticle_firehose.services import CIRCUIT_OPEN, OUT_OF_TIME, Breaker, RateLimits

RATE_LIMITED = "rate_limited"
"""The reason of a Retry for an item whose credential waits after a 429."""

SUSPENDED = "suspended"
"""The reason of a Suspend for an item whose credential has been refused in the same invocation."""

_SERVER_FAULTS = frozenset({408, *range(500, 600)})
_DEFAULT_PAUSE_SECONDS = 1.0
_MIN_WAIT_SECONDS = 1.0
_SECONDS_TO_CONNECT = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Gates:
    """Decides before a call of one invocation whether it is made, and learns from it afterwards.

    Attributes:
        breaker: holds calls to a site back that is down.
        rate_limits: holds calls of a credential back that has been told to wait.
        suspend: records that the partner refuses the account of a message, with the reason.
    """

    breaker: Breaker
    rate_limits: RateLimits
    suspend: Callable[[Envelope, str], None]
    _refused: set[str] = field(default_factory=set)
    _credentials: dict[tuple[str, Auth | None], str] = field(default_factory=dict)

    def hold(self, target: Target) -> Retry | Suspend | None:
        """Return why no call of this target's credential may be made now; None if one may."""
        if not self._refused and not self.rate_limits.is_pausing:
            return None
        credential = self._credential(target)
        if credential in self._refused:
            return Suspend(SUSPENDED)
        pause = self.rate_limits.wait(credential)
        return Retry(RATE_LIMITED, pause) if pause > 0 else None

    def admit(self, site: str) -> Retry | None:
        """Return why no call to a site may be made now; None if one is to be made."""
        return (
            None if self.breaker.admits(site) else Retry(CIRCUIT_OPEN, max(_MIN_WAIT_SECONDS, self.breaker.wait(site)))
        )

    def pause(self, target: Target, seconds: float | None) -> None:
        """Leave a target's credential alone for so long; None leaves the time to us."""
        self.rate_limits.pause(self._credential(target), _DEFAULT_PAUSE_SECONDS if seconds is None else seconds)

    def refuse(self, target: Target, envelopes: Iterable[Envelope], reason: str) -> None:
        """Make no further call with a target's credential, and suspend the accounts of these messages."""
        self._refused.add(self._credential(target))
        for envelope in envelopes:
            self.suspend(envelope, reason)

    def _credential(self, target: Target) -> str:
        """Return a digest that identifies a credential at a site, for memory only."""
        key = (target.site, target.auth)
        if key not in self._credentials:
            secrets = [getattr(target.auth, name) for name in getattr(target.auth, "__slots__", ())]
            text = repr((target.site, type(target.auth).__name__, secrets))
            self._credentials[key] = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        return self._credentials[key]


def note_call(breaker: Breaker, site: str, answer: Answer | Outcome, seconds: float) -> None:
    """Tell a breaker what a call came to that had so many seconds.

    A call that a secret or a token has prevented says nothing about the site. One that was not begun does, if there was
    time to connect.
    """
    if isinstance(answer, Answer):
        breaker.note(site, failed=answer.status in _SERVER_FAULTS)
    elif isinstance(answer, Retry):
        was_slow = answer.reason == OUT_OF_TIME and seconds >= _SECONDS_TO_CONNECT
        if was_slow or answer.reason in set(NetworkFault):
            breaker.note(site, failed=True)
