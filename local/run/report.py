"""Shows what became of the messages. Names, counts and ids of audiences only: no identity, no attribute, no key."""

from collections import Counter
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from local.cloud.cloud import Answer
from local.partner.server import ReceivedRequest
from local.run.feeding import FeedRun
from local.run.sending import Result, Run
from mparticle_firehose.errors import FirehoseError
from mparticle_firehose.protocol import (
    AudienceMembershipChangeResponse,
    AudienceSubscriptionResponse,
    ModuleRegistrationResponse,
    Response,
    Serializer,
)

_SERIALIZER = Serializer()
_WIDTH_WITHOUT_TERMINAL = 160
_ANSWER_WIDTH = 28
_TIMES = "\N{MULTIPLICATION SIGN}"


def console() -> Console:
    """Return a console that is wide enough for the table where the output is not a terminal."""
    terminal = Console(highlight=False)
    return terminal if terminal.is_terminal else Console(highlight=False, width=_WIDTH_WITHOUT_TERMINAL)


def show(run: Run, out: Console) -> None:
    """Print the table, what the partner knows, the dead letters, and the verdict."""
    out.print(_table(run.results))
    _show_summary(run, out)
    letters = ", ".join(f"{name} {count}" for name, count in run.dead_letters.items())
    out.print(f"Dead letters: {letters}", style="red" if run.dead_letters.total() else None)
    out.print()
    if run.problems:
        out.print("Not everything arrived:", style="bold red")
        for problem in run.problems:
            out.print(f"  - {problem}", style="red", markup=False, soft_wrap=True)
    else:
        out.print(_verdict(run.results), style="bold green")


def show_feed(run: FeedRun, out: Console) -> None:
    """Print what mParticle has received from the feed, and the verdict."""
    received = ", ".join(f"{count}{_TIMES} {name}" for name, count in sorted(run.received.items()))
    left_out = f" ({run.left_out} left out by the mapping)" if run.left_out else ""
    told = f"Of {run.sent} events of the partner{left_out} mParticle received {escape(received or 'none')}"
    out.print(told, soft_wrap=True)
    for problem in run.problems:
        out.print(f"  - {problem}", style="red", markup=False, soft_wrap=True)


def _verdict(results: Sequence[Result]) -> str:
    sent = sum(result.answer is not None for result in results)
    arrived = {0: "Nothing was sent.", 1: "The message arrived."}.get(sent, f"All {sent} messages arrived.")
    left = len(results) - sent
    return f"{arrived} Not offered by the integration: {left}." if left else arrived


def _table(results: Iterable[Result]) -> Table:
    table = Table("Message", box=box.SIMPLE_HEAD)
    table.add_column("Answer", max_width=_ANSWER_WIDTH)
    table.add_column("ms", justify="right")
    table.add_column("Queued")
    table.add_column("The partner received")
    is_first = True
    for result in results:
        table.add_row(
            result.message.name,
            _answer_text(result.answer),
            _milliseconds(result.answer, is_first=is_first),
            "\n".join(f"{count}{_TIMES} {name}" for name, count in result.queued.items()) or "-",
            "\n".join(_calls(result.calls)) or "-",
            style="red" if result.problems else None,
        )
        is_first = is_first and result.answer is None
    return table


def _milliseconds(answer: Answer | None, *, is_first: bool) -> str:
    """Return how long the answer took. For the first one the emulator unpacks the function, unlike AWS."""
    if answer is None:
        return "-"
    return "(start)" if is_first else f"{answer.milliseconds:.0f}"


def _answer_text(answer: Answer | None) -> str:
    if answer is None:
        return "not offered"
    if answer.failed:
        return "error, see below"
    try:
        return _response_text(_SERIALIZER.parse_response(answer.payload))
    except FirehoseError:
        return "not valid, see below"


def _response_text(response: Response) -> str:
    match response:
        case ModuleRegistrationResponse():
            return escape(f"{response.name} {response.version}: {_abilities(response)}")
        case AudienceSubscriptionResponse() if response.audience_subscription_settings:
            return escape(f"keep {', '.join(response.audience_subscription_settings)}")
        case AudienceMembershipChangeResponse() if response.suspend_subscription:
            return "[red]suspend the subscription[/red]"
    return "acknowledged"


def _abilities(registration: ModuleRegistrationResponse) -> str:
    events = registration.event_processing_registration
    named = (
        (f"{len(events.supported_event_types)} event types" if events else "", events),
        ("audiences", registration.audience_processing_registration),
        ("erasures", registration.dsr_processing_registration),
    )
    return ", ".join(text for text, declared in named if declared)


def _calls(calls: Iterable[ReceivedRequest]) -> Iterable[str]:
    """Sum up equal calls as one line: how many, how much was in them, and how many failed."""
    counts: Counter[tuple[str, str]] = Counter()
    contents: dict[tuple[str, str], Counter[str]] = {}
    for call in calls:
        key = (f"{call.method} {call.route}", "" if _is_done(call) else f" → {call.status or 'connection lost'}")
        counts[key] += 1
        contents.setdefault(key, Counter()).update(_content(call))
    for key, count in counts.items():
        inside = ", ".join(f"{number} {name}" for name, number in contents[key].items())
        yield escape(f"{count}{_TIMES} {key[0]}{f' ({inside})' if inside else ''}{key[1]}")


def _is_done(call: ReceivedRequest) -> bool:
    return call.status is not None and call.status in range(200, 300)


def _content(call: ReceivedRequest) -> dict[str, int]:
    """Count the entries of each list in a body, by the list's name."""
    body = call.body if isinstance(call.body, dict) else {}
    return {name: len(value) for name, value in body.items() if isinstance(value, list)}


def _show_summary(run: Run, out: Console) -> None:
    """Print what the partner knows, before a subscription that ended took its audience away."""
    ended = any(result.message.removes_audience for result in run.results)
    for name, facts in run.summary.items():
        told = ", ".join(f"{fact} {value}" for fact, value in facts.items())
        out.print(f"At the partner{', before a subscription ended' if ended else ''}: {escape(name)} ({escape(told)})")
