"""What is written down of later deliveries: what a letter may still write, as long as it can come back, and no more."""

import json
from dataclasses import replace

import pytest
from mypy_boto3_dynamodb import DynamoDBClient

from mparticle_firehose.integration import PartnerCall
from mparticle_firehose.queues.record import Record
from mparticle_firehose.repeating import Repeating
from mparticle_firehose.tables.ledger import COMES_BACK_SECONDS, Ledger
from tests.conftest import Clock, Json, Queues, Reply
from tests.delivery.laboratory import INTEGRATION as LABORATORY
from tests.delivery.laboratory import request
from tests.worker.aws_calls import THROTTLED, AwsCalls
from tests.worker.bench import (
    NOW,
    SENT_AT_MS,
    Bench,
    again,
    attribute,
    build,
    change,
    changes,
    in_part,
    membership,
    redriven,
    user,
)

DAY = 86_400
GROUP = "4242.0"


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def bench(queues: Queues, dynamodb: DynamoDBClient, clock: Clock) -> Bench:
    return in_time(build(queues, dynamodb), dynamodb, clock)


def in_time(bench: Bench, dynamodb: DynamoDBClient, clock: Clock) -> Bench:
    def sleep(seconds: float) -> None:
        clock.now += seconds

    ledger = Ledger(dynamodb, "ledger", clock, Repeating(sleep=sleep))
    bench.worker = replace(bench.worker, ledger=ledger, clock=clock)
    return bench


@pytest.fixture
def calls(bench: Bench, dynamodb: DynamoDBClient) -> AwsCalls:
    return AwsCalls(bench.queues.sqs, dynamodb)


def entries(dynamodb: DynamoDBClient, *kinds: str) -> set[str]:
    found = {item["key"]["S"] for item in dynamodb.scan(TableName="ledger")["Items"]}
    return {key for key in found if key.split("#")[0] in kinds}


def written(dynamodb: DynamoDBClient) -> set[str]:
    """Return the keys of the versions that are written down."""
    return entries(dynamodb, "change", "state")


def tracked(dynamodb: DynamoDBClient) -> set[str]:
    return {key.removeprefix("tracked#") for key in entries(dynamodb, "tracked")}


def refused(bench: Bench, record: Record) -> Record:
    """Let the partner refuse a message of one change, and return what comes back when the letter is redriven."""
    bench.partner.judge = lambda _: 422
    assert bench.deliver(record) == []
    bench.partner.judge = None
    ((body, why),) = bench.dead_letters()
    back = replace(record, message_id=f"{record.message_id} back", body=json.dumps(body), queue_position=why["place"])
    return redriven(back)


def actions(bench: Bench) -> list[str]:
    return [item["action"] for call in bench.partner.calls for item in changes(call)]


def older() -> Record:
    return membership("m1", change("1", action="add"), timestamp_ms=1_000)


def newer() -> Record:
    return membership("m2", change("1", action="delete"), timestamp_ms=2_000)


def test_a_group_without_letters_costs_one_read_and_no_write(bench: Bench, calls: AwsCalls) -> None:
    bench.deliver(membership("m1", change("1")), membership("m2", change("2")))

    assert calls.taken() == {"BatchGetItem": 1}


def test_other_users_and_audiences_of_the_group_cost_one_more_read_of_a_batch_and_no_write(
    bench: Bench, calls: AwsCalls
) -> None:
    refused(bench, older())
    calls.taken()

    bench.deliver(membership("m2", change("2"), change("1", "b")), membership("m3", change("3")))

    assert calls.taken() == {"BatchGetItem": 2}


def test_what_a_letters_user_does_in_its_audience_is_written_down(bench: Bench, dynamodb: DynamoDBClient) -> None:
    refused(bench, older())
    (key,) = tracked(dynamodb)

    bench.deliver(membership("m2", change("2"), change("1", "b"), change("1", user_attributes=[attribute("x", "1")])))

    assert key in written(dynamodb)
    assert {each[: len(key)] for each in written(dynamodb)} == {key}
    assert len(written(dynamodb)) == 2  # the membership, and an attribute of it


