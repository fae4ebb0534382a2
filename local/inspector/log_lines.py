"""What the functions logged during an invocation."""

import json
from collections.abc import Iterator
from typing import Any

from local.logs.entries import written_at

_MAX_LINES = 50
_METRICS = "_aws"
_NO_FIELDS = frozenset({"level", "message", "timestamp", "service", _METRICS})

type Step = dict[str, Any]


def log_steps(function: str, log: str, until: float) -> list[Step]:
    """Return the lines that a function has logged, without those that have metrics only.

    Args:
        function: its short name.
        log: what it has written.
        until: when it ended, in seconds since the epoch: the time of lines without one.
    """
    return list(_steps(function, log, until))[:_MAX_LINES]


def _steps(function: str, log: str, until: float) -> Iterator[Step]:
    for line in filter(None, map(str.strip, log.splitlines())):
        entry = _entry(line)
        if _METRICS in entry and "message" not in entry:
            continue
        yield {
            "kind": "log",
            "at": min(written_at(entry) or until, until),
            "function": function,
            "level": str(entry.get("level", "INFO")),
            "message": str(entry.get("message", line)),
            "fields": {name: value for name, value in entry.items() if name not in _NO_FIELDS},
        }


def _entry(line: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}
