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
more than can be listed                        the request, see `MAX_FIELDS` and `MAX_ELEMENTS` of `reading`
=============================================  ========================================================================

A field whose name has a lone surrogate is left out: no field of the protocol has such a name. More than `MAX_ELEMENTS`
of them are more than can be listed.

What carries nothing, such as a null in a list or an identity without a value, is left out when the models are read.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
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
from mparticle_firehose.protocol.wire.problems import Location, listed, located, location_of, path, problems
from mparticle_firehose.protocol.wire.reading import MAX_ELEMENTS, MAX_FIELDS, TOO_MANY_FIELDS, TooMuchError

type _Source = Mapping[str, Any]

_EVENTS = ("events", "system_notifications")
_PROFILES = "user_profiles"
_AUDIENCES = "audiences"
_WHO = ("mpid", "user_identities", "device_identities", "partner_identities")
_BROKEN_TEXT = "string_unicode"
_BETWEEN_REASONS = "; "

_LISTS: Mapping[type[AnyRequest], Collection[str]] = {
    EventProcessingRequest: _EVENTS,
    AudienceMembershipChangeRequest: (_PROFILES,),
    DsrProcessingRequest: (),
}
"""The lists of elements in each request that may be read in part."""

MAX_LETTERS = 10
"""Of a request. Each has the whole request around its elements: more reasons share the last one."""

_REQUIRED = frozenset({"type", "account", "subject_request_type"})
_ENVELOPE = _REQUIRED | {"id", "timestamp_ms", "firehose_version"}
"""What is read of a request that is unreadable as a whole."""

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
    lists = _LISTS.get(model)
    if error.error_count() > MAX_FIELDS:
        return as_whole(model, source, ("", TOO_MANY_FIELDS), setting_ids)
    found = located(error)
    if lists is None or any(not location or location[0] in _REQUIRED for location, _ in found):
        raise MalformedRequestError(*problems(error, setting_ids)) from None
    elements = _by_element(found, lists)
    if _WHOLE in elements:
        whole = Unreadable(_reason(found), _size(source, lists), source)
        return model.from_source(_envelope(source, found), received=source, unreadable=(whole,))
    only, without = (_only_profiles, _without_profiles) if _PROFILES in lists else (_only_events, _without_events)
    unreadable = tuple(Unreadable(reason, len(of), only(source, of)) for reason, of in _by_reason(elements).items())
    return model.from_source(without(source, elements), received=source, unreadable=unreadable)


def joined(request: EventProcessingRequest | DsrProcessingRequest) -> Unreadable:
    """Return all that cannot be read of a request as one part: its elements as they came, and all its reasons."""
    parts, received = request.unreadable, request.received
    if len(parts) == 1:
        return parts[0]
    unreadable = {id(each) for part in parts for name in _EVENTS for each in _list(part.source, name)}
    lists = {name: [each for each in _list(received, name) if id(each) in unreadable] for name in _EVENTS}
    reasons = listed(("", reason) for part in parts for reason in part.reason.split(_BETWEEN_REASONS))
    return Unreadable(
        _BETWEEN_REASONS.join(reason for _, reason in reasons),
        sum(part.count for part in parts),
        {**received, **{name: elements for name, elements in lists.items() if name in received}},
    )


def _list(source: _Source, name: str) -> Sequence[Any]:
    elements = source.get(name)
    return elements if isinstance(elements, list) else ()


def as_whole(
    model: type[AnyRequest], source: _Source, problem: tuple[str, str], setting_ids: Collection[str]
) -> AnyRequest:
    """Return a request of which only the envelope is read, and which is unreadable as a whole.

    Args:
        model: of the request.
        source: the request's JSON.
        problem: the field, and what is wrong with it.
        setting_ids: the settings that may be named.

    Raises:
        MalformedRequestError: not even the envelope can be read.
    """
    lists = _LISTS.get(model)
    if lists is None:
        raise MalformedRequestError(problem)
    field, rule = problem
    whole = Unreadable(f"{field}: {rule}" if field else rule, _size(source, lists), source)
    try:
        return model.from_source(_envelope(source, []), received=source, unreadable=(whole,))
    except TooMuchError:
        raise MalformedRequestError(problem) from None
    except ValidationError as error:
        found = located(error)
        if any(not location or location[0] in _REQUIRED for location, _ in found):
            raise MalformedRequestError(*problems(error, setting_ids)) from None
    return model.from_source(_envelope(source, found), received=source, unreadable=(whole,))


