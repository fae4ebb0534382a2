"""The partner's events reach mParticle once, or are put aside with their reason; nothing else is held up."""

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.feed import Feed, FeedEvent, PartnerEvent, UserIdentities, feed_event_id
from mparticle_firehose.feed_worker.sending import PACED, RATE_LIMITED
from mparticle_firehose.feed_worker.worker import NO_KEY_PAIR
from mparticle_firehose.queues.time_limits import MAX_AGE_SECONDS
from tests.feed_worker.feed_world import (
    NOT_TAKEN,
    QUEUE,
    TAKEN,
    FeedDeployment,
    FeedWorld,
    event,
    sent_batches,
)
from tests.sample.partner.feed import FEED
from tests.worker.history_world import Disturbances

HOUR, DAY = 3_600, 86_400


@pytest.fixture
def world() -> FeedWorld:
    world = FeedWorld()
    world.customer(1, "key-1")
    return world


@pytest.fixture
def deployment(world: FeedWorld) -> FeedDeployment:
    return FeedDeployment(world)


def reasons(world: FeedWorld) -> list[object]:
    return [each["reason"] for each in world.telemetry.notes if each["event"] == "retried later"]


def requests_in(seconds: int, deployment: FeedDeployment, world: FeedWorld) -> list[float]:
    """Let seconds pass, and return when mParticle got requests."""
    began, times = world.clock(), list[float]()
    while world.clock() < began + seconds:
        before = len(world.requests)
        deployment.run()
        times += [world.clock()] * (len(world.requests) - before)
        world.clock.now += 1
    return times


