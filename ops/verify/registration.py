"""Tries mParticle's import of the registration."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import cast
from uuid import uuid4

from mparticle_firehose.errors import RegistrationError
from mparticle_firehose.protocol import (
    EventType,
    ModuleRegistrationResponse,
    Serializer,
    SystemNotificationType,
    declare,
)
from ops.verify.findings import Finding, failed, ok, warning
from ops.verify.replies import Kind, Target
from ops.verify.trial import ResponseError, encoded, parsed

CHECK = "registration"
_RULES = "registration rules"
_SAME = "registration as here"
_OF_EACH_RESPONSE = {"id", "timestamp_ms", "firehose_version"}
_SERIALIZER = Serializer()


@dataclass(frozen=True)
class Imported:
    """What came of the import.

    Attributes:
        findings: one for each check.
        declaration: the registration that was answered; the local one if there was none.
    """

    findings: tuple[Finding, ...]
    declaration: ModuleRegistrationResponse


def try_registration(
    target: Target, local: ModuleRegistrationResponse, handled: Collection[EventType] = ()
) -> Imported:
    """Ask for the registration as mParticle does, without a token, and check it by mParticle's rules.

    Args:
        target: the deployment.
        local: the registration of the code that is here.
        handled: the types of events that this code handles.
    """
    request = {"type": "module_registration_request", "id": str(uuid4()), "firehose_version": "3.2.0"}
    reply = target.send(encoded(request), authorized=False)
    if reply.kind is Kind.UNAUTHORIZED:
        problem = f"needs a token, which mParticle makes only after the import ({reply.status})"
        return Imported((failed(CHECK, problem),), local)
    if reply.kind is not Kind.ANSWERED:
        return Imported((failed(CHECK, reply.described),), local)
    try:
        answered = cast("ModuleRegistrationResponse", parsed(reply, request["type"]))  # of its type, or an error
    except ResponseError as error:
        return Imported((failed(CHECK, str(error)),), local)
    taken = ok(CHECK, f"answered in {reply.milliseconds:.0f} ms, {_described(answered)}")
    return Imported((taken, _by_rules(answered), *_compared(answered, local, handled)), answered)


def _described(answered: ModuleRegistrationResponse) -> str:
    parts = {
        "events": answered.event_processing_registration,
        "audiences": answered.audience_processing_registration,
        "erasures": answered.dsr_processing_registration,
    }
    return f"with {', '.join(name for name, part in parts.items() if part) or 'nothing'}"


def _by_rules(answered: ModuleRegistrationResponse) -> Finding:
    try:
        declare(answered, handled_events=_declared(answered), handled_notifications=tuple(SystemNotificationType))
    except RegistrationError as error:
        return failed(_RULES, str(error))
    return ok(_RULES, f"none broken; {len(answered.setting_ids())} settings")


def _declared(answered: ModuleRegistrationResponse) -> tuple[EventType, ...]:
    """Return the declared types: whether the code handles them shows when they are sent."""
    events = answered.event_processing_registration
    return tuple(each for each in events.supported_event_types if isinstance(each, EventType)) if events else ()


def _compared(
    answered: ModuleRegistrationResponse, local: ModuleRegistrationResponse, handled: Collection[EventType]
) -> Iterator[Finding]:
    if missing := _missing(answered, local):
        yield failed(_SAME, f"{', '.join(missing)} missing: mParticle would never send what is handled here. Deploy")
        return
    if undeclared := [each.value for each in handled if each not in _declared(answered)]:
        advice = "mParticle sends none. Declare them, if that is not meant"
        yield warning(_SAME, f"{', '.join(undeclared)} handled here, and declared neither here nor there: {advice}")
        return
    there, here = _SERIALIZER.dump(answered), _SERIALIZER.dump(local)
    names = sorted((there.keys() | here.keys()) - _OF_EACH_RESPONSE)
    different = [name for name in names if there.get(name) != here.get(name)]
    if different:
        advice = "deploy, or send mParticle what the deployment answers"
        yield warning(_SAME, f"{', '.join(different)} differ from `make registration`: {advice}")
    else:
        yield ok(_SAME, "equal to `make registration`")


def _missing(answered: ModuleRegistrationResponse, local: ModuleRegistrationResponse) -> list[str]:
    """Return the types of events and of requests that are declared here and not there."""
    declared = set(_declared(answered))
    parts = {
        "audiences": (answered.audience_processing_registration, local.audience_processing_registration),
        "erasures": (answered.dsr_processing_registration, local.dsr_processing_registration),
    }
    return [
        *(each.value for each in _declared(local) if each not in declared),
        *(name for name, (there, here) in parts.items() if here and not there),
    ]
