"""Reads what was logged, as entries: what the functions wrote, and the requests that the fake API got."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

PARTNER = "partner"
"""Stands where an entry of a function has the function's name."""

_START, _PLATFORM = "START RequestId: ", ("END RequestId: ", "REPORT RequestId: ")


@dataclass(frozen=True)
class Entry:
    """One thing that was logged.

    Attributes:
        at: in epoch seconds.
        function: handler, worker, feed or archive; `PARTNER` for a request to the fake API.
        content: the JSON of the line; ``{"text": ...}`` for a line that is none.
        invocation: Lambda's request id; empty outside of invocations.
    """

    at: float
    function: str
    content: Mapping[str, Any]
    invocation: str = ""

    @property
    def request_id(self) -> str:
        """The id of mParticle's request, of several if a call carries parts of several; empty if it is unknown."""
        return str(self.content.get("request_id") or "")


def function_entries(function: str, events: Iterable[Mapping[str, Any]]) -> Iterator[Entry]:
    """Yield the entries of a function, without Lambda's own lines.

    Args:
        function: its name here.
        events: of CloudWatch Logs, those of each stream in their order: a stream has one invocation after the other.
    """
    invocations: dict[str, str] = {}
    for event in events:
        stream, line = str(event["logStreamName"]), str(event["message"]).rstrip()
        if line.startswith(_START):
            invocations[stream] = line.removeprefix(_START).split()[0]
        elif line and not line.startswith(_PLATFORM):
            content = _content(line)
            at = written_at(content) or event["timestamp"] / 1000
            yield Entry(at, function, content, invocations.get(stream, ""))


def partner_entries(file: Path) -> Iterator[Entry]:
    """Yield the requests to the fake API; see `local.cloud.partner_log`."""
    for line in file.read_text().splitlines() if file.exists() else ():
        content = json.loads(line)
        yield Entry(content.pop("at"), PARTNER, content)


def _content(line: str) -> dict[str, Any]:
    try:
        content = json.loads(line)
    except ValueError:
        content = None
    return content if isinstance(content, dict) else {"text": line}


def delivered_requests(content: Mapping[str, Any]) -> Mapping[str, Sequence[str]]:
    """Return which requests the line of a worker's invocation names as delivered, by type; none of any other line."""
    delivered = content.get("delivered")
    return delivered if "duration_ms" in content and isinstance(delivered, dict) else {}


def written_at(content: Mapping[str, Any]) -> float | None:
    """Return the time in a line, in epoch seconds: that of its metrics, or what Powertools' logger writes."""
    try:
        if "_aws" in content:
            return float(content["_aws"]["Timestamp"]) / 1000
        return datetime.fromisoformat(content["timestamp"]).timestamp()
    except (KeyError, TypeError, ValueError):
        return None
