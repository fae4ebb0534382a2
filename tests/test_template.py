"""The template's promises that neither SAM nor cfn-lint checks."""

import importlib
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from mparticle_firehose.config import Settings

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "template.yaml").read_text()

type Node = dict[str, Any]


class CloudFormationLoader(yaml.SafeLoader):
    """Reads ``!Ref x`` as ``{"Ref": "x"}`` and every other short form as ``{"Fn::Name": ...}``."""


def construct_intrinsic(loader: Any, suffix: str, node: Any) -> Node:
    if isinstance(node, yaml.ScalarNode):
        value: object = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix == "Ref" else f"Fn::{suffix}": value}


CloudFormationLoader.add_multi_constructor("!", construct_intrinsic)
TEMPLATE: Node = yaml.load(TEXT, Loader=CloudFormationLoader)  # noqa: S506 - a SafeLoader with intrinsics
RESOURCES: Node = TEMPLATE["Resources"]


def of_type(kind: str) -> dict[str, Node]:
    return {name: entry["Properties"] for name, entry in RESOURCES.items() if entry["Type"] == kind}


QUEUES = of_type("AWS::SQS::Queue")
FUNCTIONS = of_type("AWS::Serverless::Function")
WORK_QUEUES = {name: queue for name, queue in QUEUES.items() if "RedrivePolicy" in queue}
DEAD_LETTER_QUEUES = {name: queue for name, queue in QUEUES.items() if "RedrivePolicy" not in queue}


def dead_letter_queue_of(queue: Node) -> str:
    name: str = queue["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0]
    return name


def test_there_are_two_queues_and_a_dead_letter_queue_for_each() -> None:
    assert {name: dead_letter_queue_of(queue) for name, queue in WORK_QUEUES.items()} == {
        "MembershipQueue": "MembershipDeadLetterQueue",
        "EventQueue": "EventDeadLetterQueue",
    }
    assert set(DEAD_LETTER_QUEUES) == {"MembershipDeadLetterQueue", "EventDeadLetterQueue"}


@pytest.mark.parametrize("name", WORK_QUEUES)
def test_a_dead_letter_queue_is_fifo_exactly_when_its_source_is(name: str) -> None:
    queue = QUEUES[name]
    assert QUEUES[dead_letter_queue_of(queue)].get("FifoQueue") == queue.get("FifoQueue")


@pytest.mark.parametrize("name", WORK_QUEUES)
def test_a_dead_letter_queue_takes_from_its_own_queue_only(name: str) -> None:
    allowed = QUEUES[dead_letter_queue_of(QUEUES[name])]["RedriveAllowPolicy"]
    arn = f"arn:${{AWS::Partition}}:sqs:${{AWS::Region}}:${{AWS::AccountId}}:{QUEUES[name]['QueueName']['Fn::Sub']}"
    assert allowed == {"redrivePermission": "byQueue", "sourceQueueArns": [{"Fn::Sub": arn}]}


@pytest.mark.parametrize("name", QUEUES)
def test_every_queue_keeps_what_it_takes_encrypted_for_as_long_as_sqs_allows(name: str) -> None:
    queue = QUEUES[name]
    assert (queue["MessageRetentionPeriod"], queue["MaximumMessageSize"]) == (14 * 24 * 3600, 1024 * 1024)
    assert queue["SqsManagedSseEnabled"] is True


@pytest.mark.parametrize("name", [name for name, queue in QUEUES.items() if queue.get("FifoQueue")])
def test_a_fifo_queue_is_in_high_throughput_mode(name: str) -> None:
    queue = QUEUES[name]
    assert (queue["DeduplicationScope"], queue["FifoThroughputLimit"]) == ("messageGroup", "perMessageGroupId")
    assert queue["ContentBasedDeduplication"] is False
    assert queue["QueueName"]["Fn::Sub"].endswith(".fifo")


@pytest.mark.parametrize("name", WORK_QUEUES)
def test_a_message_stays_hidden_for_six_times_as_long_as_the_worker_may_run(name: str) -> None:
    assert QUEUES[name]["VisibilityTimeout"] >= 6 * FUNCTIONS["WorkerFunction"]["Timeout"]


@pytest.mark.parametrize("name", WORK_QUEUES)
def test_sqs_gives_up_on_a_message_long_after_the_worker_would_have(name: str) -> None:
    assert QUEUES[name]["RedrivePolicy"]["maxReceiveCount"] == 1000


@pytest.mark.parametrize("name", WORK_QUEUES)
def test_the_worker_takes_from_each_queue_and_reports_failures_one_by_one(name: str) -> None:
    mappings = [
        mapping
        for mapping in of_type("AWS::Lambda::EventSourceMapping").values()
        if mapping["EventSourceArn"] == {"Fn::GetAtt": [name, "Arn"]}
    ]
    assert [
        (mapping["FunctionName"], mapping["FunctionResponseTypes"], mapping["BatchSize"]) for mapping in mappings
    ] == [({"Ref": "WorkerFunction"}, ["ReportBatchItemFailures"], 10)]
    assert 2 <= mappings[0]["ScalingConfig"]["MaximumConcurrency"] <= 1000


def test_every_setting_the_code_reads_is_set_for_both_functions() -> None:
    variables = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]
    read = {field.alias for field in Settings.model_fields.values()}
    powertools = {"POWERTOOLS_SERVICE_NAME", "POWERTOOLS_METRICS_NAMESPACE", "POWERTOOLS_LOG_LEVEL"}
    assert set(variables) == read | powertools
    assert not any("Environment" in function for function in FUNCTIONS.values())


