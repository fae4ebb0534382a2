"""What the partner room hands over to be delivered: values, without a trace of HTTP."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Self

from mparticle_firehose.protocol import Request
from mparticle_firehose.protocol.correlation import work_id

type JsonValue = bool | int | float | str | Sequence[JsonValue] | Mapping[str, JsonValue] | None
type JsonObject = Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerCall:
    """One request to the partner's API.

    Attributes:
        method: the HTTP method.
        path: below the partner's base URL, percent-encoded, with its leading slash.
        credential: the bearer token. Never shown.
        body: the JSON object to send, if any. Never shown: it holds personal data.
        items: for each item of the body where it came from: the list in mParticle's request and the index in it, nulls
            not counted. Needed where the partner may take some items and refuse others.
        work: what the call is part of, see part_of(). The partner room leaves it alone.
        attempt: see in_attempt().
        done_statuses: statuses that mean success for this call beside those of the policy.
    """

    method: str
    path: str
    credential: str = field(repr=False)
    body: JsonObject | None = field(default=None, repr=False)
    items: tuple[tuple[str, int], ...] = ()
    work: str = ""
    attempt: str = ""
    done_statuses: frozenset[int] = frozenset()

    def part_of(self, *requests: Request) -> Self:
        """Return this call as the part that it is of the work on these requests.

        Calls that are alike in everything else are different calls if they belong to different requests: a user who
        joins, leaves and joins again makes the same call twice, and it must count twice.
        """
        return replace(self, work=" ".join(dict.fromkeys(map(work_id, requests))))

    def in_attempt(self, attempt: str) -> Self:
        """Return this call as the part that it is of one attempt to deliver a batch, and not of any later one.

        For calls that share messages with other calls. After a failure the same changes come again in other company: a
        user who joined and left joins again as part of a new call, and leaving again must then not be taken for a
        repetition, or the user would stay. Joining and leaving can be repeated, as long as they are repeated in order.
        """
        return replace(self, attempt=attempt)

    def encoded_body(self) -> bytes | None:
        """Return the body as compact JSON, the same bytes for the same call."""
        if self.body is None:
            return None
        return json.dumps(self.body, separators=(",", ":"), allow_nan=False).encode()

    def idempotency_key(self, encoded_body: bytes | None) -> str:
        """Return a key that is the same whenever this call is repeated, by whichever worker and however late."""
        identity = "\n".join((self.work, self.attempt, self.method, self.path)).encode()
        return hashlib.sha256(identity + b"\n" + (encoded_body or b"")).hexdigest()


@dataclass(frozen=True, slots=True)
class MembershipTarget:
    """Where membership changes go. Changes with equal targets may share a call.

    Attributes:
        account_id: mParticle's id of the customer's configuration.
        path: the partner's members resource of one audience.
        credential: the bearer token. Never shown.
    """

    account_id: int
    path: str
    credential: str = field(repr=False)


class Effect(StrEnum):
    """What a change does to a membership."""

    JOIN = "join"
    LEAVE = "leave"
    UPDATE = "update"
    """Nothing: it changes attributes only."""


@dataclass(frozen=True, slots=True)
class MembershipChange:
    """One user's change in one audience.

    Attributes:
        profile: index of the user's profile in the request.
        audience: index of the audience in that profile.
        target: where it goes.
        effect: what it does to the membership.
        item: what the partner gets. Never shown.
        attributes: names of the user attributes that it changes.
    """

    profile: int
    audience: int
    target: MembershipTarget
    effect: Effect
    item: JsonObject = field(repr=False)
    attributes: frozenset[str] = field(default=frozenset(), repr=False)


@dataclass(frozen=True, slots=True)
class UndeliverableChange:
    """A change that can never become a partner call, found by the mapping; the rest of its request still can.

    Attributes:
        profile: index of the user's profile in the request.
        audience: index of the audience in that profile.
        reason: which rule it breaks, without values.
    """

    profile: int
    audience: int
    reason: str
