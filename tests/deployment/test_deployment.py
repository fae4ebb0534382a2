"""The production template, deployed with `sam deploy` for each environment: created, updated, driven, deleted."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError

from local.build.artefact import verify
from local.build.build import packed_build
from local.build.sam_build import machine_architecture
from local.cloud.deployment import Deployment, environments
from local.cloud.http_endpoint import TOKEN, ask, local_url
from local.cloud.ministack import MiniStack
from local.isolation import ROOT
from local.run.expected import expected_calls
from local.run.messages import Message, messages_in
from mparticle_firehose.config import FeedSettings
from mparticle_firehose.protocol import Serializer
from mparticle_firehose.release_check import ReleaseCheck
from ops.__main__ import main
from tests.conftest import SAMPLE
from tests.deployment.template_checks_releases import RELEASE_ALARMS as ALARMS_OF_FUNCTIONS
from tests.deployment.template_checks_watching import TICKETS as CAN_WAIT
from tests.deployment.template_checks_watching import notifying_alarms
from tests.deployment.template_reading import load
from tests.sample.partner.integration import INTEGRATION
from tests.sample.server import SamplePartner

pytestmark = pytest.mark.cloud

TEMPLATE = load()
ENVIRONMENTS = environments()
RELEASE_ALARMS = {name for alarms in ALARMS_OF_FUNCTIONS.values() for name in alarms}
MESSAGES = messages_in(SAMPLE.events)
ONE_FOR_EACH_FUNCTION = [message for message in MESSAGES if message.kind == "audience_membership_change_request"]
ACCOUNT = "000000000000"
DOCUMENTED_ACCOUNTS = ["338661164609", "457804467337"]

# The emulator refuses alarms that calculate, and has neither event pollers nor what shifts traffic step by step.
UNKNOWN_TO_THE_EMULATOR = {"SpillRateAlarmPercent": "0", "GradualDeployment": "false", "EventMinimumPollers": "0"}
FIVE_ACCOUNTS = [digit * 12 for digit in "12345"]
ORDINALS = ("First", "Second", "Third", "Fourth", "Fifth")
TOPIC = "arn:aws:sns:us-east-1:111122223333:on-call"
TICKETS = "arn:aws:sns:us-east-1:111122223333:tickets"
DOMAIN = "firehose.example.com"
KEY = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"

CHANGED = {
    "HandlerDeadlineMs": "2000",
    "EventMode": "queue",
    "EventOrder": "user",
    "EventBatchWindowSeconds": "1",
    "DeploymentSecretSource": "secret",
    "DeploymentSecretRefreshSeconds": "60",
    "HttpEndpoint": "http-api",
    "HttpDeadlineMs": "2001",
    "HttpRateLimit": "500",
    "HttpBurstLimit": "100",
    "HttpTokenSource": "/mparticle/tokens",
    "HttpTokenRefreshSeconds": "60",
    "DomainName": DOMAIN,
    "CertificateArn": "arn:aws:acm:us-east-1:111122223333:certificate/1234abcd-12ab-34cd-56ef-1234567890ab",
    "CookieSync": "on",
    "Feed": "on",
    "FeedUrl": "https://s2s.eu1.mparticle.com/v2",
    "FeedCredentials": "/partner/feed",
    "FeedRefreshSeconds": "60",
    "FeedBatchesPerSecond": "100",
    "FeedConcurrency": "3",
    "FeedWebhookSecret": "secret",
    "MembershipShards": "7",
    "RetryBaseSeconds": "1",
    "RetryCapSeconds": "1000",
    "MaxAttempts": "5",
    "DeadLetterArchiveDays": "3",
    "LogLevel": "WARNING",
    "LogRetentionDays": "7",
    **{f"{ordinal}MParticleAccount": account for ordinal, account in zip(ORDINALS, FIVE_ACCOUNTS, strict=True)},
    "OutsidePodRegions": "allow",
    "DeploymentType": "AllAtOnce",  # without effect in the emulator
    "MemorySize": "512",
    "SnapStart": "None",
    "ProvisionedConcurrency": "2",
    "SubnetIds": "subnet-0123456789abcdef0,subnet-0123456789abcdef1",
    "SecurityGroupIds": "sg-0123456789abcdef0",
    "PermissionsBoundaryArn": "arn:aws:iam::111122223333:policy/boundary",
    "EventMaximumPollers": "40",  # without effect if there are none
    "HandlerReservedConcurrency": "50",  # the emulator takes both, and keeps neither
    "WorkerReservedConcurrency": "600",
    "MembershipConcurrency": "40",
    "BulkConcurrency": "8",
    "MembershipBacklogThreshold": "10000",
    "EventConcurrency": "80",
    "KmsKeyArn": KEY,
    "PreviousKmsKeyArns": f"{KEY[:-1]}1,{KEY[:-1]}2",
    "AlarmTopicArn": TOPIC,
    "TicketTopicArn": TICKETS,
    "ConcurrencyAlarmThreshold": "40",
    "QueueAgeAlarmSeconds": "600",
    "QuietAlarmMinutes": "30",
}
"""What the update changes: each parameter that the create did not set for this machine."""

OTHERWISE = {
    "eu1": {
        "HttpEndpoint": "function-url",
        "HttpTokenSource": "secret",
        "DomainName": "none",
        "CertificateArn": "none",
        "DeploymentSecretSource": "/partner/secrets",
        "EventOrder": "none",
        "FeedCredentials": "secretsmanager:partner/feed",
        "FeedWebhookSecret": "/partner/webhook",
    }
}
"""What it is for the environment that tries the other kind of endpoint, the other places for secrets, and no order."""


@dataclass(frozen=True)
class Standing:
    """What of a deployment an update changes."""

    versions: dict[str, str]
    principals: list[str]
    variables: dict[str, str]

    @classmethod
    def of(cls, deployment: Deployment) -> "Standing":
        return cls(
            versions={name: alias(deployment, name)["FunctionVersion"] for name in ("handler", "worker")},
            principals=sorted(entry["Principal"]["AWS"] for entry in of_accounts(policy(deployment)["Statement"])),
            variables=released(deployment, "handler")["Environment"]["Variables"],
        )


@dataclass(frozen=True)
class Life:
    """A deployment, as it stood once created and as it stands after the update."""

    deployment: Deployment
    created: Standing
    updated: Standing
    former_partner: SamplePartner
    partner: SamplePartner


@pytest.fixture(scope="module")
def lives() -> Iterator[dict[str, Life]]:
    """Deploy every environment side by side, each into a region and for a partner of its own.

    The first is deployed from folders, as one does it for AWS; the others from zips, which takes SAM less long.
    """
    packed = packed_build(machine_architecture(), SAMPLE)[0]
    templates = {**dict.fromkeys(ENVIRONMENTS, packed), ENVIRONMENTS[0]: packed.parent / "build" / "template.yaml"}
    with MiniStack() as aws, ExitStack() as partners, ThreadPoolExecutor() as threads:
        ready = [
            (Deployment(aws, name), partners.enter_context(SamplePartner()), partners.enter_context(SamplePartner()))
            for name in ENVIRONMENTS
        ]
        lived = threads.map(lambda parts: live(templates[parts[0].environment], *parts), ready)
        yield dict(zip(ENVIRONMENTS, lived, strict=True))


@pytest.fixture(params=ENVIRONMENTS)
def life(request: pytest.FixtureRequest, lives: dict[str, Life]) -> Life:
    chosen: Life = lives[request.param]
    return chosen


def live(template: Path, deployment: Deployment, first: SamplePartner, second: SamplePartner) -> Life:
    here = {**UNKNOWN_TO_THE_EMULATOR, "Architecture": machine_architecture()}
    deployment.deploy(template, PartnerApiUrl=first.url, **here)
    created = Standing.of(deployment)
    deployment.client("ssm").put_parameter(Name=CHANGED["HttpTokenSource"], Value=TOKEN, Type="SecureString")
    changed = {**CHANGED, **OTHERWISE.get(deployment.environment, {})}
    deployment.deploy(template, PartnerApiUrl=second.url, **here, **changed)
    return Life(deployment, created, Standing.of(deployment), former_partner=first, partner=second)


def function_name(deployment: Deployment, function: str) -> str:
    return f"{deployment.stack}-{function}"


def alias(deployment: Deployment, function: str) -> Any:
    return deployment.functions.get_alias(FunctionName=function_name(deployment, function), Name="production")


def released(deployment: Deployment, function: str) -> Any:
    """Return the configuration of what the alias leads to."""
    return deployment.functions.get_function_configuration(
        FunctionName=function_name(deployment, function), Qualifier="production"
    )


def policy(deployment: Deployment) -> Any:
    return json.loads(deployment.functions.get_policy(FunctionName=deployment.outputs["HandlerAliasArn"])["Policy"])


def of_accounts(statements: Any) -> list[Any]:
    """Return the statements about mParticle's accounts, without those about the HTTPS endpoint."""
    return [entry for entry in statements if isinstance(entry["Principal"], dict) and "AWS" in entry["Principal"]]


