"""What the emulator's modules of SQS and Lambda do is reported on a pipe."""

import json
import os
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from local.cloud.ministack_observer import Pipe, observe

type Json = dict[str, Any]

QUEUE = "http://127.0.0.1:4566/000000000000/orders"


class Emulator:
    """Stands in for the modules: one queue with a dead-letter queue, and functions that answer with their event."""

    def __init__(self) -> None:
        policy = json.dumps(
            {"deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:orders-dead", "maxReceiveCount": 1}
        )
        self.queue: Json = {"messages": [], "attributes": {"RedrivePolicy": policy}}
        self.result: Json = {}
        self.sqs = SimpleNamespace(
            _HANDLERS={
                "SendMessage": self.send,
                "DeleteMessage": self.delete,
                "DeleteMessageBatch": self.delete,
                "PurgeQueue": self.delete,
            },
            _act_send_message=self.send,
            _dlq_sweep=self.sweep,
            _get_q=lambda _: self.queue,
        )
        self.functions = SimpleNamespace(_execute_function_dispatch=self.execute)

    def act(self, action: str, data: Json, url: str = "") -> Json:
        """Carry out an action of a client's."""
        result: Json = self.sqs._HANDLERS[action](data, url)  # noqa: SLF001  what the emulator's own code does
        return result

    def sends_one_of_a_batch(self, data: Json, url: str) -> Json:
        result: Json = self.sqs._act_send_message(data, url)  # noqa: SLF001  as above
        return result

    def receive(self) -> None:
        self.sqs._dlq_sweep(self.queue)  # noqa: SLF001  as above

    def invoke(self, event: object) -> Json:
        run = self.functions._execute_function_dispatch  # noqa: SLF001  as above
        result: Json = run({}, {"FunctionName": "handler"}, event, "r", 1.0)
        return result

    def send(self, data: Json, _: str) -> Json:
        self.queue["messages"].append({"id": data["MessageBody"]})
        return {"MessageId": data["MessageBody"]}

    def delete(self, data: Json, _: str) -> Json:
        gone = data.get("gone", [])
        self.queue["messages"] = [each for each in self.queue["messages"] if each["id"] not in gone]
        return {"deleted": True}

    def sweep(self, queue: Json) -> None:
        queue["messages"] = [each for each in queue["messages"] if not each.get("received")]

    def execute(self, _function: Json, _config: Json, event: object, _request: str, _started: float) -> Json:
        return self.result or {"body": event, "log": "logged"}


@pytest.fixture
def emulator() -> Emulator:
    return Emulator()


@pytest.fixture
def reports(emulator: Emulator) -> list[Json]:
    found: list[Json] = []
    observe(lambda kind, **fields: found.append({"kind": kind, **fields}), emulator.sqs, emulator.functions)
    return found


def test_a_message_is_reported_whether_it_is_sent_alone_or_in_a_batch(emulator: Emulator, reports: list[Json]) -> None:
    attributes = {"account_id": {"DataType": "String", "StringValue": "7"}, "binary": {"BinaryValue": "eA=="}}
    data = {"QueueUrl": QUEUE, "MessageBody": "m-1", "MessageGroupId": "g", "MessageAttributes": attributes}
    results = [emulator.act("SendMessage", data, ""), emulator.sends_one_of_a_batch({"MessageBody": "m-2"}, QUEUE)]

    assert results == [{"MessageId": "m-1"}, {"MessageId": "m-2"}]
    assert reports == [
        {
            "kind": "sent",
            "queue": "orders",
            "message_id": "m-1",
            "group": "g",
            "attributes": {"account_id": "7"},
            "body": "m-1",
        },
        {"kind": "sent", "queue": "orders", "message_id": "m-2", "group": None, "attributes": {}, "body": "m-2"},
    ]


