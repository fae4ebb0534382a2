"""`make up`, `make invoke`, `make logs`, `make down`, and operators' commands for the local cloud in the background.

What a shell is to evaluate goes to standard output, everything else to standard error.
"""

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from local.cloud.background import FOLDER, PORT, BackgroundCloud
from local.cloud.invoking import invoke
from local.cloud.running import ENDPOINT_VARIABLE, Running, exports, unset
from local.cloud.watching import watch
from local.failures import FAILED, exit_status
from local.isolation import REGION, LocalCloudError
from local.logs.show import LogReader, follow, show
from local.progress import Spinner
from local.run.messages import message_from
from local.signals import can_be_ended, end_quietly_in_pipes
from ops.__main__ import main as operate

_SWITCHES = {"--all", "--dry-run", "--each"}


def main() -> int:
    """Do what the command line says, and return the exit status."""
    options = _parser().parse_args()
    problems = Console(stderr=True, highlight=False)
    status = FAILED  # also if what is raised here is a defect
    try:
        status = exit_status(lambda: options.do(options, problems), problems, "Interrupted.")
    finally:
        if status and options.do is _up and not sys.stdout.isatty():
            print("false", flush=True)  # for a shell that evaluates this
    return status


def _run(options: argparse.Namespace, _problems: Console) -> int:
    _cloud(options).run()
    return 0


def _up(options: argparse.Namespace, problems: Console) -> int:
    can_be_ended()
    cloud = _cloud(options)
    with Spinner(problems) as progress:
        running = cloud.up(progress)
    places = f"The fake API: {running.partner}\nThe inspector, which shows requests step by step: {running.inspector}"
    if options.watch:
        problems.print(places, markup=False, soft_wrap=True)
        problems.print('Watching for edits; Ctrl-C ends this. In other shells: eval "$(make -s up)"', markup=False)
        return watch(cloud, options.partner, problems)
    print(exports(running), flush=True)
    if sys.stdout.isatty():
        problems.print('For boto3, the AWS CLI and curl in this shell: eval "$(make -s up)"', markup=False)
    problems.print(f"The alias: {running.outputs['HandlerAliasArn']}\n{places}", markup=False, soft_wrap=True)
    return 0


def _update(options: argparse.Namespace, problems: Console) -> int:
    """Bring the cloud up to date, for a process that watches."""
    with Spinner(problems) as progress:
        _cloud(options).up(progress)
    return 0


def _down(options: argparse.Namespace, problems: Console) -> int:
    was_up = _cloud(options).down()
    problems.print("The local cloud is down." if was_up else "The local cloud was not up.")
    if not sys.stdout.isatty():
        print(unset())
    elif was_up and os.environ.get(ENDPOINT_VARIABLE) == was_up.endpoint:
        problems.print(f"This shell still points at it. Take that back with:\n{unset()}", soft_wrap=True)
    return 0


def _invoke(options: argparse.Namespace, _problems: Console) -> int:
    end_quietly_in_pipes()
    if not options.event:
        raise LocalCloudError("name a message: make invoke EVENT=events/event_processing_request.json")
    message = message_from(options.event)
    return invoke(_running(options), message)


def _logs(options: argparse.Namespace, problems: Console) -> int:
    end_quietly_in_pipes()
    cloud, running = _cloud(options), _running(options)
    once = partial(
        show,
        LogReader(running, cloud.partner_log).new_entries,
        partial(print, flush=True),
        wanted=options.filter,
        as_json=options.json,
        **({"width": shutil.get_terminal_size().columns} if sys.stdout.isatty() else {}),
    )
    if not options.follow:
        if not once():
            problems.print("No line has that text." if options.filter else "Nothing was logged yet.", markup=False)
        return 0
    try:
        follow(once, is_up=lambda: cloud.running() is not None)
    except KeyboardInterrupt:
        print()
    return 0


def _ops(options: argparse.Namespace, _problems: Console) -> int:
    if options.arguments == ["show", ""]:
        raise LocalCloudError(
            "name a letter: make dead-letter LETTER=<message id>; make dead-letters EACH=1 lists them"
        )
    running = _running(options)
    arguments = [*switched(options.arguments), "--endpoint-url", running.endpoint, "--region", REGION]
    return operate(arguments)


def switched(arguments: Sequence[str]) -> list[str]:
    """Return arguments of `python -m ops` with switches as it takes them: ``--dry-run=1`` is one, ``=0`` is none."""
    given = [argument.partition("=") for argument in arguments]
    return [
        name if name in _SWITCHES else f"{name}{sign}{value}"
        for name, sign, value in given
        if not (name in _SWITCHES and value == "0")
    ]


def _is_on(text: str) -> bool:
    return text != "0"


def _cloud(options: argparse.Namespace) -> BackgroundCloud:
    return BackgroundCloud(options.folder.absolute(), options.partner, options.port)


def _running(options: argparse.Namespace) -> Running:
    running = _cloud(options).running()
    if running is None:
        raise LocalCloudError("the local cloud is not up: run `make up` first")
    return running


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local.cloud", description="A local cloud in the background.")
    parser.set_defaults(partner="", port=PORT)
    switch: Any = {"nargs": "?", "type": _is_on, "default": False, "const": True, "metavar": "0|1"}
    folder = argparse.ArgumentParser(add_help=False)
    folder.add_argument("--folder", type=Path, default=FOLDER, help="for the state of the cloud")
    starting = argparse.ArgumentParser(add_help=False)
    starting.add_argument("--port", type=int, default=PORT, help="of the emulator; 0 picks a free one")
    starting.add_argument(
        "--partner", metavar="FOLDER", default="", help="an example, or laid out like one; default: your own"
    )
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    run = actions.add_parser("run", parents=[folder, starting], help="run it in this process")
    run.set_defaults(do=_run)
    up = actions.add_parser("up", parents=[folder, starting], help="start it, or bring it up to date")
    up.add_argument("--watch", **switch, help="and again after each edit")
    up.set_defaults(do=_up)
    update = actions.add_parser("update", parents=[folder, starting], help="bring it up to date")
    update.set_defaults(do=_update)
    actions.add_parser("down", parents=[folder], help="stop it").set_defaults(do=_down)
    invoking = actions.add_parser("invoke", parents=[folder], help="send it a message")
    invoking.add_argument("event", nargs="?", default="", help="a file; - reads standard input")
    invoking.set_defaults(do=_invoke)
    logging = actions.add_parser("logs", parents=[folder], help="show what was logged")
    logging.add_argument("--filter", default="", help="a function, or a text such as a request id")
    logging.add_argument("--follow", **switch, help="go on until it is interrupted")
    logging.add_argument("--json", **switch, help="everything, as a JSON object in each line")
    logging.set_defaults(do=_logs)
    operating = actions.add_parser("ops", parents=[folder], help="run `python -m ops` against it")
    operating.add_argument("arguments", nargs=argparse.REMAINDER, help="of `python -m ops`")
    operating.set_defaults(do=_ops)
    return parser


if __name__ == "__main__":
    sys.exit(main())
