"""The built artefact under AWS's own runtime client and emulator: answers, logs, and what no input may do to it."""

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.build.build import packed_build
from local.build.sam_build import machine_architecture
from local.cloud.ministack import MiniStack
from local.cloud.runtime import Footprint, LambdaRuntime, is_error
from local.registration.__main__ import declared as declared_by
from local.run.messages import Message, messages_in
from mparticle_firehose.protocol import Serializer
from tests.conftest import SAMPLE, Json, load_event
from tests.planted import leaks
from tests.sample.server import SamplePartner

pytestmark = [
    pytest.mark.cloud,
    pytest.mark.skipif(sys.platform != "linux", reason="AWS ships its runtime client and emulator for Linux"),
]

MESSAGES = messages_in(SAMPLE.events)
MEBIBYTE = 1024 * 1024

ROUNDS = int(os.environ.get("ROUNDS", "200"))
"""How often each event is sent to a warm environment; `ROUNDS=1000 pytest -k grows` is the long measurement."""

FIFO_BODY = json.dumps(load_event("audience_membership_change_request")).replace("seg-4242-", "seg-4243-")
"""For audiences that no message in events/ ends."""
EVENT_BODY = json.dumps(load_event("event_processing_request"))
ERASURE_BODY = json.dumps(load_event("dsr_processing_request"))
KEPT_AUDIENCE = {"segmentId": "seg-4242-1001"}


@dataclass(frozen=True)
class Stage:
    """What both functions talk to: queues and tables with nothing that empties them, and a partner."""

    aws: MiniStack
    partner: SamplePartner
    variables: dict[str, str]

    def received(self, queue: str) -> Json:
        """Take what is in a queue as Lambda's event source mapping would hand it to the worker."""
        messages = self.aws.sqs.receive_message(
            QueueUrl=self.variables[queue],
            MaxNumberOfMessages=10,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
        ).get("Messages", [])
        name = self.variables[queue].rpartition("/")[2]
        return {"Records": [record(name, message) for message in messages]}

    def put(self, queue: str, *bodies: str) -> Json:
        """Queue bodies, in one group where the queue has groups, and take them out again."""
        url = self.variables[queue]
        self.aws.sqs.purge_queue(QueueUrl=url)
        for index, body in enumerate(bodies):
            grouped: Json = {
                "MessageGroupId": "group",
                "MessageDeduplicationId": f"{index}-{len(self.partner.requests)}",
            }
            self.aws.sqs.send_message(QueueUrl=url, MessageBody=body, **(grouped if url.endswith(".fifo") else {}))
        return self.received(queue)


def record(queue: str, message: Any) -> Json:
    """Return a received message in the form in which a Lambda function gets it."""
    attributes = {
        name: {"dataType": entry["DataType"], "stringValue": entry["StringValue"]}
        for name, entry in message.get("MessageAttributes", {}).items()
    }
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": attributes,
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:us-east-1:000000000000:{queue}",
        "awsRegion": "us-east-1",
    }


@pytest.fixture(scope="module")
def stage(emulator: MiniStack) -> Iterator[Stage]:
    with SamplePartner() as partner:
        yield Stage(emulator, partner, {**resources(emulator), **settings(), "PARTNER_API_URL": partner.url})


def settings() -> dict[str, str]:
    """Return the variables whose values the template spells out or takes from its parameters."""
    return {
        "POWERTOOLS_SERVICE_NAME": "mparticle-firehose",
        "POWERTOOLS_METRICS_NAMESPACE": "MParticleFirehose",
        "POWERTOOLS_LOG_LEVEL": "INFO",
        "HANDLER_DEADLINE_MS": "1000",  # so that a busy machine does not send events to the queue
    }


def resources(aws: MiniStack) -> dict[str, str]:
    queues = {
        "MEMBERSHIP_QUEUE_URL": "membership.fifo",
        "BULK_QUEUE_URL": "membership-bulk.fifo",
        "EVENT_QUEUE_URL": "event",
        "ERASURE_QUEUE_URL": "erasure",
        "MEMBERSHIP_DLQ_URL": "membership-dead-letter.fifo",
        "EVENT_DLQ_URL": "event-dead-letter",
        "ERASURE_DLQ_URL": "erasure-dead-letter",
    }
    tables = {"SUSPENSION_TABLE": "account", "LEDGER_TABLE": "key"}
    for table, key in tables.items():
        aws.dynamodb.create_table(
            TableName=table,
            KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
    urls = {variable: create_queue(aws, name) for variable, name in queues.items()}
    aws.s3.create_bucket(Bucket="large-bodies")
    names = {**{table: table for table in tables}, "LARGE_BODY_BUCKET": "large-bodies"}
    return {**urls, **names, "AWS_ENDPOINT_URL": aws.endpoint}


def create_queue(aws: MiniStack, name: str) -> str:
    fifo: Json = {"FifoQueue": "true", "DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId"}
    attributes: dict[Any, str] = fifo if name.endswith(".fifo") else {}
    return aws.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]