class TestDelivery:
    def test_events_of_several_messages_go_in_one_request_each_as_a_batch(
        self, deployment: FeedDeployment, world: FeedWorld
    ) -> None:
        deployment.put(event(1, at=world.clock()), event(2, at=world.clock()))
        deployment.put(event(3, at=world.clock()))

        assert deployment.run() == []

        assert [len(batches) for batches in sent_batches(world)] == [3]
        assert world.arrived("key-1") == ["e1", "e2", "e3"]
        assert world.telemetry.counts["Delivered"] == 3
        assert not world.violations

    def test_a_batch_has_the_events_id_twice_and_the_customers_environment(
        self, deployment: FeedDeployment, world: FeedWorld
    ) -> None:
        deployment.put(event(1, at=world.clock()))

        deployment.run()

        ((batch,),) = sent_batches(world)
        assert batch["source_request_id"] == batch["events"][0]["data"]["source_message_id"]
        assert batch["environment"] == "development"

    def test_equal_ids_of_different_users_or_customers_are_different_events(
        self, deployment: FeedDeployment, world: FeedWorld
    ) -> None:
        world.customer(2, "key-2")
        deployment.put(event(1, at=world.clock()), event(1, at=world.clock(), user="canary-other"))
        deployment.put(event(1, at=world.clock()), account_id=2)

        deployment.run()

        assert (world.arrived("key-1"), world.arrived("key-2")) == (["e1", "e1"], ["e1"])

    def test_an_event_that_is_delivered_twice_in_two_messages_arrives_once(
        self, deployment: FeedDeployment, world: FeedWorld
    ) -> None:
        deployment.put(event(1, at=world.clock()))
        deployment.put(event(1, at=world.clock()))

        deployment.run()

        assert (world.arrived("key-1"), world.mparticle.repeats) == (["e1"], 1)

    def test_events_of_one_user_are_not_merged(self, deployment: FeedDeployment, world: FeedWorld) -> None:
        deployment.put(*(event(number, at=world.clock(), user="canary-u") for number in range(3)))

        deployment.run()

        assert [len(batch["events"]) for batches in sent_batches(world) for batch in batches] == [1, 1, 1]
        assert world.arrived("key-1") == ["e0", "e1", "e2"]

    def test_certain_events_go_singly_before_the_others(self, deployment: FeedDeployment, world: FeedWorld) -> None:
        deployment.put(event(1, at=world.clock()), event(2, "unsubscribe", at=world.clock()))

        deployment.run()

        assert [len(batches) for batches in sent_batches(world)] == [1, 1]
        assert world.arrived("key-1") == ["e2", "e1"]

    def test_old_events_go_the_historical_way_beside_young_ones(
        self, deployment: FeedDeployment, world: FeedWorld
    ) -> None:
        deployment.put(event(1, at=world.clock() - 40 * DAY), event(2, at=world.clock() - 2 * DAY))

        deployment.run()

        assert world.arrived("key-1") == ["e2", "e1"]
        assert world.telemetry.counts["FeedHistorical"] == 1
        assert not world.violations

    def test_an_event_that_the_mapping_leaves_out_is_done(self, deployment: FeedDeployment, world: FeedWorld) -> None:
        deployment.put(event(1, "noise", at=world.clock()))

        assert (deployment.run(), deployment.waiting, world.requests, deployment.letters) == ([], [], [], [])

    def test_an_identity_that_mparticle_could_not_use_is_dropped_and_counted(self, world: FeedWorld) -> None:
        def hashed(source: PartnerEvent) -> FeedEvent:
            mapped = FEED.event_of(source)
            assert mapped
            return replace(mapped, user_identities=UserIdentities(customer_id=source["user"], email="5f" * 32))

        feed = Feed(name_of=FEED.name_of, mappings={"open": hashed}, event_names=FEED.event_names)
        deployment = FeedDeployment(world, feed=feed)
        deployment.put(event(1, at=world.clock()), event(2, at=world.clock()))

        deployment.run()

        assert [batch["user_identities"] for batch in world.mparticle.taken("key-1")] == [
            {"customer_id": "canary-u1"},
            {"customer_id": "canary-u2"},
        ]
        assert world.telemetry.counts["FeedFieldsDropped"] == 2

    def test_a_customer_gets_no_event_of_another(self, deployment: FeedDeployment, world: FeedWorld) -> None:
        world.customer(2, "key-2")
        deployment.put(event(1, at=world.clock()))
        deployment.put(event(2, at=world.clock()), account_id=2)

        deployment.run()

        assert (world.arrived("key-1"), world.arrived("key-2")) == (["e1"], ["e2"])

    def test_a_platform_has_its_own_key_pair(self, deployment: FeedDeployment, world: FeedWorld) -> None:
        world.customer(1, "key-1", platforms={"ios": {"key": "key-ios", "secret": "key-ios-secret"}})
        world.mparticle.keys["key-ios"] = "key-ios-secret"
        deployment.put(event(1, at=world.clock(), platform="ios"), event(2, at=world.clock(), platform="web"))

        deployment.run()

        assert (world.arrived("key-ios"), world.arrived("key-1")) == (["e1"], ["e2"])

    def test_a_time_slightly_ahead_is_the_same_in_each_repetition(
        self, deployment: FeedDeployment, world: FeedWorld
    ) -> None:
        world.faults = [TAKEN]
        deployment.put(event(1, at=world.clock() + 200))
        deployment.run()

        deployment.run_until_empty()

        (first, second) = [body for _, body in world.requests]
        assert first == second
        assert (world.arrived("key-1"), world.violations) == (["e1"], [])