def test_later_deliveries_do_not_track_for_longer(bench: Bench, dynamodb: DynamoDBClient, clock: Clock) -> None:
    refused(bench, older())
    before = expiries(dynamodb)

    clock.now += 20 * DAY
    bench.deliver(newer())

    assert expiries(dynamodb) == before
    assert min(before.values()) >= NOW + COMES_BACK_SECONDS


def test_another_letter_tracks_for_longer(bench: Bench, dynamodb: DynamoDBClient, clock: Clock) -> None:
    refused(bench, older())

    clock.now += 20 * DAY
    refused(bench, newer())

    assert min(expiries(dynamodb).values()) >= clock.now + COMES_BACK_SECONDS


def test_letters_of_one_day_share_the_entries(bench: Bench, dynamodb: DynamoDBClient, clock: Clock) -> None:
    refused(bench, older())
    before = expiries(dynamodb)

    clock.now += DAY / 2
    refused(bench, newer())

    assert expiries(dynamodb) == before
    assert min(before.values()) >= clock.now + COMES_BACK_SECONDS


def expiries(dynamodb: DynamoDBClient) -> dict[str, float]:
    items = dynamodb.scan(TableName="ledger")["Items"]
    kinds = ("contested#", "tracked#")
    return {item["key"]["S"]: float(item["expires_at"]["N"]) for item in items if item["key"]["S"].startswith(kinds)}


def test_when_no_letter_can_come_back_nothing_is_written_down(
    bench: Bench, dynamodb: DynamoDBClient, clock: Clock
) -> None:
    """DynamoDB deletes entries that have expired, but not at once."""
    refused(bench, older())

    clock.now += COMES_BACK_SECONDS + 2 * DAY
    bench.deliver(newer())

    assert written(dynamodb) == set()


def test_until_then_a_newer_change_is_kept(bench: Bench, clock: Clock) -> None:
    """The control."""
    back = refused(bench, older())

    clock.now += COMES_BACK_SECONDS - DAY
    bench.deliver(newer())
    bench.deliver(back)

    assert actions(bench) == ["add", "remove"]


@pytest.mark.parametrize("is_readable", [True, False])
def test_a_newer_change_is_kept_however_often_the_older_one_fails(
    bench: Bench, dynamodb: DynamoDBClient, clock: Clock, is_readable: bool
) -> None:
    """DynamoDB deletes what has expired."""
    record = older() if is_readable else replace(older(), body="{")
    bench.partner.judge = lambda _: 422
    bench.deliver(record)
    bench.partner.judge = None
    bench.deliver(newer())
    bench.partner.calls.clear()
    other = replace(record, body=membership("m1", change("1", action="attribute_update"), timestamp_ms=3_000).body)
    for number in range(5):
        clock.now += 13 * DAY
        delete_expired(dynamodb, clock)
        failing = other if is_readable else record
        bench.partner.judge = lambda _: 422
        bench.deliver(redriven(replace(failing, message_id=f"b{number}", sent_at_ms=int(clock.now * 1_000))))
    bench.partner.judge = None
    bench.partner.calls.clear()

    bench.deliver(redriven(replace(older(), message_id="back", sent_at_ms=int(clock.now * 1_000))))

    assert actions(bench) == []


def delete_expired(dynamodb: DynamoDBClient, clock: Clock) -> None:
    for item in dynamodb.scan(TableName="ledger")["Items"]:
        if float(item["expires_at"]["N"]) < clock.now:
            dynamodb.delete_item(TableName="ledger", Key={"key": item["key"]})


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["older-first", "newer-first"])
def test_of_two_letters_the_newer_one_decides_in_whatever_order_they_come_back(
    bench: Bench, order: tuple[int, int]
) -> None:
    letters = [refused(bench, older()), refused(bench, newer())]
    bench.partner.calls.clear()

    for index in order:
        bench.deliver(letters[index])

    assert actions(bench)[-1] == "remove"
    assert len(actions(bench)) == (2 if order == (0, 1) else 1)


def refuse_adds(call: PartnerCall) -> Reply:
    return in_part({index: 422 for index, item in enumerate(changes(call)) if item["action"] == "add"})


def letter_back(bench: Bench, record: Record) -> Record:
    ((body, why),) = bench.dead_letters()
    return redriven(replace(record, message_id="back", body=json.dumps(body), queue_position=why["place"]))


