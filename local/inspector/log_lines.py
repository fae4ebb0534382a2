"""What the functions logged during an invocation, without its metrics."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

_MAX_LINES = 50
_METRICS = "_aws"
_OWN = frozenset({"level", "message", "timestamp"})
_CONSTANT = frozenset({"location", "service", "cold_start", "function_name", "function_memory_size", "function_arn"})
_TIMESTAMP = "%Y-%m-%d %H:%M:%S,%f%z"

type Step = dict[str, Any]


def log_steps(function: str, log: str, until: float) -> list[Step]:
    """Return the lines that a function has logged.

    Args:
        function: its short name.
        log: what it has written.
        until: when it ended, in seconds since the epoch: the time of lines without one.
    """
    return list(_steps(function, log, until))[:_MAX_LINES]


def _steps(function: str, log: str, until: float) -> Iterator[Step]:
    for line in filter(None, map(str.strip, log.splitlines())):
        entry = _entry(line)
        if _METRICS in entry:
            continue
        yield {
            "kind": "log",
            "at": min(_time(entry, until), until),
            "function": function,
            "level": str(entry.get("level", "INFO")),
            "message": str(entry.get("message", line)),
            "fields": {name: value for name, value in entry.items() if name not in _OWN | _CONSTANT},
        }


def _entry(line: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}


def _time(entry: dict[str, Any], default: float) -> float:
    try:
        return datetime.strptime(str(entry.get("timestamp")), _TIMESTAMP).astimezone(UTC).timestamp()
    except ValueError:
        return default
