"""Memory of the function's process: after its first response, after many requests, and after the largest request."""

import re
from collections.abc import Iterable
from itertools import cycle, islice
from pathlib import Path

from bench.benchmark import Benchmark, Table, Target
from bench.environments import BARE, BARE_SQS, HANDLER, artefact, invoke
from bench.harness import Figures
from bench.inputs import encoded, largest, requests
from bench.loopback import Loopback
from bench.membership import LARGEST_BYTES
from local.cloud.runtime import LambdaRuntime

_SUBJECTS = {"bare handler": BARE, "bare handler with boto3": BARE_SQS, "handler": HANDLER}
_LARGEST = "6 MB request"
MAX_MEGABYTES = 1024

_FIELD = re.compile(r"(?m)^(VmRSS|VmHWM):\s+(\d+) kB$")


def measure(quick: bool) -> Figures:
    count, size = (20, 200_000) if quick else (10_000, LARGEST_BYTES)
    found: Figures = {}
    with artefact() as built, Loopback() as loopback:
        for title, handler in _SUBJECTS.items():
            with built.runtime(handler, loopback.variables) as environment:
                found[title] = _moments(environment, count, size)
    return found


def _moments(environment: LambdaRuntime, count: int, size: int) -> Figures:
    payloads = [encoded(request) for request in requests().values()]
    moments: dict[str, Iterable[bytes]] = {"start": payloads[:1], "10,000 requests": islice(cycle(payloads), count)}
    if request := largest(size):
        moments[_LARGEST] = [encoded(request)]
    found: Figures = {}
    for moment, some in moments.items():
        for payload in some:
            invoke(environment, payload)
        found[moment] = _megabytes(environment)
    return found


def _megabytes(environment: LambdaRuntime) -> dict[str, float]:
    """Return the resident memory now, and its maximum so far."""
    status = Path(f"/proc/{environment.process_id}/status").read_text()
    fields = {name: round(int(kilobytes) * 1024 / 1e6, 1) for name, kilobytes in _FIELD.findall(status)}
    return {"resident": fields["VmRSS"], "max": fields["VmHWM"]}


def tables(figures: Figures) -> list[Table]:
    rows = [
        {
            "": title,
            **{f"after {name}": f"{found['resident']:.0f} / {found['max']:.0f}" for name, found in moments.items()},
        }
        for title, moments in figures.items()
    ]
    return [Table("Memory in MB: resident then / maximum so far", rows)]


def targets(figures: Figures) -> list[Target]:
    if _LARGEST not in figures["handler"]:
        return []
    used = figures["handler"][_LARGEST]["max"]
    return [Target(f"{_LARGEST} within {MAX_MEGABYTES} MB", f"{used:.0f} MB", used <= MAX_MEGABYTES)]


BENCHMARK = Benchmark(title="Memory", measure=measure, tables=tables, targets=targets)
