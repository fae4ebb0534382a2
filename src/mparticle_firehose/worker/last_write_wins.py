"""Last write wins: what a redriven message may still write, when the queue's order is lost.

A message that is redriven from the dead-letter queue has lost its position. What newer changes have written since
stays: joining and leaving write the membership, leaving also writes all attributes, and each attribute that a change
names is written by itself. An item that covers nothing writes the user's state.
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mparticle_firehose.delivery.plan import Pending, Plan
from mparticle_firehose.integration import Change, Origin, changes
from mparticle_firehose.protocol import AudienceAction, AudienceMembershipChangeRequest, QueuedRequest
from mparticle_firehose.queues.membership_queue import user_key
from mparticle_firehose.queues.record import Record
from mparticle_firehose.queues.splitting import Json, present

_PROFILES = "user_profiles"
_AUDIENCES = "audiences"
_ATTRIBUTES = "user_attributes"
_STATE = "state#"

type Stale = Mapping[Origin, frozenset[int] | None]
"""Changes of which something is stale: the indexes of those attributes, or None if nothing of it may be written."""


@dataclass(frozen=True, slots=True)
class QueuePosition:
    """The position of a message in the order of its group.

    Attributes:
        sequence: SQS's sequence number, which grows within a group.
        profile: offset from a profile's index to its index in the message as it first was. Letters of earlier releases
            have one.
        audience: the same for an audience's index in its profile.
    """

    sequence: int = 0
    profile: int = 0
    audience: int = 0

    @classmethod
    def of(cls, record: Record) -> "QueuePosition":
        """Return a message's position: its own, or, if it was redriven, the one it had before.

        SQS does not keep the position of what it moves by itself. It then counts as older than all of its time.
        """
        if record.queue_position is None:
            return cls() if record.redriven_at else cls(sequence=record.sequence_number)
        numbers = [int(part) for part in record.queue_position.split(".") if part.isdecimal()]
        return cls(*numbers[:3])

    def __str__(self) -> str:
        return f"{self.sequence}.{self.profile}.{self.audience}"

    def version(self, timestamp_ms: int, profile: int = 0, audience: int = 0) -> str:
        """Return text that sorts later for a newer change: by mParticle's time first, then by the position."""
        place = f"{self.profile + profile:08}.{self.audience + audience:08}"
        return f"{max(timestamp_ms, 0):020}.{self.sequence:040}.{place}"


def keys_read(request: QueuedRequest) -> Iterator[str]:
    """Yield the ledger keys of what may be newer than a request."""
    if isinstance(request, AudienceMembershipChangeRequest):
        for change in changes(request):
            keys = _Keys(request.account.account_id, change)
            yield from (keys.membership, keys.leave, *keys.attributes)


def versions_of(written: Collection[Pending], request: QueuedRequest, position: QueuePosition) -> dict[str, str]:
    """Return the version of each ledger key that items write: of their changes of memberships, and of the state.

    Args:
        written: items of the request's plan.
        request: whatever it is.
        position: in the order of its group.
    """
    states = [state_key(pending) for pending in written if not pending.item.covers]
    versions = dict.fromkeys(states, position.version(request.timestamp_ms))
    if isinstance(request, AudienceMembershipChangeRequest):
        covered = {origin for pending in written for origin in pending.item.covers}
        for change in changes(request):
            if change.origin in covered:
                version = _version(request, change, position)
                versions |= dict.fromkeys(_Keys(request.account.account_id, change).written(), version)
    return versions


def tracked_keys(request: QueuedRequest, origins: Collection[Origin] | None = None) -> Iterator[str]:
    """Yield a key for each user and audience that a request changes, or that only some elements of it change."""
    if isinstance(request, AudienceMembershipChangeRequest):
        for change in changes(request):
            if origins is None or change.origin in origins:
                yield _Keys(request.account.account_id, change).membership


def tracked_key(key: str) -> str:
    """Return the key of the user and audience that a ledger key belongs to; a state's own key."""
    return "#".join(key.split("#")[:2])


