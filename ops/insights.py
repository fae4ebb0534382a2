"""Runs queries of CloudWatch Logs Insights."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ops.stack import StackError

MAX_ROWS = 10_000
"""Rows that Insights returns at most."""

_WAIT_SECONDS = 1.0
_RUNNING = {"Scheduled", "Running"}
_DONE = "Complete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a query has found.

    Attributes:
        rows: by the names of the query's fields; a field without a value is left out.
        scanned_bytes: of the log, for which AWS charges.
    """

    rows: Sequence[Mapping[str, str]]
    scanned_bytes: float

    @property
    def is_cut(self) -> bool:
        """Whether there may be more rows."""
        return len(self.rows) >= MAX_ROWS


@dataclass(frozen=True, slots=True, kw_only=True)
class Insights:
    """Starts a query and waits for its result.

    Attributes:
        logs: the client of CloudWatch Logs.
        sleep: waits for seconds.
        progress: called while the query runs with the number of bytes that it has scanned.
    """

    logs: Any
    sleep: Callable[[float], None] = time.sleep
    progress: Callable[[float], None] = lambda _scanned: None

    def run(self, query: str, groups: Sequence[str], *, start: int, end: int) -> Found:
        """Run a query over log groups, from one second since the epoch to another.

        If the wait is interrupted, the query is stopped, because what it scans costs money.

        Raises:
            StackError: the query has failed.
        """
        started = self.logs.start_query(
            logGroupNames=list(groups), startTime=start, endTime=end, queryString=query, limit=MAX_ROWS
        )
        try:
            return self._wait(started["queryId"])
        except KeyboardInterrupt:
            self.logs.stop_query(queryId=started["queryId"])
            raise

    def _wait(self, query_id: str) -> Found:
        while True:
            answer = self.logs.get_query_results(queryId=query_id)
            scanned = answer.get("statistics", {}).get("bytesScanned", 0.0)
            if answer["status"] == _DONE:
                rows = [{cell["field"]: cell["value"] for cell in row if "value" in cell} for row in answer["results"]]
                return Found(rows=rows, scanned_bytes=scanned)
            if answer["status"] not in _RUNNING:
                raise StackError(f"the query of CloudWatch Logs Insights ended with the status {answer['status']}")
            self.progress(scanned)
            self.sleep(_WAIT_SECONDS)


def text_literal(text: str) -> str | None:
    """Return a text as a literal of Insights' language; None if it has characters that would need an escape."""
    return f'"{text}"' if text.isprintable() and text.isascii() and not set(text) & {'"', "\\"} else None
