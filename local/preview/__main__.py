"""`make preview`: the calls that the sample requests become, without a cloud."""

import argparse
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console

from local.isolation import ROOT, LocalCloudError
from local.partner.fake_api import FakeApi
from local.preview.display import request_lines, show, verdict_lines
from local.preview.faults import fault
from local.preview.requests import previews
from local.preview.watching import watch
from local.rooms import Room
from local.run.messages import Message, message_from, messages_in
from local.signals import ENDED_BY_SIGNAL

_NOTHING_TRIED = 2


@dataclass(frozen=True)
class _Options:
    """What the command line asks for."""

    event: str
    partner: str
    watch: bool


def main(arguments: Sequence[str] | None = None) -> int:
    """Preview, and return the exit status: 0 if no rule is broken, 1 if one is, 2 when nothing could be tried."""
    options = _options(arguments)
    errors = Console(stderr=True, highlight=False)
    try:
        room = Room.of(options.partner)
        if options.watch:
            return watch(room, event=options.event, partner=options.partner)
        return _preview(room, options.event, errors)
    except LocalCloudError as error:
        show([(f"Nothing can be previewed: {error}", "red")], errors)
        return _NOTHING_TRIED
    except KeyboardInterrupt:
        return ENDED_BY_SIGNAL + signal.SIGINT


def _options(arguments: Sequence[str] | None) -> _Options:
    parser = argparse.ArgumentParser(prog="make preview", description="Show what your API gets for sample requests.")
    parser.add_argument("--event", metavar="FILE", default="", help="this request only; - reads it from standard input")
    parser.add_argument(
        "--partner",
        metavar="FOLDER",
        default="",
        help="an example, or laid out like one; default: your own integration",
    )
    parser.add_argument(
        "--watch", nargs="?", type=lambda text: text != "0", const=True, default=False, metavar="0|1",
        help="again after each save, until Ctrl-C",
    )  # fmt: skip
    given = parser.parse_args(arguments)
    if given.watch and given.event == "-":
        parser.error("--watch needs a file: standard input can be read once only")
    return _Options(event=given.event, partner=given.partner, watch=given.watch)


def _preview(room: Room, event: str, errors: Console) -> int:
    folders = (room.partner, room.fake_api_folder)
    messages = _messages(room, event)
    try:
        integration, api = room.integration(), _fake_api(room)
    except LocalCloudError:
        raise
    except Exception as error:  # noqa: BLE001  the user's own code may raise anything
        show(((line, "red") for line in f"Your code cannot be loaded. {fault(error, folders)}".splitlines()), errors)
        return _NOTHING_TRIED
    out, done = Console(highlight=False), []
    for preview in previews(integration, api, messages, folders):
        show(request_lines(preview), out)
        done.append(preview)
    show(verdict_lines(done, is_checked=api is not None), out)
    return 1 if any(preview.all_problems for preview in done) else 0


def _messages(room: Room, event: str) -> list[Message]:
    messages = [message_from(event)] if event else messages_in(room.events)
    if not messages:
        folder = room.events.relative_to(ROOT) if room.events.is_relative_to(ROOT) else room.events
        raise LocalCloudError(
            f"there is no request in {folder}/: `make samples` writes some that fit your registration"
        )
    return messages


def _fake_api(room: Room) -> FakeApi | None:
    """Return the room's fake API; None if it has none, as in a room that has just begun."""
    return room.fake_api() if (room.fake_api_folder / "__init__.py").exists() else None


if __name__ == "__main__":
    sys.exit(main())
