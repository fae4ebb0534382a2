"""A release of one room's stack into an emulator: built, deployed, with the secrets that it needs."""

import json
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from botocore.exceptions import WaiterError

from local.build.build import packed_build
from local.build.sam_build import machine_architecture
from local.cloud.deployment import Deployment
from local.cloud.emulator import Emulator
from local.cloud.http_endpoint import TOKEN
from local.isolation import LocalCloudError, disk_problem
from local.progress import Progress
from local.rooms import Room

_PUBLISHED = {"handler": "HandlerFunctionName", "worker": "WorkerFunctionName", "feed": "FeedFunctionName"}
"""The stack output with the name of each function that has versions. That of the feed is there with Feed=on only."""

FUNCTION_OUTPUTS = {**_PUBLISHED, "archive": "LetterArchiveFunctionName"}
"""The stack output with the name of each function. That of the archive is there unless DeadLetterArchiveDays=0."""


class Release:
    """Builds a room's stack and deploys it, the first time or over an earlier one.

    Args:
        room: whose integration is deployed.
        partner_api_url: base URL of the partner's API.
        parameters: other parameters of the template. They replace the room's own.
        progress: is told of each step.

    Raises:
        LocalCloudError: the room's files for the local cloud cannot be used.
    """

    def __init__(self, room: Room, partner_api_url: str, parameters: Mapping[str, str], progress: Progress) -> None:
        self._room = room
        self._architecture = machine_architecture()
        self._progress = progress
        self._deployment_secret = dict(room.deployment_secret)
        self._parameters = {
            **({} if room.integration().cookie_sync else {"CookieSync": "off"}),
            **({"DeploymentSecretSource": "secret"} if self._deployment_secret else {}),
            **room.parameters,
            **parameters,
            "Architecture": self._architecture,
            "PartnerApiUrl": partner_api_url,
        }
        if self._deployment_secret and self._parameters.get("DeploymentSecretSource") != "secret":
            raise LocalCloudError("deployment_secret.json needs DeploymentSecretSource=secret, the default here")

    def build(self) -> Path:
        """Build the functions unless that is done, and return the template of the build.

        Raises:
            LocalCloudError: the build failed.
        """
        started = time.monotonic()
        self._progress.doing("Building the functions with sam build")
        template, is_new = packed_build(self._architecture, self._room)
        took = f"{time.monotonic() - started:.1f} s" if is_new else "unchanged"
        self._progress.done(f"Built the functions for {self._architecture} with sam build ({took})")
        return template

    def deploy(self, template: Path, emulator: Emulator) -> dict[str, str]:
        """Deploy a build, wait until it accepts calls, and return the outputs of the stack.

        Raises:
            LocalCloudError: it failed; the message holds SAM's last lines and the emulator's.
        """
        started = time.monotonic()
        self._progress.doing("Deploying template.yaml with sam deploy")
        deployment = Deployment(emulator, "local")
        try:
            deployment.deploy(template, **self._parameters)
        except LocalCloudError as error:
            raise LocalCloudError(f"{error}\n\nThe emulator's last lines:\n{emulator.log_tail()}") from None
        outputs = deployment.outputs
        try:
            _wait_for_snapshots(emulator, outputs)
        except WaiterError:
            raise LocalCloudError(_unable_to_start(emulator)) from None
        self._store_secrets(emulator, outputs)
        self._progress.done(f"Deployed template.yaml with sam deploy ({time.monotonic() - started:.1f} s)")
        return outputs

    def _store_secrets(self, emulator: Emulator, outputs: Mapping[str, str]) -> None:
        """Store the token for the HTTPS endpoint, and what the partner gave to this deployment, as an operator does."""
        secrets = emulator.client("secretsmanager")
        secrets.put_secret_value(SecretId=outputs["HttpTokenSecretArn"], SecretString=TOKEN)
        if self._deployment_secret:
            stored = json.dumps(self._deployment_secret)
            secrets.put_secret_value(SecretId=outputs["DeploymentSecretArn"], SecretString=stored)


def _wait_for_snapshots(emulator: Emulator, outputs: Mapping[str, str]) -> None:
    """Wait until the released versions accept calls, as CloudFormation does."""
    waiter = emulator.functions.get_waiter("published_version_active")
    for function in present(_PUBLISHED.values(), outputs):
        waiter.wait(FunctionName=outputs[function], Qualifier="production", WaiterConfig={"Delay": 1})


def _unable_to_start(emulator: Emulator) -> str:
    """Say why released functions cannot be called, as far as that is known."""
    log = emulator.log_tail()
    because = disk_problem(log, emulator.home)
    return f"the emulator could not start the functions{because}. Its last lines:\n{log}"


def present(names: Iterable[str], outputs: Mapping[str, str]) -> list[str]:
    """Return those of these outputs that the stack has: some depend on its parameters."""
    return [name for name in names if name in outputs]
