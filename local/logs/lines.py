"""Makes lines of entries: for each invocation of the handler, each outcome of a request's messages, and each call."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from types import MappingProxyType
from typing import Any

from local.logs.entries import PARTNER, Entry, delivered_requests

_KINDS: Mapping[str, str] = MappingProxyType(
    {
        "module_registration_request": "registration",
        "event_processing_request": "events",
        "audience_subscription_request": "subscription",
        "audience_membership_change_request": "memberships",
        "dsr_processing_request": "erasure",
        "letter_archive": "dead letters",
    }
)
_TRACEBACK = "Traceback (most recent call last):"
_COMMON = {"level", "message", "timestamp", "service", "message_type", "account_id", "request_id", "_aws"}


@dataclass(frozen=True)
class Line:
    """One line of the log.

    Attributes:
        at: in epoch seconds; an invocation's start.
        function: as of the entry.
        request_id: as of the entry.
        kind: which request or queue it is about; empty if it is about none.
        outcome: what happened.
        milliseconds: how long the invocation took; None if it is about something else.
        details: more about what happened; may be empty.
        invocation: as of the entry.
    """

    at: float
    function: str
    request_id: str
    outcome: str
    kind: str = ""
    milliseconds: float | None = None
    details: str = ""
    invocation: str = ""


def lines_of(entries: Iterable[Entry]) -> list[Line]:
    """Return the lines of entries, in the order of time."""
    ordered = sorted(entries, key=lambda entry: (entry.function, entry.invocation))
    found: list[Line] = []
    for (function, invocation), group in groupby(ordered, key=lambda entry: (entry.function, entry.invocation)):
        if function == PARTNER:
            found += map(_call, group)
        elif invocation:
            found += _invocation([entry for entry in group if not _is_metrics_only(entry)])
        else:
            found += [_remark(entry) for entry in group if not _is_metrics_only(entry)]
    return sorted(found, key=lambda line: line.at)


def _is_metrics_only(entry: Entry) -> bool:
    return "_aws" in entry.content and "message" not in entry.content


def _call(entry: Entry) -> Line:
    content = entry.content
    status = content["status"] or "no answer"
    return Line(entry.at, PARTNER, entry.request_id, f"{content['method']} {content['route']} -> {status}")


def _invocation(entries: Sequence[Entry]) -> Iterator[Line]:
    """Yield the lines of one invocation. Its last entry says how long it took."""
    summary = next((entry for entry in entries if "duration_ms" in entry.content), None)
    took = float(summary.content["duration_ms"]) if summary else None
    start = summary.at - took / 1000 if summary and took is not None else min((each.at for each in entries), default=0)
    has_failed = summary is not None and summary.content["message"] == "failed"
    messages = [entry for entry in entries if "message_id" in entry.content]
    delivered = _delivered(summary, start, took) if summary else ()
    outcomes = [*delivered, *_messages(messages, start, took)]
    yield from outcomes
    if summary and (has_failed or not outcomes):
        yield _summary(summary, start, took)
    for entry in _without_traceback(entries) if has_failed else entries:
        if entry is not summary and entry not in messages:
            yield _remark(entry)


def _delivered(summary: Entry, start: float, took: float | None) -> Iterator[Line]:
    """Yield one line for each request that an invocation of the worker has delivered something of."""
    for message_type, request_ids in delivered_requests(summary.content).items():
        kind = _KINDS.get(message_type, message_type)
        for request_id in request_ids:
            yield Line(start, summary.function, request_id, "delivered", kind, took, "", summary.invocation)


def _messages(entries: Sequence[Entry], start: float, took: float | None) -> Iterator[Line]:
    """Yield one line for the messages of a request that had the same outcome."""
    groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for entry in entries:
        content = entry.content
        key = (entry.request_id, _kind(content), _outcome(content), str(content.get("reason") or ""))
        groups.setdefault(key, []).append(content)
    for (request_id, kind, outcome, reason), contents in groups.items():
        receives = max(int(content.get("receive_count", 1)) for content in contents)
        several = f"{len(contents)} messages" if len(contents) > 1 else ""
        again = f"received {receives} times" if receives > 1 else ""
        details = ", ".join(filter(None, (reason, several, again)))
        yield Line(start, entries[0].function, request_id, outcome, kind, took, details, entries[0].invocation)


def _summary(entry: Entry, start: float, took: float | None) -> Line:
    content = entry.content
    facts = {name: content[name] for name in ("status", "messages", "failed", "error") if name in content}
    shown = [str(value) if name == "error" else f"{name} {value}" for name, value in facts.items()]
    details = ", ".join([*shown, *_archived(content)])
    outcome = _outcome(content)
    return Line(start, entry.function, entry.request_id, outcome, _kind(content), took, details, entry.invocation)


def _archived(content: Mapping[str, Any]) -> Iterator[str]:
    """Yield how many letters of each queue that has some went into the archive."""
    for queue, counts in content.items():
        if isinstance(counts, Mapping) and "archived" in counts:
            archived, letters = counts["archived"], counts["archived"] + counts["kept"]
            if letters:
                yield f"{archived} of {letters} from {queue}"


def _remark(entry: Entry) -> Line:
    """Return the line of what was logged on the way, or printed."""
    content = entry.content
    text, details = f"| {content.get('text')}", ""
    if "text" not in content:
        facts = {name: value for name, value in content.items() if name not in _COMMON}
        text, details = _outcome(content), ", ".join(f"{name} {value}" for name, value in facts.items())
    return Line(entry.at, entry.function, entry.request_id, text, _kind(content), None, details, entry.invocation)


def _without_traceback(entries: Sequence[Entry]) -> Iterator[Entry]:
    """Leave out the traceback of an error that the summary tells already."""
    inside = False
    for entry in entries:
        text = entry.content.get("text")
        inside = text == _TRACEBACK or (inside and text is not None)
        if not inside:
            yield entry


def _kind(content: Mapping[str, Any]) -> str:
    kind = str(content.get("message_type") or "")
    return _KINDS.get(kind, kind)


def _outcome(content: Mapping[str, Any]) -> str:
    return str(content.get("message") or content.get("level") or "")
