"""Memory of the function's process: after its first response, after many requests, and after the largest request."""

import re
from collections.abc import Iterable
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from bench.benchmark import Benchmark, Figures, Target
from bench.environments import BARE, BARE_SQS, HANDLER, artefact, invoke
from bench.inputs import encoded, largest, requests
from bench.loopback import Loopback
from bench.membership import LARGEST_BYTES
from local.cloud.runtime import LambdaRuntime

_SUBJECTS = {"bare handler": BARE, "bare handler with boto3": BARE_SQS, "handler": HANDLER}
TABLE = "Memory in MB: resident then / maximum so far"
_MANY, _LARGEST = "after 10,000 requests", "after 6 MB request"
MAX_MEGABYTES = 1024
MAX_WARM_MEGABYTES = 60

_FIELD = re.compile(r"(?m)^(VmRSS|VmHWM):\s+(\d+) kB$")


def measure(quick: bool) -> Figures:
    count, size = (20, 200_000) if quick else (10_000, LARGEST_BYTES)
    found: dict[str, dict[str, Any]] = {}
    with artefact() as built, Loopback() as loopback:
        for title, handler in _SUBJECTS.items():
            with built.runtime(handler, loopback.variables) as environment:
                found[title] = _moments(environment, count, size)
    return {TABLE: found}


def _moments(environment: LambdaRuntime, count: int, size: int) -> dict[str, Any]:
    payloads = [encoded(request) for request in requests().values()]
    moments: dict[str, Iterable[bytes]] = {
        "after start": payloads[:1],
        _MANY: islice(cycle(payloads), count),
    }
    if request := largest(size):
        moments[_LARGEST] = [encoded(request)]
    found: dict[str, Any] = {}
    for moment, some in moments.items():
        for payload in some:
            invoke(environment, payload)
        found[moment] = _megabytes(environment)
    return found


def _megabytes(environment: LambdaRuntime) -> list[float]:
    """Return the resident memory now, and its maximum so far."""
    status = Path(f"/proc/{environment.process_id}/status").read_text()
    fields = {name: round(int(kilobytes) * 1024 / 1e6, 1) for name, kilobytes in _FIELD.findall(status)}
    return [fields["VmRSS"], fields["VmHWM"]]


def targets(figures: Figures) -> list[Target]:
    row = figures[TABLE]["handler"]
    compared = [
        ("Handler after 10,000 requests", row[_MANY][0], MAX_WARM_MEGABYTES),
        *([("6 MB request", row[_LARGEST][-1], MAX_MEGABYTES)] if _LARGEST in row else []),
    ]
    return [Target(f"{text} within {limit} MB", f"{used:.0f} MB", used <= limit) for text, used, limit in compared]


BENCHMARK = Benchmark(title="Memory", measure=measure, targets=targets)
