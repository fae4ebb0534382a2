"""`make run`: the whole product on this machine, from mParticle's request to the partner's API."""

import argparse
import signal
import sys
import time
from collections.abc import Callable, Sequence
from types import FrameType

from rich.console import Console

from local.cloud.cloud import LocalCloud
from local.cloud.http_endpoint import HttpResponse, ask
from local.isolation import ROOT, STATE, LocalCloudError
from local.partner.server import FakePartner
from local.run.journey import Journey, travel
from local.run.messages import Message, message_from, messages_in
from local.run.report import console, show

_ENDED_BY_SIGNAL = 128
_OK = 200


def main() -> int:
    """Run and return the exit status: 0 when every message arrived, 1 when not, 2 when nothing could be tried."""
    for stop in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(stop, _terminate)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job starts with it ignored
    out, problems = console(), Console(stderr=True, highlight=False)
    try:
        return _run(_messages(), out)
    except LocalCloudError as error:
        problems.print(f"\nThe local cloud could not do it: {error}", style="red", markup=False, soft_wrap=True)
        return 2
    except KeyboardInterrupt:
        problems.print("\nInterrupted; everything is stopped.")
        return _ENDED_BY_SIGNAL + signal.SIGINT


def _messages() -> Sequence[Message]:
    parser = argparse.ArgumentParser(prog="make run", description="Send messages through the product, locally.")
    parser.add_argument("--event", metavar="FILE", help="send this one message; - reads it from standard input")
    source = parser.parse_args().event
    messages = [message_from(source)] if source else messages_in(ROOT / "events")
    if not messages:
        raise LocalCloudError("there is no message in events/")
    return messages


def _run(messages: Sequence[Message], out: Console) -> int:
    started = time.monotonic()
    with out.status("Starting the local cloud ..."), FakePartner() as partner:
        report = _step_printer(out)
        with LocalCloud(partner.url, report=report) as cloud:
            sending = time.monotonic()
            journey = travel(cloud, partner, messages)
            report(f"Sent {_counted(messages)} to the released alias ({time.monotonic() - sending:.1f} s)")
            over_http = _registered_over_http(cloud)
            report(f"Sent a registration to the HTTPS endpoint ({over_http.milliseconds:.0f} ms)")
            _keep_logs(cloud)
    _finish(journey, out, time.monotonic() - started)
    if over_http.status != _OK:
        out.print(f"The HTTPS endpoint answered {over_http.status} to a registration.", style="red")
    return 1 if journey.problems or over_http.status != _OK else 0


def _registered_over_http(cloud: LocalCloud) -> HttpResponse:
    """Register over HTTP as well: the same handler behind another door, which needs no token for this."""
    registration = (ROOT / "events" / "module_registration_request.json").read_bytes()
    headers = {"Content-Type": "application/json"}
    return ask("POST", f"{cloud.http_endpoint}/registration", registration, headers)


def _counted(messages: Sequence[Message]) -> str:
    return "1 message" if len(messages) == 1 else f"{len(messages)} messages"


def _step_printer(out: Console) -> Callable[[str], None]:
    return lambda step: out.print(f"[green]✓[/green] {step}")


def _finish(journey: Journey, out: Console, seconds: float) -> None:
    show(journey, out)
    logs = (STATE / "log").relative_to(ROOT)
    out.print(f"It took {seconds:.0f} s, and all of it is stopped again. What the functions logged is in {logs}/.")


def _keep_logs(cloud: LocalCloud) -> None:
    for function in ("handler", "worker"):
        lines = cloud.function_logs(function)
        (STATE / "log" / f"{function}.log").write_text("\n".join(line.rstrip("\n") for line in lines) + "\n")


def _terminate(number: int, _frame: FrameType | None) -> None:
    """Leave as an exception does, so that every context is closed on the way."""
    raise SystemExit(_ENDED_BY_SIGNAL + number)


if __name__ == "__main__":
    sys.exit(main())
