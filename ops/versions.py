"""The command ``versions prune``: deletes old versions of the functions, which cost their snapshots."""

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ops.commands import DONE
from ops.display import console, counted, print_line
from ops.options import add_stack_options, positive
from ops.stack import client_maker, outputs

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

FUNCTIONS = ("HandlerFunctionName", "WorkerFunctionName")
"""The stack outputs with the names of the functions that every stack has."""

OF_THE_FEED = ("FeedFunctionName",)

DEFAULT_KEPT = 5

_ABOUT = """\
Every deployment publishes a version of each function and keeps the older ones, to roll back to. With SnapStart each
costs its snapshot."""

_PRUNE = """\
Deletes all but the newest versions of the handler, the worker and the feed's function. A version that an alias points
to, also with a part of the traffic, is never deleted and is among the kept ones if it is new enough."""

_STATUS = "Exit status: 0 done, 2 failed, 130 interrupted."
_WHEN_INTERRUPTED = "Interrupted. What was not deleted is still there."


@dataclass(frozen=True, slots=True)
class Version:
    """A published version of a function.

    Attributes:
        function: its name.
        number: versions count from 1.
        published: when, as Lambda writes it, to the minute.
        in_use: whether an alias points to it.
    """

    function: str
    number: int
    published: str
    in_use: bool


def add_commands(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the group of commands to the command line."""
    group = subparsers.add_parser("versions", help="delete old versions of the functions", description=_ABOUT)
    commands = group.add_subparsers(dest="versions_command", required=True, metavar="COMMAND")
    command = commands.add_parser(
        "prune", help="delete all but the newest", description=f"{_PRUNE}\n\n{_ABOUT}", epilog=_STATUS
    )
    command.add_argument(
        "--keep",
        type=positive,
        default=DEFAULT_KEPT,
        metavar="N",
        help="how many versions of each function stay (default: %(default)s)",
    )
    command.add_argument("--dry-run", action="store_true", help="only print which versions would be deleted")
    add_stack_options(command.add_argument_group("connection"))
    command.set_defaults(run=_run, when_interrupted=_WHEN_INTERRUPTED)


def prune(functions: "LambdaClient", names: Iterable[str], out: Console, *, keep: int, dry_run: bool) -> int:
    """Delete the old versions of functions, print them, and return the exit status.

    Args:
        functions: the client.
        names: of the functions.
        out: where the versions are printed.
        keep: how many versions of each function stay at least; those that an alias points to stay besides.
        dry_run: whether nothing is deleted.
    """
    old = [version for name in names for version in _old(list(_versions(functions, name)), keep)]
    if not old:
        print_line(out, f"Nothing to delete besides the newest {counted(keep, 'version')} and what aliases point to.")
        return DONE
    _print(out, old)
    if dry_run:
        print_line(out, f"{counted(len(old), 'version')} would be deleted. Nothing was changed.")
        return DONE
    for version in old:
        functions.delete_function(FunctionName=version.function, Qualifier=str(version.number))
    print_line(out, f"{counted(len(old), 'version')} deleted.")
    return DONE


def _versions(functions: "LambdaClient", name: str) -> Iterator[Version]:
    in_use = set(_in_use(functions, name))
    for page in functions.get_paginator("list_versions_by_function").paginate(FunctionName=name):
        for each in page["Versions"]:
            if each["Version"].isdecimal():  # the other one is $LATEST
                number, published = each["Version"], each["LastModified"][:16].replace("T", " ")
                yield Version(name, int(number), published, number in in_use)


def _in_use(functions: "LambdaClient", name: str) -> Iterator[str]:
    """Yield the versions that aliases point to. During a release there are two of an alias."""
    for page in functions.get_paginator("list_aliases").paginate(FunctionName=name):
        for alias in page["Aliases"]:
            yield alias["FunctionVersion"]
            yield from alias.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})


def _old(versions: Iterable[Version], keep: int) -> list[Version]:
    newest_first = sorted(versions, key=lambda version: version.number, reverse=True)
    return [version for version in newest_first[keep:] if not version.in_use]


def _print(out: Console, versions: Iterable[Version]) -> None:
    table = Table("Function", box=SIMPLE_HEAD)
    table.add_column("Version", justify="right")
    table.add_column("Published (UTC)")
    for version in versions:
        table.add_row(*map(Text, (version.function, str(version.number), version.published)))
    out.print(table)


def _run(options: argparse.Namespace, _interrupts: object) -> int:
    make = client_maker(region=options.region, profile=options.profile, endpoint_url=options.endpoint_url)
    names = outputs(FUNCTIONS, {}, make("cloudformation"), options.stack, optional=OF_THE_FEED)
    return prune(make("lambda"), names.values(), console(), keep=options.keep, dry_run=options.dry_run)