def queue(deployment: Deployment, output: str) -> Any:
    """Return a queue's attributes, with its policies read."""
    url = deployment.outputs[output]
    attributes = deployment.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return {name: json.loads(value) if value.startswith("{") else value for name, value in attributes.items()}


def queue_arn(deployment: Deployment, name: str) -> str:
    return f"arn:aws:sqs:{deployment.region}:{ACCOUNT}:{deployment.stack}-{name}"


def of_type(kind: str) -> list[str]:
    return [name for name, resource in TEMPLATE["Resources"].items() if resource["Type"] == kind]


def test_the_update_changes_every_parameter_there_is() -> None:
    here = {*UNKNOWN_TO_THE_EMULATOR, "Architecture", "PartnerApiUrl"}
    assert set(CHANGED) | here == set(TEMPLATE["Parameters"])
    defaults = {name: str(parameter["Default"]) for name, parameter in TEMPLATE["Parameters"].items()}
    assert [name for name, value in CHANGED.items() if defaults[name] == value] == []


def test_each_environment_has_a_region_of_its_own() -> None:
    regions = [Deployment(MiniStack(), name).region for name in ENVIRONMENTS]
    assert regions == ["us-east-1", "eu-central-1", "ap-southeast-2"]


def test_the_outputs_name_what_stands(life: Life) -> None:
    deployment, outputs = life.deployment, life.deployment.outputs
    unconditional = {name for name, output in TEMPLATE["Outputs"].items() if "Condition" not in output}
    assert "HttpEndpointUrl" in outputs
    assert unconditional <= set(outputs)
    arn = f"arn:aws:lambda:{deployment.region}:{ACCOUNT}:function:{deployment.stack}-handler:production"
    assert (outputs["HandlerAliasArn"], alias(deployment, "handler")["AliasArn"]) == (arn, arn)
    assert outputs["HandlerFunctionName"] == function_name(deployment, "handler")
    for table in ("SuspensionTableName", "LedgerTableName"):
        assert deployment.dynamodb.describe_table(TableName=outputs[table])["Table"]["TableStatus"] == "ACTIVE"
    assert deployment.region in outputs["DashboardUrl"]


