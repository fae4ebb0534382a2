"""`python -m ops`: dead letters; a deployment and the module at mParticle, verified; the feed; versions; capacity."""

import argparse
import sys
from collections.abc import Sequence

from botocore.exceptions import BotoCoreError, ClientError

from local.isolation import LocalCloudError
from mparticle_firehose.errors import ConfigurationError, DeliveryError, MalformedRequestError, described
from mparticle_firehose.queues.large_bodies import LargeBodies
from ops import commands
from ops.capacity.commands import add_commands as add_capacity_command
from ops.context import Context
from ops.dead_letters import FEED, QUEUES, Selection
from ops.display import console, print_line
from ops.feed.commands import add_commands as add_feed_commands
from ops.interrupts import Interrupts
from ops.letter_options import connection_options, filter_options, place_options, summary_options
from ops.mparticle.commands import add_commands as add_mparticle_commands
from ops.mparticle.errors import PlatformError
from ops.options import positive, unknown_options
from ops.stack import (
    DEAD_LETTER_QUEUES,
    FEED_FUNCTION,
    FUNCTIONS,
    LARGE_BODY_BUCKET,
    SOURCE_QUEUES,
    Clients,
    StackError,
    connect,
    explained,
    outputs,
)
from ops.summary import Filters, Summary
from ops.verify.commands import add_commands as add_verify_command
from ops.versions import add_commands as add_versions_commands

_FAILED = 2
_EXPLAINED = (
    BotoCoreError,
    ClientError,
    ConfigurationError,
    DeliveryError,
    LocalCloudError,
    MalformedRequestError,
    PlatformError,
    StackError,
)
_ENDED_BY_SIGNAL = 128

_ABOUT = """\
Handles dead letters: messages that could not be delivered. Personal and secret values are never printed.

Begin with `summary` or `list`, inspect one letter with `show`, remove the cause, try `redrive --dry-run`, then
`redrive`. Letters that were moved to the archive are found with --archived.
Others are about something else. `verify` tries a deployment as mParticle will. `mparticle verify` compares what
mParticle has of this integration with the registration. `feed check` and `feed send` check your own events against the
feed, and send them to mParticle. `versions prune` deletes old versions of the functions. `capacity` calculates which
parameters a load needs."""

_STATUS = "Exit status: 0 done, 1 nothing matched or refused, 2 failed, 130 interrupted."

_WHEN_INTERRUPTED = "Interrupted. Letters that were not sent or deleted are still in the dead-letter queue."
_WHEN_INTERRUPTED_IN_THE_ARCHIVE = "Interrupted. Letters that were not sent or deleted are still in the archive."

_SUMMARY = """\
Counts from the functions' logs what was put aside, by queue, reason, account and message type, and prints what lies in
the dead-letter queues and in the archive. No letter is read. Use it if there are too many letters for `list`.
CloudWatch Logs Insights charges for the log that it scans; the amount is printed."""

_LIST = """\
Counts the letters of all queues by reason, account and message type, with the times at which they were dead-lettered
and the number of attempts. Of a body at most its type is read, no values."""

_SHOW = """\
Prints a letter's message attributes and the structure of its request. Types, ids, times, actions and audience ids are
printed; every other value is replaced by its type and length."""

_REDRIVE = """\
Sends matching letters back to the queue that they came from, those of a user in their original order. Each is deleted
from the dead-letter queue after it has been sent: an interrupted run loses nothing, and at worst a letter is delivered
twice. Without a filter all letters of all queues are sent. Remove the cause first: letters that fail again come
back."""