def without_broken_names(source: _Source, error: ValidationError) -> _Source | None:
    """Return a request without fields whose names have a lone surrogate; None if no such name is among the problems.

    None also if there are more than `MAX_ELEMENTS` problems, which are too many to look at.

    No field of the protocol has such a name. Where names are a customer's, as in attributes, they can be read.
    """
    if error.error_count() > MAX_ELEMENTS:
        return None
    copy, owned, is_changed = dict(source), set[int](), False
    for details in error.errors(include_url=False, include_context=False, include_input=False):
        place = _container(copy, location_of(details), owned) if details["type"] == _BROKEN_TEXT else None
        broken = [name for name in place or () if not _has_utf8(name)]
        for name in broken:
            del place[name]  # type: ignore[union-attr]  # it has names
        is_changed |= bool(broken)
    return copy if is_changed else None


def _container(copy: dict[str, Any], location: Location, owned: set[int]) -> dict[str, Any] | None:
    """Return the object at a place of a copy, itself a copy, so that it may be changed."""
    value: Any = copy
    for step in location:
        try:
            inner = value[step]
        except (KeyError, IndexError, TypeError):
            return None
        if not isinstance(inner, dict | list):
            return None
        if id(inner) not in owned:
            inner = value[step] = inner.copy()
            owned.add(id(inner))
        value = inner
    return value if isinstance(value, dict) else None


def _has_utf8(name: object) -> bool:
    try:
        str(name).encode()
    except UnicodeEncodeError:
        return False
    return True


type _Found = list[tuple[Location, str]]


def _by_element(found: _Found, lists: Collection[str]) -> Mapping[Location, _Found]:
    """Group problems by the element that they cost: a list and an index, or also an audience in a profile."""
    elements: dict[Location, _Found] = defaultdict(list)
    whole = {_element(location, lists) for location, _ in found}
    for location, rule in found:
        element = _element(location, lists)
        elements[element[:2] if element[:2] in whole else element].append((location, rule))
    return elements


def _by_reason(elements: Mapping[Location, _Found]) -> Mapping[str, Collection[Location]]:
    """Group elements by what is wrong with them. The rarest reasons are one, if there are too many."""
    reasons: dict[str, set[Location]] = defaultdict(set)
    for element, wrong in elements.items():
        reasons[_reason(wrong)].add(element)
    if len(reasons) <= MAX_LETTERS:
        return reasons
    frequent = sorted(reasons, key=lambda reason: -len(reasons[reason]))[: MAX_LETTERS - 1]
    kept = {reason: reasons[reason] for reason in frequent}
    rest = set(elements).difference(*kept.values())
    kept[_reason([each for element in elements if element in rest for each in elements[element]])] = rest
    return kept


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
    return _BETWEEN_REASONS.join(f"{field}: {rule}" if field else rule for field, rule in texts)


def _envelope(source: _Source, found: _Found) -> _Source:
    wrong = {location[0] for location, _ in found}
    return {name: value for name, value in source.items() if name in _ENVELOPE and name not in wrong}


def _size(source: _Source, lists: Collection[str]) -> int:
    """Return how many elements a request has; one, if it has none that can be counted."""
    counted = (source.get(name) for name in lists)
    return sum(len(elements) for elements in counted if isinstance(elements, list)) or 1


def _without_events(source: _Source, elements: Mapping[Location, _Found]) -> _Source:
    return _cut(source, elements, kept=False)


def _only_events(source: _Source, elements: Collection[Location]) -> _Source:
    return _cut(source, elements, kept=True)


def _cut(source: _Source, elements: Collection[Location], *, kept: bool) -> _Source:
    lists = {name: enumerate(source[name] or ()) for name in _EVENTS if name in source}
    cut = {name: [each for at, each in of if ((name, at) in elements) == kept] for name, of in lists.items()}
    return {**source, **cut}


def _without_profiles(source: _Source, elements: Mapping[Location, _Found]) -> _Source:
    profiles = [_readable(profile, number, elements) for number, profile in enumerate(source[_PROFILES])]
    return {**source, _PROFILES: profiles}


def _readable(profile: Any, number: int, elements: Mapping[Location, _Found]) -> Any:
    """Return a profile with gaps: changes keep their indexes, which say in which order they came.

    An unreadable profile keeps its user, if that can be read: it is queued in the message group of its user.
    """
    if (_PROFILES, number) in elements:
        return _user(profile, elements[_PROFILES, number])
    if not (profile and profile.get(_AUDIENCES)):
        return profile
    audiences = enumerate(profile[_AUDIENCES])
    kept = [{} if (_PROFILES, number, _AUDIENCES, at) in elements else each for at, each in audiences]
    return {**profile, _AUDIENCES: kept}


def _user(profile: Any, found: _Found) -> _Source:
    """Return what can be read of a profile's user."""
    if not isinstance(profile, dict):
        return {}
    wrong = {location[2] for location, _ in found if len(location) > 2}  # noqa: PLR2004  list, index, field
    return {name: profile[name] for name in _WHO if name in profile and name not in wrong}


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
