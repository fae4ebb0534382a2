import json
import tracemalloc
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.protocol import AudienceMembershipChangeRequest, EventProcessingRequest, UserProfile
from mparticle_firehose.queues.membership_queue import (
    MAX_COPIED_BYTES,
    MembershipQueue,
    membership_messages,
    request_user,
    shard,
    user_key,
)
from mparticle_firehose.queues.sender import MAX_MESSAGE_BYTES, QueueMessage, batches
from mparticle_firehose.queues.splitting import MAX_ELEMENTS
from tests.conftest import Json, Queues, load_event, parsed

SHARDS = 10
EMAIL = {"type": "email", "encoding": "raw", "value": "canary-pii@example.com"}
IDFV = {"type": "ios_vendor_id", "encoding": "raw", "value": "canary-pii-idfv"}
PARTNER = {"type": "Sample_UserId", "encoding": "raw", "value": "canary-pii-sample"}


def audience(number: int, **fields: object) -> Json:
    return {"audience_id": number, "audience_name": f"Audience {number}", "action": "add", **fields}


def profile(mpid: int | str, *audiences: Json, **fields: object) -> Json:
    return {"mpid": str(mpid), "audiences": list(audiences or [audience(1001)]), **fields}


def request(*profiles: Json | None, **overrides: object) -> AudienceMembershipChangeRequest:
    message = load_event("audience_membership_change_request", user_profiles=list(profiles), **overrides)
    return parsed(AudienceMembershipChangeRequest, message)  # type: ignore[no-any-return]


def split(
    sent: AudienceMembershipChangeRequest, shards: int = SHARDS, limit: int = MAX_MESSAGE_BYTES
) -> list[QueueMessage]:
    return [*membership_messages(sent, shards, limit)]


def bodies(messages: list[QueueMessage]) -> list[Json]:
    return [json.loads(message.body) for message in messages]


def profiles(messages: list[QueueMessage]) -> list[Any]:
    return [profile for body in bodies(messages) for profile in body["user_profiles"]]


def test_a_message_is_the_vendors_own_json_with_a_slice_of_the_profiles() -> None:
    unknown = {"new_in_4.0": {"nested": [1, None, "ü"]}}
    message = load_event("audience_membership_change_request", **unknown)
    message["user_profiles"] = [profile(77007001, audience(1001, **unknown), **unknown)]

    (sent,) = split(parsed(AudienceMembershipChangeRequest, message), SHARDS)

    assert json.loads(sent.body) == message


def test_a_request_of_a_thousand_profiles_makes_one_batch() -> None:
    messages = split(request(*(profile(77007000 + n) for n in range(1000))), SHARDS)

    assert len(list(batches(messages))) == 1
    assert sorted(entry["mpid"] for entry in profiles(messages)) == [str(77007000 + n) for n in range(1000)]


def test_a_user_is_always_in_the_same_group_and_keeps_the_order_of_the_request() -> None:
    sent = request(*(profile(77007000 + n % 7, audience(n)) for n in range(50)))

    messages = split(sent, SHARDS)

    for user in range(7):
        mpid = str(77007000 + user)
        groups = {m.group_id for m in messages if mpid in {p["mpid"] for p in json.loads(m.body)["user_profiles"]}}
        changes = [p["audiences"][0]["audience_id"] for p in profiles(messages) if p["mpid"] == mpid]
        assert len(groups) == 1
        assert changes == sorted(changes)


def test_groups_belong_to_one_account() -> None:
    other = {"account_id": 5555, "account_settings": {}}

    groups = {
        m.group_id for sent in (request(profile(1)), request(profile(1), account=other)) for m in split(sent, SHARDS)
    }

    assert {str(group).split(".")[0] for group in groups} == {"4242", "5555"}


def test_an_absurd_account_id_makes_no_group_that_sqs_refuses() -> None:
    (message,) = split(request(profile(1), account={"account_id": 10**200}), SHARDS)

    assert message.group_id is not None
    assert len(message.group_id) == 128


@pytest.mark.parametrize(
    ("user", "same_as"),
    [
        ({"mpid": "77007001"}, {"mpid": "77007001", "user_identities": [{"type": "email", "value": "x"}]}),
        (
            {"user_identities": [{"type": "email", "value": "x"}]},
            {"user_identities": [{"type": "email", "value": "x"}]},
        ),
        (
            {"device_identities": [{"type": "android_id", "value": "x"}]},
            {"device_identities": [{"type": "android_id", "value": "x"}]},
        ),
        ({}, {}),
    ],
    ids=["mpid-counts-before-identities", "first-user-identity", "device-identity", "nobody"],
)
def test_a_user_is_told_by_mpid_or_else_by_the_first_identity(user: Json, same_as: Json) -> None:
    def group(fields: Json) -> int:
        complete = {
            name: [{"encoding": "raw", **identity} for identity in value] if isinstance(value, list) else value
            for name, value in fields.items()
        }
        return shard(user_key(UserProfile.model_validate(complete)), 1000)

    assert group(user) == group(same_as)


