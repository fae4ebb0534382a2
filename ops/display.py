"""What the commands print: counts, times and the attributes of letters. Nothing out of a body but its structure."""

from collections.abc import Iterable
from datetime import UTC, datetime

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mparticle_firehose.queues.record import FIRST_AT, QUEUE_POSITION, REDRIVEN_AT
from ops.letterbox import HOLD_SECONDS, Letterbox
from ops.letters import QUEUES, Heap, Letter, heaps
from ops.masking import contents, kind, masked

_WIDTH_WITHOUT_TERMINAL = 160
_REASON_WIDTH = 48
_TIMES = "\N{MULTIPLICATION SIGN}"

# The attributes that this product writes. Of any other, nobody knows whether it may be shown.
_TEXTS = ("message_type", "account_id", "request_id", "reason", "status", "attempts", "group_id", QUEUE_POSITION)
_MOMENTS = (FIRST_AT, "last_at", REDRIVEN_AT)


def console(*, stderr: bool = False) -> Console:
    """Return a console that is wide enough for the tables where the output is not a terminal."""
    terminal = Console(highlight=False, stderr=stderr)
    if terminal.is_terminal:
        return terminal
    return Console(highlight=False, stderr=stderr, width=_WIDTH_WITHOUT_TERMINAL)


def say(out: Console, text: str, style: str | None = None) -> None:
    """Print a sentence as it is."""
    out.print(text, style=style, markup=False, soft_wrap=True)


def counted(number: int, word: str = "letter") -> str:
    """Return a number with its word."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def moment(milliseconds: int, form: str = "%Y-%m-%d %H:%M") -> str:
    """Return a moment in UTC, to the minute if not told otherwise."""
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime(form)
    except (OverflowError, ValueError):
        return "-"


def show_heaps(out: Console, letters: Iterable[Letter]) -> None:
    """Print a line for each queue, reason, account and message type."""
    table = Table("Queue", box=SIMPLE_HEAD)
    table.add_column("Letters", justify="right")
    table.add_column("Reason", max_width=_REASON_WIDTH)
    for title in ("Account", "Message type", "Oldest (UTC)", "Newest (UTC)"):
        table.add_column(title, no_wrap=True)
    table.add_column("Attempts", justify="right")
    for heap in heaps(letters):
        table.add_row(*map(Text, _heap_cells(heap)))
    out.print(table)


def show_each(out: Console, letters: Iterable[Letter]) -> None:
    """Print a line for each letter, the oldest of each queue first."""
    table = Table("Message id", "Queue", "Reason", "Account", "Message type", "Put aside (UTC)", box=SIMPLE_HEAD)
    for letter in sorted(letters, key=lambda letter: (QUEUES.index(letter.queue), letter.place)):
        cells = (letter.message_id, letter.queue, letter.reason, letter.account, letter.message_type)
        table.add_row(*map(Text, cells), moment(letter.put_aside_at))
    out.print(table)


def show_unseen(out: Console, box: Letterbox) -> None:
    """Tell how many letters of a queue could not be looked at, and why."""
    minutes = HOLD_SECONDS // 60
    if in_use := box.at_first.in_use:
        say(
            out,
            f"{box.queue}: about {counted(in_use)} in use by someone else, or by a run that was killed less than "
            f"{minutes} minutes ago.",
        )
    if (unseen := box.at_first.waiting - box.seen) > 0:
        say(
            out,
            f"{box.queue}: about {counted(unseen)} more could not be looked at. SQS hands out a limited number at a "
            "time, and ten of a group: they come when those before them are gone.",
        )


def show_not_put_back(out: Console, number: int) -> None:
    """Tell how many letters are invisible for a while longer."""
    if number:
        say(out, f"{counted(number)} could not be made visible again at once: that takes {HOLD_SECONDS // 60} minutes.")


def show_letter(out: Console, letter: Letter, body: str) -> None:
    """Print what is written on a letter, and its masked body."""
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in _facts(letter):
        table.add_row(Text(name, style="bold"), Text(value))
    table.add_row(Text("contents", style="bold"), _contents(body))
    out.print(table)
    out.print()
    say(out, masked(body))


def _heap_cells(heap: Heap) -> tuple[str, ...]:
    least, most = heap.attempts or (None, None)
    attempts = "-" if least is None else f"{least}" if least == most else f"{least}-{most}"
    return (
        heap.queue, str(heap.count), heap.reason, heap.account, heap.message_type,
        moment(heap.oldest), moment(heap.newest), attempts,
    )  # fmt: skip


def _facts(letter: Letter) -> Iterable[tuple[str, str]]:
    yield "message id", letter.message_id
    yield "queue", letter.queue
    written = letter.attributes
    yield from ((name, written[name]) for name in _TEXTS if name in written)
    if "reason" not in written:
        yield "reason", f"{letter.reason} (moved by SQS)"
    yield from ((name, _exactly(int(written[name]))) for name in _MOMENTS if written.get(name, "").isdecimal())
    yield "sent", _exactly(letter.sent_at)
    others = [value for name, value in written.items() if name not in {*_TEXTS, *_MOMENTS}]
    yield from (("(other attribute)", kind(value)) for value in others)


def _exactly(milliseconds: int) -> str:
    return moment(milliseconds, "%Y-%m-%d %H:%M:%S UTC")


def _contents(body: str) -> str:
    return ", ".join(f"{number}{_TIMES} {name}" for name, number in contents(body).items()) or "-"
