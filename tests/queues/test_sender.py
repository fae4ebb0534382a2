from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError, ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.errors import DeliveryError
from mparticle_firehose.queues.sender import (
    MAX_BATCH_ENTRIES,
    MAX_MESSAGE_BYTES,
    QueueMessage,
    QueueSender,
    RefusedMessagesError,
    batches,
)
from mparticle_firehose.repeating import Repeating
from tests.conftest import Clock, Queues

type Refusal = tuple[str, bool]


class SqsDouble:
    """Takes entries, except those that a script of refusals names by body."""

    def __init__(self, *script: dict[str, Refusal] | Exception) -> None:
        self.script = list(script)
        self.sent: list[list[str]] = []

    def send_message_batch(self, *, QueueUrl: str, Entries: Sequence[Any]) -> dict[str, Any]:  # noqa: N803  boto3's names
        step = self.script.pop(0) if self.script else {}
        if isinstance(step, Exception):
            raise step
        self.sent.append([entry["MessageBody"] for entry in Entries])
        failed = [
            {"Id": entry["Id"], "Code": step[entry["MessageBody"]][0], "SenderFault": step[entry["MessageBody"]][1]}
            for entry in Entries
            if entry["MessageBody"] in step
        ]
        return {"Failed": failed}


def sender(sqs: SqsDouble) -> QueueSender:
    return sender_of(sqs, Repeating(sleep=lambda _: None))


def sender_of(sqs: SqsDouble, repeating: Repeating) -> QueueSender:
    never_used: Any = None  # no message is large
    return QueueSender(sqs, never_used, repeating)  # type: ignore[arg-type]  # the one method that is used


class Waiting:
    """A sender whose pauses move its clock; each pause is as long as it may be."""

    def __init__(self, sqs: SqsDouble) -> None:
        self.clock = Clock()
        self.pauses: list[float] = []
        repeating = Repeating(sleep=self._sleep, jitter=lambda maximum: maximum)
        self._sender = sender_of(sqs, repeating)

    def send(self, seconds: float, *bodies: str) -> None:
        self._sender.send("queue", messages(*bodies), Deadline.after(seconds, self.clock))

    def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.clock.now += seconds


