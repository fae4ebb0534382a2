"""Reads a request of which a part cannot be read: that part is set apart with its reason, and the rest is read.

What a part is, and what happens to it:

=============================================  ========================================================================
what cannot be read                            what it costs
=============================================  ========================================================================
an event, a system notification                itself: it is missing in the request
a profile's audience                           itself: an empty one is in its place
anything else of a profile, also an identity   the profile: one without changes is in its place
another field of an event or membership        the request: only its envelope is read. Events without the user's
request, also an identity in it                identities, attributes or consent would say something else
``timestamp_ms``, ``firehose_version``         the request, as above
a field of an erasure                          the request: an erasure with half of its identities is none
``account``, or the ``subject_request_type``   everything: MalformedRequestError. It says neither whose the request is,
of a data subject request                      or whether something is to be erased
anything in a registration or subscription     everything: mParticle waits for the result of these, and shows it
nesting that is too deep                       everything: it could not be stored
=============================================  ========================================================================

What carries nothing, such as a null in a list or an identity without a value, is left out when the models are read.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any

from pydantic import ValidationError

from mparticle_firehose.errors import MalformedRequestError
from mparticle_firehose.protocol.messages import (
    AnyRequest,
    AudienceMembershipChangeRequest,
    DsrProcessingRequest,
    EventProcessingRequest,
)
from mparticle_firehose.protocol.wire.model import Unreadable
from mparticle_firehose.protocol.wire.problems import Location, listed, located, path, problems

type _Source = Mapping[str, Any]

_EVENTS = ("events", "system_notifications")
_PROFILES = "user_profiles"
_AUDIENCES = "audiences"

_LISTS: Mapping[type[AnyRequest], Collection[str]] = {
    EventProcessingRequest: _EVENTS,
    AudienceMembershipChangeRequest: (_PROFILES,),
    DsrProcessingRequest: (),
}
"""The lists of elements in each request that may be read in part."""

_REQUIRED = frozenset({"type", "account", "subject_request_type"})
_ENVELOPE = _REQUIRED | {"id", "timestamp_ms", "firehose_version"}
_WHOLE: Location = ()


def read_readable(
    model: type[AnyRequest], source: _Source, error: ValidationError, setting_ids: Collection[str]
) -> AnyRequest:
    """Return a request without what cannot be read, which is in its ``unreadable``.

    Args:
        model: of the request.
        source: the request's JSON.
        error: of reading it whole.
        setting_ids: the settings that may be named.

    Raises:
        MalformedRequestError: nothing of it can be kept.
    """
    found, lists = located(error), _LISTS.get(model)
    if lists is None or any(not location or location[0] in _REQUIRED for location, _ in found):
        raise MalformedRequestError(*problems(error, setting_ids)) from None
    elements = _by_element(found, lists)
    if _WHOLE in elements:
        whole = Unreadable(_reason(found), _size(source, lists), source)
        return model.from_source(_envelope(source, found), received=source, unreadable=(whole,))
    reasons: dict[str, set[Location]] = defaultdict(set)
    for element, wrong in elements.items():
        reasons[_reason(wrong)].add(element)
    only, without = (_only_profiles, _without_profiles) if _PROFILES in lists else (_only_events, _without_events)
    unreadable = tuple(Unreadable(reason, len(of), only(source, of)) for reason, of in reasons.items())
    return model.from_source(without(source, elements), received=source, unreadable=unreadable)


type _Found = list[tuple[Location, str]]


def _by_element(found: _Found, lists: Collection[str]) -> Mapping[Location, _Found]:
    """Group problems by the element that they cost: a list and an index, or also an audience in a profile."""
    elements: dict[Location, _Found] = defaultdict(list)
    whole = {_element(location, lists) for location, _ in found}
    for location, rule in found:
        element = _element(location, lists)
        elements[element[:2] if element[:2] in whole else element].append((location, rule))
    return elements


def _element(location: Location, lists: Collection[str]) -> Location:
    match location:
        case ("user_profiles", int(), "audiences", int(), *_) if _PROFILES in lists:
            return location[:4]
        case (name, int(), *_) if name in lists:
            return location[:2]
        case _:
            return _WHOLE


def _reason(found: _Found) -> str:
    """Return fields and rules without indexes, so that equal faults have one reason, wherever they are."""
    texts = listed((path(location, with_indexes=False), rule) for location, rule in found)
    return "; ".join(f"{field}: {rule}" if field else rule for field, rule in texts)


def _envelope(source: _Source, found: _Found) -> _Source:
    wrong = {location[0] for location, _ in found}
    return {name: value for name, value in source.items() if name in _ENVELOPE and name not in wrong}


def _size(source: _Source, lists: Collection[str]) -> int:
    """Return how many elements a request has; one, if it has none that can be counted."""
    counted = (source.get(name) for name in lists)
    return sum(len(elements) for elements in counted if isinstance(elements, list)) or 1


def _without_events(source: _Source, elements: Collection[Location]) -> _Source:
    return _cut(source, elements, kept=False)


def _only_events(source: _Source, elements: Collection[Location]) -> _Source:
    return _cut(source, elements, kept=True)


def _cut(source: _Source, elements: Collection[Location], *, kept: bool) -> _Source:
    lists = {name: enumerate(source[name] or ()) for name in _EVENTS if name in source}
    cut = {name: [each for at, each in of if ((name, at) in elements) == kept] for name, of in lists.items()}
    return {**source, **cut}


def _without_profiles(source: _Source, elements: Collection[Location]) -> _Source:
    profiles = [_readable(profile, number, elements) for number, profile in enumerate(source[_PROFILES])]
    return {**source, _PROFILES: profiles}


def _readable(profile: Any, number: int, elements: Collection[Location]) -> Any:
    """Return a profile with gaps: changes keep their indexes, which say in which order they came.

    An unreadable profile keeps its user, if that can be read: it is queued in the message group of its user.
    """
    if (_PROFILES, number) in elements:
        mpid = profile.get("mpid") if isinstance(profile, dict) else None
        return {"mpid": mpid} if isinstance(mpid, str) else {}
    if not (profile and profile.get(_AUDIENCES)):
        return profile
    audiences = enumerate(profile[_AUDIENCES])
    kept = [{} if (_PROFILES, number, _AUDIENCES, at) in elements else each for at, each in audiences]
    return {**profile, _AUDIENCES: kept}


def _only_profiles(source: _Source, elements: Collection[Location]) -> _Source:
    """Return the request with these elements only, in their places."""
    wanted: dict[int, set[int | str]] = defaultdict(set)
    for _, number, *rest in elements:
        wanted[int(number)].update(rest[1:])
    profiles = enumerate(source[_PROFILES][: max(wanted) + 1])
    kept = [_unreadable(profile, wanted.get(number)) for number, profile in profiles if profile is not None]
    return {**source, _PROFILES: kept}


def _unreadable(profile: Any, audiences: Collection[int | str] | None) -> Any:
    """Return a profile with these audiences only; the whole one, if there are none; nothing, if it is readable."""
    if audiences is None:
        return {}
    if not audiences:
        return profile
    kept = [each if at in audiences else {} for at, each in enumerate(profile[_AUDIENCES]) if each is not None]
    return {**profile, _AUDIENCES: kept}
