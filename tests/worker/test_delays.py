"""Messages of a standard queue that wait long are sent again, and go on where they were."""

from dataclasses import replace
from typing import Any

import pytest
from mypy_boto3_dynamodb import DynamoDBClient

from mparticle_firehose.errors import DeliveryError
from mparticle_firehose.integration import Answer, PartnerCall
from mparticle_firehose.queues.delays import MAX_DELAY_SECONDS, MAX_HOPS, MIN_DELAY_SECONDS
from mparticle_firehose.queues.event_queue import site_tenant, tenant
from mparticle_firehose.queues.record import History, Record
from mparticle_firehose.queues.time_limits import MAX_AGE_SECONDS
from tests.conftest import Queues, Reply
from tests.worker.bench import DEAD, NOW, SENT_AT_MS, Bench, build, change, event_record, in_part, membership

TYPES = ("event_processing_request", "dsr_processing_request")


def resting(seconds: float) -> Answer:
    return Answer(status=503, headers={"retry-after": str(seconds)})


def with_attributes(record: Record) -> Record:
    told = {"message_type": "event_processing_request", "account_id": "4242", "request_id": "r"}
    return replace(record, tenant="t", correlation=told)


@pytest.mark.parametrize("name", TYPES)
def test_a_message_that_waits_long_is_sent_again_as_it_came_and_counts_as_done(name: str, bench: Bench) -> None:
    bench.partner.replies = [resting(60)]
    record = with_attributes(event_record("e1", name))

    assert bench.deliver(record) == []

    (sent,) = bench.sender.sent
    assert (sent.body, sent.delay_seconds, sent.tenant) == (record.body, 60, tenant(4242))
    assert {name: sent.attributes[name] for name in record.correlation} == record.correlation
    assert (bench.visibility.waits, bench.telemetry.counts["Retried"]) == ({}, 1)


def test_it_goes_back_to_the_queue_that_it_came_from(bench: Bench) -> None:
    bench.partner.replies = [resting(60)] * 2

    bench.deliver(replace(event_record("e1", "dsr_processing_request"), queue="erasure"))
    erasures = set(bench.sender.urls)
    bench.deliver(event_record("e2", "dsr_processing_request"))

    assert erasures == {bench.queues.erasure}
    assert bench.sender.urls == {bench.queues.erasure, bench.queues.event}


def test_what_waits_for_a_site_that_is_down_is_of_one_tenant_and_then_its_customers_again(bench: Bench) -> None:
    bench.breaker.down.add("")
    bench.breaker.seconds = 2_000
    bench.deliver(*(replace(with_attributes(event_record(f"e{number}")), tenant=f"t{number}") for number in range(2)))
    held_back = [message.tenant for message in bench.sender.sent]

    bench.deliver(*bench.sender.received())
    not_due = [message.tenant for message in bench.sender.sent]
    bench.breaker.down.clear()
    bench.partner.replies = [resting(60)] * 2
    bench.worker = replace(bench.worker, clock=_clock_at(2_000))
    bench.deliver(*bench.sender.received())

    assert held_back == not_due == [site_tenant("")] * 2
    assert [message.tenant for message in bench.sender.sent] == [tenant(4242)] * 2


@pytest.mark.parametrize(
    ("seconds", "is_sent"), [(MIN_DELAY_SECONDS - 1, False), (MIN_DELAY_SECONDS, True)], ids=["short", "long"]
)
def test_a_short_wait_is_spent_in_flight(seconds: int, is_sent: bool, bench: Bench) -> None:
    bench.partner.replies = [resting(seconds)]

    failed = bench.deliver(event_record("e1"))

    assert (failed, len(bench.sender.sent)) == (([], 1) if is_sent else (["e1"], 0))
    assert bench.visibility.waits == ({} if is_sent else {"e1": seconds})


def test_messages_of_a_fifo_queue_are_never_sent_again(bench: Bench) -> None:
    """They would lose their place."""
    bench.partner.replies = [resting(60)]

    assert bench.deliver(membership("m1", change("1"))) == ["m1"]
    assert (bench.sender.sent, bench.visibility.waits) == ([], {"m1": 60})