def environment_of(function: str, stage: Stage) -> LambdaRuntime:
    """Return an execution environment of a built function, as the built template describes it."""
    build = packed_build(machine_architecture(), SAMPLE)[0].parent / "build"
    template = yaml.safe_load((build / "template.yaml").read_text())
    properties = template["Resources"][function]["Properties"]
    return LambdaRuntime(
        build / properties["CodeUri"],
        properties["Handler"],
        environment=stage.variables,
        timeout_seconds=properties["Timeout"],
    )


@pytest.fixture(scope="module")
def handler(stage: Stage) -> Iterator[LambdaRuntime]:
    with environment_of("HandlerFunction", stage) as running:
        yield running
        assert_private(running)


@pytest.fixture(scope="module")
def worker(stage: Stage) -> Iterator[LambdaRuntime]:
    with environment_of("WorkerFunction", stage) as running:
        yield running
        assert_private(running)


def assert_private(runtime: LambdaRuntime) -> None:
    """Whatever a module's tests sent, nothing of it is in the log."""
    assert [line for line in runtime.log() if leaks(line)] == []


def invoke(runtime: LambdaRuntime, event: object) -> Json:
    answer: Json = json.loads(runtime.invoke(json.dumps(event).encode()))
    return answer


def logged(runtime: LambdaRuntime, lines_before: int) -> list[Json]:
    return [json.loads(line) for line in runtime.log()[lines_before:]]