@pytest.mark.parametrize(
    ("events", "memberships"),
    [
        ({"mpid": "1", "user_identities": [EMAIL]}, {"mpid": "1"}),
        ({"user_identities": [EMAIL]}, {"user_identities": [EMAIL], "partner_identities": [PARTNER]}),
        (
            {"runtime_environment": {"type": "ios", "identities": [IDFV]}, "partner_identities": [PARTNER]},
            {"device_identities": [IDFV], "partner_identities": [PARTNER]},
        ),
        ({"partner_identities": [PARTNER]}, {"partner_identities": [PARTNER]}),
        ({}, {}),
    ],
    ids=["mpid", "user-identity", "device-identity", "partner-identity", "nobody"],
)
def test_a_user_of_events_is_the_same_as_in_memberships(events: Json, memberships: Json) -> None:
    message = {"type": "event_processing_request", **events}

    user = request_user(parsed(EventProcessingRequest, message))

    assert user == user_key(UserProfile.model_validate(memberships))
    assert bool(user) == bool(events)


def test_users_spread_over_the_groups_evenly() -> None:
    counts = [0] * SHARDS
    for number in range(10_000):
        counts[shard(str(77007000000 + number), SHARDS)] += 1

    assert min(counts) > 800
    assert max(counts) < 1200


def test_the_same_request_makes_the_same_deduplication_ids() -> None:
    first, second = (split(request(*(profile(n) for n in range(30))), SHARDS) for _ in range(2))

    assert [m.deduplication_id for m in first] == [m.deduplication_id for m in second]
    assert len({m.deduplication_id for m in first}) == len(first)


@pytest.mark.parametrize(
    ("other", "stored_twice"),
    [
        ({"timestamp_ms": 1}, False),
        ({"id": "9a4b7a7e-1111-4111-8111-000000000000"}, True),
        ({"account": {"account_id": 1, "account_settings": {}}}, True),
    ],
    ids=["repeated-later", "another-request", "another-account"],
)
def test_what_makes_a_request_another_one(other: Json, *, stored_twice: bool) -> None:
    (first,) = split(request(profile(1)), SHARDS)
    (second,) = split(request(profile(1), **other), SHARDS)

    assert (first.deduplication_id != second.deduplication_id) is stored_twice


def test_other_changes_under_a_used_id_are_kept() -> None:
    (first,) = split(request(profile(1, audience(1, action="add"))), SHARDS)
    (second,) = split(request(profile(1, audience(1, action="delete"))), SHARDS)

    assert first.deduplication_id != second.deduplication_id


def test_without_an_id_the_time_tells_requests_apart() -> None:
    ids = {split(request(profile(1), id=None, timestamp_ms=time), SHARDS)[0].deduplication_id for time in (1, 2, 2)}

    assert len(ids) == 2