def test_each_deployment_publishes_a_version_and_moves_the_alias_to_it(life: Life) -> None:
    assert life.created.versions == {"handler": "1", "worker": "1"}
    assert life.updated.versions == {"handler": "2", "worker": "2"}
    assert alias(life.deployment, "feed")["FunctionVersion"] == "1"


def test_the_alias_runs_with_the_settings_of_its_version(life: Life) -> None:
    changed = {
        "HANDLER_DEADLINE_MS": "2000",
        "MEMBERSHIP_SHARDS": "7",
        "MEMBERSHIP_BACKLOG_THRESHOLD": "10000",
        "RETRY_BASE_SECONDS": "1",
        "RETRY_CAP_SECONDS": "1000",
        "MAX_ATTEMPTS": "5",
        "EVENT_MODE": "queue",
        "DEPLOYMENT_SECRET_REFRESH_SECONDS": "60",
        "HTTP_DEADLINE_MS": "2001",
        "HTTP_TOKEN_REFRESH_SECONDS": "60",
        "COOKIE_SYNC": "on",
        "POWERTOOLS_LOG_LEVEL": "WARNING",
    }
    assert {name: life.updated.variables[name] for name in changed} == changed
    added = {
        "HTTP_TOKEN_SOURCE", "DEPLOYMENT_SECRET_SOURCE",
        "FEED_QUEUE_URL", "FEED_ERASURE_KEY_SOURCE", "FEED_WEBHOOK_SECRET_SOURCE",
    }  # fmt: skip
    assert set(life.updated.variables) - set(life.created.variables) == added
    assert set(life.created.variables) < set(life.updated.variables)
    assert [name for name in changed if life.created.variables[name] == changed[name]] == []
    assert life.created.variables["MEMBERSHIP_QUEUE_URL"] == life.deployment.outputs["MembershipQueueUrl"]