_PURGE = """\
Deletes matching letters for good, after you have typed how many. Their data never reach the partner, and an erasure
that is deleted is never carried out."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    parser = _parser()
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        parser.error(unknown_options(unknown))
    errors = console(stderr=True)
    with Interrupts() as interrupts:
        try:
            return int(options.run(options, interrupts))
        except KeyboardInterrupt:
            print_line(errors, options.when_interrupted)
            return _ENDED_BY_SIGNAL + (interrupts.signal or 0)
        except _EXPLAINED as error:
            print_line(errors, f"Failed: {_explained(error)}.", style="red")
        except Exception as error:  # noqa: BLE001  a traceback may quote a letter
            print_line(errors, f"Failed with an unexpected error: {described(error)}.", style="red")
    return _FAILED


def _run(options: argparse.Namespace, interrupts: Interrupts) -> int:
    clients = _connect(options)
    given = _given(options)
    needed, optional = _needed(options, has_feed=not given.keys().isdisjoint(_OF_THE_FEED))
    found = outputs(needed, given, clients.cloudformation, options.stack, optional=optional)
    if options.archived:
        options.when_interrupted = _WHEN_INTERRUPTED_IN_THE_ARCHIVE
    context = Context(
        sqs=clients.sqs,
        s3=clients.s3,
        urls=found,
        archived=options.archived,
        large_bodies=LargeBodies(clients.s3, found.get(LARGE_BODY_BUCKET, "")),
        out=console(),
        progress=console(stderr=True),
        uninterrupted=interrupts.uninterrupted,
    )
    match options.command:
        case "list":
            return commands.list_letters(context, _selection(options), each=options.each)
        case "show":
            return commands.show(context, options.message_id)
        case "redrive":
            return commands.redrive(context, _selection(options), rate=options.rate, dry_run=options.dry_run)
        case _:
            return commands.purge(context, _selection(options), everything=options.all, confirmed=options.yes_delete)


def _run_summary(options: argparse.Namespace, _: Interrupts) -> int:
    clients = _connect(options)
    needed, optional = [*DEAD_LETTER_QUEUES.values(), LARGE_BODY_BUCKET, *FUNCTIONS], [*_OF_THE_FEED, FEED_FUNCTION]
    found = outputs(
        [name for name in needed if name not in optional],
        _given(options),
        clients.cloudformation,
        options.stack,
        optional=optional,
    )
    summary = Summary(
        logs=clients.logs,
        cloudwatch=clients.cloudwatch,
        sqs=clients.sqs,
        s3=clients.s3,
        urls=found,
        functions=[found[name] for name in (*FUNCTIONS, FEED_FUNCTION) if name in found],
        out=console(),
        status=console(stderr=True).status,
    )
    summary.print(Filters(since=options.since, queue=options.queue, account=options.account, reason=options.reason))
    return commands.DONE


def _connect(options: argparse.Namespace) -> Clients:
    return connect(region=options.region, profile=options.profile, endpoint_url=options.endpoint_url)


def _explained(error: Exception) -> str:
    cause = error.__cause__ if isinstance(error, DeliveryError) else error
    return explained(cause) if isinstance(cause, BotoCoreError | ClientError) else str(error)


_OF_THE_FEED = {DEAD_LETTER_QUEUES[FEED], SOURCE_QUEUES[FEED]}


def _needed(options: argparse.Namespace, *, has_feed: bool) -> tuple[list[str], list[str]]:
    """Return the stack outputs that the command needs, and those that it uses if the stack has them.

    Those are of the feed, unless the user has named its queue.
    """
    chosen = getattr(options, "queue", None)
    sources = [] if options.archived else [DEAD_LETTER_QUEUES]
    sources += [SOURCE_QUEUES] if options.command == "redrive" else []
    urls = [names[queue] for names in sources for queue in ((chosen,) if chosen else QUEUES)]
    optional = [] if chosen or has_feed else [url for url in urls if url in _OF_THE_FEED]
    needed = [url for url in urls if url not in optional]
    needs_bucket = options.archived or options.command != "list"
    return ([*needed, LARGE_BODY_BUCKET] if needs_bucket else needed), optional


def _given(options: argparse.Namespace) -> dict[str, str]:
    """Return the queue URLs and the bucket that are given as options, by the names of their stack outputs."""
    names = (*DEAD_LETTER_QUEUES.values(), *SOURCE_QUEUES.values(), LARGE_BODY_BUCKET)
    return {name: value for name in names if (value := getattr(options, name))}


def _selection(options: argparse.Namespace) -> Selection:
    return Selection(
        queue=options.queue,
        reason=options.reason,
        account=options.account,
        older_than=options.older_than,
        newer_than=options.newer_than,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ops", description=_ABOUT, epilog=_STATUS, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.set_defaults(run=_run, when_interrupted=_WHEN_INTERRUPTED)
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    connection, filters, place = connection_options(), filter_options(), place_options()

    def add(name: str, about: str, help_text: str, *parents: argparse.ArgumentParser) -> argparse.ArgumentParser:
        return subparsers.add_parser(name, help=about, description=help_text, epilog=_STATUS, parents=parents)

    summary = add("summary", "count what was put aside, from the log", _SUMMARY, summary_options(), connection)
    summary.set_defaults(run=_run_summary, when_interrupted="Interrupted. Nothing was changed.")
    listing = add("list", "count the letters by queue, reason, account and type", _LIST, filters, place, connection)
    listing.add_argument("--each", action="store_true", help="a row for each letter, with its message id")
    show = add("show", "show one letter, masked", _SHOW, place, connection)
    show.add_argument("message_id", metavar="MESSAGE_ID", help="as `list --each` prints it")
    redrive = add("redrive", "send letters back to their queue, in order", _REDRIVE, filters, place, connection)
    redrive.add_argument("--dry-run", action="store_true", help="only print which letters would be sent")
    redrive.add_argument(
        "--rate", type=positive, metavar="N", help="send at most N letters a second (default: no limit)"
    )
    purge = add("purge", "delete letters for good", _PURGE, filters, place, connection)
    purge.add_argument("--all", action="store_true", help="allow it without a filter")
    purge.add_argument("--yes-delete", type=positive, metavar="N", help="delete without a question if it is N letters")
    add_mparticle_commands(subparsers)
    add_feed_commands(subparsers)
    add_verify_command(subparsers)
    add_versions_commands(subparsers)
    add_capacity_command(subparsers)
    return parser


if __name__ == "__main__":
    sys.exit(main())