def test_a_newer_change_of_the_same_batch_is_kept(bench: Bench) -> None:
    bench.partner.judge = refuse_adds
    bench.deliver(older(), newer())
    bench.partner.judge = None

    bench.deliver(letter_back(bench, older()))

    assert actions(bench) == ["add", "remove"]


@pytest.mark.parametrize("kind", ["contested#", "tracked#", "change#"])
def test_a_newer_change_of_the_batch_is_kept_if_the_ledger_fails_for_a_moment(
    bench: Bench, calls: AwsCalls, kind: str
) -> None:
    """What is delivered is not asked again for that, and the older change leaves when it can be guarded."""
    bench.partner.judge = refuse_adds
    batch = [older(), newer()]
    with calls.failing(lambda name, sent: name == "BatchWriteItem" and f'"S": "{kind}' in sent):
        failed = bench.deliver(*batch)
    while failed:
        failed = bench.deliver(*(again(record) for record in batch if record.message_id in failed))
    bench.partner.judge = None

    bench.deliver(letter_back(bench, older()))

    assert actions(bench).count("remove") == 1
    assert actions(bench)[-1] != "delete"
    assert bench.telemetry.counts["Superseded"] == 1


@pytest.mark.parametrize("reply", [422, 503], ids=["refused", "waits"])
def test_an_older_change_waits_until_it_is_known_whether_the_newer_one_ahead_is_delivered(
    bench: Bench, reply: int
) -> None:
    back = refused(bench, older())
    ahead = membership("m2", change("1", action="add"), timestamp_ms=2_000)
    bench.partner.calls.clear()

    bench.partner.judge = lambda _: reply
    first = bench.deliver(ahead, back)
    bench.partner.judge = lambda call: 422 if changes(call)[0]["at"] == 2_000 else 200
    second = bench.deliver(*([again(ahead)] if "m2" in first else []), again(back))
    third = bench.deliver(again(back, 3)) if second else []

    assert (back.message_id in first, third) == (True, [])
    assert [item["at"] for call in bench.partner.calls for item in changes(call)][-1] == 1_000
    assert "Superseded" not in bench.telemetry.counts


def test_an_older_change_is_superseded_once_the_newer_one_ahead_was_delivered(bench: Bench) -> None:
    back = refused(bench, older())

    failed = bench.deliver(newer(), back)
    failed_again = bench.deliver(again(back))

    assert (failed, failed_again) == ([back.message_id], [])
    assert actions(bench) == ["add", "remove"]
    assert bench.telemetry.counts["Superseded"] == 1


def test_behind_a_newer_change_an_older_one_is_tracked_that_was_moved_without_a_letter(bench: Bench) -> None:
    """As from the queue of another stack, whose ledger this one does not know."""
    moved = redriven(older())

    failed = bench.deliver(redriven(newer()), moved)
    bench.deliver(again(moved))

    assert failed == ["m1"]
    assert actions(bench) == ["remove"]


def test_what_waits_behind_a_newer_change_delays_nobody_else_and_counts_no_attempt(
    bench: Bench, dynamodb: DynamoDBClient
) -> None:
    back = refused(bench, older())
    bench.partner.calls.clear()

    failed = bench.deliver(newer(), back, membership("m3", change("2")))

    assert failed == [back.message_id]
    assert bench.visibility.waits == {back.message_id: 0}
    assert [user(item) for call in bench.partner.calls for item in changes(call)] == ["1", "2"]
    (entry,) = (it for it in dynamodb.scan(TableName="ledger")["Items"] if it["key"]["S"] == "attempts#m1 back")
    assert entry["attempts"] == {"N": "0"}


def test_a_message_without_its_old_position_is_older_than_all_of_its_time(bench: Bench) -> None:
    """SQS has moved it by itself."""
    stuck = replace(older(), receive_count=950, sequence_number=1)
    bench.partner.replies = [500]
    bench.deliver(stuck)
    bench.deliver(replace(newer(), body=newer().body.replace("2000", "1000"), sequence_number=5))

    bench.deliver(redriven(replace(stuck, message_id="back", receive_count=1, sequence_number=9)))

    assert actions(bench) == ["add", "remove"]