def test_the_functions_have_the_memory_that_the_update_said(life: Life) -> None:
    """Of subnets and of a permissions boundary the emulator keeps nothing."""
    sizes = [int(released(life.deployment, name)["MemorySize"]) for name in ("handler", "worker", "feed")]
    assert sizes == [512] * 3


def test_the_endpoint_has_its_domain_name_if_it_is_an_http_api(life: Life) -> None:
    outputs = life.deployment.outputs
    if life.deployment.environment in OTHERWISE:
        assert "HttpDomainTarget" not in outputs
        return
    domain = life.deployment.client("apigatewayv2").get_domain_name(DomainName=DOMAIN)
    [configuration] = domain["DomainNameConfigurations"]
    assert outputs["HttpEndpointUrl"] == f"https://{DOMAIN}"
    assert configuration["SecurityPolicy"] == "TLS_1_2"
    assert outputs["HttpDomainTarget"] == configuration["ApiGatewayDomainName"]


@pytest.mark.parametrize(
    ("changed", "explanation"),
    [
        pytest.param({"SnapStart": "PublishedVersions"}, "no provisioned concurrency with SnapStart", id="snapshots"),
        pytest.param({"SecurityGroupIds": "none"}, "need a security group", id="no-security-group"),
        pytest.param({"EventMinimumPollers": "1"}, "at least two event pollers", id="one-poller"),
        pytest.param({"DomainName": DOMAIN}, "Only an HTTP API", id="domain-name-of-a-function-url"),
        pytest.param(
            {"HttpEndpoint": "none", **{f"{it}MParticleAccount": "none" for it in ORDINALS}},
            "only if mParticle calls an HTTPS endpoint",
            id="nobody",
        ),
    ],
)
def test_parameters_that_do_not_go_together_are_refused(
    lives: dict[str, Life], changed: dict[str, str], explanation: str
) -> None:
    with pytest.raises(ClientError, match=explanation):
        update_with_existing_template(lives["eu1"].deployment, **changed)


def test_mparticle_may_invoke_the_alias_and_nothing_else(life: Life) -> None:
    deployment = life.deployment
    statements = policy(deployment)["Statement"]
    arn = deployment.outputs["HandlerAliasArn"]
    assert [life.created.principals, life.updated.principals] == [DOCUMENTED_ACCOUNTS, FIVE_ACCOUNTS]
    assert {(entry["Effect"], entry["Action"], entry["Resource"]) for entry in of_accounts(statements)} == {
        ("Allow", "lambda:InvokeFunction", arn)
    }
    # Of a function without its alias, the emulator shows the statements for every version and alias.
    every = json.loads(deployment.functions.get_policy(FunctionName=function_name(deployment, "handler"))["Policy"])
    assert every["Statement"] == statements
    with pytest.raises(deployment.functions.exceptions.ResourceNotFoundException):
        deployment.functions.get_policy(FunctionName=function_name(deployment, "worker"), Qualifier="production")


def test_both_functions_know_where_the_deployment_secret_is(life: Life) -> None:
    stored = {**CHANGED, **OTHERWISE.get(life.deployment.environment, {})}["DeploymentSecretSource"]
    source = life.deployment.outputs["DeploymentSecretArn"] if stored == "secret" else stored
    variables = [released(life.deployment, function)["Environment"]["Variables"] for function in ("handler", "worker")]
    assert [each["DEPLOYMENT_SECRET_SOURCE"] for each in variables] == [source, source]


def test_the_feeds_function_has_every_setting_that_it_reads(life: Life) -> None:
    chosen = {**CHANGED, **OTHERWISE.get(life.deployment.environment, {})}
    settings = FeedSettings.from_env(released(life.deployment, "feed")["Environment"]["Variables"])
    assert (settings.queue_url, settings.dlq_url) == (
        life.deployment.outputs["FeedQueueUrl"], life.deployment.outputs["FeedDeadLetterQueueUrl"],
    )  # fmt: skip
    assert (settings.url, settings.credentials) == (chosen["FeedUrl"], chosen["FeedCredentials"])
    assert (settings.refresh_seconds, settings.batches_per_second, settings.concurrency) == (60, 100, 3)
    key = life.deployment.client("secretsmanager").get_secret_value(SecretId=settings.erasure_key_source)
    assert len(key["SecretString"]) == 64


