"""What the processors and the worker need from their surroundings, as interfaces."""

from collections.abc import Collection, Mapping
from typing import Literal, Protocol

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.integration import Integration, Outcome, PartnerCall
from mparticle_firehose.protocol import (
    Account,
    AudienceMembershipChangeRequest,
    DsrProcessingRequest,
    EventProcessingRequest,
)

type Items = Collection[tuple[str, int]]
"""Events and notifications of a request: the list's name and the index in it."""

type EventMode = Literal["forward", "queue"]
"""``forward`` sends events to the partner in the call, ``queue`` leaves that to the worker."""


class PartnerApi(Protocol):
    """Sends calls to the partner."""

    def send(self, call: PartnerCall, deadline: Deadline) -> Outcome:
        """Send one call and return its outcome. Faults of the partner and the network raise nothing."""


class MembershipStore(Protocol):
    """Keeps membership changes durably and in order until they are delivered."""

    def enqueue(self, request: AudienceMembershipChangeRequest, deadline: Deadline) -> int:
        """Store the request and return the number of messages; a DeliveryError means it is not stored."""


class EventStore(Protocol):
    """Keeps event requests and erasures durably until they are delivered."""

    def enqueue(
        self, request: EventProcessingRequest | DsrProcessingRequest, deadline: Deadline, items: Items | None = None
    ) -> None:
        """Store the request, or these items of it, for the worker; a DeliveryError means it is not stored."""


class DeadLetterStore(Protocol):
    """Keeps what can never be delivered until an operator looks at it."""

    def put_events(
        self, request: EventProcessingRequest, reason: str, deadline: Deadline, items: Items | None = None
    ) -> None:
        """Store the request, or these items of it, with the reason; a DeliveryError means it is not stored."""


class SuspensionRegister(Protocol):
    """Knows the accounts whose credentials the partner refuses."""

    def is_suspended(self, account: Account) -> bool:
        """Return whether the partner refuses this account with these settings."""

    def suspend(self, account: Account, reason: str) -> None:
        """Record that the partner refuses it."""

    def lift(self, account: Account) -> None:
        """Delete the record, if there is one."""


class Telemetry(Protocol):
    """Metrics and log lines. They never hold values of a request."""

    def count(self, name: str, value: int = 1) -> None:
        """Add to a metric."""

    def measure(self, name: str, milliseconds: float) -> None:
        """Add to a metric of time."""

    def note(self, event: str, facts: Mapping[str, str | int]) -> None:
        """Log what happened to a piece of work."""

    def warn(self, event: str, facts: Mapping[str, str | int]) -> None:
        """Log a problem that an operator should look at, although the work goes on."""


class Stores(Protocol):
    """Where items go that a successful call did not deliver."""

    @property
    def events(self) -> EventStore:
        """For items that may be taken later."""

    @property
    def dead_letters(self) -> DeadLetterStore:
        """For items that are refused for good."""

    @property
    def telemetry(self) -> Telemetry:
        """Counts them."""


class Services(Stores, Protocol):
    """What a processor works with. A part may be built when it is first read."""

    @property
    def integration(self) -> Integration:
        """Everything about the partner."""

    @property
    def partner(self) -> PartnerApi:
        """Makes the calls."""

    @property
    def memberships(self) -> MembershipStore:
        """The queue of membership changes."""

    @property
    def suspensions(self) -> SuspensionRegister:
        """The suspended accounts."""

    @property
    def event_mode(self) -> EventMode:
        """Whether events are forwarded or queued."""
