"""The command ``capacity``: its options, and what it prints."""

import argparse

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ops.capacity.explaining import lines
from ops.capacity.planning import MAX_FORWARDED_CALL_MS, Load, Mode, Plan
from ops.commands import DONE, NOTHING
from ops.display import console, print_line
from ops.options import natural, positive

_ABOUT = """\
Calculates which parameters a load needs, and which limit of concurrency the account. Nothing is read or called.
docs/operating.md, Capacity planning, explains the arithmetic."""

_STATUS = "Exit status: 0 calculated, 1 the API is too slow for this mode, 130 interrupted."


def add_commands(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the command line."""
    command = subparsers.add_parser(
        "capacity", help="calculate the parameters that a load needs", description=_ABOUT, epilog=_STATUS
    )
    command.add_argument(
        "--requests", type=positive, required=True, metavar="N", help="event requests a second, at the peak"
    )
    command.add_argument(
        "--memberships", type=natural, default=0, metavar="N", help="messages of memberships a second (default: 0)"
    )
    command.add_argument(
        "--call-ms",
        type=positive,
        required=True,
        metavar="N",
        help="milliseconds of a call to your API, with the network",
    )
    command.add_argument(
        "--per-call", type=positive, default=1, metavar="N", help="requests that one call carries (default: 1)"
    )
    command.add_argument(
        "--mode", type=Mode, choices=[*Mode], default=Mode.FORWARD, help="how events are delivered (default: forward)"
    )
    command.add_argument(
        "--busiest", type=_percent, default=100, metavar="PERCENT", help="the busiest customer's part (default: 100)"
    )
    command.set_defaults(run=_run, when_interrupted="Interrupted.")


def print_plan(load: Load, out: Console) -> int:
    """Print what a load needs, and return the exit status."""
    if load.mode is Mode.FORWARD and not load.can_be_forwarded:
        print_line(
            out,
            f"Refused: the handler waits for your API for less than {MAX_FORWARDED_CALL_MS} ms, so each request would"
            f" be queued after it has waited. Use --mode {Mode.QUEUE}.",
        )
        return NOTHING
    table = Table("Parameter", box=SIMPLE_HEAD)
    table.add_column("Value", justify="right")
    table.add_column("Arithmetic")
    for line in lines(Plan(load)):
        table.add_row(*map(Text, (line.name, line.value, line.why)))
    out.print(table)
    return DONE


def _percent(text: str) -> int:
    number = positive(text)
    if number > 100:  # noqa: PLR2004  all of it
        raise argparse.ArgumentTypeError("write a whole number from 1 to 100")
    return number


def _run(options: argparse.Namespace, _interrupts: object) -> int:
    load = Load(
        requests=options.requests,
        memberships=options.memberships,
        call_ms=options.call_ms,
        requests_per_call=options.per_call,
        mode=options.mode,
        busiest_percent=options.busiest,
    )
    return print_plan(load, console())
