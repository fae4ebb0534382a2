"""The function that CodeDeploy invokes before a new version gets traffic (`PreTraffic` in the template).

It invokes the new version of each function and tells CodeDeploy whether all respond. What it sends changes nothing at
the partner: a registration and mParticle's keep-alives to the handler, an empty batch to the others. It loads nothing
of the integration, so it also runs when that cannot be loaded.
"""

import json
import os
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools import Logger

from mparticle_firehose.aws_client import AwsClient
from mparticle_firehose.errors import described

_VERSION_TIMEOUTS: Mapping[str, Any] = {
    "connect_timeout": 2,
    "read_timeout": 65,  # the longest timeout of the functions, and what Lambda takes to say so
    "retries": {"mode": "standard", "total_max_attempts": 3},
}

_ACCOUNT = {"account_id": 1, "account_settings": {}}  # of nobody: a keep-alive has nothing to deliver

_REQUESTS: Mapping[str, Mapping[str, object]] = {
    "module_registration": {},
    "event_processing": {"account": _ACCOUNT, "events": []},
    "audience_membership_change": {"account": _ACCOUNT},
}
"""What mParticle sends without any data, by the message type without its ending."""

_WORKERS = ("WORKER_VERSION", "FEED_VERSION")
"""The variables with the functions that empty queues; the second is missing without a feed."""


@dataclass(frozen=True, slots=True)
class ReleaseCheck:
    """Checks versions and reports to CodeDeploy.

    Attributes:
        versions: ARNs of the new versions, by environment variable: ``HANDLER_VERSION``, ``WORKER_VERSION`` and, if
            there is a feed, ``FEED_VERSION``.
        lambda_client: invokes them.
        codedeploy_client: is told the result.
        logger: says what failed, without the text of an error, which may hold values.
    """

    versions: Mapping[str, str]
    lambda_client: Any
    codedeploy_client: Any
    logger: Logger

    def run(self, event: Mapping[str, str]) -> None:
        """Check the versions and report the result for the deployment that the event names."""
        problems = list(self._problems())
        for problem in problems:
            self.logger.error("release refused", extra={"reason": problem})
        if not problems:
            self.logger.info("release checked")
        self.codedeploy_client.put_lifecycle_event_hook_execution_status(
            deploymentId=event["DeploymentId"],
            lifecycleEventHookExecutionId=event["LifecycleEventHookExecutionId"],
            status="Failed" if problems else "Succeeded",
        )

    def _problems(self) -> Iterator[str]:
        for kind, content in _REQUESTS.items():
            request = {
                "type": f"{kind}_request",
                "id": str(uuid.uuid4()),
                "timestamp_ms": int(time.time() * 1000),
                "firehose_version": "3.2.0",
                **content,
            }
            yield from self._problem("HANDLER_VERSION", request, {"type": f"{kind}_response"})
        for name in _WORKERS:
            if name in self.versions:
                yield from self._problem(name, {"Records": []}, {"batchItemFailures": []})

    def _problem(self, name: str, request: Mapping[str, Any], expected: Mapping[str, object]) -> Iterator[str]:
        """Yield what is wrong with a version's response, if anything is; it must hold what is expected."""
        subject = f"{name}, {request.get('type', 'empty batch')}"
        try:
            response = self._invoked(name, request)
        except Exception as error:  # noqa: BLE001  whatever it is, CodeDeploy must be told
            yield f"{subject}: it cannot be invoked: {described(error)}"
            return
        if "errorType" in response:
            yield f"{subject}: it fails with {response['errorType']}"
        elif not expected.items() <= response.items():
            yield f"{subject}: it gives another response"

    def _invoked(self, name: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        result = self.lambda_client.invoke(FunctionName=self.versions[name], Payload=json.dumps(request).encode())
        response = json.loads(result["Payload"].read())
        if not isinstance(response, dict):
            return {}
        return {"errorType": "an error", **response} if "FunctionError" in result else response


_check = ReleaseCheck(
    versions=os.environ,
    lambda_client=AwsClient("lambda", _VERSION_TIMEOUTS),
    codedeploy_client=AwsClient("codedeploy", _VERSION_TIMEOUTS),
    logger=Logger(service="release-check"),
)


def handler(event: Mapping[str, str], _context: object) -> None:
    """Check the new versions before CodeDeploy moves traffic to them.

    Args:
        event: ``DeploymentId`` and ``LifecycleEventHookExecutionId`` of CodeDeploy.
    """
    _check.run(event)
