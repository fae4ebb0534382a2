"""What the processors and the worker need of each other's surroundings, so that neither builds its own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from mparticle_firehose.delivery.deadline import Deadline
from mparticle_firehose.delivery.outcome import Outcome
from mparticle_firehose.delivery.partner_call import (
    JsonObject,
    MembershipChange,
    MembershipTarget,
    PartnerCall,
    UndeliverableChange,
)
from mparticle_firehose.protocol import (
    Account,
    AudienceMembershipChangeRequest,
    DsrProcessingRequest,
    EventProcessingRequest,
)


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

    def enqueue(self, request: EventProcessingRequest | DsrProcessingRequest, deadline: Deadline) -> None:
        """Store the request for the worker; a DeliveryError means it is not stored."""


class DeadLetterStore(Protocol):
    """Keeps what can never be delivered where a human finds it."""

    def put_events(self, request: EventProcessingRequest, reason: str, deadline: Deadline) -> None:
        """Store the request with the reason; a DeliveryError means it is not stored."""


class SuspensionRegister(Protocol):
    """Knows the accounts whose credentials the partner refuses."""

    def is_suspended(self, account: Account) -> bool:
        """Return whether the partner refuses this account with these settings."""

    def suspend(self, account: Account, reason: str) -> None:
        """Record that it does."""


class Telemetry(Protocol):
    """Tells what happens: metrics and log lines, never with values of a request."""

    def count(self, name: str, value: int = 1) -> None:
        """Add to a metric."""

    def warn(self, event: str, facts: Mapping[str, str]) -> None:
        """Log something that an operator may have to look into."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What a processor works with; built once per execution environment."""

    partner: PartnerGateway
    memberships: MembershipStore
    events: EventStore
    dead_letters: DeadLetterStore
    suspensions: SuspensionRegister
    telemetry: Telemetry


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueMappings:
    """How the partner room turns queued requests into calls.

    Attributes:
        events: the call for an event request.
        erasure: the call for an erasure.
        membership_changes: the changes of a membership request, in its order.
        members_call: the call that carries changes of one target.
        most_changes: how many changes one call may carry.
    """

    events: Callable[[EventProcessingRequest], PartnerCall]
    erasure: Callable[[DsrProcessingRequest], PartnerCall]
    membership_changes: Callable[[AudienceMembershipChangeRequest], Sequence[MembershipChange | UndeliverableChange]]
    members_call: Callable[[MembershipTarget, Sequence[JsonObject]], PartnerCall]
    most_changes: int