def test_a_message_that_is_taken_at_once_was_reported_as_sent_before(emulator: Emulator) -> None:
    kinds: list[str] = []
    event: Json = {"Records": []}
    taking = threading.Thread(target=lambda: emulator.invoke(event))

    def send(data: Json, _: str) -> Json:
        taking.start()
        taking.join(0.1)
        return {"MessageId": data["MessageBody"]}

    emulator.sqs._act_send_message = send  # noqa: SLF001  the double's own
    observe(lambda kind, **_: kinds.append(kind), emulator.sqs, emulator.functions)
    emulator.act("SendMessage", {"MessageBody": "m-1"}, QUEUE)
    taking.join()

    assert kinds == ["sent", "invoked", "returned"]


@pytest.mark.parametrize("action", ["DeleteMessage", "DeleteMessageBatch", "PurgeQueue"])
def test_what_a_client_deletes_is_reported(emulator: Emulator, reports: list[Json], action: str) -> None:
    emulator.queue["messages"] = [{"id": "m-1"}, {"id": "m-2"}, {"id": "m-3"}]

    assert emulator.act(action, {"QueueUrl": QUEUE, "gone": ["m-1", "m-3"]}) == {"deleted": True}
    emulator.act(action, {"QueueUrl": QUEUE, "gone": ["unknown"]})
    assert reports == [{"kind": "deleted", "queue": "orders", "message_ids": ["m-1", "m-3"]}]


def test_what_sqs_moves_is_reported_with_the_queue_that_it_goes_to(emulator: Emulator, reports: list[Json]) -> None:
    emulator.queue["messages"] = [{"id": "m-1", "received": True}, {"id": "m-2"}]
    for _ in range(2):
        emulator.receive()

    assert reports == [{"kind": "moved", "queue": "orders-dead", "message_ids": ["m-1"]}]


def test_an_invocation_is_reported_when_it_begins_and_when_it_ends(emulator: Emulator, reports: list[Json]) -> None:
    first = emulator.invoke({"type": "x"})
    emulator.result = {"error": True, "body": {"errorType": "E"}, "log": None}
    emulator.invoke(["odd"])

    assert first == {"body": {"type": "x"}, "log": "logged"}
    assert all(report.pop("milliseconds") >= 0 for report in reports if report["kind"] == "returned")
    assert reports == [
        {"kind": "invoked", "invocation": 1, "function": "handler", "event": {"type": "x"}},
        {"kind": "returned", "invocation": 1, "failed": False, "body": {"type": "x"}, "log": "logged"},
        {"kind": "invoked", "invocation": 2, "function": "handler", "event": ["odd"]},
        {"kind": "returned", "invocation": 2, "failed": True, "body": {"errorType": "E"}, "log": ""},
    ]


def test_of_a_batch_only_the_messages_ids_and_receives_are_reported(emulator: Emulator, reports: list[Json]) -> None:
    record = {
        "messageId": "m-1",
        "body": "reported before",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:orders",
        "attributes": {"ApproximateReceiveCount": "3"},
    }
    emulator.invoke({"Records": [record]})

    invoked = reports[0]
    assert invoked["records"] == [{"message_id": "m-1", "queue": "orders", "receive_count": 3}]
    assert "event" not in invoked


@pytest.fixture
def ends() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)


def test_reports_are_lines_of_json_in_their_order(ends: tuple[int, int]) -> None:
    pipe = Pipe(ends[1])
    for number in range(3):
        pipe.report("sent", number=number, odd={1})
    with os.fdopen(os.dup(ends[0])) as lines:
        found = [json.loads(lines.readline()) for _ in range(3)]

    assert [(each["kind"], each["number"], each["odd"]) for each in found] == [("sent", n, "{1}") for n in range(3)]
    assert not os.get_inheritable(ends[1])


def test_a_pipe_that_nobody_reads_holds_up_nothing(ends: tuple[int, int]) -> None:
    pipe = Pipe(ends[1])

    def report_much() -> None:
        for _ in range(25_000):
            pipe.report("sent", body="x" * 1_000)

    reporting = threading.Thread(target=report_much)
    reporting.start()
    reporting.join(20)

    assert not reporting.is_alive()