@pytest.mark.parametrize(
    ("name", "concurrency", "batch"),
    [
        pytest.param("membership.fifo", 40, (10, 0), id="memberships"),
        pytest.param("membership-bulk.fifo", 8, (10, 0), id="backlogs"),
        pytest.param("event", 80, (100, 1), id="events"),
        pytest.param("erasure", 5, (10, 0), id="erasures"),
        pytest.param("feed", 3, (100, 1), id="feed"),
    ],
)
def test_the_functions_take_from_each_queue_as_many_messages_as_the_update_said(
    life: Life, name: str, concurrency: int, batch: tuple[int, int]
) -> None:
    deployment = life.deployment
    mappings = deployment.functions.list_event_source_mappings(EventSourceArn=queue_arn(deployment, name))
    [mapping] = mappings["EventSourceMappings"]
    receiver = function_name(deployment, "feed" if name == "feed" else "worker")
    arn = f"arn:aws:lambda:{deployment.region}:{ACCOUNT}:function:{receiver}:production"
    assert (mapping["FunctionArn"], mapping["State"], mapping["FunctionResponseTypes"]) == (
        arn, "Enabled", ["ReportBatchItemFailures"],
    )  # fmt: skip
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": concurrency}
    assert (mapping["BatchSize"], mapping["MaximumBatchingWindowInSeconds"]) == batch


@pytest.mark.parametrize(
    ("source", "dead_letters", "name"),
    [
        ("MembershipQueueUrl", "MembershipDeadLetterQueueUrl", "membership"),
        ("BulkQueueUrl", "MembershipDeadLetterQueueUrl", "membership"),
        ("EventQueueUrl", "EventDeadLetterQueueUrl", "event"),
        ("ErasureQueueUrl", "ErasureDeadLetterQueueUrl", "erasure"),
        ("FeedQueueUrl", "FeedDeadLetterQueueUrl", "feed"),
    ],
)
def test_what_fails_for_good_ends_in_its_own_dead_letter_queue(
    life: Life, source: str, dead_letters: str, name: str
) -> None:
    suffix = ".fifo" if name == "membership" else ""
    sources = ["membership.fifo", "membership-bulk.fifo"] if name == "membership" else [name]
    redrive = queue(life.deployment, source)["RedrivePolicy"]
    allowed = queue(life.deployment, dead_letters)["RedriveAllowPolicy"]
    assert redrive["deadLetterTargetArn"] == queue_arn(life.deployment, f"{name}-dead-letter{suffix}")
    assert int(redrive["maxReceiveCount"]) >= 5
    assert allowed == {
        "redrivePermission": "byQueue",
        "sourceQueueArns": [queue_arn(life.deployment, each) for each in sources],
    }


def test_the_queues_are_fast_patient_and_encrypted_with_the_customers_key(life: Life) -> None:
    membership = queue(life.deployment, "MembershipQueueUrl")
    assert (membership["DeduplicationScope"], membership["FifoThroughputLimit"]) == (
        "messageGroup",
        "perMessageGroupId",
    )
    timeout = released(life.deployment, "worker")["Timeout"]
    windows = {
        "MembershipQueueUrl": 0,
        "BulkQueueUrl": 0,
        "EventQueueUrl": 300,
        "ErasureQueueUrl": 0,
        "FeedQueueUrl": 1,
    }
    for output, window in windows.items():
        assert int(queue(life.deployment, output)["VisibilityTimeout"]) >= 6 * timeout + window
    for output in (name for name in life.deployment.outputs if name.endswith("QueueUrl")):
        assert queue(life.deployment, output)["KmsMasterKeyId"] == KEY


def test_every_alarm_stands_and_tells_its_topic(life: Life) -> None:
    alarms = life.deployment.client("cloudwatch").describe_alarms()["MetricAlarms"]
    absent = {"SpillRateAlarm", *RELEASE_ALARMS}
    notifying = notifying_alarms(TEMPLATE)
    standing = {
        TEMPLATE["Resources"][name]["Properties"]["AlarmName"]["Fn::Sub"]: topics(name) if name in notifying else []
        for name in of_type("AWS::CloudWatch::Alarm")
        if name not in absent
    }
    told = {alarm["AlarmName"]: (alarm["AlarmActions"], alarm["OKActions"]) for alarm in alarms}
    stack = life.deployment.stack
    assert told == {name.replace("${AWS::StackName}", stack): (topics, topics) for name, topics in standing.items()}
    quick = [alarm for alarm in alarms if alarm.get("ExtendedStatistic") == "PR(:200)"]
    assert sorted(alarm["Threshold"] for alarm in quick) == [85.6, 94.0]


def topics(alarm: str) -> list[str]:
    return [TICKETS if alarm in CAN_WAIT else TOPIC]


