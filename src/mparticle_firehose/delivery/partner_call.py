"""What the partner room hands over to be delivered: values, without a trace of HTTP."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from mparticle_firehose.protocol import Request

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
        after: the idempotency key of the call that this one follows and must not come before, if any.
        done_statuses: statuses that mean success for this call beside those of the policy.
    """

    method: str
    path: str
    credential: str = field(repr=False)
    body: JsonObject | None = field(default=None, repr=False)
    items: tuple[tuple[str, int], ...] = ()
    work: str = ""
    after: str = ""
    done_statuses: frozenset[int] = frozenset()

    def part_of(self, *requests: Request) -> Self:
        """Return this call as the part that it is of the work on these requests.

        Calls that are alike in everything else are different calls if they belong to different requests: a user who
        joins, leaves and joins again makes the same call twice, and it must count twice.
        """
        works = dict.fromkeys(str(request.id or request.timestamp_ms) for request in requests)
        return replace(self, work=" ".join(works))

    def following(self, earlier: Self | None) -> Self:
        """Return this call as one that undoes or builds on an earlier one.

        A user joins in the earlier call and leaves in this one. Should both be repeated, but the earlier one together
        with other users, it is a new call and the user joins again; then this one must be new as well, or the partner
        would take it for a mere repetition and leave the user in. So a call's key holds the key of the one before it.
        """
        return replace(self, after=earlier.idempotency_key(earlier.encoded_body())) if earlier else self

    def encoded_body(self) -> bytes | None:
        """Return the body as compact JSON, the same bytes for the same call."""
        if self.body is None:
            return None
        return json.dumps(self.body, separators=(",", ":"), allow_nan=False).encode()

    def idempotency_key(self, encoded_body: bytes | None) -> str:
        """Return a key that is the same whenever this call is repeated, by whichever worker and however late."""
        identity = "\n".join((self.work, self.after, self.method, self.path)).encode()
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


@dataclass(frozen=True, slots=True)
class MembershipChange:
    """One user's change in one audience.

    Attributes:
        profile: index of the user's profile in the request.
        audience: index of the audience in that profile.
        target: where it goes.
        item: what the partner gets. Never shown.
    """

    profile: int
    audience: int
    target: MembershipTarget
    item: JsonObject = field(repr=False)


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
