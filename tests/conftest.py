"""Fakes that are passed in, and the one loader of our own sample requests."""

import copy
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import hypothesis
import pytest
from moto import mock_aws
from mypy_boto3_dynamodb import DynamoDBClient
from mypy_boto3_s3 import S3Client
from mypy_boto3_sqs import SQSClient

from local.rooms import Room
from mparticle_firehose import reporting
from mparticle_firehose.aws_client import AwsClient
from mparticle_firehose.deadline import Deadline
from mparticle_firehose.errors import DeliveryError
from mparticle_firehose.firehose import Firehose
from mparticle_firehose.integration import Answer, Integration, NetworkFault, Outcome, PartnerCall, Retry, Verdict
from mparticle_firehose.partner_api.retry_policy import DEFAULT, RetryPolicy
from mparticle_firehose.protocol import (
    Account,
    AnyRequest,
    DsrProcessingRequest,
    EventProcessingRequest,
    Serializer,
)
from mparticle_firehose.protocol.wire.model import Unreadable
from mparticle_firehose.queues.large_bodies import LargeBodies
from mparticle_firehose.queues.sender import QueueSender
from mparticle_firehose.services import EventMode, Remainder
from tests.planted import leaks
from tests.sample.partner.integration import INTEGRATION
from tests.sample.server import SamplePartner

pytest_plugins = ["tests.canaries", "tests.clouds", "tests.distribution", "tests.garbage", "tests.independence"]

# A machine with other work to do must not fail a test: nothing here asserts how long something takes.
hypothesis.settings.register_profile("without deadline", deadline=None)
hypothesis.settings.load_profile("without deadline")

SAMPLE = Room.of("tests/sample")
EVENTS = SAMPLE.events
REGION = "us-east-1"
BUCKET = "large-bodies"

type Json = dict[str, Any]

serializer = Serializer()


def load_event(name: str, **overrides: object) -> Json:
    """Return one of the sample requests with some of its top-level fields replaced."""
    return load_from(EVENTS, name, **overrides)


def load_from(folder: Path, name: str, **overrides: object) -> Json:
    """Return a request in a folder with some of its top-level fields replaced."""
    message: Json = json.loads((folder / f"{name}.json").read_text())
    return {**message, **copy.deepcopy(overrides)}


def parsed(kind: type[Any], message: Mapping[str, Any]) -> Any:
    """Parse a request that must be of this type."""
    request = serializer.parse(message)
    assert isinstance(request, kind)
    return request


TRANSIENT = [cause for cause, verdict in DEFAULT.items() if verdict is Verdict.RETRY]
"""Every row of the policy that means: try again."""


def reply_to(cause: int | NetworkFault) -> Answer | Outcome:
    """Return what the partner client returns for a row of the policy."""
    return Answer(status=cause) if isinstance(cause, int) else Retry(cause.value)


