"""Settles an upload of many batches with as few requests as it takes. It knows no HTTP."""

from collections import deque
from collections.abc import Callable, Sequence

from mparticle_firehose.feed.encoding import EncodedBatch, pack
from mparticle_firehose.integration import Alone, Delivered, Outcome, Rejected, Retry, Split, Suspend

type BatchOutcome = Delivered | Retry | Rejected | Suspend
type Send = Callable[[Sequence[EncodedBatch]], Outcome]


def settle(batches: Sequence[EncodedBatch], send: Send) -> list[BatchOutcome]:
    """Send batches in requests and return the outcome of each.

    A request that is refused whole is halved, left half first, until the guilty batches are alone: one in a hundred
    takes about 15 requests. Any other fault concerns the feed or mParticle as a whole: nothing more is sent, and what
    is still to be sent has its outcome.
    """
    outcomes: dict[int, BatchOutcome] = {}
    waiting = deque(pack(batches))
    while waiting:
        part = waiting.popleft()
        match send(batches[part.start : part.stop]):
            case Delivered() as outcome:
                outcomes |= dict.fromkeys(part, outcome)
            case Alone() | Split() if len(part) > 1:
                middle = (part.start + part.stop) // 2
                waiting.extendleft((range(middle, part.stop), range(part.start, middle)))
            case Alone(reason) | Split(reason):
                outcomes[part.start] = Rejected(reason)
            case outcome:
                outcomes |= dict.fromkeys(range(part.start, len(batches)), outcome)
                waiting.clear()
    return [outcomes[place] for place in range(len(batches))]
