"""What a request holds that mParticle would not send, because the registration does not ask for it."""

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from local.run.expected import expected_calls
from mparticle_firehose.errors import FirehoseError
from mparticle_firehose.integration import Integration
from mparticle_firehose.protocol import ModuleRegistrationResponse, Permissions

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
        if expected_calls(integration, reduced) != calls:
            found.append(f"the calls need {name}, and mParticle sends none: the registration does not ask for it")
    return found


def _left_out(declaration: ModuleRegistrationResponse, content: Mapping[str, Any]) -> Iterator[tuple[str, Removal]]:
    """Yield what mParticle leaves out, and how it is removed from a request."""
    allowed = declaration.permissions or Permissions()
    for setting in _undeclared_settings(declaration, content):
        yield f"the setting {setting!r}", partial(_without_setting, setting)
    kinds = {str(each.get("type")) for user in _users(content) for each in _objects(user.get("user_identities"))}
    for kind in sorted(kinds - {str(each.type) for each in allowed.user_identities}):
        yield f"the user identity {kind!r}", partial(_without_identity, kind)
    if not allowed.allow_user_attributes:
        yield "user attributes", partial(_without, ("user_attributes", "user_attribute_lists"))
    if not allowed.allow_audience_user_attributes:
        yield "attributes of audiences", _without_audience_attributes
    if not allowed.allow_access_mpid:
        yield "the mpid", partial(_without, ("mpid",))


def _undeclared_settings(declaration: ModuleRegistrationResponse, content: Mapping[str, Any]) -> list[str]:
    audiences = declaration.audience_processing_registration
    part = {
        "event_processing_request": declaration.event_processing_registration,
        "audience_subscription_request": audiences,
        "audience_membership_change_request": audiences,
        "dsr_processing_request": declaration.dsr_processing_registration,
    }.get(str(content.get("type")))
    declared = {each.id for each in part.account_settings} if part else set()
    account = content.get("account")
    given = account.get("account_settings") if isinstance(account, dict) else None
    return [name for name in given if name not in declared] if isinstance(given, dict) else []


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


def _without_setting(setting: str, message: Message) -> None:
    del message["account"]["account_settings"][setting]


def _without_identity(kind: str, message: Message) -> None:
    for user in _users(message):
        identities = _objects(user.get("user_identities"))
        user["user_identities"] = [each for each in identities if str(each.get("type")) != kind]


def _without_audience_attributes(message: Message) -> None:
    for user in _users(message):
        for audience in _objects(user.get("audiences")):
            audience.pop("user_attributes", None)
