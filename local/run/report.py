"""Shows what became of the messages. Names, counts and ids of audiences only: no identity, no attribute, no key."""

from collections import Counter
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.markup import escape

from local.cloud.cloud import Answer
from local.latency_limits import ALIAS_MS
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
_TIMES = "\N{MULTIPLICATION SIGN}"


def show(run: Run, out: Console) -> None:
    """Print a block for each message, what the partner knows, the dead letters, and the verdict."""
    out.print()
    for result in run.results:
        _show_result(result, out)
    _show_summary(run, out)
    letters = ", ".join(f"{count} in {name}" for name, count in run.dead_letters.items() if count)
    out.print(f"Dead letters: {letters or 'none'}", style="red" if run.dead_letters.total() else None, soft_wrap=True)
    if slow := sum(_is_slow(result.answer) for result in run.results):
        out.print(f"Slow: {slow}, over {ALIAS_MS} ms. mParticle allows that in 1 % of calls.", style="yellow")
    out.print()
    if run.problems:
        out.print("Not everything arrived:", style="bold red")
        for problem in run.problems:
            out.print(f"  - {problem}", style="red", markup=False, soft_wrap=True)
    else:
        out.print(_verdict(run.results), style="bold green")


def show_feed(run: FeedRun, out: Console) -> None:
    """Print what mParticle has received from the feed, and the verdict."""
    left_out = f" ({run.left_out} left out by the mapping)" if run.left_out else ""
    out.print(f"Of {run.sent} events of the partner{left_out} mParticle received:", soft_wrap=True)
    for name, count in sorted(run.received.items()) or [("none", 0)]:
        out.print(f"    {f'{count}{_TIMES} ' if count else ''}{escape(name)}", soft_wrap=True)
    for problem in run.problems:
        out.print(f"  - {problem}", style="red", markup=False, soft_wrap=True)


def _verdict(results: Sequence[Result]) -> str:
    sent = sum(result.answer is not None for result in results)
    arrived = {0: "Nothing was sent.", 1: "The message arrived."}.get(sent, f"All {sent} messages arrived.")
    left = len(results) - sent
    return f"{arrived} Not offered by the integration: {left}." if left else arrived


def _show_result(result: Result, out: Console) -> None:
    """Print what became of one message. Long lines are left to the terminal to break: nothing is cut."""
    sign = "[red]✗[/red]" if result.problems else "[dim]-[/dim]" if result.answer is None else "[green]✓[/green]"
    out.print(f"{sign} [bold]{escape(result.message.name)}[/bold]", soft_wrap=True)
    queued = [f"{count}{_TIMES} {name}" for name, count in result.queued.items()]
    for label, values in {
        "answer": [f"{_answer_text(result.answer)}{_time(result.answer)}"],
        "queued": queued,
        "partner": list(_calls(result.calls)),
    }.items():
        for first, value in zip([label, *[""] * len(values)], values, strict=False):
            out.print(f"    [dim]{first:9}[/dim]{value}", soft_wrap=True)


def _time(answer: Answer | None) -> str:
    if answer is None:
        return ""
    took = f", {answer.milliseconds:.0f} ms"
    return f"[yellow]{took}: slow[/yellow]" if _is_slow(answer) else took


def _is_slow(answer: Answer | None) -> bool:
    return answer is not None and answer.milliseconds > ALIAS_MS


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
    if run.summary:
        out.print(f"At the partner{', before a subscription ended' if ended else ''}:")
    for name, facts in run.summary.items():
        told = ", ".join(f"{fact} {value}" for fact, value in facts.items())
        out.print(f"    {escape(name)} ({escape(told)})", soft_wrap=True)