@pytest.mark.parametrize("one_batch", [True, False], ids=["one-batch", "two-batches"])
def test_a_change_that_was_repeated_late_does_not_hide_a_newer_one(bench: Bench, one_batch: bool) -> None:
    """mParticle repeats a request with its own time, and the queue delivers it again after five minutes."""
    back = refused(bench, membership("m1", change("1", action="add"), timestamp_ms=1_700))
    late = membership("m3", change("1", action="delete"), timestamp_ms=1_500)
    for batch in [(newer(), late)] if one_batch else [(newer(),), (late,)]:
        bench.deliver(*batch)

    bench.deliver(back)

    assert actions(bench) == ["add", "remove", "remove"]


def test_a_delivery_that_is_not_written_down_comes_again_and_is_not_asked_again(
    bench: Bench, calls: AwsCalls, dynamodb: DynamoDBClient
) -> None:
    refused(bench, older())
    bench.partner.calls.clear()
    with calls.failing(lambda name, sent: name == "BatchWriteItem" and '"S": "change#' in sent):
        failed = bench.deliver(newer())

    failed_again = bench.deliver(again(newer()))

    assert (failed, failed_again) == (["m2"], [])
    assert actions(bench) == ["remove"]
    assert tracked(dynamodb) < written(dynamodb)
    assert bench.telemetry.counts["Delivered"] == 1


def test_a_ledger_that_is_busy_for_a_moment_after_a_delivery_costs_a_moment_only(
    bench: Bench, calls: AwsCalls, clock: Clock
) -> None:
    refused(bench, older())
    calls.taken()
    calls.fault = THROTTLED

    with calls.failing(lambda name, _: name == "BatchWriteItem" and calls.counts[name] < 4):
        failed = bench.deliver(newer())

    assert failed == []
    assert calls.taken() == {"BatchGetItem": 3, "BatchWriteItem": 4}
    assert NOW < clock.now < NOW + 1


def test_a_ledger_that_stays_busy_lets_the_message_come_again_and_asks_it_once_more(
    bench: Bench, calls: AwsCalls
) -> None:
    """How far it has come cannot be stored either."""
    refused(bench, older())
    bench.partner.calls.clear()
    calls.fault = THROTTLED
    with calls.failing(lambda name, _: name == "BatchWriteItem"):
        failed = bench.deliver(newer())

    failed_again = bench.deliver(again(newer()))

    assert (failed, failed_again) == (["m2"], [])
    assert actions(bench) == ["remove", "remove"]


def test_if_it_is_not_known_what_is_tracked_nothing_of_the_group_is_sent(bench: Bench, calls: AwsCalls) -> None:
    refused(bench, older())
    bench.partner.calls.clear()

    with calls.failing(lambda name, sent: name == "BatchGetItem" and '"S": "tracked#' in sent):
        failed = bench.deliver(newer(), membership("m3", change("2"), group="g2"))

    assert failed == ["m2"]
    assert bench.sent() == [("a", ["2"])]


def test_an_entry_of_an_earlier_release_is_about_the_whole_group_until_it_expires(
    bench: Bench, dynamodb: DynamoDBClient, clock: Clock
) -> None:
    expiry = str(int(NOW) + 10 * DAY)
    dynamodb.put_item(TableName="ledger", Item={"key": {"S": f"contested#{GROUP}"}, "expires_at": {"N": expiry}})

    numbers: list[int] = []
    for number, days in enumerate((1, 8, 2)):
        clock.now += days * DAY
        bench.deliver(membership(f"m{number}", change(str(number))))
        numbers.append(len(written(dynamodb)))

    assert numbers == [1, 2, 2]


def test_a_new_letter_does_not_shorten_what_an_earlier_release_tracks(
    bench: Bench, dynamodb: DynamoDBClient, clock: Clock
) -> None:
    expiry = str(int(NOW) + 10 * DAY)
    dynamodb.put_item(TableName="ledger", Item={"key": {"S": f"contested#{GROUP}"}, "expires_at": {"N": expiry}})
    refused(bench, older())

    bench.deliver(membership("m2", change("2")))
    clock.now += 11 * DAY
    bench.deliver(membership("m3", change("3")))

    assert len(written(dynamodb)) == 1


