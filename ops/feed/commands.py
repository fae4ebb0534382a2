"""The commands ``feed check`` and ``feed send``: their options, what they do, and their exit status."""

import argparse
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console

from local.rooms import Room
from mparticle_firehose.deadline import Clock
from mparticle_firehose.errors import ConfigurationError, MalformedRequestError
from mparticle_firehose.feed import Environment, Feed
from mparticle_firehose.feed.events_api import PARTNER_FEED_URL, Connections, EventsApi, FeedCredentials, Pod
from mparticle_firehose.integration import Integration, Rejected
from ops.commands import DONE, INCOMPLETE, NOTHING
from ops.display import console
from ops.feed.checking import Checker
from ops.feed.display import print_checked, print_sent
from ops.feed.files import EventFile, read_file
from ops.feed.sending import send
from ops.options import positive

KEY, SECRET = "MPARTICLE_FEED_KEY", "MPARTICLE_FEED_SECRET"

_ANY_ACCOUNT = 1  # decides about the ids of events, which the check does not show

_ABOUT = """\
FILE has events of your own system: a message of the feed's queue, {"account_id": 42, "events": [...]}, a list of
events, or JSON lines; - is standard input. Values in them are never printed, only positions: the number of the line of
JSON lines, otherwise the place in the list."""

_CHECK = """\
Makes of each event what the integration's feed makes of it, and checks it by the rules of a partner's feed, without a
network. Prints what the events become, how many are left out, and which rules are broken."""

_SEND = f"""\
Checks the events like `feed check`, and sends those that break no rule to mParticle. The key pair is taken from the
environment: {KEY} and {SECRET}. All events go with this one, whatever their platform. What is known of erased people
is not considered."""

