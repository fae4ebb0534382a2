"""What the processors, the delivery and the worker need from their surroundings, as interfaces."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.integration import Answer, Integration, Outcome, PartnerCall
from mparticle_firehose.protocol import (
    Account,
    AnyRequest,
    AudienceMembershipChangeRequest,
    DsrProcessingRequest,
    EventProcessingRequest,
)
from mparticle_firehose.protocol.wire.model import Unreadable

type EventMode = Literal["forward", "queue", "in_order"]
"""``forward`` sends events to the partner in the call, ``queue`` leaves that to the worker.

With ``in_order`` a user's events keep their order: all that concerns them goes to the worker as it was received.
"""

OUT_OF_TIME = "out_of_time"
"""The reason of a Retry for a call that was not begun, because there was no time left."""

CIRCUIT_OPEN = "circuit_open"
"""The reason of a Retry for a call that was not made, because the site is known to be down."""

SECRET_UNAVAILABLE = "deployment_secret_unavailable"  # noqa: S105  a reason, no secret
"""The reason of a Retry for a call that needs a secret of the deployment which is not known."""

SECRET_REFUSED = "deployment_secret_refused"  # noqa: S105  a reason, no secret
"""The reason of a Retry for a credential that is a secret of the deployment, and that the partner refuses."""

BODY_NOT_JSON = "body_not_json"
"""The reason of a Rejected for what has no JSON: a number that is infinite or none at all, or another type."""


@dataclass(frozen=True, slots=True)
class Remainder:
    """A request with some of its items only.

    Attributes:
        source: the request's JSON. Never shown.
        settled: the items in it that need nothing more, as text for a message attribute. Empty if there are none.
    """

    source: Mapping[str, Any] = field(repr=False)
    settled: str = ""


class PartnerApi(Protocol):
    """Sends calls to the partner."""

    def ask(self, call: PartnerCall, deadline: Deadline, *, identity: str, correlation_id: str) -> Answer | Outcome:
        """Send one call and return the answer, or the outcome if there is none that can be read.

        Faults of the partner, the network and the data raise nothing.

        Args:
            call: with its site and its auth.
            deadline: no byte is written after it.
            identity: what makes two equal calls the same call; the Idempotency-Key is made from it and the call.
            correlation_id: goes along, so that the partner's logs can be searched by mParticle's request ids.
        """


class Verdicts(Protocol):
    """Says what an answer means."""

    def judge(self, answer: Answer) -> Outcome:
        """Return the outcome of an answer by its status."""


class Breaker(Protocol):
    """Keeps calls away from a site that is known to be down. Threads may share it."""

    def admits(self, site: str) -> bool:
        """Return whether a call may be made now. Whoever gets True makes the call, and then says what it came to."""

    def note(self, site: str, *, failed: bool) -> None:
        """Take what a call came to.

        Args:
            site: by its name in `Integration.sites`.
            failed: a network fault or a 5xx. A 429 or 425 is no failure: it says nothing of other customers' calls.
        """

    def wait(self, site: str) -> float:
        """Return how many seconds what was not admitted should wait; zero if a call may be admitted now."""

    def forget(self) -> None:
        """Forget what is known: it is too old."""


@dataclass(frozen=True, slots=True)
class Reports:
    """What environments have reported of a site in one slice of time.

    Attributes:
        count: how many reports there are.
        failed_percent: the sum of what each said of its calls, in percent. A report weighs the same however many calls
            it is about.
    """

    count: int
    failed_percent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """What all environments know of a site that is down, or was a moment ago. Times are seconds since the epoch.

    Attributes:
        since: when the circuit got into this state.
        share: the share of calls that was admitted then; zero while the circuit is open.
        began: when the circuit was opened first. It stays the same until the circuit has been closed for a while.
        probe_at: while the circuit is open, when the next probe may be made.
        reports: by the number of the slice of time after ``since``.
    """

    since: float
    share: float
    began: float
    probe_at: float = 0.0
    reports: Mapping[int, Reports] = field(default_factory=dict)


class OutageStore(Protocol):
    """One entry for each site that is down, shared by all environments.

    Every method raises DeliveryError when the store cannot be used.
    """

    def read(self, site: str) -> Outage | None:
        """Return the entry of a site, if there is one."""

    def replace(self, site: str, seen: Outage | None, new: Outage) -> bool:
        """Store the entry, unless it is not the seen one any more. Return whether it was stored."""

    def report(self, site: str, seen: Outage, *, slice_number: int, failed_percent: int) -> Outage | None:
        """Add a report to the seen entry and return all of it; None if it is not the seen one any more."""


class RateLimits(Protocol):
    """Holds back the calls of a credential that must wait."""

    @property
    def is_pausing(self) -> bool:
        """Whether any credential may have to wait."""

    def pause(self, credential: str, seconds: float) -> None:
        """Make no call with it for so long."""

    def wait(self, credential: str) -> float:
        """Return the seconds until a call may be made; 0 is now."""


class MembershipStore(Protocol):
    """Keeps membership changes durably and in order until they are delivered."""

    def enqueue(self, request: AudienceMembershipChangeRequest, deadline: Deadline) -> int:
        """Store the request and return the number of messages; a DeliveryError means it is not stored."""


class EventStore(Protocol):
    """Keeps event requests and erasures durably until they are delivered."""

    def enqueue(
        self,
        request: EventProcessingRequest | DsrProcessingRequest,
        deadline: Deadline,
        rest: Remainder | None = None,
    ) -> None:
        """Store the request, or what is left of it, for the worker; a DeliveryError means it is not stored."""


class DeadLetterStore(Protocol):
    """Keeps what can never be delivered until an operator looks at it."""

    def put_events(
        self,
        request: EventProcessingRequest | DsrProcessingRequest,
        parts: Mapping[str, Remainder],
        deadline: Deadline,
    ) -> None:
        """Store parts of the request by the reason; a DeliveryError means that they are not all stored."""

    def put_unreadable(
        self, request: EventProcessingRequest | DsrProcessingRequest, settled: str, deadline: Deadline
    ) -> Sequence[Unreadable]:
        """Store what cannot be read of the request; a DeliveryError means that it is not all stored.

        Args:
            request: what mParticle sent.
            settled: what needs nothing more of a letter when it is redriven.
            deadline: when to stop.

        Returns:
            What is in each letter.
        """


class SuspensionRegister(Protocol):
    """Knows the accounts whose credentials the partner refuses."""

    def is_suspended(self, account: Account, deadline: Deadline) -> bool:
        """Return whether the partner refuses this account with these settings.

        False if that cannot be found out, or not without taking the time that queueing needs.
        """

    def suspend(self, account: Account, reason: str) -> None:
        """Record that the partner refuses it."""

    def lift(self, accounts: Iterable[Account]) -> None:
        """Delete the records of accounts, if there are any."""


class Telemetry(Protocol):
    """Metrics and log lines. They never hold values of a request."""

    def count(self, name: str, value: int = 1) -> None:
        """Add to a metric."""

    def measure(self, name: str, milliseconds: float) -> None:
        """Add to a metric of time."""

    def list_delivered(self, message_type: str, request_id: str) -> None:
        """Name a request of which something was delivered, in the invocation's line."""

    def note(self, event: str, facts: Mapping[str, str | int]) -> None:
        """Log what happened to a piece of work."""

    def warn(self, event: str, facts: Mapping[str, str | int]) -> None:
        """Log a problem that an operator should look at, although the work goes on."""


class Services(Protocol):
    """What a processor works with. A part may be built when it is first read."""

    @property
    def integration(self) -> Integration:
        """Everything about the partner."""

    @property
    def parse(self) -> Callable[[Mapping[str, Any]], AnyRequest]:
        """Reads a request."""

    @property
    def partner(self) -> PartnerApi:
        """Makes the calls."""

    @property
    def verdicts(self) -> Verdicts:
        """Judges answers."""

    @property
    def breaker(self) -> Breaker:
        """Holds calls back to a site that is down."""

    @property
    def rate_limits(self) -> RateLimits:
        """Holds back the calls of credentials that must wait."""

    @property
    def events(self) -> EventStore:
        """The queues of events and erasures."""

    @property
    def dead_letters(self) -> DeadLetterStore:
        """The dead-letter queues."""

    @property
    def telemetry(self) -> Telemetry:
        """Counts and logs."""

    @property
    def memberships(self) -> MembershipStore:
        """The queue of membership changes."""

    @property
    def suspensions(self) -> SuspensionRegister:
        """The suspended accounts."""

    @property
    def event_mode(self) -> EventMode:
        """Whether events are forwarded or queued."""
