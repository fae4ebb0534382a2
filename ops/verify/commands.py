"""The command ``verify``: its options, its question before it sends anything, and its exit status."""

import argparse
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from getpass import getpass
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from rich.console import Console

from local.cloud.background import BackgroundCloud, Running
from local.rooms import Room
from ops.commands import DONE, NOTHING
from ops.display import console, print_line
from ops.interrupts import Interrupts
from ops.options import aws_account, natural, positive
from ops.stack import StackError, client_maker, is_loopback, lambda_client
from ops.verify.access import MPARTICLE_ACCOUNTS
from ops.verify.alias_target import AliasTarget
from ops.verify.arn import FunctionArn
from ops.verify.capacity import Load
from ops.verify.dead_letters import CountLetters, counting
from ops.verify.display import About, print_findings, report
from ops.verify.failing_partner import failing_by
from ops.verify.findings import would_be_refused
from ops.verify.https_target import PATHS, TOKEN_VARIABLE, HttpsTarget
from ops.verify.run import Wanted, verify
from ops.verify.settings import given_settings, known_settings

_ABOUT = f"""\
Tries a deployment as mParticle will: the import of the registration, keep-alives, every declared type of event,
audiences, erasures, malformed input and latency. By the ARN of an alias it also reads who may invoke it and the
concurrency; over HTTPS it also tries the token ({TOKEN_VARIABLE} in the environment), paths, methods and statuses. The
requests are invented. Without a target it takes the local cloud of `make up`.

Your API gets what the integration makes of the requests, with the settings that you give. Confidential ones that you
do not give are invented, which your API refuses: those checks then say `not checked`."""

_STATUS = "Exit status: 0 mParticle would accept it, 1 it would refuse, 2 it could not be tried, 130 interrupted."
_LOCAL_SETTLE_SECONDS = 3
_NO_TARGET = "name a target, the ARN of an alias or an https:// URL, or run `make up` for a local one"


@dataclass(frozen=True)
class Place:
    """Where the target is.

    Attributes:
        target: what is called.
        name: how it is called in a sentence, without an account.
    """

    target: AliasTarget | HttpsTarget
    name: str

    def is_in(self, cloud: Running) -> bool:
        """Return whether it belongs to a local cloud."""
        if isinstance(self.target, HttpsTarget):
            return self.target.url == cloud.http_endpoint
        return self.target.is_local and self.target.arn == cloud.outputs["HandlerAliasArn"]


