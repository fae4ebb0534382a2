"""`sam deploy` and `sam delete` against the emulator, as against AWS."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, override

from local.cloud.clients import Clients
from local.cloud.emulator import Emulator
from local.isolation import ROOT, cloud_environment, run_quietly, tool

_SAMCONFIG = ROOT / "samconfig.toml"
_LOCAL = "local"


def environments() -> list[str]:
    """Return the environments of samconfig.toml that are for AWS."""
    sections = tomllib.loads(_SAMCONFIG.read_text())
    return [name for name, section in sections.items() if isinstance(section, dict) and name != _LOCAL]


@dataclass(frozen=True)
class Deployment(Clients):
    """The stack of one environment in the emulator.

    Attributes:
        aws: the emulator.
        environment: section of samconfig.toml, with the region and the stack's name.
    """

    aws: Emulator
    environment: str

    @property
    @override
    def endpoint(self) -> str:
        return self.aws.endpoint

    @property
    @override
    def region(self) -> str:
        return str(self._settings("global")["region"])

    @property
    def stack(self) -> str:
        """The stack's name."""
        return str(self._settings("global")["stack_name"])

    @property
    def parameters(self) -> dict[str, str]:
        """The template's parameters that the environment sets."""
        return dict(entry.split("=", 1) for entry in self._settings("deploy").get("parameter_overrides", []))

    @property
    def outputs(self) -> dict[str, str]:
        """The present outputs of the stack."""
        stack = self.client("cloudformation").describe_stacks(StackName=self.stack)["Stacks"][0]
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def deploy(self, template: Path, **parameters: str) -> None:
        """Create the stack, or update it.

        Args:
            template: of a build.
            parameters: added to the environment's own, or replacing them.

        Raises:
            LocalCloudError: it failed; the message holds SAM's last lines.
        """
        given = {**self.parameters, **parameters}
        command: list[str | Path] = [
            tool("sam", "sam"), "deploy", "--config-file", _SAMCONFIG, "--config-env", self.environment,
            "--template-file", template, "--no-confirm-changeset", "--no-progressbar",
            "--parameter-overrides", *(f"{name}={value}" for name, value in given.items()),
        ]  # fmt: skip
        self._run(command, "deploy")

    def delete(self) -> None:
        """Delete the stack and what was uploaded for it.

        Raises:
            LocalCloudError: it failed.
        """
        self._run(
            [tool("sam", "sam"), "delete", "--no-prompts", "--stack-name", self.stack, "--region", self.region],
            "delete",
        )

    def _run(self, command: list[str | Path], action: str) -> None:
        environment = cloud_environment(self.aws.home, AWS_ENDPOINT_URL=self.aws.endpoint, SAM_CLI_POLL_DELAY="0.2")
        log = self.aws.home / f"sam-{action}-{self.environment}.log"
        run_quietly(command, environment=environment, log=log, purpose=f"sam {action} ({self.environment})")

    def _settings(self, command: str) -> Mapping[str, Any]:
        settings: Mapping[str, Any] = tomllib.loads(_SAMCONFIG.read_text())[self.environment][command]["parameters"]
        return settings
