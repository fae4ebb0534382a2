"""Prints what becomes of events. Of the events themselves only positions in the file are shown."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mparticle_firehose.integration import Delivered, Rejected, Retry, Suspend
from ops.display import counted, print_line
from ops.feed.checking import Checked, Ready
from ops.feed.sending import Sent, goes_alone

MAX_SHOWN_POSITIONS = 10

_EVENTS_PATH = "/events"
_TEMPORARY = frozenset({408, 425, 429, *range(500, 600)})

_BULK_PROVES_NOTHING = (
    "This proves nothing: of a bulk request mParticle drops what it refuses and still answers 202. Count the events in "
    "the workspace, or send a few with --single."
)
_AGAIN = "Then send the same file again: what mParticle has taken already, it does not take twice."


def print_checked(out: Console, name: str, events: Sequence[Checked]) -> None:
    """Print what the events of a file become, and what is wrong with those that would be refused."""
    print_line(out, f"{name}: {counted(len(events), 'event')}")
    _print_made(out, events)
    _print_problems(out, [(*problem, each.position) for each in events for problem in each.problems])
    dropped = [(field, each.position) for each in events if each.ready for field in each.ready.dropped]
    for field, positions in _positions(dropped).items():
        print_line(out, f"{field} is dropped, because mParticle could not use its value, at {_listed(positions)}.")
    if repeated := [each.position for each in events if each.ready and each.ready.is_repeated]:
        print_line(out, f"{_events(len(repeated), 'repeats', 'repeat')} an earlier one: at {_listed(repeated)}.")
    print_line(out, f"{sum(bool(each.problems) for each in events)} of {counted(len(events), 'event')} refused.")


def print_sent(out: Console, events: Mapping[int, Ready], sent: Sent, *, single: bool) -> None:
    """Print what became of events.

    Args:
        out: where it is printed.
        events: what was to be sent, by position in the file.
        sent: what became of each.
        single: as for `send`.
    """
    results = [*zip(events.items(), sent.outcomes, strict=True)]
    ways = Counter(goes_alone(event, single=single) for (_, event), each in results if isinstance(each, Delivered))
    if alone := ways[True]:
        print_line(out, f"{_events(alone, 'was', 'were')} taken by mParticle, each in a request of its own.")
    if in_bulk := ways[False]:
        print_line(out, f"{_events(in_bulk, 'was', 'were')} sent in bulk. {_BULK_PROVES_NOTHING}")
    refused = [(each.reason, position) for (position, _), each in results if isinstance(each, Rejected)]
    for reason, positions in _positions(refused).items():
        by = _events(len(positions), "is", "are")
        print_line(out, f"{by} refused by mParticle: {reason}, at {_listed(positions)}.")
    if sent.stopped:
        left = _events(sent.outcomes.count(None), "is", "are")
        print_line(out, f"Stopped, {left} still to be sent. {_stop(sent.stopped, sent.status)} {_AGAIN}")


def _stop(stopped: Retry | Suspend, status: int | None) -> str:
    """Return why sending has stopped and how long to wait."""
    reason = f"{stopped.reason}."
    if isinstance(stopped, Suspend):
        return reason
    if stopped.after is not None:
        return f"{reason} mParticle asks to wait {counted(math.ceil(stopped.after), 'second')}."
    if status is None or status in _TEMPORARY:
        return f"{reason} mParticle does not say how long to wait: begin with a minute, and double it each time."
    return reason


def _print_made(out: Console, events: Sequence[Checked]) -> None:
    table = Table("Event", "Becomes", box=SIMPLE_HEAD)
    table.add_column("Events", justify="right")
    table.add_column("Certain")
    table.add_column("Route", no_wrap=True)
    table.add_column("Bytes of each", justify="right", no_wrap=True)
    groups: defaultdict[tuple[str, ...], list[Checked]] = defaultdict(list)
    for each in events:
        groups[(each.name, *_becomes(each))].append(each)
    for (name, made, certain, route), group in sorted(groups.items()):
        sizes = [each.ready.size for each in group if each.ready]
        table.add_row(*map(Text, (name, made, str(len(group)), certain, route, _range(sizes))))
    out.print(table)


def _becomes(event: Checked) -> tuple[str, str, str]:
    if event.problems:
        return "refused", "", ""
    if event.ready is None:
        return "left out", "", ""
    ready = event.ready
    return ready.made, "yes" if ready.certain else "no", _EVENTS_PATH if goes_alone(ready) else ready.route.value


def _print_problems(out: Console, problems: Iterable[tuple[str, str, int]]) -> None:
    grouped = _positions(((path, rule), position) for path, rule, position in problems)
    if grouped:
        table = Table("Field", "Rule", box=SIMPLE_HEAD)
        table.add_column("Events", justify="right")
        table.add_column("Positions")
        for (path, rule), positions in grouped.items():
            table.add_row(*map(Text, (path, rule, str(len(positions)), _listed(positions))))
        out.print(table)


def _positions[Key](found: Iterable[tuple[Key, int]]) -> Mapping[Key, list[int]]:
    """Return the positions at which each was found."""
    positions: defaultdict[Key, list[int]] = defaultdict(list)
    for key, position in found:
        if position not in positions[key][-1:]:
            positions[key].append(position)
    return positions


def _listed(positions: Sequence[int]) -> str:
    shown = ", ".join(map(str, positions[:MAX_SHOWN_POSITIONS]))
    more = len(positions) - MAX_SHOWN_POSITIONS
    return f"{shown} and {more} more" if more > 0 else shown


def _range(sizes: Sequence[int]) -> str:
    return "-".join(map(str, dict.fromkeys((min(sizes), max(sizes))))) if sizes else ""


def _events(number: int, of_one: str, of_many: str) -> str:
    return f"{counted(number, 'event')} {of_one if number == 1 else of_many}"
