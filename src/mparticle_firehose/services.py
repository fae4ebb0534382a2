"""What the processors and the worker need of each other's surroundings, so that neither builds its own."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.integration.calls import (
    JsonObject,
    MembershipChange,
    MembershipTarget,
    PartnerCall,
    UndeliverableChange,
)
from mparticle_firehose.integration.outcomes import Outcome
from mparticle_firehose.protocol import (
    Account,
    AudienceMembershipChangeRequest,
    DsrProcessingRequest,
    EventProcessingRequest,
)

type Items = Collection[tuple[str, int]]
"""Events and notifications of a request: the list's name and the index in it."""


type EventMode = Literal["forward", "queue"]


class PartnerGateway(Protocol):
    """Sends one call to the partner."""

    def send(self, call: PartnerCall, deadline: Deadline) -> Outcome:
        """Return what became of the call, whatever the partner or the network did."""


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
    """Keeps what can never be delivered where a human finds it."""

    def put_events(
        self, request: EventProcessingRequest, reason: str, deadline: Deadline, items: Items | None = None
    ) -> None:
        """Store the request, or these items of it, with the reason; a DeliveryError means it is not stored."""


class SuspensionRegister(Protocol):
    """Knows the accounts whose credentials the partner refuses."""

    def is_suspended(self, account: Account) -> bool:
        """Return whether the partner refuses this account with these settings."""

    def suspend(self, account: Account, reason: str) -> None:
        """Record that it does."""

    def lift(self, account: Account) -> None:
        """Record that it does not any more, if it was thought to."""


class Telemetry(Protocol):
    """Tells what happens: metrics and log lines, never with values of a request."""

    def count(self, name: str, value: int = 1) -> None:
        """Add to a metric."""

    def measure(self, name: str, milliseconds: float) -> None:
        """Add to a metric of time."""

    def note(self, event: str, facts: Mapping[str, str | int]) -> None:
        """Log what happened to a piece of work."""

    def warn(self, event: str, facts: Mapping[str, str | int]) -> None:
        """Log what works still and needs somebody's eye."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What a processor works with; built once per execution environment.

    Attributes:
        event_mode: ``forward`` sends events to the partner in the call, ``queue`` leaves that to the worker.
    """

    partner: PartnerGateway
    memberships: MembershipStore
    events: EventStore
    dead_letters: DeadLetterStore
    suspensions: SuspensionRegister
    telemetry: Telemetry
    event_mode: EventMode = "forward"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueMappings:
    """How the partner room turns queued requests into calls.

    Attributes:
        events: the call for an event request, if there is anything to say.
        erasure: the call for an erasure.
        membership_changes: the changes of a membership request, in its order.
        members_call: the call that carries changes of one target.
        without_attributes: an item of a change without these user attributes.
        most_changes: how many changes one call may carry.
    """

    events: Callable[[EventProcessingRequest], PartnerCall | None]
    erasure: Callable[[DsrProcessingRequest], PartnerCall]
    membership_changes: Callable[[AudienceMembershipChangeRequest], Sequence[MembershipChange | UndeliverableChange]]
    members_call: Callable[[MembershipTarget, Sequence[JsonObject]], PartnerCall]
    without_attributes: Callable[[JsonObject, Collection[str]], JsonObject]
    most_changes: int