def test_every_parameter_is_described_has_a_default_and_a_constraint_and_is_used() -> None:
    for name, parameter in TEMPLATE["Parameters"].items():
        assert {"Description", "Default", "ConstraintDescription"} <= set(parameter), name
        assert {"AllowedPattern", "AllowedValues", "MinValue"} & set(parameter), name
        assert re.search(rf"!Ref {name}\b", TEXT), name


@pytest.mark.parametrize(
    ("url", "accepted"),
    [
        pytest.param("https://api.example.com", True, id="https"),
        pytest.param("https://api.example.com/base/", True, id="path"),
        pytest.param("http://127.0.0.1:8080", True, id="loopback"),
        pytest.param("http://host.docker.internal:8080", True, id="docker-host"),
        pytest.param("http://api.example.com", False, id="plain-http"),
        pytest.param("http://localhost.example.com", False, id="looks-like-loopback"),
        pytest.param("http://127.0.0.1@example.com", False, id="loopback-as-user-name"),
        pytest.param("https://api.example.com?key=1", False, id="query"),
    ],
)
def test_the_partner_is_called_over_https_or_on_this_machine(url: str, accepted: bool) -> None:
    pattern = TEMPLATE["Parameters"]["PartnerApiUrl"]["AllowedPattern"]
    assert bool(re.fullmatch(pattern, url)) is accepted


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_named_handler_exists(name: str) -> None:
    module, _, function = FUNCTIONS[name]["Handler"].rpartition(".")
    assert callable(getattr(importlib.import_module(module), function))


def test_only_mparticle_may_invoke_and_only_the_released_alias() -> None:
    permissions = list(of_type("AWS::Lambda::Permission").values())
    alias = FUNCTIONS["HandlerFunction"]["AutoPublishAlias"]
    assert [permission["FunctionName"] for permission in permissions] == [{"Ref": f"HandlerFunctionAlias{alias}"}] * 2
    assert [permission["Principal"] for permission in permissions] == [
        {"Fn::Select": [index, {"Ref": "MParticleAccountIds"}]} for index in (0, 1)
    ]
    assert TEMPLATE["Parameters"]["MParticleAccountIds"]["Default"] == "338661164609,457804467337"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_permission_is_wider_than_one_resource(name: str) -> None:
    for policy in FUNCTIONS[name]["Policies"]:
        for statement in policy["Statement"]:
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            resources = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
            assert not any("*" in action for action in actions)
            assert all(set(resource) == {"Fn::GetAtt"} for resource in resources)


def test_each_function_logs_into_a_group_that_forgets() -> None:
    groups = {group["LogGroupName"]["Fn::Sub"]: group for group in of_type("AWS::Logs::LogGroup").values()}
    assert set(groups) == {f"/aws/lambda/{function['FunctionName']['Fn::Sub']}" for function in FUNCTIONS.values()}
    assert all(group["RetentionInDays"] == {"Ref": "LogRetentionDays"} for group in groups.values())


def test_the_template_works_in_every_partition_and_region() -> None:
    assert "arn:aws:" not in TEXT
    assert not re.search(r"\b(us|eu|ap)-[a-z]+-\d\b", TEXT)


def test_every_environment_builds_with_the_manifest() -> None:
    environments = tomllib.loads((ROOT / "samconfig.toml").read_text())
    named = {
        name: settings.get("build", {}).get("parameters", {}).get("manifest")
        for name, settings in environments.items()
        if isinstance(settings, dict)
    }
    assert named == {"default": "requirements.txt", "local": "requirements.txt"}
    assert (ROOT / "requirements.txt").exists()
