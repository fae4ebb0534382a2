"""What becomes of a partner call. Whatever the partner or the network does ends as one of these four."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Delivered:
    """The partner has it.

    Attributes:
        answer: the JSON object in the partner's answer, empty if there was none. May hold personal data.
        failures: items of the call that the partner did not take all the same: index to the HTTP status that each would
            have had alone.
    """

    answer: Mapping[str, object] = field(default_factory=dict, repr=False)
    failures: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Retry:
    """The partner may take it later.

    Attributes:
        reason: a name of the policy's, such as ``http_503`` or ``read_timeout``; never text of the partner's.
        after: seconds the partner asked to wait, if it did.
    """

    reason: str
    after: float | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """The partner will never take it.

    Attributes:
        reason: as for Retry.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class Suspend:
    """The partner no longer accepts the account's credentials: a human must act.

    Attributes:
        reason: as for Retry.
    """

    reason: str


type Outcome = Delivered | Retry | Rejected | Suspend
