"""The rules that depend on the feed and on the time, as pure functions."""

from collections.abc import Iterator
from enum import StrEnum

from mparticle_firehose.errors import FeedError
from mparticle_firehose.feed.batch import Batch

MAX_CLOCK_SKEW_MS = 5 * 60 * 1000
"""How far ahead a clock may be. Such a time becomes the current one; a later one is refused."""

MAX_AGE_MS = 30 * 24 * 3600 * 1000
"""Older events must not go the normal route: mParticle says that they may disturb its audiences."""

MIN_HISTORICAL_AGE_MS = 72 * 3600 * 1000
"""mParticle ignores a historical batch with a younger event."""


class Route(StrEnum):
    """Where a batch goes, as a path below the base URL."""

    NORMAL = "/bulkevents"
    HISTORICAL = "/bulkevents/historical"


def route_of(batch: Batch, *, now_ms: int) -> Route:
    """Return the route that mParticle wants for events of this age.

    Historical events count for profiles and audiences; the customer's outputs do not get them.

    Raises:
        FeedError: some events are too old for the one route, and others too young for the other.
    """
    ages = [*_ages(batch, now_ms)]
    if not any(age > MAX_AGE_MS for age in ages):
        return Route.NORMAL
    if any(age < MIN_HISTORICAL_AGE_MS for age in ages):
        raise FeedError(("Batch.events", "must not have events older than 30 days beside events younger than 72 hours"))
    return Route.HISTORICAL


def checked(
    batch: Batch, *, now_ms: int, route: Route = Route.NORMAL, partner_feed: bool, partner_identity: str | None = None
) -> Batch:
    """Return the batch as it may be sent now: times that are slightly ahead become the current one.

    Args:
        batch: whose own rules hold already.
        now_ms: the current time, in milliseconds.
        route: how it is to be sent.
        partner_feed: whether the keys are those of a partner's feed. Then mParticle takes no consent, and no partner
            identity but the partner's own.
        partner_identity: the type of the partner's identity, as it is registered.

    Raises:
        FeedError: a rule is broken.
    """
    of_feed = _feed_rules(batch, partner_identity) if partner_feed else ()
    if problems := [*of_feed, *_time_rules(batch, now_ms, route)]:
        raise FeedError(*problems)
    return _without_skew(batch, now_ms)


def _feed_rules(batch: Batch, partner_identity: str | None) -> Iterator[tuple[str, str]]:
    if batch.consent_state is not None:
        yield "Batch.consent_state", "must not be sent with a partner's feed; an unsubscribe is a custom event"
    if batch.partner_identities.keys() - {partner_identity}:
        yield "Batch.partner_identities", "must have the partner's own registered type only"


def _time_rules(batch: Batch, now_ms: int, route: Route) -> Iterator[tuple[str, str]]:
    if route is Route.HISTORICAL and not batch.events:
        yield "Batch.events", "must not be empty in a historical batch, which mParticle would ignore"
    for place, age in enumerate(_ages(batch, now_ms)):
        path = f"Batch.events.{place}.timestamp_unixtime_ms"
        if age < -MAX_CLOCK_SKEW_MS:
            yield path, "must not be more than 5 minutes ahead"
        elif route is Route.HISTORICAL and age < MIN_HISTORICAL_AGE_MS:
            yield path, "must be at least 72 hours old in a historical batch, which mParticle would ignore"
        elif route is Route.NORMAL and age > MAX_AGE_MS:
            yield path, "must be at most 30 days old, unless the batch is sent as historical"


def _without_skew(batch: Batch, now_ms: int) -> Batch:
    if all(age >= 0 for age in _ages(batch, now_ms)):
        return batch
    events = tuple(
        event.model_copy(update={"timestamp_unixtime_ms": min(event.timestamp_unixtime_ms, now_ms)})
        for event in batch.events
    )
    return batch.model_copy(update={"events": events})


def _ages(batch: Batch, now_ms: int) -> Iterator[int]:
    return (now_ms - event.timestamp_unixtime_ms for event in batch.events)
