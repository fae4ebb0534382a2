"""Last write wins: which of two changes of a user in an audience is newer, when the queue's order is lost.

A change that is redriven from the dead-letter queue has lost its position. What newer changes have written since stays:
joining and leaving write the membership, leaving also writes all attributes, and each attribute that a change names is
written by itself.
"""

import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from mparticle_firehose.integration import Effect, JsonObject
from mparticle_firehose.queues.record import Record
from mparticle_firehose.worker.batching import PendingChange


@dataclass(frozen=True, slots=True)
class QueuePosition:
    """The position of a message, or of a dead-lettered part of one, in the order of its group.

    Attributes:
        sequence: SQS's sequence number, which grows within a group.
        profile: offset from a profile's index to its index in the message as it first was.
        audience: the same for an audience's index in its profile.
    """

    sequence: int = 0
    profile: int = 0
    audience: int = 0

    @classmethod
    def of(cls, record: Record) -> "QueuePosition":
        """Return a message's position: its own, or, if it was redriven, the one it had before."""
        if record.queue_position is None:
            return cls(sequence=record.sequence_number)
        numbers = [int(part) for part in record.queue_position.split(".") if part.isdecimal()]
        return cls(*numbers[:3])

    def __str__(self) -> str:
        return f"{self.sequence}.{self.profile}.{self.audience}"

    def inside(self, profile: int, audience: int) -> "QueuePosition":
        """Return the position of one change in the message."""
        return QueuePosition(self.sequence, self.profile + profile, self.audience + audience)

    def version(self, timestamp_ms: int) -> str:
        """Return text that sorts later for a newer change: by mParticle's time first, then by the position."""
        return f"{max(timestamp_ms, 0):020}.{self.sequence:040}.{self.profile:08}.{self.audience:08}"


def keys_written(pending: PendingChange) -> list[str]:
    """Return the ledger keys of what a change writes."""
    attributes = [_attribute_key(pending, name) for name in pending.change.attributes]
    match pending.change.effect:
        case Effect.JOIN:
            return [_membership_key(pending), *attributes]
        case Effect.LEAVE:
            return [_membership_key(pending), _leave_key(pending)]
        case Effect.UPDATE:
            return attributes


def keys_read(pending: PendingChange) -> list[str]:
    """Return the ledger keys of what may be newer than a change."""
    attributes = [_attribute_key(pending, name) for name in pending.change.attributes]
    return [_membership_key(pending), _leave_key(pending), *attributes]


def without_stale_parts(
    pending: PendingChange,
    version: str,
    newest: Mapping[str, str],
    without_attributes: Callable[[JsonObject, Collection[str]], JsonObject],
) -> PendingChange | None:
    """Return a change without what newer changes have written; None if nothing is left of it.

    Args:
        pending: the change.
        version: of the change.
        newest: the versions of the newest changes, by ledger key.
        without_attributes: as `Audiences.without_attributes`.
    """
    change = pending.change
    superseded_by = _leave_key(pending) if change.effect is Effect.UPDATE else _membership_key(pending)
    if newest.get(superseded_by, "") > version:
        return None
    stale = frozenset(name for name in change.attributes if newest.get(_attribute_key(pending, name), "") > version)
    if not stale:
        return pending
    fresh = change.attributes - stale
    if change.effect is Effect.UPDATE and not fresh:
        return None
    item = without_attributes(change.item, stale)
    return replace(pending, change=replace(change, item=item, attributes=fresh))


def _membership_key(pending: PendingChange) -> str:
    """Return the key of a user's membership in an audience; a hash, because it identifies a person."""
    target = pending.change.target
    identity = f"{target.account_id}\n{target.path}\n{pending.user}"
    return f"change#{hashlib.sha256(identity.encode('utf-8', 'surrogatepass')).hexdigest()}"


def _leave_key(pending: PendingChange) -> str:
    return f"{_membership_key(pending)}#left"


def _attribute_key(pending: PendingChange, name: str) -> str:
    return f"{_membership_key(pending)}#{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"