def expected_answer(message: Message) -> Json:
    """Return what an answer holds beside what is new each time."""
    answer: Json = {"type": message.kind.replace("_request", "_response"), "firehose_version": "3.2.0"}
    match message.kind, message.content.get("action"):
        case "audience_membership_change_request", _:
            return {**answer, "suspend_subscription": False}
        case "audience_subscription_request", "add" | "update":
            return {**answer, "audience_subscription_settings": KEPT_AUDIENCE}
    return answer


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.name)
def test_every_message_gets_its_answer_and_is_logged_as_json(handler: LambdaRuntime, message: Message) -> None:
    before = len(handler.log())

    answer = json.loads(handler.invoke(message.payload))

    stable = {name: value for name, value in answer.items() if name not in {"id", "timestamp_ms"}}
    if message.kind != "module_registration_request":
        assert stable == expected_answer(message)
    assert Serializer().parse_response(answer).type == expected_answer(message)["type"]
    (line,) = logged(handler, before)
    assert (line["message"], line["message_type"], line["service"], line["request_id"]) == (
        "answered", message.kind, "mparticle-firehose", str(message.content["id"]),
    )  # fmt: skip
    assert line["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "MParticleFirehose"
    assert line["duration_ms"] > 0


def test_the_registration_under_the_runtime_is_the_integrations(handler: LambdaRuntime) -> None:
    answer = invoke(handler, load_event("module_registration_request"))

    declared = declared_by(SAMPLE)
    assert {name: answer[name] for name in ("name", "permissions")} == {
        name: declared[name] for name in ("name", "permissions")
    }


def test_what_the_handler_queues_is_what_the_worker_delivers(
    handler: LambdaRuntime, worker: LambdaRuntime, stage: Stage
) -> None:
    for queue in ("MEMBERSHIP_QUEUE_URL", "ERASURE_QUEUE_URL"):
        stage.aws.sqs.purge_queue(QueueUrl=stage.variables[queue])
    for body in (FIFO_BODY, ERASURE_BODY):
        invoke(handler, json.loads(body))
    before = len(stage.partner.requests)

    batches = [stage.received("MEMBERSHIP_QUEUE_URL"), stage.received("ERASURE_QUEUE_URL")]

    assert [invoke(worker, batch) for batch in batches] == [{"batchItemFailures": []}] * 2
    calls = stage.partner.requests[before:]
    assert {call.path.rpartition("/")[2] for call in calls} == {"changes", "forget"}
    assert {call.status for call in calls} == {202}
    assert stage.partner.violations == ()


@pytest.mark.parametrize(
    ("queue", "body"),
    [
        pytest.param("MEMBERSHIP_QUEUE_URL", FIFO_BODY, id="fifo-memberships"),
        pytest.param("EVENT_QUEUE_URL", EVENT_BODY, id="standard-events"),
        pytest.param("ERASURE_QUEUE_URL", ERASURE_BODY, id="standard-erasure"),
        pytest.param("EVENT_QUEUE_URL", ERASURE_BODY, id="erasure-of-an-earlier-release"),
    ],
)
def test_a_batch_from_either_queue_is_delivered_and_logged_as_json(
    worker: LambdaRuntime, stage: Stage, queue: str, body: str
) -> None:
    batch = stage.put(queue, body)
    before, calls_before = len(worker.log()), len(stage.partner.requests)

    assert invoke(worker, batch) == {"batchItemFailures": []}

    assert {call.status for call in stage.partner.requests[calls_before:]} == {202}
    lines = logged(worker, before)
    (done,) = (line for line in lines if line.get("message") == "delivered")
    assert done["delivered"] == {json.loads(body)["type"]: [json.loads(body)["id"]]}
    assert (done["message_type"], done["messages"], done["failed"]) == ("queue", 1, 0)
    assert done["Delivered"] > 0


@pytest.mark.parametrize(
    ("queue", "path", "body", "failing"),
    [
        pytest.param("MEMBERSHIP_QUEUE_URL", "/segments", FIFO_BODY, [0, 1], id="fifo-holds-back-the-rest"),
        pytest.param("EVENT_QUEUE_URL", "/forget", ERASURE_BODY, [0], id="standard-goes-on"),
    ],
)
def test_what_the_partner_cannot_take_comes_again(
    worker: LambdaRuntime, stage: Stage, queue: str, path: str, body: str, failing: list[int]
) -> None:
    batch = stage.put(queue, body, EVENT_BODY if queue == "EVENT_QUEUE_URL" else body)
    stage.partner.script(path, [503] * 10)
    try:
        answer = invoke(worker, batch)
    finally:
        stage.partner.script(path, [])

    assert answer == {"batchItemFailures": [{"itemIdentifier": batch["Records"][n]["messageId"]} for n in failing]}


def nested(depth: int) -> bytes:
    return b'{"type":"event_processing_request","events":' + b"[" * depth + b"]" * depth + b"}"


HOSTILE = [
    pytest.param(b"", id="empty"),
    pytest.param(b" \n", id="blank"),
    pytest.param(b"{", id="cut-off"),
    pytest.param(b"canary-", id="not-json"),
    pytest.param(b"\xff\xfe{}", id="not-utf-8"),
    pytest.param(b"\xef\xbb\xbf{}", id="byte-order-mark"),
    pytest.param(b"\x00" * 1000, id="zeros"),
    pytest.param(b"null", id="null"),
    pytest.param(b"true", id="boolean"),
    pytest.param(b"9" * 5000, id="endless-number"),
    pytest.param(b"NaN", id="not-a-number"),
    pytest.param(b'"text"', id="text"),
    pytest.param(b'"\\ud800"', id="lone-surrogate"),
    pytest.param(b"[]", id="list"),
    pytest.param(b"[{}]", id="list-of-objects"),
    pytest.param(b"{}", id="empty-object"),
    pytest.param(b'{"type":"canary-type"}', id="unknown-type"),
    pytest.param(b'{"type":{"a":1}}', id="type-is-an-object"),
    pytest.param(b'{"type":"event_processing_response"}', id="response-as-request"),
    pytest.param(b'{"Records":[]}', id="other-functions-event"),
    pytest.param(b'{"Records":null}', id="no-records"),
    pytest.param(b'{"Records":[null,1,"a",{}]}', id="broken-records"),
    pytest.param(b'{"Records":[{"messageId":"m","body":"{","attributes":{}}]}', id="record-without-queue"),
    pytest.param(nested(500), id="nested-deeply"),
    pytest.param(nested(100_000), id="nested-beyond-any-stack"),
    pytest.param(b'{"type":"event_processing_request","events":{"canary-pii":1}}', id="wrong-container"),
    pytest.param(b'{"type":"event_processing_request","account":[],"events":[[]]}', id="wrong-kinds"),
    pytest.param(b'{"type":"' + b"x" * (5 * MEBIBYTE) + b'"}', id="huge"),
]
NEITHER_AN_ERROR = {b'{"Records":[]}'}
"""For the worker, no records are no work."""

PUT_ASIDE = {"nested-deeply", "wrong-container"}
"""What the handler acknowledges, because it is in a dead-letter queue."""


@pytest.mark.parametrize("payload", HOSTILE)
def test_no_input_brings_the_handler_down(
    handler: LambdaRuntime, payload: bytes, request: pytest.FixtureRequest
) -> None:
    invoke(handler, load_event("event_processing_keep_alive"))
    process = handler.process_id

    answer = handler.invoke(payload)

    assert is_error(answer) != (request.node.callspec.id in PUT_ASIDE)
    assert not leaks(answer.decode())
    assert "type" in invoke(handler, load_event("event_processing_keep_alive"))
    assert handler.process_id == process


@pytest.mark.parametrize("payload", HOSTILE)
def test_no_input_brings_the_worker_down(worker: LambdaRuntime, payload: bytes) -> None:
    invoke(worker, {"Records": []})
    process = worker.process_id

    answer = worker.invoke(payload)

    assert is_error(answer) is (payload not in NEITHER_AN_ERROR)
    assert not leaks(answer.decode())
    assert invoke(worker, {"Records": []}) == {"batchItemFailures": []}
    assert worker.process_id == process


def test_a_function_that_does_crash_is_noticed(stage: Stage, tmp_path: Path) -> None:
    """The control: without it, the tests above might be looking at the wrong process."""
    (tmp_path / "fragile.py").write_text(
        "import os\ndef handler(event, context):\n    os._exit(1) if event else None\n"
    )
    with LambdaRuntime(tmp_path, "fragile.handler", environment={}) as fragile:
        fragile.invoke(b"{}")
        process = fragile.process_id
        assert process is not None
        assert is_error(fragile.invoke(b'{"a":1}'))
        assert fragile.process_id != process


def grown(runtime: LambdaRuntime, payloads: list[bytes], *, rounds: int) -> tuple[Footprint, Footprint]:
    """Send each payload over and over, and return what the process held once warm, and in the end."""
    send(runtime, payloads, rounds // 5)
    before = runtime.footprint()
    send(runtime, payloads, rounds)
    return before, runtime.footprint()


def send(runtime: LambdaRuntime, payloads: list[bytes], rounds: int) -> None:
    failed = [answer for _ in range(rounds) for payload in payloads if is_error(answer := runtime.invoke(payload))]
    assert failed == []


def test_a_warm_handler_grows_in_neither_memory_nor_sockets(handler: LambdaRuntime) -> None:
    before, after = grown(handler, [message.payload for message in MESSAGES], rounds=ROUNDS)

    assert after.sockets <= before.sockets
    assert after.descriptors <= before.descriptors
    assert after.resident_bytes - before.resident_bytes < 4 * MEBIBYTE


def test_a_warm_worker_grows_in_neither_memory_nor_sockets(worker: LambdaRuntime, stage: Stage) -> None:
    bodies = {"MEMBERSHIP_QUEUE_URL": [FIFO_BODY], "EVENT_QUEUE_URL": [EVENT_BODY, ERASURE_BODY]}
    batches = [json.dumps(stage.put(queue, *queued)).encode() for queue, queued in bodies.items()]

    before, after = grown(worker, batches, rounds=ROUNDS // 2)

    assert after.sockets <= before.sockets
    assert after.descriptors <= before.descriptors
    assert after.resident_bytes - before.resident_bytes < 4 * MEBIBYTE


def test_the_measure_of_growth_sees_growth(tmp_path: Path) -> None:
    """The control: a function that keeps a socket and a hundred kilobytes of every call."""
    (tmp_path / "greedy.py").write_text(
        "import socket\nkept = []\ndef handler(event, context):\n    kept.append((socket.socket(), bytearray(10**5)))\n"
    )
    with LambdaRuntime(tmp_path, "greedy.handler", environment={}) as greedy:
        before, after = grown(greedy, [b"{}"], rounds=ROUNDS)

    assert after.sockets == before.sockets + ROUNDS
    assert after.resident_bytes - before.resident_bytes > 4 * MEBIBYTE
