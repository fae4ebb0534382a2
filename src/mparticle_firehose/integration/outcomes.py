"""What becomes of a partner call. Whatever the partner or the network does ends as one of four outcomes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Verdict(StrEnum):
    """The four outcomes, as a retry policy names them."""

    DELIVERED = "delivered"
    RETRY = "retry"
    REJECTED = "rejected"
    SUSPEND = "suspend"


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
        reason: a name of the retry policy's, such as ``http_503`` or ``read_timeout``; never text of the partner's.
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


@dataclass(frozen=True, slots=True)
class Delivered:
    """The partner has it.

    Attributes:
        answer: the JSON object in the partner's answer, empty if there was none. May hold personal data: never shown.
        failures: items of the call that the partner did not take, by their index in the body.
    """

    answer: Mapping[str, object] = field(default_factory=dict, repr=False)
    failures: "Mapping[int, Failure]" = field(default_factory=dict)


type Failure = Retry | Rejected | Suspend
type Outcome = Delivered | Failure
