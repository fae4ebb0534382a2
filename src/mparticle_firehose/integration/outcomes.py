"""What becomes of a partner call and of each item in it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

MAX_WAIT_SECONDS = 43_000.0
"""The longest wait before a Retry. SQS hides a message for 43,200 s at most, counted from when it was received
(ChangeMessageVisibility in the Amazon SQS API Reference): some time has passed by then."""


class Verdict(StrEnum):
    """What a status or a network fault means, as a retry policy names it. Each stands for the outcome of its name."""

    DELIVERED = "delivered"
    RETRY = "retry"
    REJECTED = "rejected"
    SUSPEND = "suspend"
    ALONE = "alone"
    SPLIT = "split"


class NetworkFault(StrEnum):
    """Ways in which a call ends without a usable answer."""

    DNS = "dns"
    REFUSED = "refused"
    RESET = "reset"
    TLS = "tls"
    CONNECT_TIMEOUT = "connect_timeout"
    READ_TIMEOUT = "read_timeout"
    MALFORMED_ANSWER = "malformed_answer"
    OVERSIZED_ANSWER = "oversized_answer"


@dataclass(frozen=True, slots=True)
class Retry:
    """The partner may take it later.

    Attributes:
        reason: a name of the integration's own, such as ``http_503``; never text of the partner's. It is logged.
        after: seconds to wait; None leaves it to the backoff. Zero, for an item beside others that are settled, sends
            the item again at once and counts no attempt: the call was refused because of the others. More than
            MAX_WAIT_SECONDS is that; less than zero, and what is no number, is None.
    """

    reason: str
    after: float | None = None

    def __post_init__(self) -> None:
        """Limit the wait to what the queue can keep."""
        if self.after is not None and not 0 <= self.after <= MAX_WAIT_SECONDS:
            object.__setattr__(self, "after", MAX_WAIT_SECONDS if self.after > 0 else None)


@dataclass(frozen=True, slots=True)
class Rejected:
    """The partner will never take it. Of a whole call: of every item in it.

    Attributes:
        reason: as for Retry.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class Suspend:
    """The partner no longer accepts the customer's credential: a human must act.

    It is said of a whole call. Of a single item in a successful call it means Rejected, because the credential works.

    Attributes:
        reason: as for Retry.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class Alone:
    """The call is refused without saying for which item: it is halved until the refused items are alone.

    Of an item in a successful call: send this one in a call of its own. An item that is refused alone is Rejected.

    Attributes:
        reason: as for Retry.
    """

    reason: str = "refused_whole"


@dataclass(frozen=True, slots=True)
class Split:
    """The call is too large: the same items go in smaller calls. One item that is too large is Rejected.

    Attributes:
        reason: as for Retry.
    """

    reason: str = "too_large"


@dataclass(frozen=True, slots=True)
class Delivered:
    """The partner has it, save the items that are named.

    Attributes:
        failures: the outcome of each item that was not simply taken, by its index in the call. An index that is no
            whole number, or outside the call, is logged and ignored.
        unplaced: how many failures the answer tells of without saying in a readable way whose they are. Their items
            count as delivered, and the number is logged.
    """

    failures: "Mapping[int, Failure | Delivered]" = field(default_factory=dict)
    unplaced: int = 0


type Failure = Retry | Rejected | Suspend | Alone
type Outcome = Delivered | Failure | Split

_LATER = frozenset({408, 425, 429})
_SERVER_ERRORS = range(500, 600)


def failure_of(status: int) -> Retry | Rejected:
    """Return the outcome of an item that has an HTTP status of its own, inside an answer to a whole call."""
    later = status in _LATER or status in _SERVER_ERRORS
    return Retry(f"http_{status}") if later else Rejected(f"http_{status}")
