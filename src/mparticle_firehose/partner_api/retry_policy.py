"""The retry policy: what each answer of the partner and each fault of the network means, as one table.

Anything that the table does not name is a Retry: an answer that nobody understands is never taken for success.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from types import MappingProxyType

from mparticle_firehose.integration.outcomes import Delivered, Outcome, Rejected, Retry, Suspend

MAX_RETRY_AFTER = 900.0
"""Seconds. A partner may ask for more; a queue that waits longer only looks dead."""


class Verdict(StrEnum):
    """The four outcomes, as the table names them."""

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


POLICY: Mapping[int | NetworkFault, Verdict] = MappingProxyType(
    {
        200: Verdict.DELIVERED,
        201: Verdict.DELIVERED,
        202: Verdict.DELIVERED,
        204: Verdict.DELIVERED,
        207: Verdict.DELIVERED,
        400: Verdict.REJECTED,
        401: Verdict.SUSPEND,
        403: Verdict.SUSPEND,
        404: Verdict.REJECTED,
        408: Verdict.RETRY,
        409: Verdict.REJECTED,
        410: Verdict.REJECTED,
        413: Verdict.REJECTED,
        422: Verdict.REJECTED,
        425: Verdict.RETRY,
        429: Verdict.RETRY,
        500: Verdict.RETRY,
        502: Verdict.RETRY,
        503: Verdict.RETRY,
        504: Verdict.RETRY,
        **dict.fromkeys(NetworkFault, Verdict.RETRY),
    }
)


def judge_fault(fault: NetworkFault) -> Outcome:
    """Return what a call that ended in this fault comes to."""
    return _outcome(POLICY.get(fault, Verdict.RETRY), fault.value)


def judge_status(
    status: int, *, answer: Mapping[str, object], retry_after: str | None, done: frozenset[int] = frozenset()
) -> Outcome:
    """Return what an answer with this status comes to.

    Args:
        status: the HTTP status.
        answer: the JSON object of the answer.
        retry_after: the ``Retry-After`` header, in seconds or as an HTTP date.
        done: statuses that mean success for this one call, such as 404 for a deletion.
    """
    verdict = Verdict.DELIVERED if status in done else POLICY.get(status, Verdict.RETRY)
    return _outcome(verdict, f"http_{status}", answer=answer, after=_seconds(retry_after))


def judge_items(delivered: Delivered) -> dict[int, Outcome]:
    """Return what becomes of each item that the partner did not take, although it took the call."""
    outcomes = {
        index: judge_status(status, answer={}, retry_after=None) for index, status in delivered.failures.items()
    }
    return {index: outcome for index, outcome in outcomes.items() if not isinstance(outcome, Delivered)}


def _outcome(
    verdict: Verdict, reason: str, *, answer: Mapping[str, object] | None = None, after: float | None = None
) -> Outcome:
    match verdict:
        case Verdict.DELIVERED:
            return Delivered(answer or {})
        case Verdict.REJECTED:
            return Rejected(reason)
        case Verdict.SUSPEND:
            return Suspend(reason)
        case Verdict.RETRY:
            return Retry(reason, after)


def _seconds(retry_after: str | None) -> float | None:
    """Read a Retry-After header, clamped to what is sensible; None if absent or unreadable."""
    if not retry_after:
        return None
    try:
        wait = float(retry_after)
    except ValueError:
        wait = _until(retry_after)
    return min(max(wait, 0.0), MAX_RETRY_AFTER) if wait == wait else None  # noqa: PLR0124  NaN equals nothing


def _until(http_date: str) -> float:
    try:
        moment = parsedate_to_datetime(http_date)
    except ValueError:
        return float("nan")
    return (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
