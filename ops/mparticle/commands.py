"""The command ``mparticle verify``: what it prints, and its exit status."""

import argparse
import json
import os
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from local.rooms import Room
from mparticle_firehose.protocol import ModuleRegistrationResponse
from ops.commands import DONE, NOTHING
from ops.display import console, counted, print_line
from ops.mparticle.errors import PlatformError
from ops.mparticle.http_client import HttpClient, checked_url
from ops.mparticle.platform_api import BASE_URL, PlatformApi
from ops.mparticle.resources import Audience, Feed
from ops.mparticle.tokens import ACCOUNT_ID, CLIENT_ID, CLIENT_SECRET, TOKEN_URL, Credential, TokenSource
from ops.mparticle.verification import Found, Scope, differences, entered_count, find

MAX_SHOWN_CHARACTERS = 80

_ABOUT = f"""\
Asks mParticle's Platform API. Nothing is changed there. The credential is taken from the environment:
{CLIENT_ID}, {CLIENT_SECRET} and {ACCOUNT_ID}."""

_VERIFY = """\
Compares the module at mParticle with the registration: whether the account sees it, whether its settings are those that
are registered, whether the workspace has a configuration of it, which audiences are connected to it, and whether the
feed is there. Names that a customer has chosen and values of settings are not printed."""

_STATUS = "Exit status: 0 as registered, 1 something differs or there is no such workspace, 2 failed, 130 interrupted."

_NO_WORKSPACE = "No workspace of the account has this id or name"
_SEVERAL_WORKSPACES = "Several workspaces of the account have this name: use an id"


