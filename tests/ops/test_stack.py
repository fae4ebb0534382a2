from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, ProfileNotFound, ReadTimeoutError

from ops.stack import DEAD_LETTER_QUEUES, SOURCE_QUEUES, StackError, connect, explained, outputs
from tests.deployment.test_template import TEMPLATE


class StacksDouble:
    """Knows one stack."""

    def __init__(self, **outputs: str) -> None:
        self.outputs = [{"OutputKey": name, "OutputValue": value} for name, value in outputs.items()]
        self.asked: list[str] = []

    def describe_stacks(self, *, StackName: str) -> Any:  # noqa: N803  boto3's name
        self.asked.append(StackName)
        if StackName == "forbidden":
            raise refused("AccessDenied")
        if StackName != "known":
            raise refused("ValidationError")
        return {"Stacks": [{"Outputs": self.outputs}]}


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "canary-arn"}}, "DescribeStacks")


def test_urls_are_the_outputs_of_the_stack() -> None:
    stacks = StacksDouble(EventQueueUrl="e", EventDeadLetterQueueUrl="d", Other="o")

    assert outputs(["EventDeadLetterQueueUrl"], {}, stacks, "known") == {"EventDeadLetterQueueUrl": "d"}


def test_a_given_url_replaces_the_stacks() -> None:
    stacks = StacksDouble(EventQueueUrl="e", EventDeadLetterQueueUrl="d")

    urls = outputs(["EventQueueUrl", "EventDeadLetterQueueUrl"], {"EventQueueUrl": "mine"}, stacks, "known")

    assert urls == {"EventQueueUrl": "mine", "EventDeadLetterQueueUrl": "d"}


def test_the_stack_is_not_described_if_all_urls_are_given() -> None:
    stacks = StacksDouble()

    assert outputs(["EventQueueUrl"], {"EventQueueUrl": "mine"}, stacks, "unknown") == {"EventQueueUrl": "mine"}
    assert stacks.asked == []


@pytest.mark.parametrize(
    ("stack", "explanation"),
    [("unknown", "there is no stack 'unknown'"), ("known", "has no output EventQueueUrl")],
)
def test_a_missing_stack_or_output_is_explained(stack: str, explanation: str) -> None:
    with pytest.raises(StackError, match=explanation):
        outputs(["EventQueueUrl"], {}, StacksDouble(), stack)


@pytest.mark.parametrize(
    ("known", "found"),
    [
        pytest.param({"FeedQueueUrl": "f", "FeedDeadLetterQueueUrl": "d"}, {"FeedQueueUrl", "FeedDeadLetterQueueUrl"}),
        pytest.param({"FeedQueueUrl": "f"}, set(), id="in-part"),
        pytest.param({}, set(), id="none"),
    ],
)
def test_optional_outputs_are_returned_if_the_stack_has_them_all(known: dict[str, str], found: set[str]) -> None:
    stacks = StacksDouble(EventQueueUrl="e", **known)

    urls = outputs(["EventQueueUrl"], {}, stacks, "known", optional=["FeedQueueUrl", "FeedDeadLetterQueueUrl"])

    assert set(urls) == {"EventQueueUrl", *found}


def test_optional_outputs_are_no_reason_to_describe_the_stack() -> None:
    stacks = StacksDouble()

    urls = outputs(["EventQueueUrl"], {"EventQueueUrl": "mine"}, stacks, "unknown", optional=["FeedQueueUrl"])

    assert (urls, stacks.asked) == ({"EventQueueUrl": "mine"}, [])


def test_other_errors_of_aws_are_raised() -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        outputs(["EventQueueUrl"], {}, StacksDouble(), "forbidden")


def test_the_outputs_are_those_of_the_template() -> None:
    assert {*DEAD_LETTER_QUEUES.values(), *SOURCE_QUEUES.values()} <= set(TEMPLATE["Outputs"])


@pytest.mark.parametrize(
    ("error", "explanation"),
    [
        (refused("AccessDenied"), "AWS refused DescribeStacks: AccessDenied"),
        (NoCredentialsError(), "there are no AWS credentials: sign in, or name a profile with --profile"),
        (ProfileNotFound(profile="canary"), "there is no such profile in the AWS configuration"),
        (ReadTimeoutError(endpoint_url="https://canary"), "AWS cannot be used: ReadTimeoutError"),
    ],
    ids=["refused", "no-credentials", "no-profile", "other"],
)
def test_errors_are_explained_without_their_text(error: BotoCoreError | ClientError, explanation: str) -> None:
    assert explained(error) == explanation


@pytest.mark.parametrize("endpoint", ["127.0.0.1:4566", "http://[", "canary"])
def test_an_endpoint_that_is_not_a_url_is_explained(aws: None, endpoint: str) -> None:
    with pytest.raises(StackError, match=r"^the endpoint is not a URL such as http://127.0.0.1:4566$"):
        connect(endpoint_url=endpoint)


@pytest.mark.parametrize("way", ["option", "variable"])
def test_a_local_cloud_never_sees_real_credentials(aws: None, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = "http://127.0.0.1:4566"
    if way == "variable":
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)

    sqs = connect(endpoint_url=endpoint if way == "option" else None).sqs

    assert sqs.meta.endpoint_url == endpoint
    assert key_of(sqs) == "local"


def test_aws_sees_the_users_own_credentials_and_region(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-central-1")

    own = connect().sqs
    other = connect(region="ap-southeast-2").sqs

    assert key_of(own) != "local"
    assert (own.meta.region_name, other.meta.region_name) == ("eu-central-1", "ap-southeast-2")


def key_of(client: Any) -> str:
    """Return the access key that a client signs with."""
    credentials = client._request_signer._credentials  # noqa: SLF001  botocore has no public way to ask
    return str(credentials.access_key)
