"""Counts dead letters: what a deployment has acknowledged may still be refused later, by the partner, in a queue."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from ops.verify.access import DENIED
from ops.verify.findings import Finding, not_checked, ok, warning
from ops.verify.trial import Trial

CHECK = "dead letters"
_VARIABLES = {"membership": "MEMBERSHIP_DLQ_URL", "event": "EVENT_DLQ_URL", "erasure": "ERASURE_DLQ_URL"}
"""The handler's environment variables with the URLs of the dead-letter queues."""

type CountLetters = Callable[[], Mapping[str, int]]
"""Returns how many letters each dead-letter queue has. Raises ClientError if AWS refuses that."""


class LetterTrial:
    """Compares how many dead letters there are after a trial with how many there were before."""

    def __init__(self, trial: Trial, count: CountLetters | None) -> None:
        """Count for the first time; without ``count`` nobody can."""
        self._trial = trial
        self._count = count
        self._denied = False
        self._before = self._counted()

    def compare(self) -> Iterator[Finding]:
        """Yield whether there are more now."""
        if self._count is None:
            yield not_checked(CHECK, "can be counted by the alias only")
            return
        after = self._counted()
        if self._denied:
            yield not_checked(CHECK, "needs lambda:GetFunctionConfiguration and sqs:GetQueueAttributes")
            return
        more = {queue: number - self._before.get(queue, 0) for queue, number in after.items()}
        found = {queue: number for queue, number in more.items() if number > 0}
        if not found:
            yield ok(CHECK, "no more than before")
            return
        seen = f"more than before: {', '.join(f'{queue} {number}' for queue, number in found.items())}"
        if self._trial.invented:
            yield not_checked(CHECK, f"{seen}, as invented values of {', '.join(self._trial.invented)} cause them")
            return
        command = "make dead-letters" if self._trial.target.is_local else "python -m ops list"
        yield warning(CHECK, f"{seen}. They were acknowledged, and not delivered; `{command}` tells the reasons")

    def _counted(self) -> Mapping[str, int]:
        try:
            return self._count() if self._count else {}
        except ClientError as error:
            if error.response["Error"].get("Code") not in DENIED:
                raise
            self._denied = True
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
        return {queue: _letters(sqs, url) for queue, url in urls.items()}

    return count


def _letters(sqs: Any, url: str) -> int:
    """Return how many letters there are, with those that somebody looks at now."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(attributes[name]) for name in names)
