"""Compares what mParticle says of a module with the registration."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

from mparticle_firehose.protocol import ModuleRegistrationResponse
from mparticle_firehose.protocol.registration import AnySetting
from ops.mparticle.errors import NotFoundError
from ops.mparticle.platform_api import PlatformApi
from ops.mparticle.resources import AppPlatformService, Audience, Feed, Service, ServiceConfiguration, ServiceSetting

_IMPORT_AGAIN = "Ask mParticle to import the registration again."

_TYPE_WORDS: Mapping[str, frozenset[str]] = {
    "text": frozenset({"text", "string"}),
    "integer": frozenset({"integer", "int", "number"}),
    "float": frozenset({"float", "double", "decimal", "number"}),
    "boolean": frozenset({"boolean", "bool", "checkbox"}),
}
"""What mParticle may call the types of the registration: its documentation does not list the words."""


@dataclass(frozen=True)
class Difference:
    """Something at mParticle is not as registered.

    Attributes:
        subject: what it is about.
        problem: what differs; no values of settings, no names that a customer has chosen.
        advice: what to do.
    """

    subject: str
    problem: str
    advice: str


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Where to look.

    Attributes:
        workspace: the id of the workspace.
        app: the id of an app; None leaves its connections out.
        os: the platform of the app.
        feed: the module name of a feed that must be there; None is the module's own name, and the feed may be absent.
    """

    workspace: str
    app: str | None = None
    os: str | None = None
    feed: str | None = None


@dataclass(frozen=True, kw_only=True)
class Found:
    """What mParticle has of a module.

    Attributes:
        service: the module; None if the account does not see it.
        configurations: of the module in the workspace.
        audiences: of the workspace, that are connected to the module.
        feeds: of the partner in the workspace.
        connection: to the platform of an app; None without one.
    """

    service: Service | None
    configurations: tuple[ServiceConfiguration, ...] = ()
    audiences: tuple[Audience, ...] = ()
    feeds: tuple[Feed, ...] = ()
    connection: AppPlatformService | None = None


def find(api: PlatformApi, module: str, scope: Scope) -> Found:
    """Ask mParticle for what it has of a module."""
    service = next((each for each in api.services() if each.name == module), None)
    feeds = tuple(feed for feed in api.feeds(scope.workspace) if feed.module_name == (scope.feed or module))
    if service is None:
        return Found(service=None, feeds=feeds)
    return Found(
        service=service,
        configurations=_configurations(api, scope.workspace, module),
        audiences=tuple(each for each in api.audiences(scope.workspace) if _is_connected(each, module)),
        feeds=feeds,
        connection=_connection(api, scope, module),
    )


def differences(found: Found, registration: ModuleRegistrationResponse, scope: Scope) -> Iterator[Difference]:
    """Yield what is not as registered, or not set up yet."""
    if found.service is None:
        yield Difference(
            "module",
            "the account does not see it",
            "Ask mParticle to import the registration, or to enable the module.",
        )
    else:
        yield from setting_differences(found.service, registration)
        yield from _setup_differences(found, registration)
        yield from _connection_differences(found.connection, registration, scope)
    if scope.feed and not found.feeds:
        yield Difference("feed", "the workspace has none", "Add the feed under Setup > Inputs > Feeds.")


def setting_differences(service: Service, registration: ModuleRegistrationResponse) -> Iterator[Difference]:
    """Yield how the settings that customers enter differ. Other settings may be listed or not."""
    entered = _entered_settings(registration)
    for setting in entered:
        listed = next((each for each in service.settings if each.name in _names(setting)), None)
        yield from _compared(setting, listed)
    known = set(chain.from_iterable(map(_names, chain(entered, _other_settings(registration)))))
    for listed in service.settings:
        if listed.name not in known:
            yield Difference(
                f"setting {listed.name}",
                "it is at mParticle and not in the registration",
                f"{_IMPORT_AGAIN} If customers use it, register it.",
            )


