"""What samconfig.toml may not say. A template cannot refuse it: CloudFormation measures no text and adds no numbers."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

MAX_STACK_NAME = 52
"""Characters of a stack's name: a queue's name ends with ``-membership-dead-letter.fifo``, and may have 80."""

MAX_STACK_NAME_WITH_RELEASES = 49
"""With ``GradualDeployment=true`` a function's name begins with ``CodeDeployHook_``, and may have 64."""

DEFAULTS: Mapping[str, int] = MappingProxyType(
    {
        "MembershipConcurrency": 50,
        "BulkConcurrency": 10,
        "EventConcurrency": 100,
        "EventMinimumPollers": 0,
        "EventMaximumPollers": 20,
    }
)
"""Those of the template's parameters."""

ERASURE_CONCURRENCY = 5
"""Batches of erasures that are delivered at a time, which no parameter changes."""

INVOCATIONS_PER_POLLER = 10
"""How often an event poller of Lambda's provisioned mode invokes a function at a time."""


def problems(configuration: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each setting with which a deployment would fail, or deliver too slowly.

    Args:
        configuration: of samconfig.toml.
    """
    for name, environment in configuration.items():
        if isinstance(environment, dict):
            stack = environment["global"]["parameters"]["stack_name"]
            overrides = environment["deploy"]["parameters"].get("parameter_overrides", [])
            given = dict(entry.split("=", 1) for entry in overrides)
            for problem in (*_problems_of_name(stack, given), *_problems_of_concurrency(given)):
                yield f"{name}: {problem}"


def _problems_of_name(stack: str, given: Mapping[str, str]) -> Iterator[str]:
    has_releases = given.get("GradualDeployment") == "true"
    limit = MAX_STACK_NAME_WITH_RELEASES if has_releases else MAX_STACK_NAME
    if len(stack) > limit:
        yield f"stack_name has {len(stack)} characters, and may have {limit}"


def _problems_of_concurrency(given: Mapping[str, str]) -> Iterator[str]:
    numbers = {name: int(given.get(name, default)) for name, default in DEFAULTS.items()}
    if numbers["EventMinimumPollers"] > numbers["EventMaximumPollers"]:
        yield "EventMinimumPollers is more than EventMaximumPollers"
    events = numbers["EventConcurrency"]
    if numbers["EventMinimumPollers"]:
        events = INVOCATIONS_PER_POLLER * numbers["EventMaximumPollers"]
    needed = numbers["MembershipConcurrency"] + numbers["BulkConcurrency"] + events + ERASURE_CONCURRENCY
    reserved = int(given.get("WorkerReservedConcurrency", 0))
    if 0 < reserved < needed:
        yield f"WorkerReservedConcurrency is {reserved}, and the worker may need {needed}: set 0, or {needed} or more"
