"""`make build` refuses settings with which a deployment would fail, or deliver too slowly."""

import tomllib
from typing import Any

import pytest

from local.build.deployment_settings import problems
from local.isolation import ROOT


def environment(*overrides: str, stack: str = "mparticle-firehose") -> dict[str, Any]:
    """Return a configuration with one environment."""
    return {
        "version": 0.1,
        "eu1": {
            "global": {"parameters": {"stack_name": stack}},
            "deploy": {"parameters": {"parameter_overrides": list(overrides)}},
        },
    }


def test_the_configuration_of_the_repository_is_accepted() -> None:
    assert list(problems(tomllib.loads((ROOT / "samconfig.toml").read_text()))) == []


@pytest.mark.parametrize(("gradual", "limit"), [("false", 52), ("true", 49)])
def test_the_name_of_a_stack_leaves_room_for_those_made_from_it(gradual: str, limit: int) -> None:
    override = f"GradualDeployment={gradual}"

    assert list(problems(environment(override, stack="x" * limit))) == []
    assert list(problems(environment(override, stack="x" * (limit + 1)))) == [
        f"eu1: stack_name has {limit + 1} characters, and may have {limit}"
    ]


def test_an_environment_without_parameters_is_accepted() -> None:
    configuration = environment()
    del configuration["eu1"]["deploy"]["parameters"]["parameter_overrides"]

    assert list(problems(configuration)) == []


@pytest.mark.parametrize(
    ("overrides", "accepted"),
    [
        pytest.param(["WorkerReservedConcurrency=0"], True, id="none"),
        pytest.param(["WorkerReservedConcurrency=165"], True, id="enough-for-the-defaults"),
        pytest.param(["WorkerReservedConcurrency=164"], False, id="too-few-for-the-defaults"),
        pytest.param(
            ["WorkerReservedConcurrency=50", "MembershipConcurrency=20", "BulkConcurrency=5", "EventConcurrency=20"],
            True,
            id="fewer-are-used",
        ),
        pytest.param(
            ["WorkerReservedConcurrency=200", "MembershipConcurrency=100"], False, id="too-few-for-the-given-ones"
        ),
        pytest.param(
            ["WorkerReservedConcurrency=165", "EventMinimumPollers=2", "EventMaximumPollers=10"], True, id="pollers"
        ),
        pytest.param(["WorkerReservedConcurrency=165", "EventMinimumPollers=2"], False, id="too-few-for-the-pollers"),
    ],
)
def test_the_reserved_concurrency_must_suffice_for_what_empties_the_queues(
    overrides: list[str], accepted: bool
) -> None:
    found = list(problems(environment(*overrides)))

    assert [problem.split()[1] for problem in found] == ([] if accepted else ["WorkerReservedConcurrency"])


def test_there_cannot_be_more_pollers_at_least_than_at_most() -> None:
    found = list(problems(environment("EventMinimumPollers=30")))

    assert found == ["eu1: EventMinimumPollers is more than EventMaximumPollers"]
