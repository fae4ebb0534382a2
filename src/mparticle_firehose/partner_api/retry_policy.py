"""The retry policy: what each answer of the partner and each fault of the network means, as one table.

A status that the table does not name is a Retry: an unknown answer must not count as success.
"""

from collections.abc import Mapping
from types import MappingProxyType

from mparticle_firehose.errors import ConfigurationError
from mparticle_firehose.integration import (
    Alone,
    Answer,
    Delivered,
    NetworkFault,
    Outcome,
    Rejected,
    Retry,
    Split,
    Suspend,
    Verdict,
)
from mparticle_firehose.integration.outcomes import MAX_WAIT_SECONDS

WAIT_HEADERS = ("Retry-After",)
"""Headers that say how long to wait, unless the integration names others."""

type Table = Mapping[int | NetworkFault, Verdict]

DEFAULT: Table = MappingProxyType(
    {
        200: Verdict.DELIVERED,
        201: Verdict.DELIVERED,
        202: Verdict.DELIVERED,
        204: Verdict.DELIVERED,
        207: Verdict.DELIVERED,
        400: Verdict.ALONE,
        401: Verdict.SUSPEND,
        403: Verdict.SUSPEND,
        404: Verdict.REJECTED,
        408: Verdict.RETRY,
        409: Verdict.ALONE,
        410: Verdict.REJECTED,
        413: Verdict.SPLIT,
        422: Verdict.ALONE,
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
    """The default table with an integration's exceptions.

    Attributes:
        table: both together.
    """

    def __init__(self, exceptions: Table = MappingProxyType({}), wait_headers: tuple[str, ...] = WAIT_HEADERS) -> None:
        """Take what differs from the default table.

        Args:
            exceptions: statuses and faults that mean something else.
            wait_headers: headers that may say how long to wait; the first readable one counts.

        Raises:
            ConfigurationError: an exception is not a `Verdict`.
        """
        if wrong := [cause for cause, verdict in exceptions.items() if verdict not in set(Verdict)]:
            raise ConfigurationError(f"retry_policy: {', '.join(map(str, wrong))} must map to a Verdict")
        self.table: Table = MappingProxyType({**DEFAULT, **exceptions})
        self._wait_headers = wait_headers

    def judge(self, answer: Answer) -> Outcome:
        """Return the outcome of a call with this answer. The reason is ``http_`` and the status."""
        return self._outcome(answer.status, f"http_{answer.status}", self.wait(answer))

    def judge_fault(self, fault: NetworkFault) -> Outcome:
        """Return the outcome of a call that ended in this fault."""
        return self._outcome(fault, fault.value, None)

    def suspends(self, status: int) -> bool:
        """Return whether the status means that the credential is refused."""
        return self.table.get(status) is Verdict.SUSPEND

    def wait(self, answer: Answer) -> float | None:
        """Return the seconds that an answer asks to wait, MAX_WAIT_SECONDS at most; None if it does not say."""
        seconds = answer.wait(*self._wait_headers)
        return None if seconds is None else min(seconds, MAX_WAIT_SECONDS)

    def _outcome(self, cause: int | NetworkFault, reason: str, after: float | None) -> Outcome:
        match self.table.get(cause, Verdict.RETRY):
            case Verdict.DELIVERED:
                return Delivered()
            case Verdict.REJECTED:
                return Rejected(reason)
            case Verdict.SUSPEND:
                return Suspend(reason)
            case Verdict.ALONE:
                return Alone(reason)
            case Verdict.SPLIT:
                return Split(reason)
            case Verdict.RETRY:
                return Retry(reason, after)