def test_of_a_message_that_sqs_will_move_its_users_and_audiences_are_tracked(
    bench: Bench, dynamodb: DynamoDBClient
) -> None:
    stuck = replace(older(), receive_count=950)
    bench.partner.replies = [500]
    bench.deliver(stuck)

    bench.deliver(newer(), membership("m3", change("2")))
    bench.deliver(redriven(stuck))

    assert actions(bench) == ["add", "remove", "add"]
    assert bench.telemetry.counts["Superseded"] == 1
    assert {key.split("#left")[0] for key in written(dynamodb)} == tracked(dynamodb)


@pytest.mark.parametrize("count", [1, 950], ids=["put-aside", "moved"])
def test_of_a_message_that_cannot_be_read_the_whole_group_is_tracked(
    bench: Bench, dynamodb: DynamoDBClient, count: int
) -> None:
    bench.deliver(Record(message_id="m1", body="{", group_id=GROUP, receive_count=count))

    bench.deliver(membership("m2", change("2")))

    assert len(written(dynamodb)) == 1


def test_of_a_message_that_cannot_be_mapped_its_users_are_tracked(bench: Bench, dynamodb: DynamoDBClient) -> None:
    bench.deliver(membership("m1", change("1"), account={"account_id": 4242, "account_settings": {}}))

    bench.deliver(newer(), membership("m3", change("2")))

    assert {key.split("#left")[0] for key in written(dynamodb)} == tracked(dynamodb)
    assert len(tracked(dynamodb)) == 1


def test_a_letter_of_some_changes_tracks_those(bench: Bench, dynamodb: DynamoDBClient) -> None:
    bench.partner.judge = lambda call: in_part({i: 422 for i, item in enumerate(changes(call)) if user(item) == "2"})

    bench.deliver(membership("m1", change("1"), change("2"), change("3")))

    assert len(tracked(dynamodb)) == 1


class TestStates:
    @pytest.fixture
    def bench(self, queues: Queues, dynamodb: DynamoDBClient, clock: Clock) -> Bench:
        return in_time(build(queues, dynamodb, integration=LABORATORY), dynamodb, clock)

    def test_the_state_of_a_letters_user_is_written_down_and_no_others(
        self, bench: Bench, dynamodb: DynamoDBClient
    ) -> None:
        bench.partner.judge = lambda _: 422
        bench.deliver(state(1))
        bench.partner.judge = None

        bench.deliver(state(2), state(3, mpid="other"))

        assert written(dynamodb) == tracked(dynamodb)
        assert len(written(dynamodb)) == 1

    def test_an_old_state_that_comes_back_does_not_replace_a_newer_one(self, bench: Bench) -> None:
        bench.partner.judge = lambda _: 422
        bench.deliver(state(1))
        bench.partner.judge = None
        bench.deliver(state(2))
        bench.partner.calls.clear()

        bench.deliver(redriven(replace(state(1), message_id="back", queue_position="1")))

        assert bench.partner.calls == []

    def test_an_old_state_waits_until_the_newer_one_ahead_of_it_is_delivered(self, bench: Bench) -> None:
        bench.partner.judge = lambda _: 422
        bench.deliver(state(1))
        bench.partner.calls.clear()
        back = redriven(replace(state(1), message_id="back", queue_position="1"))

        refused_ahead = bench.deliver(state(2), back)
        bench.partner.judge = None
        failed = bench.deliver(again(back))

        assert (refused_ahead, failed) == (["back"], [])
        assert len(bench.partner.calls) == 2

    def test_of_events_that_sqs_will_move_every_users_state_is_tracked_and_no_membership(
        self, bench: Bench, dynamodb: DynamoDBClient
    ) -> None:
        bench.partner.replies = [500]
        bench.deliver(replace(state(1), receive_count=950))

        bench.deliver(state(2, mpid="other"))

        assert len(written(dynamodb)) == 1
        assert tracked(dynamodb) == set()


def state(number: int, mpid: str = "a") -> Record:
    body: Json = {**dict(request(number=number, state=True).source), "mpid": mpid}
    record = Record(message_id=f"m{number}", body=json.dumps(body), group_id=GROUP, sent_at_ms=SENT_AT_MS)
    return replace(record, sequence_number=number)
