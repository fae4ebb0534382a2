import json

import pytest

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.errors import MessageTooLargeError
from mparticle_firehose.protocol import DsrProcessingRequest, EventProcessingRequest
from mparticle_firehose.queues.event_queue import EventQueue, request_messages
from mparticle_firehose.queues.sender import QueueSender
from tests.conftest import Queues, load_event, parsed


def test_a_request_is_stored_whole_as_it_came(queues: Queues, deadline: Deadline) -> None:
    message = load_event("event_processing_request", new_in_4_0={"kept": "ü"})

    EventQueue(QueueSender(queues.sqs), queues.event).enqueue(parsed(EventProcessingRequest, message), deadline)

    assert queues.bodies(queues.event) == [message]


def test_an_erasure_is_stored_whole_as_it_came(queues: Queues, deadline: Deadline) -> None:
    message = load_event("dsr_processing_request")

    EventQueue(QueueSender(queues.sqs), queues.event).enqueue(parsed(DsrProcessingRequest, message), deadline)

    assert queues.bodies(queues.event) == [message]


def test_a_request_too_large_for_sqs_is_cut_by_events_with_the_notifications_first() -> None:
    events = [
        {"type": "custom_event", "name": f"event {number}", "attributes": {"note": "x" * 900}} for number in range(30)
    ]
    message = load_event("event_processing_request", events=[None, *events])

    messages = request_messages(parsed(EventProcessingRequest, message), {}, limit=16_000)

    bodies = [json.loads(part.body) for part in messages]
    assert len(bodies) > 1
    assert all(part.size <= 16_000 for part in messages)
    assert [event for body in bodies for event in body["events"]] == events
    assert [body.get("system_notifications") for body in bodies] == [message["system_notifications"]] + [None] * (
        len(bodies) - 1
    )
    assert {body["id"] for body in bodies} == {message["id"]}


def test_an_event_that_fits_no_message_is_refused_by_place() -> None:
    message = load_event("event_processing_request", events=[{"type": "custom_event", "name": "canary-pii" * 2000}])

    with pytest.raises(MessageTooLargeError, match=r"^events\.0: larger than the queue carries$"):
        request_messages(parsed(EventProcessingRequest, message), {}, limit=16_000)


def test_an_erasure_that_fits_no_message_is_refused() -> None:
    message = load_event("dsr_processing_request", api_version="3" * 5000)

    with pytest.raises(MessageTooLargeError):
        request_messages(parsed(DsrProcessingRequest, message), {}, limit=4_000)
