"""`python -m ops`: list, show, redrive and purge dead letters."""

import argparse
import sys
from collections.abc import Sequence
from datetime import timedelta

from botocore.exceptions import BotoCoreError, ClientError

from mparticle_firehose.errors import DeliveryError, described
from ops import commands
from ops.deployment import DEAD_LETTERS, ORIGINS, Place, UnreachableError, connect, explained, queue_urls
from ops.display import console, say
from ops.interruption import Interruption
from ops.letters import QUEUES, TOO_MANY_RECEIVES, Selection, duration

_FAILED = 2
_ENDED_BY_SIGNAL = 128

_ABOUT = """\
Looks after what could not be delivered. Nothing that is personal or secret is ever printed.

Start with `list`, look at one letter with `show`, remove the cause, rehearse with `redrive --dry-run`, then redrive."""

_STATUS = "Exit status: 0 done, 1 nothing matched or refused, 2 it could not be done, 130 interrupted."

_LIST = """\
Counts the letters of both queues by reason, account and message type, with the times at which they were put aside and
how often delivery was tried. It reads what is written on the letters, not what is in them."""

_SHOW = """\
Shows what is written on a letter and how its request is built. Of the values only types, ids, times, actions and
audience ids are shown; of all others the kind and the length."""

_REDRIVE = """\
Sends matching letters back to the queue where they came from, those of a user in their original order, and deletes each
from the dead-letter queue once it is safely in the queue. Whatever interrupts it: nothing is lost, at worst a letter is
delivered twice. Without a filter it takes all letters of both queues. Redrive after the cause is gone: letters that
fail again come back."""

_PURGE = """\
Deletes matching letters for good, after you have typed how many. What is in them never reaches the partner: think of
erasures, which are in the event queue."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    options = _parser().parse_args(arguments)
    problems = console(stderr=True)
    with Interruption() as interruption:
        try:
            return _run(options, interruption)
        except KeyboardInterrupt:
            say(problems, "Interrupted. Everything that was not sent or deleted is where it was.")
            return _ENDED_BY_SIGNAL + (interruption.signal or 0)
        except (UnreachableError, DeliveryError, BotoCoreError, ClientError) as error:
            say(problems, f"It could not be done: {_reason(error)}.", style="red")
        except Exception as error:  # noqa: BLE001  a traceback may quote a letter
            say(problems, f"It could not be done, and nobody foresaw why: {described(error)}.", style="red")
    return _FAILED


def _run(options: argparse.Namespace, interruption: Interruption) -> int:
    place = Place(region=options.region, profile=options.profile, endpoint_url=options.endpoint_url)
    sqs, stacks = connect(place)
    desk = commands.Desk(
        sqs=sqs,
        urls=queue_urls(_needed(options), _given(options), stacks, options.stack),
        out=console(),
        side=console(stderr=True),
        shield=interruption.shield,
    )
    match options.command:
        case "list":
            return commands.list_letters(desk, _selection(options), each=options.each)
        case "show":
            return commands.show(desk, options.message_id)
        case "redrive":
            return commands.redrive(desk, _selection(options), rate=options.rate, dry_run=options.dry_run)
        case _:
            return commands.purge(desk, _selection(options), everything=options.all, confirmed=options.yes_delete)


def _reason(error: Exception) -> str:
    cause = error.__cause__ if isinstance(error, DeliveryError) else error
    if isinstance(cause, BotoCoreError | ClientError):
        return explained(cause)
    return str(error)


def _needed(options: argparse.Namespace) -> list[str]:
    """Return the outputs of the stack that the command cannot do without."""
    queues = (options.queue,) if getattr(options, "queue", None) else QUEUES
    needed = [DEAD_LETTERS[queue] for queue in queues]
    return needed + [ORIGINS[queue] for queue in queues] if options.command == "redrive" else needed


def _given(options: argparse.Namespace) -> dict[str, str]:
    urls = {
        **{output: getattr(options, f"{queue}_dlq_url") for queue, output in DEAD_LETTERS.items()},
        **{output: getattr(options, f"{queue}_queue_url") for queue, output in ORIGINS.items()},
    }
    return {output: url for output, url in urls.items() if url}


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
    commands_of = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    place, filters = _place_options(), _filter_options()

    def add(name: str, about: str, help_text: str, *parents: argparse.ArgumentParser) -> argparse.ArgumentParser:
        return commands_of.add_parser(name, help=about, description=help_text, epilog=_STATUS, parents=parents)

    every = add("list", "count the letters by queue, reason, account and type", _LIST, filters, place)
    every.add_argument("--each", action="store_true", help="a line for each letter, with its message id")
    one = add("show", "show one letter, masked", _SHOW, place)
    one.add_argument("message_id", metavar="MESSAGE_ID", help="as `list --each` shows it")
    again = add("redrive", "send letters back to their queue, in order", _REDRIVE, filters, place)
    again.add_argument("--dry-run", action="store_true", help="only show which letters would go")
    again.add_argument(
        "--rate",
        type=_positive,
        metavar="N",
        help="at most N letters a second, to spare the partner (default: no limit)",
    )
    gone = add("purge", "delete letters for good", _PURGE, filters, place)
    gone.add_argument("--all", action="store_true", help="allow it without any filter")
    gone.add_argument(
        "--yes-delete", type=_positive, metavar="N", help="do not ask: delete, if it is exactly N letters"
    )
    return parser


def _filter_options() -> argparse.ArgumentParser:
    filters = argparse.ArgumentParser(add_help=False)
    group = filters.add_argument_group("which letters (all that are given must match)")
    group.add_argument("--queue", choices=QUEUES, help="of this queue's dead-letter queue (default: both)")
    group.add_argument(
        "--reason",
        help=f"with exactly this reason, as `list` shows it; {TOO_MANY_RECEIVES!r} for what SQS moved itself",
    )
    group.add_argument("--account", metavar="ID", help="of this account at mParticle")
    group.add_argument(
        "--older-than", type=_duration, metavar="DURATION", help="put aside longer ago than, such as 30m, 12h or 2d"
    )
    group.add_argument("--newer-than", type=_duration, metavar="DURATION", help="put aside less long ago than")
    return filters


def _place_options() -> argparse.ArgumentParser:
    place = argparse.ArgumentParser(add_help=False)
    group = place.add_argument_group("where")
    group.add_argument("--stack", default="mparticle-firehose", help="the deployed stack (default: %(default)s)")
    group.add_argument("--region", help="the AWS region (default: AWS_REGION or your AWS configuration)")
    group.add_argument("--profile", help="the AWS profile (default: AWS_PROFILE)")
    group.add_argument("--endpoint-url", metavar="URL", help="a local cloud instead of AWS (default: AWS_ENDPOINT_URL)")
    for queue in QUEUES:
        for kind, words in (("dlq", "dead-letter queue"), ("queue", "queue")):
            group.add_argument(f"--{queue}-{kind}-url", metavar="URL", help=f"the {queue} {words}, not the stack's")
    return place


def _duration(text: str) -> timedelta:
    try:
        return duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("write a whole number, 1 or more")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
