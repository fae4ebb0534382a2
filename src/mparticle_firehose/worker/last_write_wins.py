"""Which of two changes of a user in an audience is the newer, where a queue's order no longer tells.

A change that comes back from the dead-letter queue has lost its place. What newer changes have settled meanwhile
stays: joining and leaving settle the membership, leaving also settles all attributes, and each attribute that a change
names is settled by itself.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from mparticle_firehose.integration.calls import Effect
from mparticle_firehose.queues.record import Record
from mparticle_firehose.services import QueueMappings
from mparticle_firehose.worker.batching import Share


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message, or the part of one that was put aside, stood in the order of its group.

    Attributes:
        sequence: SQS's sequence number, which grows in a group.
        profile: what to add to a profile's index to get its index in the message as it first was.
        audience: the same for an audience's index in its profile.
    """

    sequence: int = 0
    profile: int = 0
    audience: int = 0

    @classmethod
    def of(cls, record: Record) -> "Place":
        """Return a message's place: its own, or, if it was put aside, the one it had."""
        if record.place is None:
            return cls(sequence=record.sequence_number)
        numbers = [int(part) for part in record.place.split(".") if part.isdecimal()]
        return cls(*numbers[:3])

    def __str__(self) -> str:
        return f"{self.sequence}.{self.profile}.{self.audience}"

    def inside(self, profile: int, audience: int) -> "Place":
        """Return the place of one change in the message."""
        return Place(self.sequence, self.profile + profile, self.audience + audience)

    def made_at(self, timestamp_ms: int) -> str:
        """Return text that is greater for a newer change: mParticle's time first, then the place in the order."""
        return f"{max(timestamp_ms, 0):020}.{self.sequence:040}.{self.profile:08}.{self.audience:08}"


def settled(share: Share) -> list[str]:
    """Return the keys of what a change settles."""
    attributes = [_attribute(share, name) for name in share.change.attributes]
    match share.change.effect:
        case Effect.JOIN:
            return [_membership(share), *attributes]
        case Effect.LEAVE:
            return [_membership(share), _left(share)]
        case Effect.UPDATE:
            return attributes


def asked(share: Share) -> list[str]:
    """Return the keys of what may have overtaken a change."""
    return [_membership(share), _left(share), *(_attribute(share, name) for name in share.change.attributes)]


def what_remains(share: Share, made_at: str, newest: Mapping[str, str], mappings: QueueMappings) -> Share | None:
    """Return what newer changes have left of a change made then: all of it, less attributes, or nothing."""
    change = share.change
    overtaken_by = _left(share) if change.effect is Effect.UPDATE else _membership(share)
    if newest.get(overtaken_by, "") > made_at:
        return None
    stale = frozenset(name for name in change.attributes if newest.get(_attribute(share, name), "") > made_at)
    if not stale:
        return share
    fresh = change.attributes - stale
    if change.effect is Effect.UPDATE and not fresh:
        return None
    item = mappings.without_attributes(change.item, stale)
    return replace(share, change=replace(change, item=item, attributes=fresh))


def _membership(share: Share) -> str:
    """Return the key of a user's membership in an audience; a hash, because it names a person."""
    target = share.change.target
    who_and_where = f"{target.account_id}\n{target.path}\n{share.user}"
    return f"change#{hashlib.sha256(who_and_where.encode('utf-8', 'surrogatepass')).hexdigest()}"


def _left(share: Share) -> str:
    return f"{_membership(share)}#left"


def _attribute(share: Share, name: str) -> str:
    return f"{_membership(share)}#{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"
