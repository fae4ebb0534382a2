"""Says what is wrong with a request before it is sent, by the place in its JSON."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from local.inspector.app import Call
from local.inspector.errors import unusable
from local.rooms import Room
from local.run.declared import undeclared
from local.run.expected import calls_for, is_offered
from mparticle_firehose.delivery.plan import Planner
from mparticle_firehose.errors import FirehoseError, MalformedRequestError, SettingError, UnsupportedMessageError
from mparticle_firehose.integration import Integration, Rejected, Undeliverable
from mparticle_firehose.processors.events import is_empty
from mparticle_firehose.protocol import (
    REQUEST_MODELS,
    AnyRequest,
    AudienceMembershipChangeRequest,
    DsrProcessingRequest,
    EventProcessingRequest,
    QueuedRequest,
    Serializer,
)
from mparticle_firehose.protocol.enums import MessageType
from mparticle_firehose.protocol.wire.model import Model
from mparticle_firehose.protocol.wire.problems import located
from mparticle_firehose.protocol.wire.reading import Reading, TooMuchError

type Place = tuple[str | int, ...]
type Problem = tuple[Place, str]
type Json = Mapping[str, Any]

_MAX_PROBLEMS = 100
_SETTINGS: Place = ("account", "account_settings")


def check(room: Room, call: Call) -> dict[str, object]:
    """Answer ``POST api/check``."""
    if "content" not in call.content:
        raise unusable("content: is required.")
    found = list(dict.fromkeys(problems(room.integration(), call.content["content"])))
    shown = [{"place": list(place), "message": message} for place, message in found[:_MAX_PROBLEMS]]
    if more := len(found) - len(shown):
        shown.append({"place": [], "message": f"and {more} more"})
    return {"problems": shown}


def problems(integration: Integration, content: object) -> Iterator[Problem]:
    """Yield what is wrong: what cannot be read, what is unknown, and what the integration cannot deliver."""
    if not isinstance(content, dict):
        yield (), "must be a JSON object"
        return
    serializer = Serializer()
    try:
        request = serializer.parse(content)
    except UnsupportedMessageError as error:
        yield ("type",), error.problems[0][1]
        return
    except MalformedRequestError as error:
        consequence = "so that the whole request is refused"
        yield from _unreadable(content, consequence) or (((), f"{error}, {consequence}"),)
        return
    if request.unreadable:
        yield from _unreadable(content, _consequence(request))
    yield from (((), f"{kind}: {_not_known(number)}") for kind, number in request.unrecognized.items())
    yield from (
        (place, "is no field of the protocol; it is kept, and nothing reads it") for place in _unknown(request, ())
    )
    if not is_offered(integration, str(request.type)):
        yield ("type",), "is not offered by this integration, so that mParticle sends it no such request"
        return
    yield from _undeliverable(integration, request, content)
    yield from (((), problem) for problem in undeclared(integration, content))


def _unreadable(content: Json, consequence: str) -> list[Problem]:
    model = REQUEST_MODELS[MessageType(str(content["type"]))]
    try:
        model.model_validate(content, context=Reading())
    except ValidationError as error:
        return [(location, f"{rule}, {consequence}") for location, rule in located(error)]
    except (TooMuchError, RecursionError):
        pass
    return []


def _consequence(request: AnyRequest) -> str:
    if request.is_unreadable:
        return "so that the whole request becomes a dead letter"
    return "so that this element becomes a dead letter; the rest is delivered"


def _not_known(number: int) -> str:
    return f"{number} {'value is' if number == 1 else 'values are'} unknown to this version; they are kept"


def _unknown(value: object, place: Place) -> Iterator[Place]:
    """Yield the place of each field that the protocol does not know. Lists are taken to have no nulls."""
    if isinstance(value, Model):
        yield from ((*place, name) for name in value.model_extra or ())
        names = ((name, info.alias or name) for name, info in type(value).model_fields.items())
        for name, alias in names:
            yield from _unknown(getattr(value, name), (*place, alias))
    elif isinstance(value, tuple):
        for index, each in enumerate(value):
            yield from _unknown(each, (*place, index))
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from _unknown(each, (*place, name))


def _undeliverable(integration: Integration, request: AnyRequest, content: Json) -> Iterator[Problem]:
    try:
        if isinstance(request, EventProcessingRequest | AudienceMembershipChangeRequest | DsrProcessingRequest):
            yield from _refused_items(integration, request, content)
        calls_for(integration, content)
    except SettingError as error:
        if not (isinstance(request, EventProcessingRequest) and is_empty(request)):  # these are answered without a call
            yield (*_SETTINGS, error.setting), str(error)
    except FirehoseError as error:
        yield (), str(error)


def _refused_items(integration: Integration, request: QueuedRequest, content: Json) -> Iterator[Problem]:
    """Yield the reason of each element that can never be delivered, and so becomes a dead letter."""
    plan = Planner(integration).plan(request, source="")
    for each in plan.planned:
        if isinstance(each, Undeliverable):
            for origin in each.covers:
                yield _place(request, content, origin), f"cannot be delivered: {each.reason}"
    for pending in plan.pending:
        if isinstance(pending.outcome, Rejected):
            places = [_place(request, content, origin) for origin in pending.item.covers] or [()]
            yield from ((place, f"cannot be delivered: {pending.outcome.reason}") for place in places)


def _place(request: AnyRequest, content: Json, origin: Sequence[str | int]) -> Place:
    """Return where an element is in the JSON: an origin counts no nulls, and no events that cannot be read."""
    match origin:
        case (str(name), int(index)):
            read, received = _present(request.source.get(name)), _present(content.get(name))
            numbers = [number for number, each in received if each is read[index][1]]
            return (name, *numbers[:1])
        case (str(name), int(index), int(inner)):  # what cannot be read of these has an empty element in its place
            number, profile = _present(content.get(name))[index]
            return (name, number, "audiences", _present(profile.get("audiences"))[inner][0])
        case _:
            return ()


def _present(elements: object) -> list[tuple[int, Any]]:
    """Return the elements of a list that are not null, with their indexes."""
    listed = elements if isinstance(elements, list) else []
    return [(number, each) for number, each in enumerate(listed) if each is not None]
