"""What a request holds that mParticle would not send, because the registration does not ask for it."""

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Final

from local.confidential_settings import settings_in
from local.run.expected import expected_calls
from mparticle_firehose.errors import FirehoseError
from mparticle_firehose.integration import Integration
from mparticle_firehose.protocol import ModuleRegistrationResponse, Permissions, RuntimeEnvironment
from mparticle_firehose.protocol.registration import AnySetting

type Message = dict[str, Any]
type Removal = Callable[[Message], None]


def undeclared(integration: Integration, content: Mapping[str, object]) -> list[str]:
    """Say what the calls for a request need although the registration does not ask for it, by its name alone.

    What the calls do not depend on is not named: it may stay in the request. Empty if there is no valid registration,
    which is reported elsewhere.
    """
    try:
        declaration = integration.declaration()
    except FirehoseError:
        return []
    calls = expected_calls(integration, content)
    found = []
    for name, remove in _left_out(declaration, content):
        reduced = copy.deepcopy(dict(content))
        remove(reduced)
        if reduced != content and expected_calls(integration, reduced) != calls:
            found.append(f"the calls need {name}, and mParticle sends none: the registration does not ask for it")
    return found


def _left_out(declaration: ModuleRegistrationResponse, content: Mapping[str, Any]) -> Iterator[tuple[str, Removal]]:
    """Yield what mParticle leaves out, and how it is removed from a request."""
    allowed = declaration.permissions or Permissions()
    yield from _left_out_settings(declaration, content)
    for group in ("user", "device", "partner"):
        permitted = {str(each.type) for each in getattr(allowed, f"{group}_identities")}
        for kind in sorted(_identity_types(group, content) - permitted):
            yield f"the {group} identity {kind!r}", partial(_without_identity, group, kind)
    for permission, removal in PERMITTED.items():
        if not getattr(allowed, permission):
            yield removal


def _left_out_settings(
    declaration: ModuleRegistrationResponse, content: Mapping[str, Any]
) -> Iterator[tuple[str, Removal]]:
    events, audiences = declaration.event_processing_registration, declaration.audience_processing_registration
    erasures = declaration.dsr_processing_registration
    of_account: Mapping[str, tuple[AnySetting, ...]] = {
        "event_processing_request": (*events.account_settings, *events.event_connection_settings) if events else (),
        "audience_subscription_request": audiences.account_settings if audiences else (),
        "audience_membership_change_request": audiences.account_settings if audiences else (),
        "dsr_processing_request": erasures.account_settings if erasures else (),
    }
    of_audience = audiences.audience_subscription_settings if audiences else ()
    groups = (
        ("setting", _of_account, of_account.get(str(content.get("type")), ())),
        ("audience's setting", _of_audiences, of_audience),
    )
    for word, part, declared in groups:
        given = {name for settings in settings_in(part(content)) for name in settings}
        for name in sorted(given - {each.id for each in declared}):
            yield f"the {word} {name!r}", partial(_without_setting, part, name)


def _of_account(message: Mapping[str, Any]) -> object:
    """Return the part of a request that has the settings of the account."""
    return message.get("account")


def _of_audiences(message: Mapping[str, Any]) -> object:
    """Return the parts of a request that have the settings of audiences."""
    return {name: value for name, value in message.items() if name != "account"}


def _users(message: Mapping[str, Any]) -> Iterator[Any]:
    """Yield everything in a request that is a user: the request itself, and each of its profiles."""
    yield message
    yield from _objects(message.get("user_profiles"))


def _objects(value: object) -> list[Any]:
    """Return the JSON objects of a list: a request may hold nulls, and one of an odd shape must not stop the run."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _without(names: Iterable[str], message: Message) -> None:
    for user in _users(message):
        for name in names:
            user.pop(name, None)


def _without_setting(part: Callable[[Message], object], name: str, message: Message) -> None:
    for settings in settings_in(part(message)):
        settings.pop(name, None)


def _identity_lists(group: str, message: Mapping[str, Any]) -> Iterator[tuple[Any, str]]:
    """Yield each object with a list of identities of a group, and the name of that field."""
    yield from ((user, f"{group}_identities") for user in _users(message))
    if group == "device":
        yield from ((environment, "identities") for environment in _environments(message))


def _identity_types(group: str, message: Mapping[str, Any]) -> set[str]:
    lists = [_objects(owner.get(field)) for owner, field in _identity_lists(group, message)]
    return {str(each.get("type")) for identities in lists for each in identities}


def _without_identity(group: str, kind: str, message: Message) -> None:
    for owner, field in _identity_lists(group, message):
        if field in owner:
            owner[field] = [each for each in _objects(owner[field]) if str(each.get("type")) != kind]


def _environments(message: Mapping[str, Any]) -> list[Any]:
    """Return the request's runtime environment, if it is an object."""
    return _objects([message.get("runtime_environment")])


def _without_device(message: Message) -> None:
    """Remove what only some types of environments have: the fields of all of them say nothing of the device."""
    for environment in _environments(message):
        for name in environment.keys() - RuntimeEnvironment.model_fields.keys():
            del environment[name]


def _without_in_environment(name: str, message: Message) -> None:
    for environment in _environments(message):
        environment.pop(name, None)


def _without_location(message: Message) -> None:
    for event in _objects(message.get("events")):
        event.pop("location", None)


def _without_audience_attributes(message: Message) -> None:
    for user in _users(message):
        for audience in _objects(user.get("audiences")):
            audience.pop("user_attributes", None)


PERMITTED: Final[Mapping[str, tuple[str, Removal]]] = {
    "allow_user_attributes": ("user attributes", partial(_without, ("user_attributes", "user_attribute_lists"))),
    "allow_audience_user_attributes": ("attributes of audiences", _without_audience_attributes),
    "allow_access_mpid": ("the mpid", partial(_without, ("mpid",))),
    "allow_access_location": ("the location of events", _without_location),
    "allow_access_ip_address": ("the IP address", partial(_without_in_environment, "client_ip_address")),
    "allow_access_http_user_agent": ("the user agent", partial(_without_in_environment, "http_header_user_agent")),
    "allow_device_info": ("what is known of the device", _without_device),
    "allow_access_device_application_stamp": (
        "the device application stamp",
        partial(_without, ("device_application_stamp",)),
    ),
    "allow_consent_state": ("the consent state", partial(_without, ("consent_state",))),
    "allow_platform_fields": ("the platform fields", partial(_without, ("platform_fields",))),
}
"""What mParticle leaves out without each permission: its name, and how it is removed from a request."""
