"""The retry policy: what each answer of the partner and each fault of the network means, as one table.

A status that the table does not name is a Retry: an unknown answer must not count as success.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isnan
from types import MappingProxyType

from mparticle_firehose.errors import ConfigurationError
from mparticle_firehose.integration import Delivered, Failure, NetworkFault, Outcome, Rejected, Retry, Suspend, Verdict

MAX_RETRY_AFTER = 900.0
"""Seconds. A partner may ask for more; a queue that waits longer looks dead."""

type Table = Mapping[int | NetworkFault, Verdict]

DEFAULT: Table = MappingProxyType(
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


class RetryPolicy:
    """The default table with an integration's exceptions."""

    def __init__(self, exceptions: Table = MappingProxyType({})) -> None:
        """Take what differs from the default table.

        Raises:
            ConfigurationError: an exception is not a `Verdict`.
        """
        if wrong := [cause for cause, verdict in exceptions.items() if verdict not in set(Verdict)]:
            raise ConfigurationError(f"retry_policy: {', '.join(map(str, wrong))} must map to a Verdict")
        self.table: Table = MappingProxyType({**DEFAULT, **exceptions})

    def judge_fault(self, fault: NetworkFault) -> Outcome:
        """Return the outcome of a call that ended in this fault."""
        return self._outcome(fault, fault.value)

    def judge_status(
        self, status: int, *, answer: Mapping[str, object], retry_after: str | None, done: frozenset[int] = frozenset()
    ) -> Outcome:
        """Return the outcome of an answer with this status.

        Args:
            status: the HTTP status.
            answer: the JSON object of the answer.
            retry_after: the ``Retry-After`` header, in seconds or as an HTTP date.
            done: statuses that mean success for this one call, such as 404 for a deletion.
        """
        if status in done:
            return Delivered(answer)
        return self._outcome(status, f"http_{status}", answer=answer, after=_seconds(retry_after))

    def judge_items(self, statuses: Mapping[int, int]) -> dict[int, Failure]:
        """Return the outcomes of items that the partner did not take, although it took their call.

        Args:
            statuses: index of an item to the HTTP status that it would have had alone.
        """
        outcomes = {index: self._outcome(status, f"http_{status}") for index, status in statuses.items()}
        return {index: outcome for index, outcome in outcomes.items() if not isinstance(outcome, Delivered)}

    def _outcome(
        self,
        cause: int | NetworkFault,
        reason: str,
        *,
        answer: Mapping[str, object] | None = None,
        after: float | None = None,
    ) -> Outcome:
        match self.table.get(cause, Verdict.RETRY):
            case Verdict.DELIVERED:
                return Delivered(answer or {})
            case Verdict.REJECTED:
                return Rejected(reason)
            case Verdict.SUSPEND:
                return Suspend(reason)
            case Verdict.RETRY:
                return Retry(reason, after)


def _seconds(retry_after: str | None) -> float | None:
    """Read a Retry-After header, clamped to what is sensible; None if it is absent or unreadable."""
    if not retry_after:
        return None
    try:
        wait = float(retry_after)
    except ValueError:
        wait = _until(retry_after)
    return None if isnan(wait) else min(max(wait, 0.0), MAX_RETRY_AFTER)


def _until(http_date: str) -> float:
    try:
        moment = parsedate_to_datetime(http_date)
    except ValueError:
        return float("nan")
    return (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