def test_the_endpoint_lets_in_who_has_the_token(life: Life) -> None:
    """Behind an HTTP API the token is an SSM parameter, behind a function URL the stack's own secret."""
    deployment = life.deployment
    if secret := deployment.outputs.get("HttpTokenSecretArn"):
        assert answer_over_http(deployment, "any") == 403
        deployment.client("secretsmanager").put_secret_value(SecretId=secret, SecretString=TOKEN)
    assert [answer_over_http(deployment, token) for token in (TOKEN, "another")] == [200, 403]


def endpoint_url(deployment: Deployment) -> str:
    """Return the URL that AWS makes, also if the endpoint has a domain name of its own, which nothing resolves here."""
    output = deployment.outputs["HttpEndpointUrl"]
    if DOMAIN not in output:
        return output
    [api] = deployment.client("apigatewayv2").get_apis()["Items"]
    return str(api["ApiEndpoint"])


def answer_over_http(deployment: Deployment, token: str) -> int:
    url = local_url(endpoint_url(deployment), deployment.aws.endpoint)
    headers = {"Content-Type": "application/json", "Authorization": f"Token {token}"}
    body = (ROOT / "events" / "event_processing_keep_alive.json").read_bytes()
    return ask("POST", f"{url}/events", body, headers).status


def test_an_endpoint_is_open_to_those_who_come_through_it(life: Life) -> None:
    statements = policy(life.deployment)["Statement"]
    endpoint = [(entry["Principal"], entry["Action"]) for entry in statements if entry not in of_accounts(statements)]
    gateway = {"Service": "apigateway.amazonaws.com"}
    expected = {
        "http-api": [(gateway, "lambda:InvokeFunction")] * 2,  # for the default route, and that of the feed
        "function-url": [("*", "lambda:InvokeFunction"), ("*", "lambda:InvokeFunctionUrl")],
    }
    kind = {**CHANGED, **OTHERWISE.get(life.deployment.environment, {})}["HttpEndpoint"]
    assert sorted(endpoint, key=lambda pair: pair[1]) == expected[kind]


def test_a_function_url_without_a_throttle_is_refused(lives: dict[str, Life]) -> None:
    with pytest.raises(ClientError, match="A function URL has no throttle"):
        update_with_existing_template(lives["eu1"].deployment, HandlerReservedConcurrency="0")


def update_with_existing_template(deployment: Deployment, **changed: str) -> None:
    """Update the stack as the CloudFormation console does when only parameters are changed."""
    cloudformation = deployment.client("cloudformation")
    given = [
        {"ParameterKey": name, "ParameterValue": changed[name]}
        if name in changed
        else {"ParameterKey": name, "UsePreviousValue": True}
        for name in TEMPLATE["Parameters"]
    ]
    cloudformation.update_stack(
        StackName=deployment.stack,
        UsePreviousTemplate=True,
        Parameters=given,
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    )
    waiter = cloudformation.get_waiter("stack_update_complete")
    waiter.wait(StackName=deployment.stack, WaiterConfig={"Delay": 1})


@pytest.mark.parametrize("output", ["DashboardUrl", "FeedDashboardUrl"])
def test_the_dashboard_stands_and_is_json(life: Life, output: str) -> None:
    client = life.deployment.client("cloudwatch")
    name = life.deployment.outputs[output].rpartition("/")[2]
    assert json.loads(client.get_dashboard(DashboardName=name)["DashboardBody"])["widgets"]


def test_logs_are_kept_as_long_as_asked(life: Life) -> None:
    groups = life.deployment.client("logs").describe_log_groups()["logGroups"]
    ours = {group["logGroupName"]: group.get("retentionInDays") for group in groups}
    for function in ("handler", "worker", "feed"):
        assert ours[f"/aws/lambda/{function_name(life.deployment, function)}"] == 7


