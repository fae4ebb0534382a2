"""Previews as text of at most 80 columns, save for paths, headers and values that are longer."""

from collections.abc import Iterable, Iterator, Sequence
from textwrap import wrap

from rich.console import Console
from rich.text import Text

from local.preview.json_lines import WIDTH
from local.preview.results import CallPreview, RequestPreview, SentCall, counted
from local.preview.shown_call import ShownCall

type Line = tuple[str, str]
"""A line, and its style; empty for none."""

_INDENT = "  "


def show(lines: Iterable[Line], out: Console) -> None:
    """Print lines as they are: without markup, and without breaking what is to be copied."""
    # All in one: rich takes half a millisecond a call, and a large request has tens of thousands of lines.
    out.print(Text("\n").join(Text(_printable(text), style) for text, style in lines), soft_wrap=True)


def request_lines(preview: RequestPreview) -> Iterator[Line]:
    """Yield the block of a request."""
    says_its_kind = preview.kind and preview.name.startswith(preview.kind)
    kind = "" if says_its_kind else f" ({preview.kind or 'no type'})"
    yield _rule(f"{preview.name}{kind}"), "bold"
    if preview.summary:
        yield from _texts(preview.summary)
    if preview.left_out:
        yield from _texts(f"The mapping leaves out {preview.left_out}.")
    for each in preview.undeliverable:
        yield from _texts(f"Undeliverable: {each}", style="yellow")
    yield from _problem_lines(preview.problems)
    for number, call in enumerate(preview.calls, start=1):
        yield "", ""
        yield from _call_lines(call, f"Call {number} of {len(preview.calls)}")
    yield "", ""


def verdict_lines(previews: Sequence[RequestPreview], *, is_checked: bool) -> Iterator[Line]:
    """Yield every problem again, and the verdict.

    Args:
        previews: of all requests.
        is_checked: whether a fake API has checked the calls.
    """
    problems = [(preview.name, problem) for preview in previews for problem in preview.all_problems]
    yield _rule(""), "bold"
    for name, problem in problems:
        yield from _texts(f"{name}: {problem}", style="red", mark="✗ ")
    calls = sum(len(call.sent) for preview in previews for call in preview.calls)
    facts = [
        counted(len(previews), "request"),
        counted(calls, "call"),
        f"{sum(not preview.is_offered for preview in previews)} not offered",
        f"{sum(len(preview.undeliverable) for preview in previews)} undeliverable",
    ]
    told = ", ".join(fact for fact in facts if not fact.startswith("0 not") and not fact.startswith("0 und"))
    if problems:
        yield f"{told}: {counted(len(problems), 'problem')}.", "bold red"
    else:
        checked = "no rule is broken" if is_checked else "there is no fake API to check them"
        yield f"{told}: {checked}.", "bold green"


def _call_lines(call: CallPreview, number: str) -> Iterator[Line]:
    yield f"{number}: {call.endpoint}", "cyan"
    if call.carries:
        yield from _texts(f"carries {call.carries}", indent=_INDENT, mark="- ")
    for note in call.notes:
        yield from _texts(note, indent=_INDENT, mark="- ")
    for place, sent in enumerate(call.sent):
        if place:
            yield "", ""
            yield f"{_INDENT}Then, made from that answer:", "cyan"
        yield from _sent_lines(sent)
    if call.end:
        yield "", ""
        yield from _texts(call.end, indent=_INDENT, mark="- ")
    yield from _problem_lines(call.problems)


def _sent_lines(sent: SentCall) -> Iterator[Line]:
    if sent.status is not None:
        yield from _texts(f"the fake API answers {sent.status}", indent=_INDENT, mark="- ")
    yield from _problem_lines(sent.problems)
    if sent.shown:
        yield from _shown_lines(sent.shown)


def _shown_lines(shown: ShownCall) -> Iterator[Line]:
    yield "", ""
    site = f"  (site {shown.site})" if shown.site else ""
    yield f"{_INDENT}{shown.method} {shown.url}{site}", "bold"
    for number, (name, value) in enumerate(shown.query):
        yield f"{_INDENT}    {'&' if number else '?'}{name}={value}", ""
    for name, value in shown.headers:
        yield f"{_INDENT}{name}: {value}", "dim"
    if shown.body:
        yield "", ""
    for line in shown.body:
        yield f"{_INDENT}{line}", ""


def _problem_lines(problems: Iterable[str]) -> Iterator[Line]:
    for problem in problems:
        yield from _texts(problem, style="red", indent=_INDENT, mark="✗ ")


def _texts(text: str, *, style: str = "", indent: str = "", mark: str = "") -> Iterator[Line]:
    """Yield a sentence as lines, the further ones under the first; of a text of several lines each alone."""
    hanging = indent + " " * len(mark)
    first, *others = text.splitlines() or [""]
    for line in wrap(first, WIDTH, initial_indent=indent + mark, subsequent_indent=hanging, break_long_words=False):
        yield line, style
    for line in others:
        yield f"{hanging}{line}", style


def _rule(title: str) -> str:
    return (f"── {title} " if title else "").ljust(WIDTH, "─")


def _printable(text: str) -> str:
    """Return a text in which whatever could steer a terminal is escaped."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
