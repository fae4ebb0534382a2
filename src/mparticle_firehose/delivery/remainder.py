"""What is left of a request: cut to some of its items, for a queue or a dead-letter queue."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, cast

from mparticle_firehose.delivery.plan import Plan, Planned, Planner, fingerprint
from mparticle_firehose.integration import Item, Origin, Rejected
from mparticle_firehose.protocol import AnyRequest, AudienceMembershipChangeRequest, DsrProcessingRequest, QueuedRequest
from mparticle_firehose.queues.splitting import Json, present, subset
from mparticle_firehose.services import Remainder
from mparticle_firehose.tables.progress import Progress

_EVENTS = ("events", "system_notifications")
_PROFILES = "user_profiles"
_AUDIENCES = "audiences"

type Parse = Callable[[Mapping[str, Any]], AnyRequest]


def remainder(plan: Plan, wanted: Collection[int], planner: Planner, parse: Parse) -> Remainder:
    """Return the plan's request with these items and no others.

    It is cut to what the items cover. Sister items that come with the same elements, and the user's state, are marked
    as settled. If the mapping makes something else of the cut request, or nothing at all, it is not cut.

    Args:
        plan: of the whole request.
        wanted: positions of the items that are left.
        planner: makes the plan of the cut request.
        parse: reads the cut request.
    """
    source: Mapping[str, Any] = plan.request.source
    whole, wanted = range(len(plan.planned)), frozenset(wanted)
    if wanted.issuperset(whole):
        return Remainder(source)
    origins = {origin for position in wanted for origin in plan.planned[position].covers}
    kept = [position for position in whole if origins.issuperset(plan.planned[position].covers)]
    cut = only(plan.request, origins)
    again = _planned(cut, planner, parse)
    if again is None or [*map(_content, again)] != [_content(plan.planned[position]) for position in kept]:
        cut, again, kept = source, plan.planned, list(whole)
    settled = frozenset(place for place, position in enumerate(kept) if position not in wanted)
    if not settled:
        return Remainder(cut)
    return Remainder(cut, Progress(fingerprint=fingerprint(again), settled=settled).settled_text())


def _planned(cut: Json, planner: Planner, parse: Parse) -> tuple[Planned, ...] | None:
    """Return what the mapping makes of a cut request; None if it raises, whatever it is that it misses."""
    try:
        return planner.planned(cast("QueuedRequest", parse(cut)))
    except Exception:  # noqa: BLE001  an integration may raise anything
        return None


def rejections(plan: Plan) -> dict[str, list[int]]:
    """Return the positions of a plan's items that are refused for good and not dead-lettered yet, by their reason."""
    reasons: dict[str, list[int]] = {}
    for each in plan.refused:
        reasons.setdefault(each.reason, []).append(each.position)
    for pending in plan.pending:
        if isinstance(pending.outcome, Rejected):
            reasons.setdefault(pending.outcome.reason, []).append(pending.position)
    return reasons


def only(request: QueuedRequest, origins: Collection[Origin]) -> Json:
    """Return a request's JSON with these elements only.

    Changes of memberships keep their indexes, which say in which order they came: in the place of one that is left out
    is an empty one. An erasure is whole.
    """
    source = request.source
    match request:
        case DsrProcessingRequest():
            return source
        case AudienceMembershipChangeRequest():
            return {**source, _PROFILES: _profiles(source, origins)}
        case _:
            return subset(source, {origin[:2] for origin in origins}, _EVENTS)


def _profiles(source: Json, origins: Collection[Origin]) -> list[Json]:
    profiles: list[Json] = []
    for number, profile in enumerate(present(source, _PROFILES)):
        audiences = [
            audience if (_PROFILES, number, place) in origins else {}
            for place, audience in enumerate(present(profile, _AUDIENCES))
        ]
        profiles.append({**profile, _AUDIENCES: audiences} if any(audiences) else {})
    while profiles and not profiles[-1]:
        profiles.pop()
    return profiles


def _content(planned: Planned) -> tuple[object, object]:
    """Return what two plans must agree in: not the indexes, which a cut changes."""
    return (planned.endpoint.name, planned.body) if isinstance(planned, Item) else ("", planned.reason)
