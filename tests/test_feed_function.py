"""The feed's function, put together: moto's queues, table, parameters and secrets, and a fake mParticle over HTTP."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import boto3
import pytest
from mypy_boto3_sqs import SQSClient

from local.mparticle.events_api import FakeEvents
from local.mparticle.server import FakeMParticle
from mparticle_firehose.errors import ConfigurationError
from mparticle_firehose.firehose import Firehose
from tests.conftest import REGION, Context, Queues, load_event
from tests.feed_worker.feed_world import event
from tests.sample.partner.integration import INTEGRATION

KEY, SECRET = "canary-key", "canary-feed-secret"
PARAMETER = "/feed/4242"

pytestmark = pytest.mark.usefixtures("log_to_this_test", "dynamodb", "bucket")


@dataclass
class FeedOnMoto:
    """The feed's function, and what is around it."""

    mparticle: FakeMParticle
    sqs: SQSClient
    environ: dict[str, str]
    queue: str
    dlq: str
    capture: pytest.CaptureFixture[str]
    firehose: Firehose = field(init=False)

    def __post_init__(self) -> None:
        self.firehose = Firehose(INTEGRATION, self.environ)

    def put(self, *events: Any, account_id: int = 4242) -> None:
        body = json.dumps({"account_id": account_id, "events": list(events)})
        self.sqs.send_message(QueueUrl=self.queue, MessageBody=body)

    def work(self) -> Any:
        received = self.sqs.receive_message(
            QueueUrl=self.queue, MaxNumberOfMessages=10, AttributeNames=["All"], MessageAttributeNames=["All"]
        )
        records = [
            {
                "messageId": message["MessageId"],
                "body": message["Body"],
                "receiptHandle": message["ReceiptHandle"],
                "attributes": message["Attributes"],
                "eventSourceARN": f"arn:aws:sqs:{REGION}:123456789012:feed",
                "messageAttributes": {},
            }
            for message in received.get("Messages", [])
        ]
        return self.firehose.feed({"Records": records}, Context(60_000))  # type: ignore[arg-type]  # all that it reads

    def output(self) -> list[Any]:
        return [json.loads(line) for line in self.capture.readouterr().out.splitlines()]


@pytest.fixture
def feed(queues: Queues, capsys: pytest.CaptureFixture[str]) -> Iterator[FeedOnMoto]:
    queue, dlq = (queues.sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("feed", "feed-dlq"))
    stored = {"key": KEY, "secret": SECRET, "environment": "development"}
    boto3.client("ssm", region_name=REGION).put_parameter(
        Name=PARAMETER, Value=json.dumps(stored), Type="SecureString", Overwrite=True
    )
    secrets = boto3.client("secretsmanager", region_name=REGION)
    erasure_key = secrets.create_secret(Name="erasure-key", SecretString="canary" * 8)["ARN"]
    with FakeMParticle(FakeEvents({KEY: SECRET})) as mparticle:
        environ = {
            "PARTNER_API_URL": "https://partner.invalid",
            **queues.variables,
            "FEED_QUEUE_URL": queue,
            "FEED_DLQ_URL": dlq,
            "FEED_CREDENTIALS": "/feed",
            "FEED_URL": mparticle.partner_feed_url,
            "FEED_ERASURE_KEY_SOURCE": erasure_key,
        }
        yield FeedOnMoto(mparticle, queues.sqs, environ, queue, dlq, capsys)


def test_the_partners_events_arrive_and_what_is_refused_is_put_aside(feed: FeedOnMoto) -> None:
    feed.put(event(1, at=time.time()), event(2, "unsubscribe", at=time.time()), event(3, "unknown", at=time.time()))

    assert feed.work() == {"batchItemFailures": []}

    names = [batch["events"][0]["data"]["event_name"] for batch in feed.mparticle.taken(KEY)]
    assert names == ["Unsubscribed", "Opened"]
    assert (feed.mparticle.violations, feed.mparticle.dropped) == ((), ())
    (letter,) = feed.sqs.receive_message(QueueUrl=feed.dlq, MessageAttributeNames=["All"])["Messages"]
    assert [each["id"] for each in json.loads(letter["Body"])["events"]] == ["e3"]
    assert letter["MessageAttributes"]["account_id"]["StringValue"] == "4242"


