"""The check of a release tells CodeDeploy whether the new versions respond, and says in the log what does not."""

import io
import json
import subprocess
import sys
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from aws_lambda_powertools import Logger

from local.isolation import ROOT
from mparticle_firehose.release_check import ReleaseCheck
from tests.planted import CANARY

VERSIONS = {
    "HANDLER_VERSION": "arn:handler:7",
    "WORKER_VERSION": "arn:worker:4",
    "FEED_VERSION": "arn:feed:2",
    "AWS_REGION": "us-east-1",
}
EVENT = {"DeploymentId": "d-1", "LifecycleEventHookExecutionId": "hook-1"}

type Request = Mapping[str, Any]
type Respond = Callable[[Request], Any]


def respond(request: Request) -> dict[str, Any]:
    """Respond as a version does that works."""
    if "Records" in request:
        return {"batchItemFailures": []}
    return {"type": request["type"].replace("_request", "_response")}


class LambdaDouble:
    """Has versions, of which some respond in another way."""

    def __init__(self, **otherwise: Respond) -> None:
        self.invoked: list[tuple[str, Request]] = []
        self._otherwise = otherwise

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803  boto3's names
        request = json.loads(Payload)
        self.invoked.append((FunctionName, request))
        _, function, _ = FunctionName.split(":")
        response = (self._otherwise.get(function) or respond)(request)
        failed = {"FunctionError": "Unhandled"} if isinstance(response, dict) and "errorMessage" in response else {}
        return {"Payload": io.BytesIO(json.dumps(response).encode()), **failed}


class CodeDeployDouble:
    def __init__(self) -> None:
        self.told: list[Mapping[str, str]] = []

    def put_lifecycle_event_hook_execution_status(self, **status: str) -> None:
        self.told.append(status)


def run(functions: LambdaDouble, versions: Mapping[str, str] = VERSIONS) -> tuple[list[str], str]:
    """Return what CodeDeploy was told, and the log."""
    codedeploy, log = CodeDeployDouble(), io.StringIO()
    logger = Logger(service=str(uuid.uuid4()), stream=log)  # Powertools keeps one logger for a name
    ReleaseCheck(versions, functions, codedeploy, logger).run(EVENT)
    assert [(it["deploymentId"], it["lifecycleEventHookExecutionId"]) for it in codedeploy.told] == [("d-1", "hook-1")]
    return [it["status"] for it in codedeploy.told], log.getvalue()


def test_a_release_goes_on_if_every_version_responds() -> None:
    functions = LambdaDouble()

    statuses, log = run(functions)

    assert statuses == ["Succeeded"]
    assert "release checked" in log
    assert [(name, request.get("type")) for name, request in functions.invoked] == [
        ("arn:handler:7", "module_registration_request"),
        ("arn:handler:7", "event_processing_request"),
        ("arn:handler:7", "audience_membership_change_request"),
        ("arn:worker:4", None),
        ("arn:feed:2", None),
    ]


def test_without_a_feed_there_is_no_version_of_it_to_check() -> None:
    functions = LambdaDouble(feed=lambda _: {"errorMessage": "there is no feed"})

    statuses, _ = run(functions, {name: arn for name, arn in VERSIONS.items() if name != "FEED_VERSION"})

    assert statuses == ["Succeeded"]


def test_what_is_sent_to_the_handler_has_no_data() -> None:
    functions = LambdaDouble()

    run(functions)

    contents = [request for name, request in functions.invoked if name == "arn:handler:7"]
    sent = {key for request in contents for key in request}
    assert sent == {"type", "id", "timestamp_ms", "firehose_version", "account", "events"}
    assert [request["events"] for request in contents if "events" in request] == [[]]
    assert len({request["id"] for request in contents}) == len(contents)


def failing(_: Request) -> Any:
    return {"errorMessage": f"{CANARY} is wrong", "errorType": "ConfigurationError"}


def unreachable(_: Request) -> Any:
    raise TimeoutError(CANARY)


@pytest.mark.parametrize(
    ("functions", "reason"),
    [
        pytest.param(
            LambdaDouble(handler=failing),
            "HANDLER_VERSION, module_registration_request: it fails with ConfigurationError",
            id="handler-fails",
        ),
        pytest.param(
            LambdaDouble(worker=failing),
            "WORKER_VERSION, empty batch: it fails with ConfigurationError",
            id="worker-fails",
        ),
        pytest.param(
            LambdaDouble(feed=unreachable),
            "FEED_VERSION, empty batch: it cannot be invoked: TimeoutError",
            id="unreachable",
        ),
        pytest.param(
            LambdaDouble(handler=lambda request: respond(request) if "events" not in request else {"type": "error"}),
            "HANDLER_VERSION, event_processing_request: it gives another response",
            id="another-response-to-a-keep-alive",
        ),
        pytest.param(
            LambdaDouble(worker=lambda _: None), "WORKER_VERSION, empty batch: it gives another response", id="nothing"
        ),
        pytest.param(
            LambdaDouble(worker=lambda _: {"batchItemFailures": [{"itemIdentifier": "1"}]}),
            "WORKER_VERSION, empty batch: it gives another response",
            id="a-failure-of-nothing",
        ),
    ],
)
def test_a_release_is_refused_if_a_version_does_not_respond(functions: LambdaDouble, reason: str) -> None:
    statuses, log = run(functions)

    assert statuses == ["Failed"]
    assert reason in log
    assert CANARY not in log


def test_every_version_is_checked_also_after_one_has_failed() -> None:
    functions = LambdaDouble(handler=failing)

    run(functions)

    assert len(functions.invoked) == 5


def test_it_loads_nothing_of_the_integration() -> None:
    """And neither does it load the models of mParticle's messages, which a check of them would need."""
    script = "import sys, mparticle_firehose.release_check; print(*sorted(sys.modules))"
    environment = {"PYTHONPATH": str(ROOT / "src"), "AWS_LAMBDA_FUNCTION_NAME": "CodeDeployHook_stack"}

    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)  # noqa: S603

    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert "mparticle_firehose" in loaded
    assert not loaded & {"app", "partner", "pydantic", "boto3"}