class TestRefusals:
    def test_the_guilty_one_of_many_is_put_aside_alone(self, deployment: FeedDeployment, world: FeedWorld) -> None:
        guilty = event(7, at=world.clock())
        deployment.put(*(event(number, at=world.clock()) for number in range(20)))
        world.mparticle.poison(str(feed_event_id("Sample", 1, "e7", "canary-u7")))

        deployment.run()

        assert deployment.letters == [("http_400", [guilty])]
        assert world.arrived("key-1") == [f"e{number}" for number in range(20) if number != 7]
        assert deployment.waiting == []

    def test_of_more_events_than_a_request_takes_the_guilty_one_is_put_aside_alone(
        self, deployment: FeedDeployment, world: FeedWorld
    ) -> None:
        deployment.put(*(event(number, at=world.clock()) for number in range(150)))
        world.mparticle.poison(str(feed_event_id("Sample", 1, "e120", "canary-u120")))

        deployment.run_until_empty()

        assert [len(batches) for batches in sent_batches(world)][:2] == [100, 50]
        assert [(reason, [each["id"] for each in events]) for reason, events in deployment.letters] == [
            ("http_400", ["e120"])
        ]
        assert sorted(world.arrived("key-1")) == sorted(f"e{number}" for number in range(150) if number != 120)

    @pytest.mark.parametrize(
        ("source", "reason"),
        [
            ({"type": "unknown"}, "event: must have a name that Feed.mappings has"),
            ({"at": 5_000}, "CustomEvent.timestamp_unixtime_ms: must be"),
            ({"attributes": {"canary": ["list"]}}, "CustomEvent.custom_attributes: every value must be"),
            ({"email": " "}, "Batch.user_identities: at least one identity"),
            ({"attributes": {f"a{n}": "canary" * 600 for n in range(36)}}, "Batch: must have at most 128,000 bytes"),
        ],
        ids=["name", "time", "attribute", "nobody", "size"],
    )
    def test_what_breaks_a_rule_is_put_aside_with_field_and_rule_and_without_values(
        self, deployment: FeedDeployment, world: FeedWorld, source: dict[str, Any], reason: str
    ) -> None:
        wrong = {**event(1, at=world.clock()), **source}
        deployment.put(wrong, event(2, at=world.clock()))

        deployment.run()

        ((told, events),) = deployment.letters
        assert told.startswith(reason), told
        assert "canary" not in told
        assert (events, world.arrived("key-1")) == ([wrong], ["e2"])

    def test_an_error_in_the_mapping_costs_its_event_alone(self, deployment: FeedDeployment, world: FeedWorld) -> None:
        broken = event(1, at=world.clock())
        del broken["user"]
        deployment.put(broken, event(2, at=world.clock()))

        deployment.run()

        ((reason, events),) = deployment.letters
        assert reason.startswith("KeyError in ")
        assert (events, world.arrived("key-1")) == ([broken], ["e2"])

    def test_a_number_arrives_as_it_came_and_is_put_aside_with_its_literal(
        self, deployment: FeedDeployment, world: FeedWorld
    ) -> None:
        at = int(world.clock() * 1000)
        odd = '{"id": "e2", "type": "unknown", "n": 1.50}'
        even = f'{{"id": "e1", "type": "open", "user": "u", "at": {at}, "attributes": {{"n": 1.50, "big": 1e3}}}}'
        deployment.put_body(f'{{"account_id": 1, "events": [{even}, {odd}]}}')

        deployment.run()

        (batch,) = world.mparticle.taken("key-1")
        assert batch["events"][0]["data"]["custom_attributes"] == {"id": "e1", "n": 1.5, "big": 1000.0}
        (letter,) = world.queues["feed-dlq"]
        assert letter.body == '{"account_id":1,"events":[{"id":"e2","type":"unknown","n":1.50}]}'

    @pytest.mark.parametrize("body", ["", "{", "[]", '{"events": []}', '{"account_id": 1, "events": [7]}', "[" * 9_000])
    def test_a_message_that_cannot_be_read_is_put_aside_as_it_is(
        self, deployment: FeedDeployment, world: FeedWorld, body: str
    ) -> None:
        deployment.put_body(body)

        assert deployment.run() == []

        ((letter,), waiting) = world.queues["feed-dlq"], deployment.waiting
        assert (letter.body, waiting) == (body, [])

    def test_what_is_put_aside_is_not_put_aside_again_when_the_rest_comes_again(
        self, deployment: FeedDeployment, world: FeedWorld
    ) -> None:
        world.faults = [NOT_TAKEN]
        deployment.put(event(1, "unknown", at=world.clock()), event(2, at=world.clock()))
        deployment.run()

        deployment.run_until_empty()

        assert len(deployment.letters) == 1
        assert world.arrived("key-1") == ["e2"]

    def test_a_letter_that_cannot_be_stored_keeps_the_message(
        self, deployment: FeedDeployment, world: FeedWorld
    ) -> None:
        deployment.put(event(1, "unknown", at=world.clock()))

        again = deployment.run(Disturbances(failing="letters"))

        assert len(again) == 1
        deployment.run_until_empty()
        assert len(deployment.letters) == 1


