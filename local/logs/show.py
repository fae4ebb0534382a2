"""Shows the log of a running cloud, once or until it is interrupted."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from local.cloud.release import FUNCTION_OUTPUTS
from local.cloud.running import Running
from local.logs.entries import Entry, function_entries, partner_entries
from local.logs.lines import Line, lines_of

_POLL_SECONDS = 1.0
_WIDE = 104  # columns, enough for a whole request id
_WHAT_WIDTH = 41
_SLOT = len("0123456789ab")  # the last part of a UUID


@dataclass
class LogReader:
    """Reads the log of a running cloud from where it was read last.

    Attributes:
        running: the cloud.
        partner_log: the file of the fake API's requests.
    """

    running: Running
    partner_log: Path
    _taken: Counter[str] = field(default_factory=Counter)

    def new_entries(self) -> list[Entry]:
        """Return what has been logged since the last time."""
        found: list[Entry] = []
        for name, entries in self._sources():
            listed = list(entries)
            found += listed[self._taken[name] :]
            self._taken[name] = len(listed)
        return found

    def _sources(self) -> Iterator[tuple[str, Iterable[Entry]]]:
        pages = self.running.client("logs").get_paginator("filter_log_events")
        for function, output in FUNCTION_OUTPUTS.items():
            if output in self.running.outputs:
                group = f"/aws/lambda/{self.running.outputs[output]}"
                events = (event for page in pages.paginate(logGroupName=group) for event in page["events"])
                yield function, function_entries(function, events)
        yield "partner", partner_entries(self.partner_log)


def show(
    read: Callable[[], list[Entry]],
    write: Callable[[str], None],
    *,
    wanted: str = "",
    as_json: bool = False,
    width: int = _WIDE,
) -> int:
    """Read new entries, write their lines, and return how many there were.

    Args:
        read: returns the new entries.
        write: takes a line.
        wanted: a function, or a text such as a request id. What has nothing to do with it is left out.
        as_json: write each entry as JSON, with everything that was logged.
        width: of the terminal; a narrow one gets the last part of each request id only.
    """
    written = [*_written(read(), wanted, as_json=as_json, width=width)]
    for text in written:
        write(text)
    return len(written)


def _written(entries: Iterable[Entry], wanted: str, *, as_json: bool, width: int) -> Iterator[str]:
    if as_json:
        for entry in sorted(entries, key=lambda each: each.at):
            if _matches(entry.function, _as_json(entry), wanted):
                yield _as_json(entry)
    else:
        for line in lines_of(entries):
            if _matches(line.function, f"{formatted(line)} {line.invocation}", wanted):
                yield formatted(line, width)


def _matches(function: str, text: str, wanted: str) -> bool:
    return function == wanted or wanted.lower() in text.lower()


def follow(
    once: Callable[[], object], *, is_up: Callable[[], bool], wait: Callable[[float], None] = time.sleep
) -> None:
    """Show what is new once a second until the cloud is down."""
    while is_up():
        once()
        wait(_POLL_SECONDS)


def formatted(line: Line, width: int = _WIDE) -> str:
    """Return a line as text, in the time zone of this machine."""
    moment = datetime.fromtimestamp(line.at, UTC).astimezone().strftime("%H:%M:%S.%f")[:-3]
    took = "" if line.milliseconds is None else f"{line.milliseconds:.0f} ms"
    what = f"{line.kind:13}{line.outcome:16}{took:>9}" if line.kind else line.outcome
    identity = line.request_id or "-"
    if width < _WIDE and len(identity) > _SLOT:
        identity = f"…{identity[-_SLOT:]}"
    parts = (moment, f"{line.function:7}", f"{what:{_WHAT_WIDTH}}", identity, line.details)
    return "  ".join(parts).rstrip()


def _as_json(entry: Entry) -> str:
    head = {"time": datetime.fromtimestamp(entry.at, UTC).isoformat(timespec="milliseconds"), "from": entry.function}
    invocation = {"invocation": entry.invocation} if entry.invocation else {}
    return json.dumps({**head, **invocation, **entry.content}, ensure_ascii=False)
