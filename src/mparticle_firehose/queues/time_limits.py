"""How long a message may wait; and until when after its deadline a worker begins each kind of call to AWS, in seconds.

The function keeps so much time after the deadline that the last call has ended before Lambda ends the invocation, also
if AWS does not answer it: see `mparticle_firehose.firehose`.
"""

MAX_AGE_SECONDS = 10 * 86_400
"""The maximum age of a message, whatever it waits for: SQS deletes it silently after fourteen days."""


def is_too_old(sent_at_ms: int, now: float) -> bool:
    """Return whether a message that was queued first at this time must not come again.

    Args:
        sent_at_ms: in milliseconds since the epoch.
        now: in seconds since the epoch.
    """
    return now - sent_at_ms / 1000 > MAX_AGE_SECONDS


LETTER_SECONDS = 3.0
"""What was delivered and refused is stored. A large letter takes two calls, to S3 and to SQS."""

NOTE_SECONDS = 3.5
"""Letters are noted: a later receive of a message could repeat one that is not."""

DELAY_SECONDS = 4.0
"""Messages are sent to their queue again. A large one takes two calls too."""

REMEMBER_SECONDS = 4.5
"""It is stored how far messages have come."""

VISIBILITY_SECONDS = 5.0
"""Messages are made to wait by their visibility timeout."""