def failed_call(code: str, status: int = 400) -> ClientError:
    response: Any = {
        "Error": {"Code": code, "Message": "canary-secret"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(response, "SendMessageBatch")


def messages(*bodies: str, group: str | None = None) -> list[QueueMessage]:
    return [QueueMessage(body=body, group_id=group) for body in bodies]


def test_what_was_refused_is_sent_again_by_itself(deadline: Deadline) -> None:
    sqs = SqsDouble({"b": ("InternalError", False)}, {"b": ("ServiceUnavailable", False)})

    sender(sqs).send("queue", messages("a", "b", "c"), deadline)

    assert sqs.sent == [["a", "b", "c"], ["b"], ["b"]]


def test_a_batch_is_only_sent_when_the_one_before_it_is_stored(deadline: Deadline) -> None:
    sqs = SqsDouble({"a": ("InternalError", False)})

    sender(sqs).send("queue", messages("a", "b", group="g"), deadline)

    assert sqs.sent == [["a"], ["a"], ["b"]]


def test_when_time_is_up_the_error_says_how_much_was_not_taken() -> None:
    clock = Clock()
    sqs = SqsDouble({"a": ("InternalError", False), "b": ("InternalError", False)})

    with pytest.raises(DeliveryError, match="did not take 2 messages in time"):
        sender(sqs).send("queue", messages("a", "b", "c"), Deadline.after(0, clock))

    assert sqs.sent == [["a", "b", "c"]]


def test_pauses_grow_and_the_first_one_is_short() -> None:
    waiting = Waiting(SqsDouble(*[{"a": ("InternalError", False)}] * 10))

    waiting.send(60, "a")

    assert waiting.pauses == pytest.approx([0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5, 5])


def test_a_pause_is_drawn_between_nothing_and_its_maximum(deadline: Deadline) -> None:
    drawn: list[float] = []

    def jitter(maximum: float) -> float:
        drawn.append(maximum)
        return maximum / 4

    pauses: list[float] = []
    sqs = SqsDouble(*[{"a": ("InternalError", False)}] * 2)
    sender_of(sqs, Repeating(sleep=pauses.append, jitter=jitter)).send("queue", messages("a"), deadline)

    assert (drawn, pauses) == ([0.02, 0.04], [0.005, 0.01])


@pytest.mark.parametrize("seconds", [0.15, 20.0, 55.0])
def test_no_pause_reaches_beyond_the_deadline(seconds: float) -> None:
    sqs = SqsDouble(*[{"a": ("ServiceUnavailable", False)}] * 10_000)
    waiting = Waiting(sqs)

    with pytest.raises(DeliveryError, match="did not take 1 messages in time"):
        waiting.send(seconds, "a")

    assert sum(waiting.pauses) < seconds
    assert len(sqs.sent) == len(waiting.pauses) + 1 == {0.15: 4, 20.0: 11, 55.0: 18}[seconds]


def test_what_is_taken_at_once_waits_for_nothing() -> None:
    waiting = Waiting(SqsDouble())

    waiting.send(60, *map(str, range(30)))

    assert waiting.pauses == []


@pytest.mark.parametrize(
    "fault",
    [
        failed_call("RequestThrottled"),
        failed_call("ThrottlingException"),
        failed_call("AWS.SimpleQueueService.KmsThrottled"),
        failed_call("Anything", 429),
        failed_call("InternalFailure", 500),
        failed_call("ServiceUnavailable", 503),
    ],
    ids=lambda fault: fault.response["Error"]["Code"],
)
def test_a_call_that_sqs_throttles_or_fails_is_repeated_after_a_pause(fault: ClientError) -> None:
    sqs = SqsDouble(fault, fault)
    waiting = Waiting(sqs)

    waiting.send(60, "a", "b")

    assert (sqs.sent, waiting.pauses) == ([["a", "b"]], [0.02, 0.04])


def test_a_call_that_sqs_throttles_until_the_deadline_is_a_delivery_error() -> None:
    with pytest.raises(DeliveryError, match="did not take 2 messages in time"):
        Waiting(SqsDouble(*[failed_call("RequestThrottled")] * 100)).send(0.15, "a", "b")


def test_what_sqs_will_never_take_is_not_tried_again(deadline: Deadline) -> None:
    sqs = SqsDouble({"a": ("InvalidMessageContents", True)})

    with pytest.raises(DeliveryError, match="InvalidMessageContents"):
        sender(sqs).send("queue", messages("a"), deadline)

    assert sqs.sent == [["a"]]


def test_the_error_names_the_messages_of_a_batch_that_are_not_stored(deadline: Deadline) -> None:
    sqs = SqsDouble({"b": ("InvalidMessageContents", True), "c": ("InternalError", False)})
    sent = messages("a", "b", "c")

    with pytest.raises(RefusedMessagesError) as caught:
        sender(sqs).send("queue", sent, deadline)

    assert caught.value.refused == sent[1:]


@pytest.mark.parametrize(
    ("seconds", "script", "refused"),
    [
        (0.15, [{"b": ("InternalError", False)}] * 100, "b"),
        (60, [{"b": ("InternalError", False), "c": ("InternalError", False)}, {"c": ("InvalidContents", True)}], "c"),
        (0.15, [{"b": ("InternalError", False)}, *[EndpointConnectionError(endpoint_url="https://sqs")] * 100], "b"),
        (0.15, [failed_call("RequestThrottled")] * 100, "abc"),
    ],
    ids=["until-the-deadline", "later-refused", "later-unreachable", "throttled"],
)
def test_the_error_names_what_is_left_however_it_ends(
    seconds: float, script: list[dict[str, Refusal] | Exception], refused: str
) -> None:
    with pytest.raises(RefusedMessagesError) as caught:
        Waiting(SqsDouble(*script)).send(seconds, *"abc")

    assert [message.body for message in caught.value.refused] == list(refused)


def test_what_comes_after_a_batch_that_is_not_stored_is_not_sent_and_not_stored_either() -> None:
    bodies = list(map(str, range(25)))
    sqs = SqsDouble({}, {"13": ("InvalidMessageContents", True)})

    with pytest.raises(RefusedMessagesError) as caught:
        Waiting(sqs).send(60, *bodies)

    assert sqs.sent == [bodies[:10], bodies[10:20]]
    assert [message.body for message in caught.value.refused] == ["13", *bodies[20:]]


@pytest.mark.parametrize(
    ("script", "sent"),
    [
        ([EndpointConnectionError(endpoint_url="https://sqs")] * 100, False),
        ([failed_call("AccessDenied", 403)], False),
        ([ReadTimeoutError(endpoint_url="https://sqs")], True),
        ([ConnectionClosedError(endpoint_url="https://sqs")], True),
    ],
    ids=["unreachable", "refused", "late-once", "closed-once"],
)
def test_a_call_without_an_answer_is_repeated_until_the_deadline_and_a_refused_one_is_not(
    script: list[dict[str, Refusal] | Exception], *, sent: bool
) -> None:
    sqs = SqsDouble(*script)

    if sent:
        Waiting(sqs).send(0.15, "a")
    else:
        with pytest.raises(DeliveryError, match=type(script[0]).__name__) as caught:
            Waiting(sqs).send(0.15, "a")
        assert "canary-secret" not in str(caught.value)

    assert sqs.sent == ([["a"]] if sent else [])


def test_messages_reach_a_real_queue_with_group_and_attributes(queues: Queues, deadline: Deadline) -> None:
    message = QueueMessage(body="{}", attributes={"account_id": "1"}, group_id="1.7", deduplication_id="d")

    queues.sender.send(queues.membership, [message], deadline)

    (received,) = queues.messages(queues.membership)
    assert received["Body"] == "{}"
    assert received["MessageAttributes"] == {"account_id": {"StringValue": "1", "DataType": "String"}}
    assert received["Attributes"]["MessageGroupId"] == "1.7"
    assert received["Attributes"]["MessageDeduplicationId"] == "d"


def test_a_message_reaches_a_standard_queue_with_its_tenant_when_its_delay_is_over(
    queues: Queues, deadline: Deadline
) -> None:
    at_once, later = QueueMessage(body="1", tenant="t"), QueueMessage(body="2", tenant="t", delay_seconds=900)

    queues.sender.send(queues.event, [at_once, later], deadline)

    received = queues.messages(queues.event)
    assert [(it["Body"], it["Attributes"]["MessageGroupId"]) for it in received] == [("1", "t")]
    counted = queues.sqs.get_queue_attributes(QueueUrl=queues.event, AttributeNames=["All"])["Attributes"]
    assert counted["ApproximateNumberOfMessagesDelayed"] == "1"


def test_a_message_of_the_largest_size_is_sent_as_it_is_and_a_larger_one_as_a_reference(
    queues: Queues, bucket: object, deadline: Deadline
) -> None:
    largest, larger = ("x" * (MAX_MESSAGE_BYTES + more) for more in (0, 1))

    queues.sender.send(queues.event, messages(largest, larger), deadline)

    inline, reference = sorted((message["Body"] for message in queues.messages(queues.event)), reverse=True)
    assert (inline, queues.large_bodies.open(reference).read()) == (largest, larger)


def test_attributes_count_against_the_size(queues: Queues, bucket: object, deadline: Deadline) -> None:
    body = "x" * MAX_MESSAGE_BYTES

    queues.sender.send(queues.event, [QueueMessage(body=body, attributes={"a": "b"})], deadline)

    (message,) = queues.messages(queues.event)
    assert queues.large_bodies.open(message["Body"]).read() == body


def test_a_message_is_not_sent_if_its_body_is_not_stored(queues: Queues, deadline: Deadline) -> None:
    sent = messages("small", "x" * (MAX_MESSAGE_BYTES + 1))

    with pytest.raises(RefusedMessagesError, match="the bucket cannot be used") as caught:
        queues.sender.send(queues.event, sent, deadline)

    assert [message["Body"] for message in queues.messages(queues.event)] == ["small"]
    assert caught.value.refused == sent[1:]


def test_attributes_count_against_the_size_with_name_type_and_value() -> None:
    assert QueueMessage(body="12345", attributes={"reason": "http_400"}).size == 5 + len(
        "reason" + "String" + "http_400"
    )


def test_the_size_is_that_in_utf8() -> None:
    assert QueueMessage(body="é値😀", attributes={"é": "値"}).size == 2 + 3 + 4 + 2 + len("String") + 3


def test_a_message_of_the_largest_size_in_utf8_is_taken(queues: Queues, deadline: Deadline) -> None:
    body = "値" * (MAX_MESSAGE_BYTES // 3)

    queues.sender.send(queues.event, messages(body), deadline)

    assert [message["Body"] for message in queues.messages(queues.event)] == [body]


@given(st.lists(st.tuples(st.sampled_from([None, "g1", "g2", "g3"]), st.integers(1, MAX_MESSAGE_BYTES)), max_size=40))
def test_batches_hold_everything_in_order_within_the_limits(plan: list[tuple[str | None, int]]) -> None:
    everything = [QueueMessage(body="x" * size, group_id=group) for group, size in plan]

    packed = list(batches(everything))

    assert [message for batch in packed for message in batch] == everything
    assert all(1 <= len(batch) <= MAX_BATCH_ENTRIES for batch in packed)
    assert all(sum(message.size for message in batch) <= MAX_MESSAGE_BYTES for batch in packed)
    for batch in packed:
        groups = [message.group_id for message in batch if message.group_id]
        assert len(groups) == len(set(groups))


def test_no_more_messages_are_in_memory_than_a_batch_and_the_next_one() -> None:
    made: list[int] = []

    def all_messages() -> Iterator[QueueMessage]:
        for number in range(100):
            made.append(number)
            yield QueueMessage(body="x" * 300_000)

    packed = batches(all_messages())

    assert len(next(packed)) == 3
    assert len(made) == 3 + 1


def test_ten_groups_fit_one_batch() -> None:
    assert len(list(batches([QueueMessage(body="{}", group_id=str(group)) for group in range(10)]))) == 1


# --- several messages of a group in one call ------------------------------------------------------------------------


def in_groups(*names: str) -> list[QueueMessage]:
    return [QueueMessage(body=name, group_id=name[0], deduplication_id=name) for name in names]


def unsent(sqs: SqsDouble, *names: str, seconds: float = 5) -> tuple[list[str], str]:
    left, failure = sender(sqs).send_in_order("queue", in_groups(*names), Deadline.after(seconds, Clock()))
    return [message.body for message in left], failure


def test_messages_of_a_group_are_sent_in_one_call() -> None:
    sqs = SqsDouble()

    assert unsent(sqs, "a1", "a2", "b1", "a3") == ([], "")
    assert sqs.sent == [["a1", "a2", "b1", "a3"]]


def test_from_the_first_that_is_refused_all_of_its_group_count_as_not_stored() -> None:
    """Also those that SQS has taken: sent again, they follow it once more."""
    sqs = SqsDouble({"a2": ("InternalError", False)})

    assert unsent(sqs, "a1", "a2", "b1", "a3") == (["a2", "a3"], "the queue did not take the message")
    assert len(sqs.sent) == 1


def test_what_follows_in_another_call_is_not_sent_if_one_of_its_group_is_refused() -> None:
    names = [f"a{number:02}" for number in range(MAX_BATCH_ENTRIES)]
    sqs = SqsDouble({"a09": ("InvalidMessageContents", True)})

    left, failure = unsent(sqs, *names, "a10", "b1")

    assert (left, failure) == (["a09", "a10"], "the queue refuses the message: InvalidMessageContents")
    assert sqs.sent == [names, ["b1"]]


@pytest.mark.parametrize(
    "error", [failed_call("Throttled", 503), ReadTimeoutError(endpoint_url="")], ids=["busy", "silent"]
)
def test_a_call_is_made_once(error: Exception) -> None:
    sqs = SqsDouble(error)

    left, failure = unsent(sqs, "a1", "b1")

    assert left == ["a1", "b1"]
    assert failure.startswith("the queue")
    assert sqs.sent == []


def test_after_the_deadline_no_call_is_made() -> None:
    sqs = SqsDouble()

    assert unsent(sqs, "a1", seconds=0) == (["a1"], "out_of_time")
    assert sqs.sent == []


def test_what_s3_does_not_take_is_not_stored() -> None:
    class FullBucket:
        def store(self, _body: str) -> str:
            raise DeliveryError("the bucket cannot be used")

    sqs, bucket = SqsDouble(), FullBucket()
    large = QueueMessage(body="x" * (MAX_MESSAGE_BYTES + 1), group_id="a")

    left, failure = QueueSender(sqs, bucket).send_in_order("queue", [large], Deadline.after(5))  # type: ignore[arg-type]

    assert (list(left), failure, sqs.sent) == ([large], "the bucket cannot be used", [])
