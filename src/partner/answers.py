"""How the partner's API says that it took a call but not all of its items."""

from mparticle_firehose.integration import Answer, Delivered, Failure, Outcome, Retry, failure_of


def failures_in(answer: Answer) -> Outcome | None:
    """Return the outcome of a successful answer; None for any other, which the status alone decides.

    The partner lists what it did not take as ``{"failures": [{"index": 3, "status": 422}]}``, with the HTTP status that
    the item would have had alone. An entry without an index is counted, and its item taken for delivered.
    """
    if not answer.succeeded:
        return None
    entries = answer.each("failures")
    placed = {index: _failure(entry) for entry in entries if (index := entry.whole("index")) is not None}
    return Delivered(placed, unplaced=len(entries) - len(placed))


def _failure(entry: Answer) -> Failure:
    status = entry.whole("status")
    return Retry("failure_without_status") if status is None else failure_of(status)
