"""What travels with a message that is sent to a queue again. To SQS it is a new message then."""

from dataclasses import dataclass

from mparticle_firehose.queues.record import FIRST_AT, REDRIVEN_AT, RESENT, SETTLED, History, Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of a message's delivery, as texts for message attributes: see `tables.progress`.

    Attributes:
        attempts: how often its delivery was tried.
        settled: which items need nothing more.
        unwritten: which of these have versions that are still to be stored.
        limits: how large its calls may be.
    """

    attempts: int = 0
    settled: str = ""
    unwritten: str = ""
    limits: str = ""


def resent_attributes(record: Record, known: Known, *, due_at_ms: int = 0) -> dict[str, str]:
    """Return the attributes of a message that is sent again.

    Args:
        record: as it was received.
        known: what is known of it.
        due_at_ms: when its wait is over, if that is longer than SQS delays a message.
    """
    history = History(
        queued_at_ms=record.sent_at_ms,
        hops=record.history.hops + 1,
        receives=record.receives,
        attempts=known.attempts,
        due_at_ms=due_at_ms,
        limits=known.limits,
        unwritten=known.unwritten,
    )
    told = {FIRST_AT: record.first_at, REDRIVEN_AT: record.redriven_at, SETTLED: known.settled}
    return {
        **record.correlation,
        **{name: text for name, text in told.items() if text},
        RESENT: history.to_text(),
    }