def is_of_state(key: str) -> bool:
    """Return whether a ledger key is that of a user's state."""
    return key.startswith(_STATE)


def state_keys(plan: Plan) -> set[str]:
    """Return the ledger keys of the state that a plan may write: of its user, in its lane."""
    return {state_key(pending) for pending in plan.pending if not pending.item.covers}


def state_key(pending: Pending) -> str:
    """Return the ledger key of a user's state; a hash, because it identifies a person."""
    lane, user = pending.user_in_lane
    return f"{_STATE}{_digest(f'{lane}\n{user}')}"


def stale_parts(request: QueuedRequest, position: QueuePosition, newest: Mapping[str, str]) -> Stale:
    """Return what newer changes have written of what a request asks for.

    Args:
        request: redriven.
        position: before it was dead-lettered.
        newest: the versions of the newest changes, by ledger key.
    """
    stale: dict[Origin, frozenset[int] | None] = {}
    if not isinstance(request, AudienceMembershipChangeRequest):
        return stale
    for change in changes(request):
        version = _version(request, change, position)
        keys = _Keys(request.account.account_id, change)
        if keys.is_superseded(version, newest):
            stale[change.origin] = None
        elif old := keys.stale_attributes(version, newest):
            stale[change.origin] = old
    return stale


def without(source: Json, stale: Stale) -> Json:
    """Return a request's JSON without stale parts. In the place of a change that is left out is an empty one."""
    profiles = []
    for number, profile in enumerate(present(source, _PROFILES)):
        audiences = [
            _without(audience, stale[_PROFILES, number, place]) if (_PROFILES, number, place) in stale else audience
            for place, audience in enumerate(present(profile, _AUDIENCES))
        ]
        profiles.append({**profile, _AUDIENCES: audiences})
    return {**source, _PROFILES: profiles}


class _Keys:
    """The ledger keys of one change."""

    def __init__(self, account_id: int, change: Change) -> None:
        identity = f"{account_id}\n{change.audience.audience_id}\n{user_key(change.profile)}"
        self.membership = f"change#{_digest(identity)}"
        self.leave = f"{self.membership}#left"
        self._names = [str(each.key) if each.is_usable else None for each in change.audience.user_attributes]
        self._action = change.audience.action

    @property
    def attributes(self) -> list[str]:
        return [self._attribute(name) for name in self._names if name is not None]

    def written(self) -> list[str]:
        match self._action:
            case AudienceAction.ADD:
                return [self.membership, *self.attributes]
            case AudienceAction.DELETE:
                return [self.membership, self.leave]
            case _:
                return self.attributes

    def is_superseded(self, version: str, newest: Mapping[str, str]) -> bool:
        """Return whether nothing of the change may be written any more."""
        if self._action != AudienceAction.ATTRIBUTE_UPDATE:
            return newest.get(self.membership, "") > version
        if newest.get(self.leave, "") > version:
            return True
        return bool(self.attributes) and all(newest.get(key, "") > version for key in self.attributes)

    def stale_attributes(self, version: str, newest: Mapping[str, str]) -> frozenset[int]:
        """Return the indexes of attributes that newer changes have written."""
        named = ((index, name) for index, name in enumerate(self._names) if name is not None)
        return frozenset(index for index, name in named if newest.get(self._attribute(name), "") > version)

    def _attribute(self, name: str) -> str:
        return f"{self.membership}#{_digest(name)[:32]}"


def _version(request: AudienceMembershipChangeRequest, change: Change, position: QueuePosition) -> str:
    _, profile, audience = change.origin  # type: ignore[misc]  # changes() numbers both
    return position.version(request.timestamp_ms, profile, audience)


def _without(audience: Json, attributes: frozenset[int] | None) -> dict[str, Any]:
    if attributes is None:
        return {}
    kept = [each for index, each in enumerate(present(audience, _ATTRIBUTES)) if index not in attributes]
    return {**audience, _ATTRIBUTES: kept}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