class TestRetries:
    @pytest.mark.parametrize("fault", ["503", "500", "429", "404", "302", NOT_TAKEN, TAKEN])
    def test_what_fails_comes_again_and_arrives_once(
        self, deployment: FeedDeployment, world: FeedWorld, fault: str
    ) -> None:
        world.faults = [fault]
        deployment.put(event(1, at=world.clock()), event(2, at=world.clock()))

        assert len(deployment.run()) == 1

        deployment.run_until_empty()
        assert world.arrived("key-1") == ["e1", "e2"]
        assert {body for _, body in world.requests} == {world.requests[0][1]}

    def test_a_429_stops_its_key_pair_and_no_other(self, deployment: FeedDeployment, world: FeedWorld) -> None:
        world.customer(2, "key-2")
        world.faults = ["429"]
        deployment.put(event(1, at=world.clock()))
        deployment.put(event(2, at=world.clock()), account_id=2)

        deployment.run()
        requests = len(world.requests)
        deployment.put(event(3, at=world.clock()))
        deployment.run()

        assert world.arrived("key-2") == ["e2"]
        assert len(world.requests) == requests
        assert reasons(world)[-1] == RATE_LIMITED
        deployment.run_until_empty()
        assert world.arrived("key-1") == ["e3", "e1"] or world.arrived("key-1") == ["e1", "e3"]

    @pytest.mark.parametrize(
        ("retry_after", "gaps"),
        [
            pytest.param("0", [(1, 2), (2, 3), (4, 5)], id="at-once"),
            pytest.param("3", [(3, 5), (3, 5), (4, 5)], id="short"),
            pytest.param("86400", [(900, 991)] * 3, id="a-day"),
            pytest.param("soon", [(1, 2), (2, 3), (4, 5)], id="unreadable"),
            pytest.param("", [(1, 2), (2, 3), (4, 5)], id="not-said"),
        ],
    )
    def test_after_a_429_it_waits_as_long_as_it_is_asked_and_for_its_backoff(
        self, deployment: FeedDeployment, world: FeedWorld, retry_after: str, gaps: list[tuple[float, float]]
    ) -> None:
        world.faults, world.retry_after = ["429"] * 3, retry_after
        deployment.put(event(1, at=world.clock()))

        times = requests_in(HOUR, deployment, world)

        waited = [later - earlier for earlier, later in pairwise(times)]
        assert len(waited) == 3
        assert [least <= wait <= most for wait, (least, most) in zip(waited, gaps, strict=True)] == [True] * 3, waited
        assert world.arrived("key-1") == ["e1"]

    @pytest.mark.parametrize(
        ("fault", "retry_after"), [("503", ""), ("429", ""), ("429", "0"), ("429", "5"), ("429", "86400")]
    )
    def test_an_outage_of_six_hours_costs_no_event(
        self, deployment: FeedDeployment, world: FeedWorld, fault: str, retry_after: str
    ) -> None:
        world.faults, world.retry_after = [fault] * 1_000, retry_after
        for number in range(3):
            deployment.put(event(number, at=world.clock()))

        asked = requests_in(6 * HOUR, deployment, world)

        assert 10 < len(asked) < 300
        assert deployment.letters == []
        world.faults = []
        deployment.run_until_empty()
        assert sorted(world.arrived("key-1")) == ["e0", "e1", "e2"]

    def test_a_long_wait_is_delayed_and_not_in_flight(self, deployment: FeedDeployment, world: FeedWorld) -> None:
        deployment.put(event(1, at=world.clock()), account_id=9)

        assert deployment.run() == []

        (again,) = deployment.waiting
        assert again.visible_at == world.clock() + 900
        assert world.telemetry.times["WaitingAge"] == [0]
        assert "canary" not in str(again.attributes)

    def test_after_enough_attempts_what_has_failed_is_put_aside(self, world: FeedWorld) -> None:
        deployment = FeedDeployment(world, max_attempts=3)
        world.faults = ["503"] * 3
        deployment.put(event(1, at=world.clock()))

        deployment.run_until_empty()

        assert [reason for reason, _ in deployment.letters] == ["http_503"]
        assert len(world.requests) == 3

    def test_what_waits_for_ten_days_is_put_aside(self, deployment: FeedDeployment, world: FeedWorld) -> None:
        deployment.put(event(1, at=world.clock()), account_id=9)
        world.clock.now += MAX_AGE_SECONDS + 1

        deployment.run()

        assert [reason for reason, _ in deployment.letters] == [NO_KEY_PAIR]

    def test_a_host_that_is_down_is_left_alone_for_a_while(self, deployment: FeedDeployment, world: FeedWorld) -> None:
        world.faults = ["503"] * 50
        for number in range(20):
            deployment.put(event(number, at=world.clock()))
            deployment.run(count=1)

        assert len(world.requests) == 5
        assert reasons(world)[-1] == "circuit_open"

    def test_nothing_is_sent_when_the_time_is_up(self, deployment: FeedDeployment, world: FeedWorld) -> None:
        deployment.put(event(1, at=world.clock()))
        (stored,) = world.receive(QUEUE, 1)
        world.begin(Disturbances())

        again = deployment.worker.deliver([stored.record], Deadline.after(0, world.clock))

        assert (len(again), world.requests) == (1, [])

    def test_an_unreadable_ledger_costs_no_event(self, deployment: FeedDeployment, world: FeedWorld) -> None:
        world.faults = [NOT_TAKEN]
        deployment.put(event(1, at=world.clock()))
        deployment.run()
        world.clock.now += 60

        assert len(deployment.run(Disturbances(failing="recall"))) == 1

        deployment.run_until_empty()
        assert world.arrived("key-1") == ["e1"]


