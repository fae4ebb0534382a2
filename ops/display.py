"""Prints counts, times, the attributes of dead letters and the structure of their bodies."""

from collections.abc import Iterable
from datetime import UTC, datetime

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mparticle_firehose.queues.record import FIRST_AT, QUEUE_POSITION, REDRIVEN_AT, SETTLED
from ops.dead_letter_queue import VISIBILITY_SECONDS
from ops.dead_letters import FEED, MESSAGE_TYPE, QUEUES, DeadLetter, Group, grouped
from ops.letter_source import LetterSource
from ops.masking import contents, contents_of_feed, masked, masked_feed, type_and_length

_WIDTH_WITHOUT_TERMINAL = 160
_REASON_WIDTH = 48
_TIMES = "\N{MULTIPLICATION SIGN}"
_MINUTES = VISIBILITY_SECONDS // 60

# The attributes that this product writes. Others may hold anything, and are masked.
_TEXTS = ("account_id", "request_id", "reason", "status", "attempts", "group_id", QUEUE_POSITION)
_MOMENTS = (FIRST_AT, "last_at", REDRIVEN_AT)


def console(*, stderr: bool = False) -> Console:
    """Return a console that is wide enough for the tables if the output is not a terminal."""
    terminal = Console(highlight=False, stderr=stderr)
    if not terminal.is_terminal:
        terminal.width = _WIDTH_WITHOUT_TERMINAL
    return terminal


def print_line(out: Console, text: str, style: str | None = None) -> None:
    """Print a text as it is, without markup and line breaks."""
    out.print(text, style=style, markup=False, soft_wrap=True)


def counted(number: int, word: str = "letter") -> str:
    """Return a number with its word, in the plural unless it is one."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def print_summary(out: Console, letters: Iterable[DeadLetter]) -> int:
    """Print a row for each queue, reason, account and message type, if there are any. Return the number of letters."""
    groups = grouped(letters)
    if groups:
        out.print(_table(groups))
    return sum(group.letters for group in groups)


def _table(groups: Iterable[Group]) -> Table:
    table = Table("Queue", box=SIMPLE_HEAD)
    table.add_column("Letters", justify="right")
    table.add_column("Reason", max_width=_REASON_WIDTH)
    for title in ("Account", "Message type", "Oldest (UTC)", "Newest (UTC)"):
        table.add_column(title, no_wrap=True)
    table.add_column("Attempts", justify="right")
    for group in groups:
        first = group.first
        cells = (first.queue, str(group.letters), first.reason, first.account, first.message_type)
        table.add_row(*map(Text, (*cells, minute(group.oldest), minute(group.newest), _attempts(group))))
    return table


def print_each(out: Console, letters: Iterable[DeadLetter]) -> int:
    """Print a row for each letter, the oldest of each queue first. Return how many there are."""
    table = Table("Message id", "Queue", "Reason", "Account", "Message type", "Dead-lettered (UTC)", box=SIMPLE_HEAD)
    ordered = sorted(letters, key=lambda letter: (QUEUES.index(letter.queue), letter.position))
    for letter in ordered:
        cells = (letter.message_id, letter.queue, letter.reason, letter.account, letter.message_type)
        table.add_row(*map(Text, (*cells, minute(letter.dead_lettered_at))))
    if ordered:
        out.print(table)
    return len(ordered)


def print_letter(out: Console, letter: DeadLetter) -> None:
    """Print the attributes of a letter, and its masked body."""
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in _facts(letter):
        table.add_row(Text(name, style="bold"), Text(value))
    out.print(table)
    out.print()
    print_line(out, masked_feed(letter.body) if letter.queue == FEED else masked(letter.body))


def print_not_received(out: Console, dead_letters: LetterSource) -> None:
    """Print how many letters of a queue could not be received, and why."""
    if in_flight := dead_letters.initial_counts.in_flight:
        print_line(
            out,
            f"{dead_letters.queue}: about {counted(in_flight)} in flight, received by somebody else or by a run that "
            f"was killed less than {_MINUTES} minutes ago.",
        )
    if (others := dead_letters.initial_counts.available - dead_letters.received) > 0:
        print_line(
            out,
            f"{dead_letters.queue}: about {counted(others)} more could not be received. SQS returns a limited number "
            "at a time, and ten of a message group, until these are deleted.",
        )


def print_unreleased(out: Console, number: int) -> None:
    """Print how many letters stay invisible for a while."""
    if number:
        print_line(out, f"{counted(number)} could not be made visible again. SQS does it within {_MINUTES} minutes.")


def _facts(letter: DeadLetter) -> Iterable[tuple[str, str]]:
    yield "message id", letter.message_id
    yield "queue", letter.queue
    yield MESSAGE_TYPE, letter.message_type
    attributes = letter.attributes
    yield from ((name, attributes[name]) for name in _TEXTS if name in attributes)
    if "reason" not in attributes:
        yield "reason", f"{letter.reason} (moved by SQS)"
    yield from ((name, _second(attributes[name])) for name in _MOMENTS if name in attributes)
    yield "sent", _second(str(letter.sent_at))
    if SETTLED in attributes:
        settled = counted(letter.settled, "item") if letter.settled else "the user's state"
        yield SETTLED, f"{settled}, not asked again after a redrive"
    others = [value for name, value in attributes.items() if name not in {MESSAGE_TYPE, SETTLED, *_TEXTS, *_MOMENTS}]
    yield from (("(other attribute)", type_and_length(value)) for value in others)
    counted_parts = contents_of_feed(letter.body) if letter.queue == FEED else contents(letter.body)
    counts = [f"{number}{_TIMES} {name}" for name, number in counted_parts.items()]
    yield "contents", ", ".join(counts) or "-"


def _attempts(group: Group) -> str:
    """Return the fewest and the most attempts, as far as they are known."""
    return "-".join(map(str, dict.fromkeys(group.attempts))) if group.attempts else "-"


def minute(milliseconds: int) -> str:
    """Return a moment of epoch milliseconds as text, in UTC."""
    return _moment(milliseconds, "%Y-%m-%d %H:%M")


def _second(milliseconds: str) -> str:
    return _moment(int(milliseconds), "%Y-%m-%d %H:%M:%S UTC") if milliseconds.isdecimal() else "-"


def _moment(milliseconds: int, form: str) -> str:
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime(form)
    except (OverflowError, ValueError):
        return "-"