def test_what_sam_uploaded_is_the_artefact_with_its_bytecode(life: Life, tmp_path: Path) -> None:
    s3 = life.deployment.client("s3")
    found = [entry["Name"] for entry in s3.list_buckets(BucketRegion=life.deployment.region)["Buckets"]]
    [bucket] = set(found) - {life.deployment.outputs["LargeBodyBucketName"]}
    uploaded = [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    archives = [key for key in uploaded if not key.endswith(".template")]
    assert archives
    for number, key in enumerate(archives):
        archive = tmp_path / f"{number}.zip"
        s3.download_file(bucket, key, str(archive))
        assert verify(archive, architecture=machine_architecture(), partner=SAMPLE.partner).compiled > 0


def test_mparticle_drives_the_alias_and_everything_arrives_where_the_update_said(life: Life) -> None:
    messages = MESSAGES if life.deployment.environment == ENVIRONMENTS[0] else ONE_FOR_EACH_FUNCTION
    for message in messages:
        assert answer_to(life.deployment, message) == message.kind.replace("_request", "_response")
        assert waits_until_empty(life.deployment, "MembershipQueueUrl", "EventQueueUrl", "ErasureQueueUrl")
    dead = ("MembershipDeadLetterQueueUrl", "EventDeadLetterQueueUrl", "ErasureDeadLetterQueueUrl")
    assert waits_until_empty(life.deployment, *dead)
    calls = life.partner.requests
    arrived = {(call.method, call.path) for call in calls if call.status in {200, 201, 202, 204}}
    expected = [call for message in messages for call in expected_calls(INTEGRATION, message.content)]
    missing = {(call.method, call.path) for call in expected} - arrived
    assert missing == set()
    assert (life.former_partner.requests, life.partner.violations) == ((), ())


def answer_to(deployment: Deployment, message: Message) -> str:
    """Invoke the alias by its ARN and return the answer's type."""
    arn = deployment.outputs["HandlerAliasArn"]
    response = deployment.functions.invoke(FunctionName=arn, Payload=message.payload)
    content = response["Payload"].read()
    assert "FunctionError" not in response, content
    return str(Serializer().parse_response(content).type)


def waits_until_empty(deployment: Deployment, *outputs: str) -> bool:
    give_up = time.monotonic() + 30
    while time.monotonic() < give_up:
        if not any(waiting(deployment, output) for output in outputs):
            return True
        time.sleep(0.05)
    return False


def waiting(deployment: Deployment, output: str) -> int:
    attributes = queue(deployment, output)
    return sum(int(count) for name, count in attributes.items() if name.startswith("ApproximateNumberOfMessages"))


def test_an_update_publishes_versions_only_if_a_setting_of_the_functions_changes(lives: dict[str, Life]) -> None:
    """With the existing template too. One of the last of the module: it changes what the others look at."""
    deployment = lives["au1"].deployment
    versions = []
    for changed in ({"QueueAgeAlarmSeconds": "700"}, {"MaxAttempts": "6"}):
        update_with_existing_template(deployment, **changed)
        released_attempts = released(deployment, "worker")["Environment"]["Variables"]["MAX_ATTEMPTS"]
        versions.append((Standing.of(deployment).versions, released_attempts))
    assert versions == [({"handler": "2", "worker": "2"}, "5"), ({"handler": "3", "worker": "3"}, "6")]
    assert alias(deployment, "feed")["FunctionVersion"] == "2"


def test_other_key_pairs_are_read_by_a_new_version_of_the_feeds_function_alone(lives: dict[str, Life]) -> None:
    """It changes what the others look at. The emulator has the roles of all regions under the same names."""
    deployment = lives["au1"].deployment
    before, feed = Standing.of(deployment).versions, int(alias(deployment, "feed")["FunctionVersion"])
    names = []
    for prefix in ("/other/feed", "secretsmanager:other/feed"):
        update_with_existing_template(deployment, FeedCredentials=prefix)
        assert released(deployment, "feed")["Environment"]["Variables"]["FEED_CREDENTIALS"] == prefix
        names.append([resource.rpartition(f"{deployment.region}:{ACCOUNT}:")[2] for resource in key_pairs(deployment)])
    assert (Standing.of(deployment).versions, int(alias(deployment, "feed")["FunctionVersion"])) == (before, feed + 2)
    assert names == [
        ["parameter/other/feed/*", f"secret:{deployment.stack}-none/*"],
        ["parametersecretsmanager:other/feed/*", "secret:other/feed/*"],
    ]


def key_pairs(deployment: Deployment) -> list[str]:
    """Return what the feed's function may read as key pairs: the first is of SSM, the second of Secrets Manager."""
    role = released(deployment, "feed")["Role"].rpartition("/")[2]
    policy = deployment.client("iam").get_role_policy(RoleName=role, PolicyName="feed")["PolicyDocument"]
    return [entry["Resource"] for entry in policy["Statement"] if entry.get("Sid", "").startswith("ReadKeyPair")]


def test_the_check_of_a_release_refuses_a_version_that_cannot_load_its_settings(lives: dict[str, Life]) -> None:
    """And it accepts the released ones. CodeDeploy, which the emulator does not have, is told by a double."""
    deployment, told = lives["au1"].deployment, Told()
    names = {f"{name.upper()}_VERSION": function_name(deployment, name) for name in ("handler", "worker", "feed")}
    of_the_alias = {name: f"{function}:{alias(deployment, name.split('_')[0].lower())['FunctionVersion']}"
                    for name, function in names.items()}  # fmt: skip
    event = {"DeploymentId": "d", "LifecycleEventHookExecutionId": "h"}
    ReleaseCheck(of_the_alias, deployment.functions, told, Logger(service="accepted")).run(event)

    worker = names["WORKER_VERSION"]
    deployment.functions.update_function_configuration(
        FunctionName=worker, Environment={"Variables": {"AWS_ENDPOINT_URL": deployment.aws.endpoint}}
    )
    broken = deployment.functions.publish_version(FunctionName=worker)["Version"]
    ReleaseCheck(
        {**of_the_alias, "WORKER_VERSION": f"{worker}:{broken}"}, deployment.functions, told, Logger(service="refused")
    ).run(event)

    assert told.statuses == ["Succeeded", "Failed"]


class Told:
    """What CodeDeploy gets to know."""

    def __init__(self) -> None:
        self.statuses: list[str] = []

    def put_lifecycle_event_hook_execution_status(self, *, status: str, **_: str) -> None:
        self.statuses.append(status)


def test_old_versions_are_pruned_and_the_released_one_stays(lives: dict[str, Life]) -> None:
    deployment = lives["au1"].deployment
    names = [function_name(deployment, name) for name in ("handler", "worker", "feed")]
    released_versions = {name: alias(deployment, name.rpartition("-")[2])["FunctionVersion"] for name in names}
    connection = ["--region", deployment.region, "--endpoint-url", deployment.endpoint]
    arguments = ["versions", "prune", "--keep", "1", *connection]

    assert main([*arguments, "--dry-run"]) == 0
    before = {name: versions_of(deployment, name) for name in names}
    assert main(arguments) == 0
    after = {name: versions_of(deployment, name) for name in names}

    assert all(len(versions) > 1 for versions in before.values())
    assert after == {name: sorted({released_versions[name], versions[-1]}) for name, versions in before.items()}


def versions_of(deployment: Deployment, name: str) -> list[str]:
    versions = deployment.functions.list_versions_by_function(FunctionName=name)["Versions"]
    return sorted(it["Version"] for it in versions if it["Version"] != "$LATEST")


def test_tearing_down_leaves_nothing_but_queues_tables_and_two_secrets(lives: dict[str, Life]) -> None:
    """The last of the module: it takes away what the others look at."""
    standing = {life.deployment.environment: (queues_of(life), tables_of(life)) for life in lives.values()}
    kept = {life.deployment.environment: secrets_to_keep(life.deployment) for life in lives.values()}
    deployments = [life.deployment for life in lives.values()]
    with ThreadPoolExecutor() as threads:
        list(threads.map(Deployment.delete, deployments))
    assert {life.deployment.environment: (queues_of(life), tables_of(life)) for life in lives.values()} == standing
    for deployment in deployments:
        assert deployment.functions.list_functions()["Functions"] == []
        assert deployment.functions.list_event_source_mappings()["EventSourceMappings"] == []
        assert deployment.client("cloudwatch").describe_alarms()["MetricAlarms"] == []
        secrets = deployment.client("secretsmanager").list_secrets()["SecretList"]
        assert {secret["ARN"] for secret in secrets} == kept[deployment.environment]


def secrets_to_keep(deployment: Deployment) -> set[str]:
    """Return the deployment's own secret, if the stack has one, and the key of the feed's hashes."""
    key = released(deployment, "feed")["Environment"]["Variables"]["FEED_ERASURE_KEY_SOURCE"]
    own = deployment.outputs.get("DeploymentSecretArn")
    return {key, own} if own else {key}


def queues_of(life: Life) -> list[str]:
    found = life.deployment.sqs.list_queues().get("QueueUrls", [])
    assert len(found) == len(of_type("AWS::SQS::Queue"))
    return found


def tables_of(life: Life) -> list[str]:
    found = life.deployment.dynamodb.list_tables()["TableNames"]
    assert len(found) == len(of_type("AWS::DynamoDB::Table"))
    return found