class TestKeyPairs:
    def test_without_a_key_pair_events_wait_and_arrive_when_there_is_one(
        self, deployment: FeedDeployment, world: FeedWorld
    ) -> None:
        deployment.put(event(1, at=world.clock()), account_id=2)
        deployment.put(event(2, at=world.clock()))
        deployment.run()

        assert world.arrived("key-1") == ["e2"]
        assert world.telemetry.counts["FeedCredentialsMissing"] == 1
        assert deployment.letters == []
        world.customer(2, "key-2")
        deployment.run_until_empty()
        assert world.arrived("key-2") == ["e1"]

    def test_a_rotated_key_pair_is_read_again_at_once(self, deployment: FeedDeployment, world: FeedWorld) -> None:
        deployment.put(event(1, at=world.clock()))
        deployment.run()
        world.clock.now += 100
        world.mparticle.keys["key-1"] = "revoked"
        world.customer(1, "key-new")
        deployment.put(event(2, at=world.clock()))

        assert deployment.run() == []

        assert world.arrived("key-new") == ["e2"]

    def test_a_refused_key_pair_waits_for_a_quarter_of_an_hour_and_is_never_given_up(self, world: FeedWorld) -> None:
        deployment = FeedDeployment(world, max_attempts=2)
        world.mparticle.keys["key-1"] = "revoked"
        deployment.put(event(1, at=world.clock()))
        for _ in range(4 * 3_600):
            deployment.run()
            world.clock.now += 1

        assert deployment.letters == []
        assert 4 <= len(world.requests) <= 20
        assert world.telemetry.counts["FeedCredentialsRefused"] == len(world.requests)
        world.mparticle.keys["key-1"] = "key-1-secret"
        deployment.run_until_empty()
        assert world.arrived("key-1") == ["e1"]


