import json

import pytest

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.protocol import (
    AudienceMembershipChangeRequest,
    DsrProcessingRequest,
    EventProcessingRequest,
)
from mparticle_firehose.queues.event_queue import EventQueue, OrderedEventQueue, request_message, tenant
from mparticle_firehose.queues.membership_queue import membership_messages
from mparticle_firehose.queues.record import SETTLED
from mparticle_firehose.queues.sender import QueueMessage, batches
from mparticle_firehose.services import Remainder
from tests.conftest import Json, Queues, load_event, parsed

SHARDS = 1000


def store(queues: Queues) -> EventQueue:
    return EventQueue(queues.sender, queues.event, erasure_url=queues.erasure)


def test_a_request_is_stored_whole_as_it_came(queues: Queues, deadline: Deadline) -> None:
    message = load_event("event_processing_request", new_in_4_0={"kept": "ü"})

    store(queues).enqueue(parsed(EventProcessingRequest, message), deadline)

    assert queues.bodies(queues.event) == [message]


def test_an_erasure_is_stored_whole_as_it_came_in_a_queue_of_its_own(queues: Queues, deadline: Deadline) -> None:
    message = load_event("dsr_processing_request")

    store(queues).enqueue(parsed(DsrProcessingRequest, message), deadline)

    assert queues.bodies(queues.erasure) == [message]
    assert queues.messages(queues.event) == []


@pytest.mark.parametrize("name", ["event_processing_request", "dsr_processing_request"])
def test_each_customer_is_a_tenant_whose_name_says_nothing(name: str, queues: Queues, deadline: Deadline) -> None:
    kind = {"event_processing_request": EventProcessingRequest, "dsr_processing_request": DsrProcessingRequest}[name]
    for account in (4242, 4243, 4242):
        request = parsed(kind, load_event(name, account={"account_id": account}))
        store(queues).enqueue(request, deadline)

    url = queues.event if kind is EventProcessingRequest else queues.erasure
    one, other, same = (message["Attributes"]["MessageGroupId"] for message in queues.messages(url))
    assert (one == same, one == other) == (True, False)
    assert (len(one), "4242" in one) == (32, False)


def test_what_has_no_account_shares_one_tenant() -> None:
    assert tenant(None) == tenant(0) == tenant("0") != tenant(1)


def test_messages_of_one_tenant_travel_in_one_batch() -> None:
    """A tenant is no order: messages of one FIFO group may not."""
    assert len(list(batches([QueueMessage(body="{}", tenant="t")] * 10))) == 1
    assert len(list(batches([QueueMessage(body="{}", group_id="g")] * 10))) == 10


def events(count: int) -> list[Json]:
    return [{"type": "session_start", "source_id": str(number)} for number in range(count)]


def request(**overrides: object) -> EventProcessingRequest:
    return parsed(EventProcessingRequest, load_event("event_processing_request", **overrides))  # type: ignore[no-any-return]


def test_a_request_is_one_message_however_many_events_it_has(
    queues: Queues, bucket: object, deadline: Deadline
) -> None:
    """Parts would be other calls to the partner, with other Idempotency-Keys."""
    sent = request(events=events(30_000))

    store(queues).enqueue(sent, deadline)

    (reference,) = [message["Body"] for message in queues.messages(queues.event)]
    assert json.loads(queues.large_bodies.open(reference).read()) == sent.source


class TestRemainders:
    """Of a request that was delivered in part, the rest is stored."""

    REST = Remainder({"type": "event_processing_request", "events": events(2)}, "f1:AQ==")

    def test_only_what_is_left_is_stored_with_what_is_settled_in_it(self, queues: Queues, deadline: Deadline) -> None:
        store(queues).enqueue(request(), deadline, self.REST)

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
        return OrderedEventQueue(sender=queues.sender, url=queues.membership, unordered=store(queues), shards=SHARDS)

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

    def test_what_cannot_be_read_is_in_the_group_of_its_user(
        self, queue: OrderedEventQueue, queues: Queues, deadline: Deadline
    ) -> None:
        for odd in ({}, {"user_attributes": 7}):
            queue.enqueue(request(mpid="77007001", **odd), deadline)

        readable, unreadable = groups(queues)
        assert readable == unreadable

    @pytest.mark.parametrize("mpid", [77007001, -5, True, 1.5], ids=repr)
    def test_a_users_number_is_their_text_also_if_the_request_cannot_be_read(
        self, queue: OrderedEventQueue, queues: Queues, deadline: Deadline, mpid: float
    ) -> None:
        for odd in ({}, {"user_attributes": 7}):
            queue.enqueue(request(mpid=mpid, **odd), deadline)

        readable, unreadable = groups(queues)
        assert readable == unreadable

    def test_users_whose_requests_cannot_be_read_have_groups_of_their_own(
        self, queue: OrderedEventQueue, queues: Queues, deadline: Deadline
    ) -> None:
        for mpid in (1, 2):
            sent = request(mpid=mpid, user_attributes=7)
            queue.enqueue(sent, deadline, Remainder(sent.received))

        first, second = groups(queues)
        assert first != second

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

    def test_an_erasure_goes_to_its_own_queue(
        self, queue: OrderedEventQueue, queues: Queues, deadline: Deadline
    ) -> None:
        message = load_event("dsr_processing_request")

        queue.enqueue(parsed(DsrProcessingRequest, message), deadline)

        assert queues.bodies(queues.erasure) == [message]
        assert queues.messages(queues.membership) == []

    def test_attributes_say_what_and_whose_and_nothing_personal(
        self, queue: OrderedEventQueue, queues: Queues, deadline: Deadline
    ) -> None:
        queue.enqueue(request(), deadline)

        (message,) = queues.messages(queues.membership)
        assert set(message["MessageAttributes"]) == {"message_type", "account_id", "request_id"}


def groups(queues: Queues) -> list[str]:
    return [message["Attributes"]["MessageGroupId"] for message in queues.messages(queues.membership)]