def add_commands(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the group of commands to the command line."""
    group = subparsers.add_parser(
        "mparticle", help="compare what mParticle has with the registration", description=_ABOUT
    )
    commands = group.add_subparsers(dest="mparticle_command", required=True, metavar="COMMAND")
    command = commands.add_parser(
        "verify", help="verify the module in a workspace", description=f"{_VERIFY}\n\n{_ABOUT}", epilog=_STATUS
    )
    command.add_argument("--workspace", required=True, metavar="ID", help="id or name of the workspace")
    command.add_argument("--app", metavar="ID", help="also verify the connection of an app; needs --os")
    command.add_argument("--os", metavar="NAME", help="platform of the app, such as iOS, Android or MobileWeb")
    command.add_argument("--feed", metavar="MODULE", help="a feed of this module must be in the workspace")
    command.add_argument("--registration", type=Path, metavar="FILE", help="default: registration.json")
    command.add_argument("--endpoint-url", metavar="URL", help="a fake mParticle instead of mParticle")
    command.set_defaults(run=_run, when_interrupted="Interrupted.")


def verify(api: PlatformApi, registration: ModuleRegistrationResponse, scope: Scope, out: Console) -> int:
    """Print what mParticle has of the module and what differs from the registration; return the exit status."""
    workspaces = api.workspaces()
    ids = [each.id for each in workspaces if scope.workspace in (each.id, each.name)]
    if len(ids) != 1:
        there_are = ", ".join(_shown(each.id) for each in workspaces) or "none"
        print_line(out, f"{_SEVERAL_WORKSPACES if ids else _NO_WORKSPACE}. The account has: {there_are}.")
        return NOTHING
    scope = replace(scope, workspace=ids[0])
    found = find(api, registration.name or "", scope)
    _print_found(out, found, registration, scope)
    different = list(differences(found, registration, scope))
    for difference in different:
        print_line(out, f"{_shown(difference.subject)}: {_shown(difference.problem)}. {difference.advice}")
    print_line(out, f"{counted(len(different), 'difference')}." if different else "No differences.")
    return NOTHING if different else DONE


def read_registration(file: Path) -> ModuleRegistrationResponse:
    """Read an accepted registration.

    Raises:
        PlatformError: there is none in the file.
    """
    try:
        content = json.loads(file.read_text())
        registration = ModuleRegistrationResponse.model_validate(content)
    except (OSError, ValueError, ValidationError):
        raise PlatformError(f"{file.name} cannot be read: make registration-accept writes it") from None
    if not registration.name:
        raise PlatformError(f"{file.name} holds no registration yet: make registration-accept writes it")
    return registration


def _run(options: argparse.Namespace, _: object) -> int:
    if (options.app is None) != (options.os is None):
        raise PlatformError("--app and --os belong together")
    registration = read_registration(options.registration or Room.of().registration)
    http = HttpClient()
    try:
        api = _connected(Credential.from_env(os.environ), http, options.endpoint_url)
        scope = Scope(workspace=options.workspace, app=options.app, os=options.os, feed=options.feed)
        with console(stderr=True).status("Asking mParticle"):
            return verify(api, registration, scope, console())
    finally:
        http.close()


def _connected(credential: Credential, http: HttpClient, endpoint_url: str | None) -> PlatformApi:
    endpoint = checked_url(endpoint_url) if endpoint_url else None
    tokens = TokenSource(credential, http, url=f"{endpoint}/oauth/token" if endpoint else TOKEN_URL)
    return PlatformApi(tokens, credential.account_id, http=http, base_url=f"{endpoint}/v1" if endpoint else BASE_URL)


def _print_found(out: Console, found: Found, registration: ModuleRegistrationResponse, scope: Scope) -> None:
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in _facts(found, registration, scope):
        table.add_row(Text(name, style="bold"), Text(_shown(value)))
    out.print(table)
    if found.audiences:
        _print_audiences(out, found.audiences)
    out.print()


def _facts(found: Found, registration: ModuleRegistrationResponse, scope: Scope) -> Iterable[tuple[str, str]]:
    yield "module", registration.name or "-"
    yield "workspace", scope.workspace
    yield "visible", "no" if found.service is None else "yes"
    if found.service is not None:
        listed = counted(len(found.service.settings), "setting")
        yield "settings", f"{listed} at mParticle, {entered_count(registration)} registered for customers"
        yield "configurations", ", ".join(each.id for each in found.configurations) or "none"
        yield "audiences", str(len(found.audiences) or "none")
    if scope.app is not None:
        yield "connection", _activity(found)
    yield from (("feed", _feed(feed)) for feed in found.feeds)
    if not found.feeds:
        yield "feed", "none"


def _activity(found: Found) -> str:
    if found.connection is None:
        return "none"
    return {True: "active", False: "not active", None: "unknown whether active"}[found.connection.is_active]


def _feed(feed: Feed) -> str:
    platform = "unbound" if feed.os in (None, "Unknown") else f"acts as {feed.os}"
    data = {True: "development", False: "production", None: "unknown"}[feed.is_debug]
    return f"{feed.id}, {platform}, {data} data, created {_minute(feed.created_on)}"


def _print_audiences(out: Console, audiences: Iterable[Audience]) -> None:
    table = Table("Audience", box=SIMPLE_HEAD)
    for title in ("Users", "Added in 24 h", "Dropped in 24 h"):
        table.add_column(title, justify="right")
    table.add_column("Status")
    table.add_column("Created (UTC)", no_wrap=True)
    for each in audiences:
        numbers = (each.size, each.added_last_24_hours, each.dropped_last_24_hours)
        cells = (each.id, *map(_number, numbers), each.status or "-", _minute(each.created_on))
        table.add_row(*(Text(_shown(cell)) for cell in cells))
    out.print(table)


def _number(number: int | None) -> str:
    return "-" if number is None else str(number)


def _minute(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%d %H:%M") if moment else "-"


def _shown(text: str) -> str:
    """Return a text of mParticle's without what a terminal would take for a command."""
    shown = "".join(character if character.isprintable() else "?" for character in text)
    return shown if len(shown) <= MAX_SHOWN_CHARACTERS else f"{shown[:MAX_SHOWN_CHARACTERS]}..."
