"""The circuit breaker: does not call a partner that is known to be down."""

import time
from dataclasses import dataclass, field

from mparticle_firehose.deadline import Clock, Deadline
from mparticle_firehose.integration import Outcome, PartnerCall, Retry
from mparticle_firehose.services import PartnerApi

CIRCUIT_OPEN = "circuit_open"
"""The reason of a Retry without a call."""

_HEALTHY = frozenset({"http_425", "http_429"})
"""Reasons that do not count as failures: one customer's rate limit says nothing about the other customers."""


@dataclass(slots=True)
class CircuitBreaker:
    """Answers Retry without a call for ``open_seconds``, once enough calls in a row have failed.

    After that time one call goes through as a probe: success closes the circuit, a failure opens it again. Each
    execution environment has a breaker of its own, and handles one request at a time.

    Attributes:
        partner: makes the calls.
        failures_to_open: how many calls in a row must fail.
        open_seconds: how long no call is made.
        clock: seconds that never go backwards.
    """

    partner: PartnerApi
    failures_to_open: int = 5
    open_seconds: float = 10.0
    clock: Clock = time.monotonic
    _failures: int = field(default=0, init=False)
    _open_until: float = field(default=float("-inf"), init=False)

    def forget(self) -> None:
        """Close the circuit: what is known about the partner is too old."""
        self._failures, self._open_until = 0, float("-inf")

    def send(self, call: PartnerCall, deadline: Deadline) -> Outcome:
        """Send the call, unless the circuit is open.

        A call whose deadline has passed already is not counted: it says nothing about the partner.
        """
        if self.clock() < self._open_until:
            return Retry(CIRCUIT_OPEN)
        is_late = deadline.remaining() <= 0
        outcome = self.partner.send(call, deadline)
        if is_late:
            return outcome
        if isinstance(outcome, Retry) and outcome.reason not in _HEALTHY:
            self._failures += 1
        else:
            self._failures = 0
        if self._failures >= self.failures_to_open:
            self._open_until = self.clock() + self.open_seconds
        return outcome
