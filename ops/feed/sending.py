"""Sends checked events to mParticle, until all are sent or mParticle says to wait."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import batched

from mparticle_firehose.feed import Route
from mparticle_firehose.feed.encoding import MAX_BATCHES
from mparticle_firehose.feed.events_api import EventsApi, Upload
from mparticle_firehose.integration import Delivered, Rejected, Retry, Suspend
from ops.feed.checking import Ready

MAX_BATCHES_PER_SECOND = 100
"""mParticle takes about 270 of a key pair, and the function of the feed may be sending with the same one."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of events.

    Attributes:
        outcomes: of each, in their order; None if it is not known that mParticle has it. Delivered in bulk means only
            that mParticle has taken the request.
        stopped: why nothing more was sent; None if all was.
        status: of the last answer; None if there was none.
    """

    outcomes: Sequence[Delivered | Rejected | None]
    stopped: Retry | Suspend | None = None
    status: int | None = None


def send(api: EventsApi, events: Sequence[Ready], *, single: bool, sleep: Callable[[float], None]) -> Sent:
    """Send events: first those that have a request of their own, then the others, and at last the historical ones.

    Args:
        api: of the feed.
        events: in the order of the file.
        single: see `goes_alone`.
        sleep: waits for seconds, between the requests.
    """
    outcomes: list[Delivered | Rejected | None] = [None] * len(events)
    pause = 0.0
    for places in _requests(events, single=single):
        sleep(pause)
        upload = _uploaded(api, [events[place] for place in places], single=single)
        stopped: Retry | Suspend | None = None
        for place, outcome in zip(places, upload.outcomes, strict=True):
            if isinstance(outcome, Retry | Suspend):
                stopped = outcome
            else:
                outcomes[place] = outcome
        if stopped:
            return Sent(outcomes, stopped, upload.statuses[-1] if upload.statuses else None)
        pause = len(places) / MAX_BATCHES_PER_SECOND
    return Sent(outcomes)


def goes_alone(event: Ready, *, single: bool = False) -> bool:
    """Return whether an event has a request of its own, because it is certain or because all are to have one.

    Historical events have none: mParticle takes them in bulk only.
    """
    return event.route is Route.NORMAL and (single or event.certain)


def _requests(events: Sequence[Ready], *, single: bool) -> Iterator[tuple[int, ...]]:
    """Yield the places of the events of each request."""
    in_bulk: dict[Route, list[int]] = {route: [] for route in Route}
    for place, event in enumerate(events):
        if goes_alone(event, single=single):
            yield (place,)
        else:
            in_bulk[event.route].append(place)
    for places in in_bulk.values():
        yield from batched(places, MAX_BATCHES, strict=False)


def _uploaded(api: EventsApi, events: Sequence[Ready], *, single: bool) -> Upload:
    batches = [event.batch for event in events]
    if goes_alone(events[0], single=single):
        return api.upload_events(batches[0])
    if events[0].route is Route.HISTORICAL:
        return api.bulk_upload_historical_events(batches)
    return api.bulk_upload_events(batches)
