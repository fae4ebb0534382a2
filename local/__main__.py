"""`make run`: the whole product on this machine, from mParticle's request to the partner's API."""

import argparse
import sys
import time
from collections.abc import Sequence

from rich.console import Console

from local.cloud.cloud import LocalCloud
from local.cloud.http_endpoint import HttpResponse, ask
from local.cloud.release import FUNCTION_OUTPUTS
from local.failures import exit_status
from local.isolation import ROOT, STATE, LocalCloudError
from local.latency_limits import HTTPS_MS
from local.partner.server import PartnerServer
from local.preview.faults import told_in_a_sentence
from local.progress import Progress, Spinner
from local.rooms import Room
from local.run.feeding import FeedRun, fake_mparticle, send_feed
from local.run.messages import Message, message_from, messages_in
from local.run.report import show, show_feed
from local.run.secrets import check_secrets
from local.run.sending import Run, send_all
from local.signals import can_be_ended

_OK = 200
_REGISTRATION = b'{"type": "module_registration_request"}'


def main() -> int:
    """Run and return the exit status: 0 when every message arrived, 1 when not, 2 when nothing could be tried."""
    can_be_ended()
    out, problems = Console(highlight=False), Console(stderr=True, highlight=False)
    return exit_status(lambda: _run(*_options(), out), problems, "Interrupted; everything is stopped.")


def _options() -> tuple[Room, Sequence[Message]]:
    parser = argparse.ArgumentParser(prog="make run", description="Send messages through the product, locally.")
    parser.add_argument("--event", metavar="FILE", help="send this one message; - reads it from standard input")
    parser.add_argument(
        "--partner",
        metavar="FOLDER",
        default="",
        help="an example, or laid out like one; default: your own integration",
    )
    options = parser.parse_args()
    room = Room.of(options.partner)
    messages = [message_from(options.event)] if options.event else messages_in(room.events)
    if not messages:
        raise LocalCloudError(f"there is no message in {room.events.relative_to(ROOT)}/: `make samples` writes some")
    return room, messages


def _run(room: Room, messages: Sequence[Message], out: Console) -> int:
    started = time.monotonic()
    with told_in_a_sentence(room):
        integration, fake_api = room.integration(), room.fake_api()
    check_secrets(integration, messages, room.deployment_secret)
    feed = integration.feed if room.feed_messages else None
    with (
        Spinner(out) as progress,
        PartnerServer(fake_api) as partner,
        fake_mparticle() as mparticle,
    ):
        parameters = {"Feed": "on", "FeedUrl": mparticle.partner_feed_url} if feed else {}
        with LocalCloud(partner.url, parameters=parameters, room=room, progress=progress) as cloud:
            _warm_up(cloud, progress)
            sending = time.monotonic()
            run = send_all(cloud, partner, messages, integration, progress)
            progress.done(f"Sent {_counted(messages)} to the released alias ({time.monotonic() - sending:.1f} s)")
            progress.doing("Sending a registration to the HTTPS endpoint")
            over_http = _registered_over_http(cloud)
            progress.done(f"Sent a registration to the HTTPS endpoint ({over_http.milliseconds:.0f} ms)")
            feeding = time.monotonic()
            progress.doing("Putting events of the partner on the feed's queue")
            fed = send_feed(cloud, mparticle, room.feed_messages, feed()) if feed else None
            if fed:
                took = time.monotonic() - feeding
                progress.done(f"Put {fed.sent} events of the partner on the feed's queue ({took:.1f} s)")
            _keep_logs(cloud)
            progress.doing("Stopping the local cloud")
    _finish(run, fed, out, time.monotonic() - started)
    if over_http.status != _OK:
        out.print(f"The HTTPS endpoint answered {over_http.status} to a registration.", style="red")
    elif over_http.milliseconds > HTTPS_MS:
        out.print(f"The HTTPS endpoint was slow: mParticle allows {HTTPS_MS} ms.", style="yellow")
    return 1 if run.problems or (fed and fed.problems) or over_http.status != _OK else 0


def _warm_up(cloud: LocalCloud, progress: Progress) -> None:
    """Send a registration first: for its first call the emulator unpacks the function and starts it, unlike AWS."""
    progress.doing("Warming up the handler")
    answer = cloud.invoke(_REGISTRATION)
    progress.done(f"Warmed up the handler with a registration ({answer.milliseconds:.0f} ms)")


def _registered_over_http(cloud: LocalCloud) -> HttpResponse:
    """Register over HTTPS as well: the endpoint answers a registration without a token."""
    headers = {"Content-Type": "application/json"}
    return ask("POST", f"{cloud.http_endpoint}/registration", _REGISTRATION, headers)


def _counted(messages: Sequence[Message]) -> str:
    return "1 message" if len(messages) == 1 else f"{len(messages)} messages"


def _finish(run: Run, fed: FeedRun | None, out: Console, seconds: float) -> None:
    show(run, out)
    if fed:
        show_feed(fed, out)
    logs = (STATE / "log").relative_to(ROOT)
    out.print(f"It took {seconds:.0f} s; everything is stopped. The logs of the functions: {logs}/", soft_wrap=True)


def _keep_logs(cloud: LocalCloud) -> None:
    (STATE / "log").mkdir(parents=True, exist_ok=True)
    for function, output in FUNCTION_OUTPUTS.items():
        if output not in cloud.outputs:
            continue
        lines = cloud.function_logs(function)
        (STATE / "log" / f"{function}.log").write_text("\n".join(line.rstrip("\n") for line in lines) + "\n")


if __name__ == "__main__":
    sys.exit(main())
