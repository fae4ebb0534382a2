"""Repeats a call to AWS that may succeed a moment later, after a random pause that grows."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import SystemRandom

from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError  # noqa: A004  their name

from mparticle_firehose.deadline import Deadline

_random = SystemRandom()  # drawn from the operating system: two restores of one snapshot must not draw the same

_THROTTLED = frozenset(
    {
        "KMS.ThrottlingException",
        "KmsThrottled",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_TOO_MANY_REQUESTS = 429
_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeating:
    """Pauses between the tries of one call: exponential backoff with full jitter.

    Attributes:
        first: maximum seconds of the first pause; it doubles with each. Short, because the handler has under 200 ms.
        cap: maximum seconds of any pause.
        sleep: waits for seconds.
        jitter: draws a pause between zero and the given seconds.
    """

    first: float = 0.02
    cap: float = 5.0
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[float], float] = lambda maximum: _random.uniform(0, maximum)

    def tries(self, deadline: Deadline) -> Iterator[None]:
        """Yield at once, and then after each pause. It ends when the next pause would last until the deadline."""
        maximum = self.first
        yield
        while (pause := self.jitter(maximum)) < deadline.remaining():
            self.sleep(pause)
            yield
            maximum = min(2 * maximum, self.cap)


def is_temporary(error: BotoCoreError | ClientError) -> bool:
    """Return whether a service has answered that it has no time now, or has failed."""
    if not isinstance(error, ClientError):
        return False
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    code = str(error.response.get("Error", {}).get("Code", "")).removeprefix("AWS.SimpleQueueService.")
    return status >= _SERVER_ERROR or status == _TOO_MANY_REQUESTS or code in _THROTTLED


def may_pass(error: BotoCoreError | ClientError) -> bool:
    """Return whether the same call may succeed a moment later. That includes faults of the network."""
    return is_temporary(error) or isinstance(error, ConnectionError | HTTPClientError)
