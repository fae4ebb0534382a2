"""`sam deploy` and `sam delete`, as one does it for AWS, against the emulator."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import boto3

from local.cloud.ministack import MiniStack
from local.isolation import ROOT, STATE, client_config, cloud_environment, isolated_session, run_quietly, tool

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_sqs import SQSClient

_SAMCONFIG = ROOT / "samconfig.toml"
_LOCAL = "local"


def environments() -> list[str]:
    """Return the environments of samconfig.toml that lead to AWS."""
    sections = tomllib.loads(_SAMCONFIG.read_text())
    return [name for name, section in sections.items() if isinstance(section, dict) and name != _LOCAL]


@dataclass(frozen=True)
class Deployment:
    """The stack of one environment in the emulator.

    Attributes:
        aws: the emulator.
        environment: section of samconfig.toml, which decides the region and the stack's name.
    """

    aws: MiniStack
    environment: str

    @property
    def region(self) -> str:
        """Where the environment deploys to."""
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
        """The outputs of the stack as it stands now."""
        stack = self.client("cloudformation").describe_stacks(StackName=self.stack)["Stacks"][0]
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    @cached_property
    def functions(self) -> "LambdaClient":
        """A client of the region's Lambda."""
        return cast("LambdaClient", self.client("lambda"))

    @cached_property
    def sqs(self) -> "SQSClient":
        """A client of the region's SQS."""
        return cast("SQSClient", self.client("sqs"))

    @cached_property
    def dynamodb(self) -> "DynamoDBClient":
        """A client of the region's DynamoDB."""
        return cast("DynamoDBClient", self.client("dynamodb"))

    # boto3 makes clients at run time, and only those above are typed for this project.
    def client(self, service: str) -> Any:
        """Return the client of any other service in the region; making one takes long."""
        if service not in self._clients:
            make: Any = self._session.client
            self._clients[service] = make(
                service, endpoint_url=self.aws.endpoint, region_name=self.region, config=client_config()
            )
        return self._clients[service]

    def deploy(self, template: Path, **parameters: str) -> None:
        """Create the stack, or update it.

        Args:
            template: of a build.
            parameters: in addition to the environment's own, or instead of them.

        Raises:
            LocalCloudError: it failed, with the last lines of what SAM says.
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
        log = STATE / "log" / f"sam-{action}-{self.environment}.log"
        run_quietly(command, environment=environment, log=log, purpose=f"sam {action} ({self.environment})")

    @cached_property
    def _session(self) -> boto3.Session:
        return isolated_session()

    @cached_property
    def _clients(self) -> dict[str, Any]:
        return {}

    def _settings(self, command: str) -> Mapping[str, Any]:
        settings: Mapping[str, Any] = tomllib.loads(_SAMCONFIG.read_text())[self.environment][command]["parameters"]
        return settings
