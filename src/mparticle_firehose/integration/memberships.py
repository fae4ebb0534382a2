"""Changes of audience memberships, as values that the worker merges into calls."""

from dataclasses import dataclass, field
from enum import StrEnum

from mparticle_firehose.integration.auth import Auth
from mparticle_firehose.integration.calls import JsonObject


@dataclass(frozen=True, slots=True)
class MembershipTarget:
    """Where membership changes go. Changes with equal targets may share a call.

    Attributes:
        account_id: mParticle's id of the customer's configuration.
        path: the partner's members resource of one audience.
        auth: the customer's credentials. Never shown.
    """

    account_id: int
    path: str
    auth: Auth = field(repr=False)


class Effect(StrEnum):
    """What a change does to a membership."""

    JOIN = "join"
    LEAVE = "leave"
    UPDATE = "update"
    """The membership stays as it is: only attributes change."""


@dataclass(frozen=True, slots=True)
class MembershipChange:
    """One user's change in one audience.

    Attributes:
        profile: index of the user's profile in the request.
        audience: index of the audience in that profile.
        target: where it goes.
        effect: what it does to the membership.
        item: what the partner gets. Never shown.
        attributes: names of the user attributes that it changes. Never shown.
    """

    profile: int
    audience: int
    target: MembershipTarget
    effect: Effect
    item: JsonObject = field(repr=False)
    attributes: frozenset[str] = field(default=frozenset(), repr=False)


@dataclass(frozen=True, slots=True)
class UndeliverableChange:
    """A change that can never become a partner call. The other changes of its request are delivered.

    Attributes:
        profile: index of the user's profile in the request.
        audience: index of the audience in that profile.
        reason: which rule it breaks, without values.
    """

    profile: int
    audience: int
    reason: str