def add_commands(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the command line."""
    command = subparsers.add_parser(
        "verify",
        help="try a deployment as mParticle will",
        description=_ABOUT,
        epilog=_STATUS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "target", nargs="?", metavar="TARGET", help="the ARN of the alias, or the HTTPS endpoint's URL"
    )
    command.add_argument(
        "--partner",
        default="",
        metavar="FOLDER",
        help="an example's integration instead of yours (default: what is up)",
    )
    command.add_argument("--calls", type=natural, default=100, metavar="N", help="warm calls to measure (default: 100)")
    command.add_argument(
        "--cold", type=natural, default=0, metavar="N", help="also send N calls at once, so that environments start"
    )
    command.add_argument("--setting", action="append", default=[], metavar="ID=VALUE", help="ID=- reads standard input")
    command.add_argument("--settings", type=Path, metavar="FILE", help="a JSON object of settings by id")
    command.add_argument(
        "--account", type=aws_account, action="append", metavar="ID", help="mParticle's, instead of the documented ones"
    )
    command.add_argument(
        "--requests-per-second", type=positive, default=Load.average, metavar="N", help="on average (default: 2000)"
    )
    command.add_argument("--peak", type=positive, default=Load.peak, metavar="N", help="the same (default: 10000)")
    command.add_argument("--report", type=Path, metavar="FILE", help="also write the result as Markdown")
    command.add_argument("--yes", action="store_true", help="send to a real deployment without a question")
    command.add_argument("--profile", help="the AWS profile (default: AWS_PROFILE)")
    command.add_argument(
        "--endpoint-url", metavar="URL", help="a local cloud instead of AWS (default: AWS_ENDPOINT_URL)"
    )
    command.set_defaults(
        run=_run, when_interrupted="Interrupted. If an audience was connected, it is disconnected again."
    )


def found_target(
    text: str | None,
    environ: Mapping[str, str],
    *,
    profile: str | None = None,
    endpoint_url: str | None = None,
    running: Callable[[], Running | None] = lambda: BackgroundCloud().running(),
) -> Place:
    """Return what to call.

    Raises:
        StackError: there is no target, or it is neither the ARN of a function nor a URL that mParticle would call.
    """
    if not text:
        cloud = running()
        if cloud is None:
            raise StackError(_NO_TARGET)
        text, endpoint_url = cloud.outputs["HandlerAliasArn"], cloud.endpoint
    if text.lower().startswith(("https://", "http://")):
        return _endpoint(text, environ)
    arn = FunctionArn.read(text)
    endpoint = endpoint_url or environ.get("AWS_ENDPOINT_URL")
    client = lambda_client(region=arn.region, profile=profile, endpoint_url=endpoint)
    is_local = bool(endpoint) and is_loopback(str(endpoint))
    where = "in the local cloud" if is_local else f"in {arn.region}"
    return Place(AliasTarget(client, text, is_local=is_local), f"{arn.name}:{arn.qualifier} {where}".replace(": ", " "))


def _endpoint(url: str, environ: Mapping[str, str]) -> Place:
    parts, is_local = _parts(url), is_loopback(url)
    if not is_local and parts.scheme != "https":
        raise StackError("mParticle calls https:// URLs only")
    if parts.query or parts.fragment or parts.username is not None:
        raise StackError("the URL is the endpoint's base URL, without a query and without credentials")
    if (last := parts.path.rstrip("/").rpartition("/")[2]) in PATHS:
        raise StackError(f"the URL is the endpoint's base URL, without /{last} at its end")
    where = "in the local cloud" if is_local else "over HTTPS"
    return Place(HttpsTarget(url, environ.get(TOKEN_VARIABLE, ""), is_local=is_local), f"the endpoint {where}")


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise StackError("the URL cannot be read: it must be like https://host.example") from None
    if not parts.hostname:
        raise StackError("the URL names no host")
    return parts


def question(place: Place, calls: int, invented: tuple[str, ...]) -> str:
    """Return what to ask before anything is sent to a real deployment."""
    refused = (
        f" Without values of {', '.join(invented)} your API refuses them, and dead letters and alarms may follow: see"
        " --setting."
        if invented
        else ""
    )
    return (
        f"This sends about {calls + 60} requests of an invented customer to {place.name}. What the integration makes of"
        f" them reaches your API.{refused} Continue? [y/N] "
    )


def confirmed(text: str, *, is_yes: bool, ask: Callable[[str], str] | None) -> bool:
    """Return whether to go on.

    Raises:
        StackError: nobody can be asked.
    """
    if is_yes:
        return True
    if ask is None:
        raise StackError("this is a real deployment: add --yes to send invented requests to it")
    return ask(text).strip().lower() in {"y", "yes"}


def _run(options: argparse.Namespace, interrupts: Interrupts) -> int:
    place = found_target(options.target, os.environ, profile=options.profile, endpoint_url=options.endpoint_url)
    running = BackgroundCloud().running()
    cloud = running if running and place.is_in(running) else None
    room = Room.of(options.partner or (cloud.room if cloud else ""))
    declaration = room.integration().declaration()
    given = given_settings(options.setting, options.settings, declaration, _read_secret)
    known = known_settings(declaration, given, room, is_local=place.target.is_local)
    if options.report:
        _write(options.report, "", mode="a")  # before anything is sent
    ask = input if sys.stdin.isatty() else None
    if not place.target.is_local and not confirmed(
        question(place, options.calls, known.invented), is_yes=options.yes, ask=ask
    ):
        print_line(console(stderr=True), "Nothing was sent.")
        return NOTHING
    wanted = Wanted(
        accounts=options.account or MPARTICLE_ACCOUNTS,
        load=Load(options.requests_per_second, options.peak),
        calls=options.calls,
        burst=options.cold,
        settings=given,
        uninterrupted=interrupts.uninterrupted,
        letters=_letters_of(place, cloud, options),
        failing=failing_by(cloud.inspector) if cloud else None,
        settle_seconds=_LOCAL_SETTLE_SECONDS if place.target.is_local else Wanted.settle_seconds,
    )
    return run(place, room, wanted, console(), options.report)


def _letters_of(place: Place, cloud: Running | None, options: argparse.Namespace) -> CountLetters | None:
    """Return what counts the target's dead letters; None for an endpoint in AWS, which does not tell its function."""
    if isinstance(place.target, AliasTarget):
        arn, endpoint = place.target.arn, cloud.endpoint if cloud else options.endpoint_url
    elif cloud:
        arn, endpoint = cloud.outputs["HandlerAliasArn"], cloud.endpoint
    else:
        return None
    make = client_maker(region=FunctionArn.read(arn).region, profile=options.profile, endpoint_url=endpoint)
    return counting(make("lambda"), make("sqs"), arn)


def run(place: Place, room: Room, wanted: Wanted, out: Console, file: Path | None = None) -> int:
    """Try a deployment, print what was found, write the report if a file is named, and return the exit status."""
    with console(stderr=True).status("Trying") as status:
        verified = verify(place.target, room, wanted, lambda name: status.update(f"Trying {name}"))
    print_findings(out, verified.findings)
    if file:
        integration = f"{verified.declaration.name} {verified.declaration.version}"
        _write(file, report(About(integration, place.name, datetime.now(UTC)), verified.findings))
    return NOTHING if would_be_refused(verified.findings) else DONE


def _write(file: Path, text: str, mode: str = "w") -> None:
    try:
        with file.open(mode) as opened:
            opened.write(text)
    except OSError as error:
        raise StackError(f"{file.name} cannot be written: {error.strerror}") from None


def _read_secret(name: str) -> str:
    """Read a value from standard input, without showing it."""
    if sys.stdin.isatty():
        return getpass(f"{name}: ")
    value = sys.stdin.readline().rstrip("\n")
    if not value:
        raise StackError(f"standard input has no line for {name}")
    return value