_CHECK_STATUS = "Exit status: 0 all could be sent, 1 some would be refused, 2 failed, 130 interrupted."
_SEND_STATUS = "Exit status: 0 all sent, 1 some refused, 2 failed or stopped, 130 interrupted."
_WHEN_INTERRUPTED = (
    "Interrupted. What was sent may have arrived. The same file may be sent again: mParticle takes no event twice."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where events are sent, and how.

    Attributes:
        credentials: the customer's key pair. Never shown.
        account_id: the customer's.
        base_url: of mParticle's Events API.
        partner_feed: whether the key pair is that of a partner's feed.
        environment: of the customer's data.
        single: whether each event has a request of its own.
    """

    credentials: FeedCredentials
    account_id: int
    base_url: str = PARTNER_FEED_URL
    partner_feed: bool = True
    environment: Environment = Environment.DEVELOPMENT
    single: bool = False


def add_commands(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the group of commands to the command line."""
    group = subparsers.add_parser(
        "feed", help="check your own events against the feed, and send them", description=_ABOUT
    )
    commands = group.add_subparsers(dest="feed_command", required=True, metavar="COMMAND")
    room = argparse.ArgumentParser(add_help=False)
    room.add_argument("--partner", default="", metavar="FOLDER", help="an example's integration instead of yours")
    checking = commands.add_parser(
        "check",
        help="check events without a network",
        description=f"{_CHECK}\n\n{_ABOUT}",
        epilog=_CHECK_STATUS,
        parents=[room],
    )
    checking.add_argument("files", nargs="+", metavar="FILE")
    checking.set_defaults(run=_run_check, when_interrupted="Interrupted.")
    sending = commands.add_parser(
        "send",
        help="check events and send them to mParticle",
        description=f"{_SEND}\n\n{_ABOUT}",
        epilog=_SEND_STATUS,
        parents=[room],
    )
    _add_target(sending)
    sending.set_defaults(run=_run_send, when_interrupted=_WHEN_INTERRUPTED)


def check(integration: Integration, files: Sequence[EventFile], out: Console, *, clock: Clock = time.time) -> int:
    """Print what becomes of the events of files, and return the exit status.

    Raises:
        ConfigurationError: the integration has no feed.
    """
    feed = _feed(integration)
    is_right = True
    for file in files:
        checker = Checker(
            feed=feed,
            feed_name=integration.feed_name,
            account_id=file.account_id or _ANY_ACCOUNT,
            now_ms=int(clock() * 1000),
        )
        events = checker.check(file.events)
        print_checked(out, file.name, events)
        is_right = is_right and not any(each.problems for each in events)
    return DONE if is_right else NOTHING


def send_file(
    integration: Integration,
    file: EventFile,
    target: Target,
    out: Console,
    *,
    clock: Clock = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Check the events of a file, send those that break no rule, print what became of them, return the exit status.

    Raises:
        ConfigurationError: the integration has no feed, or the URL cannot be used.
        MalformedRequestError: the file has the events of another account.
    """
    feed = _feed(integration)
    if file.account_id not in (None, target.account_id):
        raise MalformedRequestError((f"{file.name}: account_id", "must be that of --account"))
    connections = Connections(target.base_url, clock)
    api = EventsApi(
        connections,
        target.credentials,
        partner_feed=target.partner_feed,
        partner_identity=feed.partner_identity,
        clock=clock,
    )
    checker = Checker(
        feed=feed,
        feed_name=integration.feed_name,
        account_id=target.account_id,
        environment=target.environment,
        partner_feed=target.partner_feed,
        now_ms=int(clock() * 1000),
    )
    events = checker.check(file.events)
    print_checked(out, file.name, events)
    sendable = {each.position: each.ready for each in events if each.ready}
    try:
        sent = send(api, [*sendable.values()], single=target.single, sleep=sleep)
    finally:
        connections.hang_up()  # an interrupted request would keep the command from ending
    print_sent(out, sendable, sent, single=target.single)
    if sent.stopped:
        return INCOMPLETE
    is_refused = any(each.problems for each in events) or any(isinstance(each, Rejected) for each in sent.outcomes)
    return NOTHING if is_refused else DONE


def target_from(options: argparse.Namespace, environ: Mapping[str, str]) -> Target:
    """Return where events are sent: the key pair is of the environment, because nothing on a command line stays secret.

    Raises:
        ConfigurationError: naming each variable that is missing, or the rule that a value or the options break.
    """
    environment = Environment(options.environment)
    if (environment is Environment.PRODUCTION) != options.yes_production:
        raise ConfigurationError("--environment production and --yes-production belong together")
    return Target(
        credentials=_credentials(environ),
        account_id=options.account,
        base_url=Pod[options.pod] if options.pod else options.url,
        partner_feed=options.pod is None,
        environment=environment,
        single=options.single,
    )


def _credentials(environ: Mapping[str, str]) -> FeedCredentials:
    key, secret = (environ.get(name, "").strip() for name in (KEY, SECRET))
    if missing := [name for name, value in ((KEY, key), (SECRET, secret)) if not value]:
        raise ConfigurationError(f"set {' and '.join(missing)} in the environment")
    return FeedCredentials(key, secret)


def _feed(integration: Integration) -> Feed:
    if integration.feed is None:
        raise ConfigurationError("the integration has no feed: see Integration.feed and Integration.feed_name")
    return integration.feed()


def _add_target(command: argparse.ArgumentParser) -> None:
    command.add_argument("file", metavar="FILE")
    command.add_argument("--account", required=True, type=positive, metavar="ID", help="whose events they are")
    host = command.add_mutually_exclusive_group()
    host.add_argument("--url", default=PARTNER_FEED_URL, help="base URL for a partner's feed (default: %(default)s)")
    host.add_argument("--pod", choices=[pod.name for pod in Pod], help="the key pair is that of a custom feed there")
    command.add_argument(
        "--environment",
        choices=[each.value for each in Environment],
        default=Environment.DEVELOPMENT.value,
        help="of the customer's data (default: %(default)s)",
    )
    command.add_argument("--yes-production", action="store_true", help="send production data indeed")
    command.add_argument(
        "--single", action="store_true", help="a request for each event, so that mParticle says which it refuses"
    )


def _run_check(options: argparse.Namespace, _: object) -> int:
    files = [read_file(path) for path in options.files]
    return check(Room.of(options.partner).integration(), files, console())


def _run_send(options: argparse.Namespace, _: object) -> int:
    target = target_from(options, os.environ)
    file = read_file(options.file)
    integration = Room.of(options.partner).integration()
    with console(stderr=True).status("Sending to mParticle"):
        return send_file(integration, file, target, console())