def test_what_is_logged_and_measured_names_no_person_and_no_key(feed: FeedOnMoto) -> None:
    feed.put(event(1, at=time.time()), event(3, "unknown", at=time.time()))
    feed.put(event(4, at=time.time()), account_id=1)
    feed.work()

    lines = feed.output()

    metrics = next(line for line in lines if "_aws" in line)
    assert (metrics["message_type"], metrics["Delivered"], metrics["DeadLettered"]) == ("feed", 1, 1)
    assert metrics["FeedCredentialsMissing"] == 1
    assert "canary" not in json.dumps(lines)


def test_what_mparticle_says_of_a_refused_event_is_neither_logged_nor_kept(feed: FeedOnMoto) -> None:
    said = {"errors": [{"code": "canary", "message": "canary-u1@example.com is no address"}]}
    feed.mparticle.script("/s2s/v2/bulkevents", [{"status": 400, "body": said}])
    feed.put({**event(1, at=time.time()), "user": "u1", "email": "ada@example.com"})

    assert feed.work() == {"batchItemFailures": []}

    (letter,) = feed.sqs.receive_message(QueueUrl=feed.dlq, MessageAttributeNames=["All"])["Messages"]
    assert letter["MessageAttributes"]["reason"]["StringValue"] == "http_400"
    assert "canary" not in json.dumps([feed.output(), letter["Body"], letter["MessageAttributes"]])


def test_an_erased_person_is_left_out_from_the_erasure_on(feed: FeedOnMoto, queues: Queues) -> None:
    email = "canary-u1@example.com"
    identities = {"email": {"value": email, "encoding": "raw"}}
    feed.firehose.handler(
        load_event("dsr_processing_request", subject_identities=identities, account={"account_id": 4242}),
        Context(),  # type: ignore[arg-type]  # all that it reads
    )
    (erasure,) = queues.messages(queues.erasure)
    record = {
        "messageId": "m",
        "body": erasure["Body"],
        "receiptHandle": erasure["ReceiptHandle"],
        "eventSourceARN": f"arn:aws:sqs:{REGION}:123456789012:erasure",
    }
    feed.firehose.worker({"Records": [record]}, Context(60_000))  # type: ignore[arg-type]  # as above
    feed.put(event(1, at=time.time()), event(2, at=time.time()))

    feed.work()

    assert [batch["user_identities"]["email"] for batch in feed.mparticle.taken(KEY)] == ["canary-u2@example.com"]


def test_after_a_restore_connections_and_key_pairs_are_new(feed: FeedOnMoto) -> None:
    feed.firehose.prepare()
    feed.put(event(1, at=time.time()))
    feed.work()
    feed.mparticle.events.keys["canary-new"] = SECRET
    stored = {"key": "canary-new", "secret": SECRET, "environment": "development"}
    boto3.client("ssm", region_name=REGION).put_parameter(Name=PARAMETER, Value=json.dumps(stored), Overwrite=True)

    feed.firehose.renew()
    feed.put(event(2, at=time.time()))

    assert feed.work() == {"batchItemFailures": []}
    assert len(feed.mparticle.taken("canary-new")) == 1


def test_an_integration_without_a_feed_says_so(feed: FeedOnMoto) -> None:
    feed.firehose = Firehose(replace(INTEGRATION, feed_name="", feed=None), feed.environ)
    feed.put(event(1, at=time.time()))

    with pytest.raises(ConfigurationError, match="has no feed"):
        feed.work()


@pytest.mark.parametrize("name", ["FEED_QUEUE_URL", "FEED_DLQ_URL", "FEED_ERASURE_KEY_SOURCE"])
def test_a_missing_variable_is_named(feed: FeedOnMoto, name: str) -> None:
    firehose = Firehose(INTEGRATION, {key: value for key, value in feed.environ.items() if key != name})

    with pytest.raises(ConfigurationError, match=name):
        firehose.prepare()
