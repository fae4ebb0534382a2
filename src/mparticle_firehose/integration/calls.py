"""One call to the partner's API, as a value."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from mparticle_firehose.integration.auth import Auth
from mparticle_firehose.protocol import Request, work_id

type JsonValue = bool | int | float | str | Sequence[JsonValue] | Mapping[str, JsonValue] | None
type JsonObject = Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerCall:
    """One request to the partner's API.

    Attributes:
        method: the HTTP method.
        path: below the partner's base URL, percent-encoded, with its leading slash.
        auth: the customer's credentials. Never shown.
        body: the JSON object to send, if any. Never shown: it holds personal data.
        items: where each item of the body came from: the name of a list in mParticle's request, and the index in it,
            nulls not counted. Needed if the partner may take some items and refuse others.
        work: which requests the call belongs to, see part_of(). The framework sets it.
        attempt: which attempt of a batch it belongs to, see in_attempt(). The framework sets it.
        done_statuses: statuses that mean success for this call, beside those of the retry policy.
    """

    method: str
    path: str
    auth: Auth = field(repr=False)
    body: JsonObject | None = field(default=None, repr=False)
    items: tuple[tuple[str, int], ...] = ()
    work: str = ""
    attempt: str = ""
    done_statuses: frozenset[int] = frozenset()

    def part_of(self, *requests: Request) -> Self:
        """Return this call as a part of the work on these requests.

        Equal calls are different calls if they belong to different requests: a user who joins, leaves and joins again
        causes the same call twice, and both must take effect.
        """
        return replace(self, work=" ".join(dict.fromkeys(map(work_id, requests))))

    def in_attempt(self, attempt: str) -> Self:
        """Return this call as a part of one attempt to deliver a batch.

        Needed for calls that merge several messages. After a failure the same changes come again in another
        combination. With the same key as before, the partner could take "leave" for a repetition of an earlier call,
        and the user would stay. Repeating changes is safe as long as their order is kept.
        """
        return replace(self, attempt=attempt)

    def encoded_body(self) -> bytes | None:
        """Return the body as compact JSON: the same bytes for the same call."""
        if self.body is None:
            return None
        return json.dumps(self.body, separators=(",", ":"), allow_nan=False).encode()

    def idempotency_key(self, encoded_body: bytes | None) -> str:
        """Return a key that is the same whenever this call is repeated, by whichever worker and however late."""
        identity = "\n".join((self.work, self.attempt, self.method, self.path)).encode()
        return hashlib.sha256(identity + b"\n" + (encoded_body or b"")).hexdigest()