class Clock:
    """Time that moves when a test says so."""

    def __init__(self, now: float = 1_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


type Reply = int | Answer | Outcome | Exception
"""What a partner double says to a call: a status with an empty JSON object, or whatever it is."""


@dataclass
class PartnerDouble:
    """Answers calls from a list of replies, then with success; keeps the calls."""

    replies: list[Reply] = field(default_factory=list)
    judge: Callable[[PartnerCall], Reply] | None = None
    calls: list[PartnerCall] = field(default_factory=list)
    deadlines: list[Deadline] = field(default_factory=list)
    identities: list[str] = field(default_factory=list)

    def ask(self, call: PartnerCall, deadline: Deadline, *, identity: str, correlation_id: str) -> Answer | Outcome:
        self.calls.append(call)
        self.deadlines.append(deadline)
        self.identities.append(identity)
        reply: Reply = self.judge(call) if self.judge else self.replies.pop(0) if self.replies else 200
        if isinstance(reply, Exception):
            raise reply
        return Answer(status=reply, body={}) if isinstance(reply, int) else reply

    @property
    def bodies(self) -> list[Any]:
        """The JSON of each call."""
        return [getattr(call.body, "value", None) for call in self.calls]


@dataclass
class BreakerDouble:
    """Admits every call until it is told of a site that is down."""

    down: set[str] = field(default_factory=set)
    noted: list[tuple[str, bool]] = field(default_factory=list)
    seconds: float = 7.0

    def admits(self, site: str) -> bool:
        return site not in self.down

    def note(self, site: str, *, failed: bool) -> None:
        self.noted.append((site, failed))

    def wait(self, site: str) -> float:
        return self.seconds

    def forget(self) -> None:
        self.down.clear()


@dataclass
class RateLimitsDouble:
    """Remembers pauses; no time passes."""

    pauses: dict[str, float] = field(default_factory=dict)

    def pause(self, credential: str, seconds: float) -> None:
        self.pauses[credential] = seconds

    @property
    def is_pausing(self) -> bool:
        return bool(self.pauses)

    def wait(self, credential: str) -> float:
        return self.pauses.get(credential, 0.0)


@dataclass
class StoreDouble:
    """Keeps what is stored, or fails."""

    fails: bool = False
    stored: list[Any] = field(default_factory=list)
    rests: list[Remainder | None] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    def enqueue(self, request: Any, deadline: Deadline, rest: Remainder | None = None) -> Any:
        if self.fails:
            raise DeliveryError("the queue did not take it")
        self.stored.append(request)
        self.rests.append(rest)
        return 1

    def put_events(
        self,
        request: EventProcessingRequest | DsrProcessingRequest,
        parts: Mapping[str, Remainder],
        deadline: Deadline,
    ) -> None:
        for reason, rest in parts.items():
            self.enqueue(request, deadline, rest)
            self.reasons.append(reason)

    def put_unreadable(
        self, request: EventProcessingRequest | DsrProcessingRequest, settled: str, deadline: Deadline
    ) -> Sequence[Unreadable]:
        self.put_events(
            request, {each.reason: Remainder(each.source, settled) for each in request.unreadable}, deadline
        )
        return request.unreadable


@dataclass
class SuspensionsDouble:
    """Remembers suspended accounts."""

    reasons: dict[int, str] = field(default_factory=dict)

    def is_suspended(self, account: Account, deadline: Deadline) -> bool:
        return account.account_id in self.reasons

    def suspend(self, account: Account, reason: str) -> None:
        self.reasons[account.account_id] = reason

    def lift(self, accounts: Iterable[Account]) -> None:
        for account in accounts:
            self.reasons.pop(account.account_id, None)


@dataclass
class TelemetryDouble:
    """Adds up counts."""

    counts: dict[str, int] = field(default_factory=dict)

    times: dict[str, list[float]] = field(default_factory=dict)
    notes: list[dict[str, str | int]] = field(default_factory=list)
    warnings: list[dict[str, str | int]] = field(default_factory=list)
    delivered: list[tuple[str, str]] = field(default_factory=list)

    def count(self, name: str, value: int = 1) -> None:
        self.counts[name] = self.counts.get(name, 0) + value

    def measure(self, name: str, milliseconds: float) -> None:
        self.times.setdefault(name, []).append(milliseconds)

    def list_delivered(self, message_type: str, request_id: str) -> None:
        self.delivered.append((message_type, request_id))

    def note(self, event: str, facts: Mapping[str, str | int]) -> None:
        self.notes.append({"event": event, **facts})

    def warn(self, event: str, facts: Mapping[str, str | int]) -> None:
        self.warnings.append({"event": event, **facts})


@dataclass
class ServicesDouble:
    """What a processor works with, each part a double."""

    partner: PartnerDouble = field(default_factory=PartnerDouble)
    integration: Integration = INTEGRATION
    verdicts: RetryPolicy = field(default_factory=RetryPolicy)
    breaker: BreakerDouble = field(default_factory=BreakerDouble)
    rate_limits: RateLimitsDouble = field(default_factory=RateLimitsDouble)
    parse: Callable[[Mapping[str, Any]], AnyRequest] = serializer.parse
    memberships: StoreDouble = field(default_factory=StoreDouble)
    events: StoreDouble = field(default_factory=StoreDouble)
    dead_letters: StoreDouble = field(default_factory=StoreDouble)
    suspensions: SuspensionsDouble = field(default_factory=SuspensionsDouble)
    telemetry: TelemetryDouble = field(default_factory=TelemetryDouble)
    event_mode: EventMode = "forward"


@dataclass(frozen=True)
class Queues:
    """The queues of a deployment in moto, and a look into them."""

    sqs: SQSClient
    membership: str
    bulk: str
    membership_dlq: str
    event: str
    event_dlq: str
    erasure: str
    erasure_dlq: str

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables that name the resources of a deployment."""
        return {
            "MEMBERSHIP_QUEUE_URL": self.membership,
            "BULK_QUEUE_URL": self.bulk,
            "EVENT_QUEUE_URL": self.event,
            "MEMBERSHIP_DLQ_URL": self.membership_dlq,
            "EVENT_DLQ_URL": self.event_dlq,
            "ERASURE_QUEUE_URL": self.erasure,
            "ERASURE_DLQ_URL": self.erasure_dlq,
            "SUSPENSION_TABLE": "suspensions",
            "LEDGER_TABLE": "ledger",
            "LARGE_BODY_BUCKET": BUCKET,
        }

    @property
    def large_bodies(self) -> LargeBodies:
        """What is larger than a queue takes. The bucket is made by the fixture `bucket`."""
        return LargeBodies(self.s3, BUCKET)

    @property
    def s3(self) -> AwsClient:
        """The client of the bucket."""
        return AwsClient("s3", {})

    @property
    def sender(self) -> QueueSender:
        """Sends to the queues."""
        return QueueSender(self.sqs, self.large_bodies)

    def messages(self, url: str) -> list[Any]:
        """Take everything from a queue."""
        taken: list[Any] = []
        while batch := self.sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=43_200,
            MessageAttributeNames=["All"],
            AttributeNames=["All"],
        ).get("Messages"):
            taken += batch
        assert not leaks(str([{**message, "Body": ""} for message in taken]))
        return taken

    def bodies(self, url: str) -> list[Json]:
        """Take everything from a queue and read it."""
        return [json.loads(message["Body"]) for message in self.messages(url)]


@dataclass
class Context:
    """What Lambda tells an invocation."""

    milliseconds: int = 10_000
    aws_request_id: str = "invocation"
    function_name: str = "handler"

    def get_remaining_time_in_millis(self) -> int:
        return self.milliseconds


@dataclass
class Deployment:
    """Both functions on moto's queues, with the fake partner behind them."""

    partner: SamplePartner
    queues: Queues
    capture: pytest.CaptureFixture[str]
    firehose: Firehose = field(default_factory=lambda: Firehose(INTEGRATION))

    def restart(self) -> None:
        """Start another environment, which reads the environment variables of this moment."""
        self.firehose = Firehose(INTEGRATION)

    def invoke(self, event: object, milliseconds: int = 10_000) -> Json:
        return self.firehose.handler(event, Context(milliseconds))  # type: ignore[arg-type]  # all that it reads

    def work(self, url: str) -> Json:
        """Hand everything on a queue to the worker, as the event source mapping does."""
        records = [
            {
                "messageId": message["MessageId"],
                "body": message["Body"],
                "receiptHandle": message["ReceiptHandle"],
                "attributes": message["Attributes"],
                "eventSourceARN": f"arn:aws:sqs:{REGION}:123456789012:{url.rpartition('/')[2]}",
                "messageAttributes": {
                    name: {"stringValue": told["StringValue"], "dataType": told["DataType"]}
                    for name, told in message.get("MessageAttributes", {}).items()
                },
            }
            for message in self.queues.messages(url)
        ]
        answer = self.firehose.worker({"Records": records}, Context(60_000))  # type: ignore[arg-type]  # as above
        failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        for record in records:
            if record["messageId"] not in failed:
                self.queues.sqs.delete_message(QueueUrl=url, ReceiptHandle=record["receiptHandle"])
        return answer

    def output(self) -> list[Json]:
        """Return the log lines and metrics so far."""
        return [json.loads(line) for line in self.capture.readouterr().out.splitlines()]


class CurrentStandardOutput:
    """The standard output of this moment; the logger took that of when it was made, which was not this test's."""

    def write(self, text: str) -> int:
        return sys.stdout.write(text)

    def flush(self) -> None:
        sys.stdout.flush()


@pytest.fixture
def partner() -> PartnerDouble:
    return PartnerDouble()


@pytest.fixture
def services(partner: PartnerDouble) -> ServicesDouble:
    return ServicesDouble(partner)


@pytest.fixture
def deadline() -> Deadline:
    return Deadline.after(5.0)


@pytest.fixture(scope="session")
def boto3_session() -> boto3.Session:
    """Return a session for all tests with moto: each new one reads botocore's files anew, which takes longest."""
    return boto3.Session(aws_access_key_id="testing", aws_secret_access_key="testing")


@pytest.fixture
def aws(boto3_session: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Stand moto in for AWS. It knows no FIFO order: what depends on order is tested against the local cloud."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", boto3_session)
    with mock_aws(config={"core": {"reset_boto3_session": False}}):
        yield


@pytest.fixture
def queues(aws: None) -> Queues:
    sqs = boto3.client("sqs", region_name=REGION)

    def create(name: str) -> str:
        attributes: dict[Any, str] = {"FifoQueue": "true"} if name.endswith(".fifo") else {}
        return sqs.create_queue(QueueName=name, Attributes={"MaximumMessageSize": "1048576", **attributes})["QueueUrl"]

    names = ("membership.fifo", "bulk.fifo", "membership-dlq.fifo", "event", "event-dlq", "erasure", "erasure-dlq")
    return Queues(sqs, *map(create, names))


@pytest.fixture
def bucket(aws: None) -> S3Client:
    """Make the bucket of `Queues.large_bodies`."""
    s3 = boto3.client("s3", region_name=REGION)
    s3.create_bucket(Bucket=BUCKET)
    return s3


@pytest.fixture
def dynamodb(aws: None) -> DynamoDBClient:
    client = boto3.client("dynamodb", region_name=REGION)
    for table, key in {"suspensions": "account", "ledger": "key"}.items():
        client.create_table(
            TableName=table,
            KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
    return client


@pytest.fixture
def log_to_this_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting.logger.registered_handler, "stream", CurrentStandardOutput())


@pytest.fixture
def deployment(
    log_to_this_test: None,
    queues: Queues,
    dynamodb: object,
    bucket: object,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Deployment]:
    with SamplePartner() as partner:
        for name, value in {
            "PARTNER_API_URL": partner.url,
            **queues.variables,
            "HANDLER_DEADLINE_MS": "1000",
        }.items():
            monkeypatch.setenv(name, value)
        yield Deployment(partner, queues, capsys)
