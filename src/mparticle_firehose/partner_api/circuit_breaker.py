"""Stops asking a partner that is known to be down."""

import time
from dataclasses import dataclass, field

from mparticle_firehose.deadline import Clock, Deadline
from mparticle_firehose.integration.calls import PartnerCall
from mparticle_firehose.integration.outcomes import Outcome, Retry
from mparticle_firehose.services import PartnerGateway

CIRCUIT_OPEN = "circuit_open"
"""The reason of a Retry for which the partner was not asked."""

_ALIVE = frozenset({"http_425", "http_429"})
"""Refusals that show a partner in good health: one customer's limit is no reason to leave the others alone."""


@dataclass(slots=True)
class CircuitBreaker:
    """A gateway that, after a row of failures, answers Retry at once for a while.

    When the while is over one call goes through as a probe: success closes the circuit, a failure opens it again. Each
    execution environment has a breaker of its own, and handles one request at a time.

    Attributes:
        partner: the gateway behind it.
        failures_to_open: how many calls in a row must fail.
        open_seconds: how long the partner is left alone.
        clock: seconds that never go backwards.
    """

    partner: PartnerGateway
    failures_to_open: int = 5
    open_seconds: float = 10.0
    clock: Clock = time.monotonic
    _failures: int = field(default=0, init=False)
    _open_until: float = field(default=float("-inf"), init=False)

    def forget(self) -> None:
        """Close the circuit: what was learnt about the partner is too old."""
        self._failures, self._open_until = 0, float("-inf")

    def send(self, call: PartnerCall, deadline: Deadline) -> Outcome:
        """Send the call, unless the circuit is open.

        A call that comes too late to be made says nothing of the partner.
        """
        if self.clock() < self._open_until:
            return Retry(CIRCUIT_OPEN)
        is_late = deadline.remaining() <= 0
        outcome = self.partner.send(call, deadline)
        if is_late:
            return outcome
        if isinstance(outcome, Retry) and outcome.reason not in _ALIVE:
            self._failures += 1
        else:
            self._failures = 0
        if self._failures >= self.failures_to_open:
            self._open_until = self.clock() + self.open_seconds
        return outcome
