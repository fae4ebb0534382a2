"""Every message ends, however large it is and whatever the partner answers, and each invocation brings it nearer."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import override

import pytest
from mypy_boto3_dynamodb import DynamoDBClient

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.delivery.plan import Planner
from mparticle_firehose.errors import DeliveryError
from mparticle_firehose.integration import Item, PartnerCall, Retry, Target, Undeliverable
from mparticle_firehose.protocol import AudienceMembershipChangeRequest
from mparticle_firehose.queues.record import Record
from mparticle_firehose.tables.ledger import Ledger, TrackedGroup
from mparticle_firehose.tables.progress import Progress
from tests.conftest import Clock, Json, Queues, Reply
from tests.sample.partner.integration import INTEGRATION
from tests.worker.bench import Bench, again, build, change, changes, in_part, membership, user

WORKER_SECONDS = 55


def deliver_until_done(bench: Bench, record: Record, clock: Clock | None = None, *, most: int = 200) -> int:
    """Deliver a message until it does not come again, and return how many invocations that took."""
    for count in range(1, most):
        deadline = Deadline.after(WORKER_SECONDS, clock) if clock else None
        if not bench.deliver(again(record, count), deadline=deadline):
            return count
    raise AssertionError("the message comes again without end")


def letters(bench: Bench) -> Counter[str]:
    """Count the changes in dead letters by their reason."""
    return Counter({why["reason"]: len(_changes(body)) for body, why in bench.dead_letters()})


def _changes(body: Json) -> list[Json]:
    return [audience for profile in body["user_profiles"] for audience in profile.get("audiences", []) if audience]


def test_an_item_that_a_success_puts_off_for_ever_is_given_up_after_as_many_calls(
    queues: Queues, dynamodb: DynamoDBClient
) -> None:
    bench = build(queues, dynamodb, max_attempts=4)
    bench.partner.judge = lambda call: in_part({len(changes(call)) - 1: 503})

    invocations = deliver_until_done(bench, membership("m1", *(change(str(number)) for number in range(3))))

    assert (invocations, len(bench.partner.calls)) == (4, 4)
    assert [len(changes(call)) for call in bench.partner.calls] == [3, 1, 1, 1]
    ((body, why),) = bench.dead_letters()
    assert (why["reason"], why["attempts"]) == ("http_503", "4")
    assert body["user_profiles"] == [{}, {}, change("2")]


def test_a_thousand_changes_that_are_all_refused_end_in_few_invocations_of_which_each_settles_something(
    queues: Queues, dynamodb: DynamoDBClient
) -> None:
    """At 100 ms a call an invocation has time for 540 calls, and the search in one call may take 64 of them."""
    clock = Clock()
    bench = build(queues, dynamodb)
    settled: list[int] = []

    def refuse(call: PartnerCall) -> Reply:
        clock.now += 0.1
        return 400

    bench.partner.judge = refuse
    record = membership("m1", *(change(str(number)) for number in range(1_000)))
    invocations = 0
    while True:
        invocations += 1
        failed = bench.deliver(again(record, invocations), deadline=Deadline.after(WORKER_SECONDS, clock))
        settled.append(letters(bench)["http_400"])
        if not failed:
            break

    assert sum(settled) == 1_000
    assert all(settled)
    assert invocations <= 8
    assert len(bench.partner.calls) <= 2_000 + 64


def test_refused_changes_are_put_aside_and_postponed_ones_delivered_at_their_second_try(bench: Bench) -> None:
    refused, postponed = range(120), range(120, 150)
    bench.partner.replies = [in_part({**dict.fromkeys(refused, 422), **dict.fromkeys(postponed, 503)}), 200]
    record = membership("m1", *(change(str(number)) for number in range(200)))

    invocations = deliver_until_done(bench, record)

    assert invocations == 2
    assert [user(item) for item in changes(bench.partner.calls[1])] == [str(number) for number in postponed]
    assert letters(bench) == {"http_422": 120}


def test_one_bad_change_in_five_hundred_costs_the_others_nothing(bench: Bench) -> None:
    bench.partner.judge = lambda call: 400 if "321" in {user(item) for item in changes(call)} else 200
    record = membership("m1", *(change(str(number)) for number in range(500)))

    invocations = deliver_until_done(bench, record)

    assert invocations == 1
    assert letters(bench) == {"http_400": 1}
    assert len(bench.partner.calls) <= 20


def test_what_is_settled_is_not_asked_again_and_without_memory_it_would_be(
    bench: Bench, dynamodb: DynamoDBClient
) -> None:
    """The second part is the control."""
    bench.partner.judge = lambda call: in_part({0: 503}) if len(changes(call)) > 1 else 503
    record = membership("m1", *(change(str(number)) for number in range(3)))
    bench.deliver(record)

    bench.deliver(again(record, 2))
    table = dynamodb.scan(TableName="ledger")["Items"]
    for item in table:
        dynamodb.delete_item(TableName="ledger", Key={"key": item["key"]})
    bench.deliver(again(record, 3))

    assert [len(changes(call)) for call in bench.partner.calls] == [3, 1, 3]


class ForgetfulLedger(Ledger):
    """Cannot write how far messages have come."""

    @override
    def remember(self, messages: Mapping[str, Progress], deadline: Deadline) -> dict[str, str]:
        return dict.fromkeys(messages, "the ledger is overloaded")


def test_if_progress_cannot_be_stored_later_messages_of_the_group_come_again_too(
    bench: Bench, dynamodb: DynamoDBClient
) -> None:
    """Else the join would be sent once more after the leave, which came later."""
    bench.worker = replace(bench.worker, ledger=ForgetfulLedger(dynamodb, "ledger"))
    bench.partner.replies = [in_part({0: 503}), 200]

    failed = bench.deliver(
        membership("m1", change("2"), change("1")),
        membership("m2", change("1", action="delete")),
        membership("m3", change("3"), group="another"),
    )

    assert failed == ["m1", "m2"]


class PickyLedger(Ledger):
    """Cannot write how far one message has come."""

    @override
    def remember(self, messages: Mapping[str, Progress], deadline: Deadline) -> dict[str, str]:
        return {name: "the ledger refuses an entry" for name in messages if name == "m1"}


def test_progress_that_cannot_be_stored_concerns_the_messages_of_its_own_group_only(
    bench: Bench, dynamodb: DynamoDBClient
) -> None:
    bench.worker = replace(bench.worker, ledger=PickyLedger(dynamodb, "ledger"))
    bench.partner.judge = lambda call: in_part(
        {index: 503 for index, item in enumerate(changes(call)) if user(item) in {"1", "3"}}
    )

    failed = bench.deliver(
        membership("m1", change("1")),
        membership("m2", change("2")),
        membership("m3", change("3"), group="another"),
        membership("m4", change("4"), group="another"),
    )

    assert failed == ["m1", "m2", "m3"]


class BusyLedger(Ledger):
    """Cannot be read."""

    @override
    def recall(
        self, message_ids: Iterable[str], group_ids: Iterable[str], deadline: Deadline
    ) -> tuple[dict[str, Progress], dict[str, TrackedGroup]]:
        raise DeliveryError("the ledger is overloaded")


def test_what_is_remembered_outlives_an_invocation_that_cannot_read_it(bench: Bench, dynamodb: DynamoDBClient) -> None:
    record = membership("m1", change("1"), change("2"))
    bench.partner.replies = [in_part({0: 422, 1: 503}), 200]
    bench.deliver(record)
    ledger = bench.worker.ledger
    remembered, _ = ledger.recall(["m1"], [], Deadline.after(60))

    bench.worker = replace(bench.worker, ledger=BusyLedger(dynamodb, "ledger"))
    failed = bench.deliver(again(record, 2))
    bench.worker = replace(bench.worker, ledger=ledger)

    assert failed == ["m1"]
    assert ledger.recall(["m1"], [], Deadline.after(60))[0] == remembered
    bench.deliver(again(record, 3))
    assert [[user(item) for item in changes(call)] for call in bench.partner.calls] == [["1", "2"], ["2"]]


def test_what_was_settled_before_it_was_queued_is_not_asked_again(bench: Bench) -> None:
    record = membership("m1", change("1"), change("2"))
    bench.partner.replies = [in_part({1: 503}), 200]
    bench.deliver(record)
    (entry,) = bench.worker.ledger.recall(["m1"], [], Deadline.after(60))[0].values()
    bench.partner.calls.clear()

    bench.deliver(Record(message_id="other", body=record.body, group_id="g", settled=entry.settled_text()))

    assert [[user(item) for item in changes(call)] for call in bench.partner.calls] == [["2"]]


def test_a_message_that_can_no_longer_be_mapped_is_put_aside_without_what_is_settled(
    queues: Queues, dynamodb: DynamoDBClient
) -> None:
    bench = build(queues, dynamodb, max_attempts=2)
    record = membership("m1", change("1"), change("2"))
    bench.partner.replies = [in_part({1: 503}), 200]
    bench.deliver(record)
    bench.worker = replace(bench.worker, planner=Planner(replace(INTEGRATION, memberships=broken)))
    assert bench.deliver(again(record, 2)) == []
    ((_, why),) = bench.dead_letters()

    bench.worker = replace(bench.worker, planner=Planner(INTEGRATION))
    bench.deliver(replace(record, message_id="redriven", settled=why["settled"], redriven_at="1760000050000"))

    assert [[user(item) for item in changes(call)] for call in bench.partner.calls] == [["1", "2"], ["2"]]


def broken(_request: object) -> Iterator[Item]:
    raise ValueError("canary-value of a customer")


def test_a_target_that_cannot_be_compared_fails_its_own_message_only(bench: Bench) -> None:
    def memberships(request: AudienceMembershipChangeRequest) -> Iterator[Item | Undeliverable]:
        for each in INTEGRATION.memberships(request) if INTEGRATION.memberships else ():
            if request.user_profiles[0].mpid == "odd" and isinstance(each, Item):
                yield replace(each, target=Target(parameters={"list": ["odd"]}))  # type: ignore[dict-item]
            else:
                yield each

    bench.worker = replace(bench.worker, planner=Planner(replace(INTEGRATION, memberships=memberships)))

    failed = bench.deliver(membership("m1", change("odd")), membership("m2", change("2"), group="another"))

    assert failed == ["m1"]
    assert [[user(item) for item in changes(call)] for call in bench.partner.calls] == [["2"]]


def test_after_a_changed_mapping_everything_unfinished_is_asked_again(bench: Bench) -> None:
    record = membership("m1", change("1"), change("2"))
    bench.partner.replies = [in_part({1: 503}), 200]
    bench.deliver(record)
    changed = json.loads(record.body)
    changed["user_profiles"].append(change("3"))

    bench.deliver(Record(message_id="m1", body=json.dumps(changed), group_id="4242.0", receive_count=2))

    assert [user(item) for item in changes(bench.partner.calls[-1])] == ["1", "2", "3"]


@pytest.mark.parametrize(("after", "wait"), [(float("inf"), 43_000), (float("nan"), 2), (-5.0, 2)])
def test_a_wait_that_nobody_can_keep_stops_no_batch(bench: Bench, after: float, wait: int) -> None:
    bench.partner.replies = [Retry("resting", after), 200]

    failed = bench.deliver(membership("m1", change("1", "a")), membership("m2", change("2", "b"), group="another"))

    assert failed == ["m1"]
    assert bench.visibility.waits == {"m1": wait}


def test_while_the_circuit_is_open_nothing_is_an_attempt(queues: Queues, dynamodb: DynamoDBClient) -> None:
    bench = build(queues, dynamodb, max_attempts=2)
    bench.breaker.down.add("")
    record = membership("m1", change("1"))

    failed = [bench.deliver(again(record, count)) for count in range(1, 6)]
    waits = bench.visibility.waits
    bench.breaker.down.clear()

    assert failed == [["m1"]] * 5
    assert waits == {"m1": 7}
    assert bench.deliver(again(record, 6)) == []
    assert bench.dead_letters() == []
