"""What samconfig.toml decides for each environment."""

import re
import tomllib
from typing import Any

import pytest

from local.build.linting import REGIONS
from local.cloud.cloud import STACK
from local.isolation import ROOT
from tests.deployment.template_reading import load

CONFIGURATION: dict[str, Any] = tomllib.loads((ROOT / "samconfig.toml").read_text())
ENVIRONMENTS = {name: settings for name, settings in CONFIGURATION.items() if isinstance(settings, dict)}
ON_AWS = {name: settings for name, settings in ENVIRONMENTS.items() if name != "local"}
PARAMETERS = load()["Parameters"]


def overrides(name: str) -> dict[str, str]:
    given = ENVIRONMENTS[name]["deploy"]["parameters"]["parameter_overrides"]
    return dict(entry.split("=", 1) for entry in given)


def test_there_is_an_environment_for_each_region_of_a_pod_and_one_for_this_machine() -> None:
    regions = {name: settings["global"]["parameters"]["region"] for name, settings in ENVIRONMENTS.items()}
    assert regions == {
        "default": "us-east-1",
        "eu1": "eu-central-1",
        "au1": "ap-southeast-2",
        "local": "us-east-1",
    }
    assert {regions[name] for name in ON_AWS} == set(REGIONS)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_environment_builds_with_the_manifest(name: str) -> None:
    assert ENVIRONMENTS[name]["build"]["parameters"] == {"manifest": "requirements.txt"}
    assert (ROOT / "requirements.txt").exists()


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_environment_deploys_the_same_stack_with_no_more_rights_than_it_needs(name: str) -> None:
    assert ENVIRONMENTS[name]["global"]["parameters"]["stack_name"] == STACK
    assert ENVIRONMENTS[name]["deploy"]["parameters"]["capabilities"] == "CAPABILITY_IAM"


@pytest.mark.parametrize("name", ON_AWS)
def test_on_aws_a_deployment_is_confirmed_and_gradual(name: str) -> None:
    assert ON_AWS[name]["deploy"]["parameters"]["confirm_changeset"] is True
    assert overrides(name)["GradualDeployment"] == "true"


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_an_environment_sets_only_values_that_the_parameters_accept(name: str) -> None:
    for parameter, value in overrides(name).items():
        constraint = PARAMETERS[parameter]
        assert value in constraint.get("AllowedValues", [value])
        assert re.search(constraint.get("AllowedPattern", ""), value)
        assert float(constraint.get("MinValue", 0)) <= float(value if "MinValue" in constraint else 0)
