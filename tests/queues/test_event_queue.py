import json

import pytest

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.protocol import (
    AudienceMembershipChangeRequest,
    DsrProcessingRequest,
    EventProcessingRequest,
)
from mparticle_firehose.queues.event_queue import EventQueue, OrderedEventQueue, request_message
from mparticle_firehose.queues.membership_queue import membership_messages
from mparticle_firehose.queues.record import SETTLED
from mparticle_firehose.services import Remainder
from tests.conftest import Json, Queues, load_event, parsed

SHARDS = 1000


def test_a_request_is_stored_whole_as_it_came(queues: Queues, deadline: Deadline) -> None:
    message = load_event("event_processing_request", new_in_4_0={"kept": "ü"})

    EventQueue(queues.sender, queues.event).enqueue(parsed(EventProcessingRequest, message), deadline)

    assert queues.bodies(queues.event) == [message]


def test_an_erasure_is_stored_whole_as_it_came(queues: Queues, deadline: Deadline) -> None:
    message = load_event("dsr_processing_request")

    EventQueue(queues.sender, queues.event).enqueue(parsed(DsrProcessingRequest, message), deadline)

    assert queues.bodies(queues.event) == [message]


def events(count: int) -> list[Json]:
    return [{"type": "session_start", "source_id": str(number)} for number in range(count)]


def request(**overrides: object) -> EventProcessingRequest:
    return parsed(EventProcessingRequest, load_event("event_processing_request", **overrides))  # type: ignore[no-any-return]


def test_a_request_is_one_message_however_many_events_it_has(
    queues: Queues, bucket: object, deadline: Deadline
) -> None:
    """Parts would be other calls to the partner, with other Idempotency-Keys."""
    sent = request(events=events(30_000))

    EventQueue(queues.sender, queues.event).enqueue(sent, deadline)

    (reference,) = [message["Body"] for message in queues.messages(queues.event)]
    assert json.loads(queues.large_bodies.open(reference).read()) == sent.source


class TestRemainders:
    """Of a request that was delivered in part, the rest is stored."""

    REST = Remainder({"type": "event_processing_request", "events": events(2)}, "f1:AQ==")

    def test_only_what_is_left_is_stored_with_what_is_settled_in_it(self, queues: Queues, deadline: Deadline) -> None:
        EventQueue(queues.sender, queues.event).enqueue(request(), deadline, self.REST)

        (message,) = queues.messages(queues.event)
        assert json.loads(message["Body"]) == self.REST.source
        assert message["MessageAttributes"][SETTLED]["StringValue"] == "f1:AQ=="

    def test_without_anything_settled_there_is_no_attribute(self) -> None:
        message = request_message(request(), {"a": "b"}, Remainder(self.REST.source))

        assert message.attributes == {"a": "b"}


class TestInOrder:
    """With EventOrder=user, events share the FIFO queue and its groups of users with membership changes."""

    @pytest.fixture
    def queue(self, queues: Queues) -> OrderedEventQueue:
        sender = queues.sender
        return OrderedEventQueue(
            sender=sender, url=queues.membership, unordered=EventQueue(sender, queues.event), shards=SHARDS
        )

    def test_a_request_is_stored_whole_as_it_came(
        self, queue: OrderedEventQueue, queues: Queues, deadline: Deadline
    ) -> None:
        message = load_event("event_processing_request", new_in_4_0={"kept": "ü"})

        queue.enqueue(parsed(EventProcessingRequest, message), deadline)

        assert queues.bodies(queues.membership) == [message]
        assert queues.messages(queues.event) == []

    def test_a_users_events_are_in_the_group_of_the_users_memberships(
        self, queue: OrderedEventQueue, queues: Queues, deadline: Deadline
    ) -> None:
        profile = {"mpid": "77007001", "audiences": [{"audience_id": 1, "action": "add"}]}
        changes = load_event("audience_membership_change_request", user_profiles=[profile])
        (change,) = membership_messages(parsed(AudienceMembershipChangeRequest, changes), SHARDS)

        queue.enqueue(request(mpid="77007001"), deadline)

        assert groups(queues) == [change.group_id]

    def test_users_and_accounts_have_groups_of_their_own(
        self, queue: OrderedEventQueue, queues: Queues, deadline: Deadline
    ) -> None:
        for mpid, account in (("1", 7), ("2", 7), ("1", 8)):
            queue.enqueue(request(mpid=mpid, account={"account_id": account}), deadline)

        first, other_user, other_account = (group.split(".") for group in groups(queues))

        assert [first[0], other_user[0], other_account[0]] == ["7", "7", "8"]
        assert first[1] == other_account[1] != other_user[1]

    @pytest.mark.parametrize(
        ("other", "stored"),
        [
            ({}, 1),
            ({"firehose_version": "3.2.0"}, 1),
            ({"id": "5a3c1e70-0000-4000-8000-00000000ffff"}, 2),
            ({"account": {"account_id": 1}}, 2),
            ({"events": [{"type": "session_end"}]}, 2),
        ],
        ids=["the-same", "equal", "other-id", "other-account", "other-content"],
    )
    def test_a_repeated_request_is_stored_once(
        self, queue: OrderedEventQueue, queues: Queues, deadline: Deadline, other: Json, stored: int
    ) -> None:
        queue.enqueue(request(), deadline)
        queue.enqueue(request(**other), deadline)

        assert len(queues.messages(queues.membership)) == stored

    def test_the_same_content_with_something_else_settled_is_another_message(
        self, queue: OrderedEventQueue, queues: Queues, deadline: Deadline
    ) -> None:
        source = load_event("event_processing_request")
        for settled in ("f1:AQ==", "f1:Ag==", "f1:AQ=="):
            queue.enqueue(request(), deadline, Remainder(source, settled))

        messages = queues.messages(queues.membership)
        assert [message["MessageAttributes"][SETTLED]["StringValue"] for message in messages] == ["f1:AQ==", "f1:Ag=="]

    def test_an_erasure_goes_to_the_standard_queue(
        self, queue: OrderedEventQueue, queues: Queues, deadline: Deadline
    ) -> None:
        message = load_event("dsr_processing_request")

        queue.enqueue(parsed(DsrProcessingRequest, message), deadline)

        assert queues.bodies(queues.event) == [message]
        assert queues.messages(queues.membership) == []

    def test_attributes_say_what_and_whose_and_nothing_personal(
        self, queue: OrderedEventQueue, queues: Queues, deadline: Deadline
    ) -> None:
        queue.enqueue(request(), deadline)

        (message,) = queues.messages(queues.membership)
        assert set(message["MessageAttributes"]) == {"message_type", "account_id", "request_id"}


def groups(queues: Queues) -> list[str]:
    return [message["Attributes"]["MessageGroupId"] for message in queues.messages(queues.membership)]
