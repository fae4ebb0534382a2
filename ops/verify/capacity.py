"""Reads whether the account has the concurrency that mParticle requires."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from ops.verify.access import denied
from ops.verify.arn import FunctionArn
from ops.verify.findings import Finding, failed, ok, warning

REQUIRED = 1_000
"""Concurrent executions of the account, before mParticle publishes an integration."""
REQUESTS_PER_UNIT = 10
"""Lambda takes at most so many synchronous requests a second for each concurrent execution, however short they are."""

_ACCOUNT, _HANDLER = "concurrency of the account", "concurrency of the handler"


@dataclass(frozen=True)
class Load:
    """Requests a second.

    Attributes:
        average: what the handler must always be able to take.
        peak: what it should be able to take: mParticle repeats what Lambda refuses meanwhile.
    """

    average: int = 2_000
    peak: int = 10_000


def check_capacity(client: Any, arn: FunctionArn, load: Load) -> Iterator[Finding]:
    """Yield whether the account's limit is high enough, and whether what the handler may use of it is."""
    try:
        limits = client.get_account_settings()["AccountLimit"]
    except ClientError as error:
        yield denied(error, _ACCOUNT, "lambda:GetAccountSettings")
        return
    total = int(limits["ConcurrentExecutions"])
    seen = f"{total:,}; mParticle requires {REQUIRED:,}"
    yield ok(_ACCOUNT, seen) if total >= REQUIRED else failed(_ACCOUNT, seen)
    try:
        reserved = client.get_function_concurrency(FunctionName=arn.name).get("ReservedConcurrentExecutions")
    except ClientError as error:
        yield denied(error, _HANDLER, "lambda:GetFunctionConcurrency")
        return
    unreserved = int(limits["UnreservedConcurrentExecutions"])
    units, source = (unreserved, "unreserved") if reserved is None else (int(reserved), "reserved")
    yield _for_load(units, source, load)


def _for_load(units: int, source: str, load: Load) -> Finding:
    most = units * REQUESTS_PER_UNIT
    seen = f"{units:,} {source} × {REQUESTS_PER_UNIT} = {most:,} requests a second; "
    if most < load.average:
        return failed(_HANDLER, f"{seen}{load.average:,} on average need {_units(load.average)}")
    if most < load.peak:
        return warning(_HANDLER, f"{seen}a peak of {load.peak:,} needs {_units(load.peak)}")
    return ok(_HANDLER, f"{seen}enough for {load.average:,} on average and {load.peak:,} at peak")


def _units(requests: int) -> str:
    return f"{-(-requests // REQUESTS_PER_UNIT):,}"