@given(sizes=st.lists(st.integers(0, 900), min_size=1, max_size=30), shards=st.integers(1, 4))
def test_no_message_is_larger_than_the_limit_and_no_profile_is_lost(sizes: list[int], shards: int) -> None:
    limit = 2500
    sent = request(*(profile(number, note="é" * (size // 2)) for number, size in enumerate(sizes)))

    messages = split(sent, shards, limit)

    assert all(message.size <= limit for message in messages)
    assert sorted(int(entry["mpid"]) for entry in profiles(messages)) == list(range(len(sizes)))


@pytest.mark.parametrize("note", ["x" * 300, "値" * 100, "😀" * 75], ids=["ascii", "cjk", "emoji"])
def test_a_profile_that_is_too_large_has_a_message_of_its_own(note: str) -> None:
    audiences = [audience(number, note=note) for number in range(20)]
    sent = request(profile(1), profile(1, *audiences), profile(1))

    messages = split(sent, SHARDS, 3000)

    assert [body["user_profiles"] for body in bodies(messages)] == [
        [profile(1)],
        [profile(1, *audiences)],
        [profile(1)],
    ]
    assert [message.size > 3000 for message in messages] == [False, True, False]


def test_a_change_that_is_larger_than_sqs_takes_is_stored_in_its_place(
    queues: Queues, bucket: object, deadline: Deadline
) -> None:
    large = profile(1, audience(2, note="\u732b" * MAX_MESSAGE_BYTES))
    queue = MembershipQueue(queues.sender, queues.membership, shards=1)

    queue.enqueue(request(profile(1), large, profile(1)), deadline)

    first, reference, last = [message["Body"] for message in queues.messages(queues.membership)]
    assert json.loads(queues.large_bodies.open(reference).read())["user_profiles"] == [large]
    assert [json.loads(body)["user_profiles"] for body in (first, last)] == [[profile(1)], [profile(1)]]


def test_null_elements_do_not_shift_the_slices() -> None:
    sent = request(None, profile(1), None, profile(2, audience(7), audience(8)))

    assert sorted(entry["mpid"] for entry in profiles(split(sent, SHARDS))) == ["1", "2"]


def test_a_message_has_no_more_users_than_the_worker_can_deliver_one_by_one() -> None:
    messages = split(request(*(profile(77007001, audience(n)) for n in range(2 * MAX_ELEMENTS + 1))), SHARDS)

    assert [len(body["user_profiles"]) for body in bodies(messages)] == [MAX_ELEMENTS, MAX_ELEMENTS, 1]
    assert [entry["audiences"][0]["audience_id"] for entry in profiles(messages)] == [*range(2 * MAX_ELEMENTS + 1)]


def test_attributes_say_what_and_whose_and_nothing_personal() -> None:
    (message,) = split(request(profile(1)), SHARDS)

    assert set(message.attributes) == {"message_type", "account_id", "request_id"}
    assert "canary" not in repr(message)


def test_a_request_is_stored_in_the_queue(queues: Queues, deadline: Deadline) -> None:
    queue = MembershipQueue(queues.sender, queues.membership, shards=SHARDS)

    stored = queue.enqueue(request(*(profile(n) for n in range(100))), deadline)

    received = queues.bodies(queues.membership)
    assert len(received) == stored == SHARDS
    assert sum(len(body["user_profiles"]) for body in received) == 100


def with_filler(size: int, *, users: int, **overrides: object) -> AudienceMembershipChangeRequest:
    """Return a request of which nearly all is one field that the protocol does not know."""
    return request(*map(profile, range(users)), new_in_4_0="x" * size, **overrides)


class TestOfALargeRest:
    """Nearly all of a request may be around its profiles, and each message has what is around them."""

    SIZE = 1_000_000

    def test_all_fields_are_in_the_first_message_and_those_of_the_protocol_in_each(self) -> None:
        sent = with_filler(self.SIZE, users=500)

        first, *others = bodies(split(sent, 100))

        known = {name: value for name, value in sent.received.items() if name != "new_in_4_0"}
        assert len(others) > 90
        assert {**first, "user_profiles": []} == {**sent.received, "user_profiles": []}
        assert all({**body, "user_profiles": []} == {**known, "user_profiles": []} for body in others)

    def test_no_profile_is_lost_and_each_message_can_be_read(self) -> None:
        messages = split(with_filler(self.SIZE, users=500), 100)

        read = [parsed(AudienceMembershipChangeRequest, body) for body in bodies(messages)]
        assert sorted(int(each.mpid) for message in read for each in message.user_profiles) == [*range(500)]
        assert not any(message.unreadable for message in read)
        assert {message.account.account_id for message in read} == {4242}

    def test_all_messages_together_have_no_more_than_is_allowed(self) -> None:
        for size in (MAX_COPIED_BYTES // 100 - 1_000, MAX_COPIED_BYTES // 100 + 1_000, self.SIZE):
            messages = split(with_filler(size, users=500), 100)

            assert sum(message.size for message in messages) < MAX_COPIED_BYTES + 500 * 200

    def test_up_to_that_each_message_has_all_fields(self) -> None:
        messages = split(with_filler(100_000, users=500), 100)

        assert len(messages) > 90
        assert all(len(body["new_in_4_0"]) == 100_000 for body in bodies(messages))

    def test_users_of_one_group_are_many_messages_too(self) -> None:
        messages = split(with_filler(self.SIZE, users=30 * MAX_ELEMENTS), 1)

        assert len(messages) == 30
        assert [len(message.body) > self.SIZE for message in messages] == [True, *[False] * 29]

    def test_a_repeated_request_has_the_same_ids_and_so_has_one_with_a_small_rest(self) -> None:
        large, again, small = (split(with_filler(size, users=500), 100) for size in (self.SIZE, self.SIZE, 1))

        assert [m.deduplication_id for m in large] == [m.deduplication_id for m in again]
        assert [m.deduplication_id for m in large] == [m.deduplication_id for m in small]

    def test_messages_are_not_in_memory_together(self) -> None:
        few, many = (peak_of(with_filler(900_000, users=users), users) for users in (2, 20))

        assert many - few < 2_000_000

    def test_messages_that_are_kept_would_be(self) -> None:
        sent = with_filler(900_000, users=20)

        assert traced(lambda: split(sent, 10_000)) > 15_000_000


class Discarding:
    """Takes every message and keeps nothing."""

    def send(self, _url: str, _messages: Sequence[QueueMessage], _deadline: Deadline) -> None:
        return


def peak_of(sent: AudienceMembershipChangeRequest, users: int) -> int:
    """Return the bytes at most that it takes to queue a request of users in groups of their own."""
    sender: Any = Discarding()
    stored: list[int] = []
    peak = traced(lambda: stored.append(MembershipQueue(sender, "", shards=10_000).enqueue(sent, Deadline.after(60))))
    assert stored == [users]
    return peak


def traced(work: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