def entered_count(registration: ModuleRegistrationResponse) -> int:
    """Return how many settings customers enter."""
    return len(_entered_settings(registration))


def _compared(setting: AnySetting, listed: ServiceSetting | None) -> Iterator[Difference]:
    subject = f"setting {setting.id}"
    if listed is None:
        yield Difference(subject, "it is in the registration and not at mParticle", _IMPORT_AGAIN)
        return
    registered = str(setting.type)
    if listed.type is not None and listed.type.casefold() not in _TYPE_WORDS.get(registered, {registered}):
        problem = f"its type is {registered} in the registration and {listed.type} at mParticle"
        yield Difference(subject, problem, _IMPORT_AGAIN)
    if listed.is_required is not None and listed.is_required != _is_required(setting):
        words = "required in the registration and optional", "optional in the registration and required"
        yield Difference(subject, f"it is {words[listed.is_required]} at mParticle", _IMPORT_AGAIN)


def _setup_differences(found: Found, registration: ModuleRegistrationResponse) -> Iterator[Difference]:
    if not found.configurations:
        yield Difference(
            "configuration", "the workspace has none of the module", "Add the module under Setup > Outputs."
        )
    if registration.audience_processing_registration is not None and not found.audiences:
        yield Difference(
            "audiences", "none is connected to the module", "Connect an audience to the module under Audiences."
        )


def _connection_differences(
    connection: AppPlatformService | None, registration: ModuleRegistrationResponse, scope: Scope
) -> Iterator[Difference]:
    if scope.app is None:
        return
    subject = f"connection of app {scope.app}, {scope.os}"
    if connection is None:
        yield Difference(subject, "there is none to the module", "Connect the platform to it under Connections.")
        return
    if connection.is_active is False:
        yield Difference(subject, "it is not active", "Set its status to active under Connections.")
    blank = {each.name for each in connection.settings if each.value in (None, "")}
    for setting in _entered_settings(registration):
        if _is_required(setting) and blank & _names(setting):
            yield Difference(
                subject, f"the required setting {setting.id} has no value", "Enter it in the configuration."
            )


def _configurations(api: PlatformApi, workspace: str, module: str) -> tuple[ServiceConfiguration, ...]:
    try:
        return api.service_configurations(workspace, module)
    except NotFoundError:
        return ()


def _connection(api: PlatformApi, scope: Scope, module: str) -> AppPlatformService | None:
    if scope.app is None or scope.os is None:
        return None
    return next((each for each in api.app_platform_services(scope.app, scope.os) if each.name == module), None)


def _is_connected(audience: Audience, module: str) -> bool:
    return any(output.provider_name == module for output in audience.connected_outputs)


def _entered_settings(registration: ModuleRegistrationResponse) -> list[AnySetting]:
    """Return the account settings that customers enter. Events, audiences and erasures share those of the same id."""
    parts = (
        registration.event_processing_registration,
        registration.audience_processing_registration,
        registration.dsr_processing_registration,
    )
    settings = chain.from_iterable(part.account_settings for part in parts if part is not None)
    return list({setting.id: setting for setting in settings if setting.visible}.values())


def _other_settings(registration: ModuleRegistrationResponse) -> Iterable[AnySetting]:
    """Return the settings of connections and of audiences, and those that the integration sets itself."""
    events = registration.event_processing_registration
    audiences = registration.audience_processing_registration
    erasures = registration.dsr_processing_registration
    if events is not None:
        yield from (*events.account_settings, *events.event_connection_settings)
    if audiences is not None:
        yield from (*audiences.account_settings, *audiences.audience_subscription_settings)
    if erasures is not None:
        yield from erasures.account_settings


def _names(setting: AnySetting) -> set[str]:
    """Return what mParticle may call a setting: it is not documented whether services list names or ids."""
    return {name for name in (setting.id, setting.name) if name}


def _is_required(setting: AnySetting) -> bool:
    return bool(getattr(setting, "required", False))
