"""Counts dead letters: the partner may refuse what a deployment has acknowledged, when a worker delivers it later."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from ops.dead_letter_queue import approximate_counts
from ops.verify.access import denied
from ops.verify.findings import Finding, not_checked, ok, warning
from ops.verify.trial import Trial

CHECK = "dead letters"
_PERMISSIONS = "lambda:GetFunctionConfiguration and sqs:GetQueueAttributes"
_VARIABLES = {"membership": "MEMBERSHIP_DLQ_URL", "event": "EVENT_DLQ_URL", "erasure": "ERASURE_DLQ_URL"}
"""The handler's environment variables with the URLs of the dead-letter queues."""

type CountLetters = Callable[[], Mapping[str, int]]
"""Returns how many letters each dead-letter queue has. Raises ClientError if AWS refuses that."""


class LetterTrial:
    """Compares how many dead letters there are after a trial with how many there were before."""

    def __init__(self, trial: Trial, count: CountLetters | None) -> None:
        """Take the trial and what counts the letters, None if nothing can, and count them before the trial."""
        self._trial = trial
        self._count = count
        self._denied: Finding | None = None
        self._before = self._counted()

    def compare(self) -> Iterator[Finding]:
        """Count again, and yield whether there are more."""
        if self._count is None:
            yield not_checked(CHECK, "can be counted by the alias only")
            return
        after = self._counted()
        if self._denied:
            yield self._denied
            return
        more = Counter(after) - Counter(self._before)
        if not more:
            yield ok(CHECK, "no more than before")
            return
        seen = f"more than before: {', '.join(f'{queue} {number}' for queue, number in more.items())}"
        if invented := ", ".join(self._trial.invented):
            yield not_checked(CHECK, f"{seen}, which is expected with invented values of {invented}")
            return
        command = "make dead-letters" if self._trial.target.is_local else "python -m ops list"
        yield warning(CHECK, f"{seen}. These were acknowledged but not delivered; `{command}` shows the reasons")

    def _counted(self) -> Mapping[str, int]:
        try:
            return self._count() if self._count else {}
        except ClientError as error:
            self._denied = denied(error, CHECK, _PERMISSIONS)
            return {}


def counting(functions: Any, sqs: Any, arn: str) -> CountLetters:
    """Return what counts the letters in the queues of a handler.

    Args:
        functions: a client of Lambda.
        sqs: a client of SQS. It counts approximately.
        arn: of the handler's alias.
    """

    def count() -> Mapping[str, int]:
        configuration = functions.get_function_configuration(FunctionName=arn)
        variables = configuration.get("Environment", {}).get("Variables", {})
        urls = {queue: variables[name] for queue, name in _VARIABLES.items() if name in variables}
        counts = {queue: approximate_counts(sqs, url) for queue, url in urls.items()}
        return {queue: each.available + each.in_flight for queue, each in counts.items()}

    return count
