"""A log of the requests that the fake API got, as JSON lines, without any of their content."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from local.partner.listener import ReceivedRequest

_NO_ANSWER_SECONDS = 10
_CORRELATION_HEADER = "Correlation-Id"


class PartnerLog:
    """Writes each request once it is answered, or has stayed without an answer for some seconds.

    Args:
        file: is written anew.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._taken = 0
        self._open: list[ReceivedRequest] = []

    def __enter__(self) -> Self:
        self._log = self._file.open("w")
        return self

    def __exit__(self, *_: object) -> None:
        self._log.close()

    def write(self, requests: Sequence[ReceivedRequest]) -> None:
        """Take all requests so far, and write those that are new and have ended."""
        self._open += requests[self._taken :]
        self._taken = len(requests)
        waiting = []
        for request in self._open:
            if _has_ended(request):
                self._log.write(f"{json.dumps(_line(request))}\n")
            else:
                waiting.append(request)
        self._open = waiting
        self._log.flush()


def _has_ended(request: ReceivedRequest) -> bool:
    return request.status is not None or time.time() - request.received_at > _NO_ANSWER_SECONDS


def _line(request: ReceivedRequest) -> dict[str, object]:
    return {
        "at": request.received_at,
        "method": request.method,
        "route": request.route,
        "status": request.status,
        "request_id": request.headers.get(_CORRELATION_HEADER, ""),
    }
