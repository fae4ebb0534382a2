"""What a line says of the execution environment: how it was started, and how much memory it has needed."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mparticle_firehose.execution_environment import MEMORY_STEP_MB, ExecutionEnvironment, max_memory_mb

VARIABLES = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start", "AWS_LAMBDA_FUNCTION_VERSION": "12"}


def environment(*megabytes: int) -> ExecutionEnvironment:
    measured: Iterator[int] = iter(megabytes)
    return ExecutionEnvironment(VARIABLES, lambda: next(measured))


def test_the_first_invocation_says_how_the_environment_was_started() -> None:
    assert environment(80).news() == {"initialization": "snap-start", "function_version": "12", "max_memory_mb": 80}


def test_later_ones_say_nothing_as_long_as_the_memory_does() -> None:
    warm = environment(80, 80, 80 + MEMORY_STEP_MB - 1)

    assert [warm.news() != {}, warm.news(), warm.news()] == [True, {}, {}]


def test_memory_that_has_grown_is_told_once() -> None:
    warm = environment(80, 96, 96, 111, 130)

    _, *later = [warm.news() for _ in range(5)]
    assert later == [{"max_memory_mb": 96}, {}, {}, {"max_memory_mb": 130}]


def test_without_lambda_s_variables_it_was_started_for_a_request() -> None:
    assert ExecutionEnvironment({}, lambda: 1).news()["initialization"] == "on-demand"


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
def test_the_memory_is_that_of_this_process_in_megabytes() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    resident_mb = pages * os.sysconf("SC_PAGE_SIZE") / 1024**2

    # The kernel counts the two apart, and brings them up to date at different times.
    assert 0.95 * resident_mb - 1 <= max_memory_mb() < 20 * resident_mb