class TestErasedPeople:
    def test_events_about_an_erased_person_are_dropped_also_those_that_wait(
        self, deployment: FeedDeployment, world: FeedWorld
    ) -> None:
        world.faults = ["503"]
        deployment.put(event(1, at=world.clock()), event(2, at=world.clock()))
        deployment.run()
        person = [("email", "CANARY-U1@example.com")]
        deployment.erased_people.note(1, person, Deadline.after(60, world.clock))
        deployment.put(event(3, at=world.clock(), user="canary-u1"))

        deployment.run_until_empty()

        assert world.arrived("key-1") == ["e2"]
        assert world.telemetry.counts["FeedErased"] == 2

    def test_the_same_person_of_another_customer_is_another(self, deployment: FeedDeployment, world: FeedWorld) -> None:
        deployment.erased_people.note(2, [("email", "canary-u1@example.com")], Deadline.after(60, world.clock))
        deployment.put(event(1, at=world.clock()))

        deployment.run()

        assert world.arrived("key-1") == ["e1"]


class TestPace:
    def test_a_key_pair_goes_no_faster_than_its_pace_and_leaves_the_rest_in_the_queue(
        self, deployment: FeedDeployment, world: FeedWorld
    ) -> None:
        for number in range(30):
            events = (event(100 * number + each, at=world.clock()) for each in range(100))
            deployment.put(*events)
        began = world.clock()

        deployment.run()
        first = len(world.arrived("key-1"))

        assert world.clock() - began < 10
        assert 100 <= first <= 100 + 120 * 10
        assert PACED in reasons(world)
        deployment.run_until_empty()
        assert len(world.arrived("key-1")) == 3_000
        assert world.mparticle.throttled == 0
        assert world.clock() - began > 3_000 / 120

    def test_one_that_must_wait_holds_up_no_other(self, deployment: FeedDeployment, world: FeedWorld) -> None:
        world.customer(2, "key-2")
        for first in (0, 1_000):
            deployment.put(*(event(first + number, at=world.clock()) for number in range(1_000)))
        deployment.put(event(1, at=world.clock()), account_id=2)

        deployment.run()

        assert world.arrived("key-2") == ["e1"]

    def test_unpaced_it_would_be_refused(self, world: FeedWorld) -> None:
        deployment = FeedDeployment(world, is_paced=False)
        for first in (0, 1_000):
            deployment.put(*(event(first + number, at=world.clock()) for number in range(1_000)))

        deployment.run()

        assert world.mparticle.throttled > 0


def test_a_worker_that_dies_between_two_steps_neither_loses_nor_doubles(world: FeedWorld) -> None:
    for dies_at in range(12):
        deployment = FeedDeployment(world)
        at = world.clock()
        names = [f"e{100 * dies_at + number}" for number in range(3)]
        deployment.put(event(100 * dies_at, "unknown", at=at), event(100 * dies_at + 1, at=at))
        deployment.put(event(100 * dies_at + 2, at=at))

        deployment.run(Disturbances(dies_at=dies_at))
        deployment.run_until_empty()

        assert sorted(world.arrived("key-1")[-2:]) == sorted(names[1:])
        assert {json.dumps(events) for _, events in deployment.letters[-1:]} == {
            json.dumps([{**event(100 * dies_at, "unknown", at=at)}])
        }
    assert world.mparticle.repeats > 0


def test_a_mapping_that_makes_up_ids_doubles_events(world: FeedWorld) -> None:
    """What the ids are for: the negative control of the tests above."""
    numbers = iter(range(1_000))

    def drawn(source: Any) -> FeedEvent:
        mapped = FEED.event_of(source)
        assert mapped
        return replace(mapped, event_id=f"drawn-{next(numbers)}")

    feed = Feed(name_of=FEED.name_of, mappings={"open": drawn}, event_names=("Opened",))
    deployment = FeedDeployment(world, feed=feed)
    world.faults = [TAKEN]
    deployment.put(event(1, at=world.clock()))

    deployment.run_until_empty()

    assert world.arrived("key-1") == ["e1", "e1"]
