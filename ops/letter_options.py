"""The options of the commands for dead letters."""

import argparse
from datetime import timedelta

from ops.dead_letters import QUEUES, TOO_MANY_RECEIVES, duration
from ops.options import add_stack_options
from ops.stack import DEAD_LETTER_QUEUES, LARGE_BODY_BUCKET, SOURCE_QUEUES


def summary_options() -> argparse.ArgumentParser:
    """Return the options of the summary."""
    options, group = _kind_options("with exactly this reason")
    group.add_argument(
        "--since",
        type=_duration,
        metavar="DURATION",
        default=timedelta(hours=24),
        help="dead-lettered less long ago than, such as 30m, 12h or 7d (default: 24h)",
    )
    return options


def place_options() -> argparse.ArgumentParser:
    """Return the option that chooses the archive."""
    place = argparse.ArgumentParser(add_help=False)
    place.add_argument("--archived", action="store_true", help="the letters of the archive, instead of the queues'")
    return place


def _kind_options(reason: str) -> tuple[argparse.ArgumentParser, "argparse._ArgumentGroup"]:
    filters = argparse.ArgumentParser(add_help=False)
    group = filters.add_argument_group("filters (all that are given must match)")
    group.add_argument("--queue", choices=QUEUES, help="dead-lettered from this queue (default: all)")
    group.add_argument("--reason", help=reason)
    group.add_argument("--account", metavar="ID", help="of this account at mParticle")
    return filters, group


def filter_options() -> argparse.ArgumentParser:
    """Return the options that choose letters."""
    filters, group = _kind_options(
        f"with exactly this reason, as `list` prints it; {TOO_MANY_RECEIVES!r} for what SQS moved itself"
    )
    group.add_argument(
        "--older-than", type=_duration, metavar="DURATION", help="dead-lettered longer ago than, such as 30m, 12h or 2d"
    )
    group.add_argument("--newer-than", type=_duration, metavar="DURATION", help="dead-lettered less long ago than")
    return filters


def connection_options() -> argparse.ArgumentParser:
    """Return the options that say where the deployment is."""
    connection = argparse.ArgumentParser(add_help=False)
    group = connection.add_argument_group("connection")
    add_stack_options(group)
    for urls, kind, words in ((DEAD_LETTER_QUEUES, "dlq", "dead-letter queue"), (SOURCE_QUEUES, "queue", "queue")):
        for queue, output in urls.items():
            help_text = f"the {queue} {words}, instead of the stack's"
            group.add_argument(f"--{queue}-{kind}-url", dest=output, metavar="URL", help=help_text)
    group.add_argument(
        "--large-body-bucket",
        dest=LARGE_BODY_BUCKET,
        metavar="NAME",
        help="the bucket of large bodies",
    )
    return connection


def _duration(text: str) -> timedelta:
    try:
        return duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