def test_attempts_and_waits_go_on_over_all_sendings(queues: Queues, dynamodb: DynamoDBClient) -> None:
    bench = build(queues, dynamodb, max_attempts=9)
    bench.partner.judge = lambda _: 503
    record = event_record("e1")
    waits: list[int] = []
    for count in range(1, 9):
        if bench.deliver(record):
            waits += bench.visibility.waits.values()
            record = replace(record, receive_count=record.receive_count + 1)
        else:
            waits.append(bench.sender.sent[0].delay_seconds)
            (record,) = bench.sender.received()
        assert len(bench.partner.calls) == count

    assert bench.deliver(record) == []

    ((_, why),) = bench.dead_letters()
    assert waits == [2, 4, 8, 16, 32, 64, 128, 256]
    assert (why["attempts"], why["first_at"]) == ("9", str(SENT_AT_MS))


def test_the_wait_goes_on_for_what_is_no_attempt(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger that cannot be written fails a message without an attempt; its wait grows with its receives."""
    record = replace(event_record("e1"), history=History(queued_at_ms=SENT_AT_MS, hops=1, receives=4))
    monkeypatch.setattr(type(bench.worker.planner), "offers", _unavailable)

    assert bench.deliver(record) == []

    (again,) = bench.sender.received()
    assert (again.history.receives, again.history.hops, again.history.attempts) == (5, 2, 0)


def _unavailable(*_: object) -> bool:
    raise DeliveryError("the ledger cannot be used")


def test_what_is_settled_travels_and_nothing_is_written_down(bench: Bench, dynamodb: DynamoDBClient) -> None:
    bench.partner.replies = [in_part({0: 503}), 200]
    bench.deliver(replace(event_record("e1"), history=History(queued_at_ms=SENT_AT_MS, hops=1, receives=4, attempts=4)))

    (again,) = bench.sender.received()
    assert bench.deliver(again) == []

    first, second = bench.partner.calls
    assert (len(_events(first)), len(_events(second))) == (16, 1)
    assert dynamodb.scan(TableName="ledger")["Items"] == []


def _events(call: PartnerCall) -> list[Any]:
    events: list[Any] = getattr(call.body, "value", {})["events"]
    return events


def test_the_limits_of_calls_travel(bench: Bench) -> None:
    record = event_record("e1")
    (plan,) = [bench.worker.planner.plan(_request(bench, record), source="e1")]
    limits = {pending.position: 1 for pending in plan.pending}
    history = History(queued_at_ms=SENT_AT_MS, limits=f"0-{len(limits) - 1}=1")
    bench.partner.replies = [resting(60)]

    bench.deliver(replace(record, settled=f"{plan.fingerprint}:AA==", history=history))

    assert len(_events(bench.partner.calls[0])) == 1
    (again,) = bench.sender.received()
    assert again.history.limits == history.limits


def _request(bench: Bench, record: Record) -> Any:
    return bench.worker.serializer.parse(record.body)


def test_a_wait_that_is_longer_than_sqs_delays_takes_several_sendings_and_no_call(bench: Bench) -> None:
    bench.partner.replies = [resting(2_000), 200]
    bench.deliver(event_record("e1"))
    delays = []
    for passed in (0, 900, 1_800):
        (sent,) = bench.sender.sent
        delays.append(sent.delay_seconds)
        (again,) = bench.sender.received()
        bench.worker = replace(bench.worker, clock=_clock_at(passed + sent.delay_seconds))
        bench.worker = replace(bench.worker, delays=_delays_at(bench, passed + sent.delay_seconds))
        assert bench.deliver(again) == []

    assert (delays, len(bench.partner.calls)) == ([MAX_DELAY_SECONDS, MAX_DELAY_SECONDS, 200], 2)
    assert bench.sender.sent == []


def _clock_at(seconds: float) -> Any:
    return lambda: NOW + seconds


def _delays_at(bench: Bench, seconds: float) -> Any:
    delays = bench.worker.delays
    return type(delays)(bench.sender, bench.telemetry, delays._queues, _clock_at(seconds))  # type: ignore[arg-type]  # noqa: SLF001


def test_its_age_counts_from_the_first_time(bench: Bench) -> None:
    bench.partner.judge = lambda _: resting(60)
    first = int((NOW - MAX_AGE_SECONDS + 30) * 1000)
    bench.deliver(replace(event_record("e1"), sent_at_ms=first))
    (again,) = bench.sender.received()
    bench.worker = replace(bench.worker, clock=_clock_at(60))

    assert bench.deliver(again) == []

    ((_, why),) = bench.dead_letters()
    assert (why["reason"], why["first_at"], bench.sender.sent) == ("http_503", str(first), [])


def test_the_age_at_delivery_counts_from_the_first_time(bench: Bench) -> None:
    bench.partner.replies = [resting(60), 200]
    bench.deliver(event_record("e1"))

    bench.deliver(*bench.sender.received())

    assert bench.telemetry.times["QueueAge"] == [NOW * 1000 - SENT_AT_MS]


def test_the_age_of_the_oldest_message_that_waits_is_measured_from_the_first_time(bench: Bench) -> None:
    bench.partner.judge = lambda _: resting(60)
    old = replace(event_record("e1"), sent_at_ms=int((NOW - 7_000) * 1000))

    bench.deliver(old, event_record("e2"))
    bench.deliver(*bench.sender.received())

    assert bench.telemetry.times == {"WaitingAge": [7_000_000, 7_000_000]}


def test_a_redriven_message_stays_redriven(bench: Bench) -> None:
    bench.partner.replies = [resting(60)]

    bench.deliver(
        replace(with_attributes(event_record("e1")), redriven_at="1760000050000", first_at="11", settled="f:AA==")
    )

    (again,) = bench.sender.received()
    assert (again.redriven_at, again.first_at) == ("1760000050000", "11")


@pytest.mark.parametrize("broken", ["hops", "sender"])
def test_what_cannot_be_sent_again_waits_in_flight(broken: str, bench: Bench) -> None:
    record = event_record("e1")
    if broken == "hops":
        record = replace(record, history=History(queued_at_ms=SENT_AT_MS, hops=MAX_HOPS))
    bench.sender.fails = broken == "sender"
    bench.partner.replies = [resting(60), 200]

    assert bench.deliver(record) == ["e1"]
    assert (bench.sender.sent, bench.visibility.waits) == ([], {"e1": 60})
    assert bench.deliver(replace(record, receive_count=2)) == []


def test_what_is_known_of_it_is_written_down_if_it_cannot_be_sent_again(
    queues: Queues, dynamodb: DynamoDBClient
) -> None:
    bench = build(queues, dynamodb, max_attempts=3)
    bench.sender.fails = True
    bench.partner.judge = lambda _: resting(60)
    record = replace(event_record("e1"), history=History(queued_at_ms=SENT_AT_MS, hops=1, receives=1, attempts=1))

    failed = [bench.deliver(replace(record, receive_count=count)) for count in (1, 2)]

    ((_, why),) = bench.dead_letters()
    assert (failed, why["attempts"]) == ([["e1"], []], "3")


def test_without_the_ledger_what_it_may_know_is_not_sent_away_from_it(bench: Bench, dynamodb: DynamoDBClient) -> None:
    dynamodb.delete_table(TableName="ledger")
    new = replace(event_record("e1"), history=History(queued_at_ms=SENT_AT_MS, hops=1, receives=9))

    failed = bench.deliver(replace(new, message_id="e2", receive_count=9), new)

    assert failed == ["e2"]
    assert len(bench.sender.sent) == 1


@pytest.mark.parametrize("name", [*TYPES, "audience_membership_change_request"])
def test_no_message_waits_for_a_dead_key(name: str, bench: Bench) -> None:
    """Neither in flight nor delayed, however many there are."""
    bench.partner.judge = _refuse
    batch = [_dead(name, number) for number in range(10)]

    assert bench.deliver(*batch) == []
    assert (bench.visibility.waits, bench.sender.sent) == ({}, [])
    assert len(bench.dead_letters()) == len(batch)


def _refuse(call: PartnerCall) -> Reply:
    return 401 if call.auth == DEAD else 200


def _dead(name: str, number: int) -> Record:
    account = {"account_id": 4242, "account_settings": {"token": "canary-dead"}}
    if name == "audience_membership_change_request":
        return membership(f"m{number}", change(str(number)), account=account)
    return event_record(f"m{number}", name, account=account, id=f"5a3c1e70-0000-4000-8000-00000000000{number}")


@pytest.mark.parametrize("text", [None, "", "no JSON", "[]", '"x"', '{"hops": "many"}', '{"limits": null}'])
def test_what_a_message_has_behind_it_need_not_be_readable(text: str | None) -> None:
    assert History.from_text(text).hops == 0


def test_what_a_message_has_behind_it_is_read_as_it_was_written() -> None:
    history = History(queued_at_ms=1, hops=2, receives=3, attempts=4, due_at_ms=5, limits="0-3=2")

    assert History.from_text(history.to_text()) == history
