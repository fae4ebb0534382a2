"""Memory of the function's process: after its first answer, after many messages, and after the largest request."""

import re
from collections.abc import Mapping
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from bench.benchmark import Benchmark, Table, Verdict
from bench.charts import Bars
from bench.environments import BARE, BARE_SQS, HANDLER, artefact
from bench.harness import Figures
from bench.inputs import MESSAGES, encoded, memberships_of_bytes, message
from bench.loopback import Loopback
from bench.membership import LARGEST_BYTES
from local.cloud.runtime import LambdaRuntime, is_error
from local.isolation import LocalCloudError

SUBJECTS = {"bare handler": BARE, "bare handler with boto3": BARE_SQS, "handler": HANDLER}
MOMENTS = ("start", "10,000 messages", "6 MB request")
MOST_MEGABYTES = 1024

_FIELD = re.compile(r"(?m)^(VmRSS|VmHWM):\s+(\d+) kB$")


def measure(quick: bool) -> Figures:
    count, size = (20, 200_000) if quick else (10_000, LARGEST_BYTES)
    largest = encoded(memberships_of_bytes(size))
    with artefact() as built, Loopback() as loopback:
        found: Figures = {}
        for title, handler in SUBJECTS.items():
            with built.runtime(handler, loopback.variables) as environment:
                found[title] = _moments(environment, count, largest)
        return found


def _moments(environment: LambdaRuntime, count: int, largest: bytes) -> Figures:
    messages = cycle([encoded(message(name)) for name in MESSAGES])
    found: Figures = {}
    for moment, payloads in zip(
        MOMENTS, ([encoded(message("module_registration_request"))], islice(messages, count), [largest]), strict=True
    ):
        for payload in payloads:
            _ask(environment, payload)
        found[moment] = _megabytes(environment)
    return found


def _ask(environment: LambdaRuntime, payload: bytes) -> None:
    if is_error(environment.invoke(payload)):
        raise LocalCloudError("the function failed")


def _megabytes(environment: LambdaRuntime) -> dict[str, float]:
    """Return what the process holds now, and the most that it has held."""
    status = Path(f"/proc/{environment.process_id}/status").read_text()
    fields = {name: round(int(kilobytes) * 1024 / 1e6, 1) for name, kilobytes in _FIELD.findall(status)}
    return {"resident": fields["VmRSS"], "most": fields["VmHWM"]}


def tables(figures: Mapping[str, Any]) -> list[Table]:
    rows = [
        [title, *(f"{moments[moment]['resident']:.0f} / {moments[moment]['most']:.0f}" for moment in MOMENTS)]
        for title, moments in figures.items()
    ]
    return [Table("Memory in MB: resident then / most until then", ["", *(f"after {m}" for m in MOMENTS)], rows)]


def charts(figures: Mapping[str, Any]) -> list[Bars]:
    values = {
        f"{title}, {moment}": (found[moment]["resident"], found[moment]["resident"], found[moment]["most"])
        for title, found in figures.items()
        for moment in MOMENTS
    }
    return [Bars(name="memory", title="Resident memory (whisker: the most until then)", unit="MB", values=values)]


def verdicts(figures: Mapping[str, Any]) -> list[Verdict]:
    most = figures["handler"][MOMENTS[-1]]["most"]
    return [Verdict(f"6 MB request within {MOST_MEGABYTES} MB", f"{most:.0f} MB", most <= MOST_MEGABYTES)]


BENCHMARK = Benchmark(name="memory", title="Memory", measure=measure, tables=tables, charts=charts, verdicts=verdicts)
