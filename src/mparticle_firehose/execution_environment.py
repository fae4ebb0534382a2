"""What Lambda's own report of an invocation says about its execution environment, as fields of the invocation's line.

The template has Lambda log such a report only for an invocation that did not succeed.
"""

import os
import resource
import sys
from collections.abc import Callable, Mapping

COLD_STARTS = frozenset({"on-demand", "snap-start"})
"""Initialization types of environments whose first request waited until they were started, or restored."""

MEMORY_STEP_MB = 16
"""The growth of the memory's maximum after which it is told again."""

_UNITS_OF_A_MEGABYTE = 1024**2 if sys.platform == "darwin" else 1024  # Linux counts in kilobytes


def max_memory_mb() -> int:
    """Return the maximum that this process has had in memory so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // _UNITS_OF_A_MEGABYTE


class ExecutionEnvironment:
    """The execution environment that this process is."""

    def __init__(
        self, environ: Mapping[str, str] = os.environ, max_memory_mb: Callable[[], int] = max_memory_mb
    ) -> None:
        """Take the variables that Lambda sets, and what measures the memory."""
        self._environ = environ
        self._max_memory_mb = max_memory_mb
        self._told_mb: int | None = None

    def news(self) -> dict[str, str | int]:
        """Return the fields for the line of one more invocation: mostly none.

        Returns:
            For the first invocation ``initialization``, which is how the environment was started, and
            ``function_version``. ``max_memory_mb`` for the first, and each time that it has grown by a step.
        """
        memory, told = self._max_memory_mb(), self._told_mb
        if told is not None and memory < told + MEMORY_STEP_MB:
            return {}
        self._told_mb = memory
        return {**(self._start if told is None else {}), "max_memory_mb": memory}

    @property
    def _start(self) -> dict[str, str]:
        return {
            "initialization": self._environ.get("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
            "function_version": self._environ.get("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        }
