"""What other processes know of a local cloud that runs in the background, and the shell commands that lead to it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from local.cloud.clients import local_client
from local.cloud.emulator import RunningEmulator
from local.cloud.http_endpoint import TOKEN
from local.cloud.sources import Sources
from local.isolation import CREDENTIALS, REGION

ENDPOINT_VARIABLE = "AWS_ENDPOINT_URL"


@dataclass(frozen=True)
class Running:
    """What other processes need to know of a running cloud.

    Attributes:
        process: the id of the process that runs it.
        endpoint: the URL of every AWS service.
        http_endpoint: the base URL of the HTTPS endpoint.
        partner: the URL of the fake API.
        inspector: the URL of the page that shows what happens; its token lets nobody else in.
        outputs: of the stack.
        room: the folder of the example that is deployed; empty for the user's own integration.
        home: the emulator's folder.
        sources: what is deployed. `Sources.of` tells whether the files have changed since.
        deployed_at: when that was, in epoch seconds.
    """

    process: int
    endpoint: str
    http_endpoint: str
    partner: str
    inspector: str
    outputs: Mapping[str, str]
    room: str
    home: str
    sources: Sources
    deployed_at: float

    @classmethod
    def read(cls, text: str) -> Self:
        """Read what `text` has written."""
        content = json.loads(text)
        return cls(**{**content, "sources": Sources(**content["sources"])})

    def text(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self))

    @property
    def emulator(self) -> RunningEmulator:
        """The emulator that it runs in."""
        return RunningEmulator(self.endpoint, Path(self.home))

    def client(self, service: str) -> Any:
        """Return a client of one of its AWS services."""
        return local_client(service, self.endpoint)


def exports(running: Running) -> str:
    """Return shell commands that make boto3, the AWS CLI and the README's curl use the cloud instead of an account."""
    variables = {
        ENDPOINT_VARIABLE: running.endpoint,
        **CREDENTIALS,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "HTTP_ENDPOINT_URL": running.http_endpoint,
        "HTTP_TOKEN": TOKEN,
    }
    lines = (f"export {name}={value}" for name, value in variables.items())
    return "\n".join(["unset AWS_PROFILE AWS_SESSION_TOKEN", *lines])


def unset() -> str:
    """Return the shell command that takes back what `exports` has set."""
    names = (ENDPOINT_VARIABLE, *CREDENTIALS, "AWS_REGION", "AWS_DEFAULT_REGION", "HTTP_ENDPOINT_URL", "HTTP_TOKEN")
    return f"unset {' '.join(names)}"
