"""The partner's events reach mParticle once, or are put aside with their reason; nothing else is held up."""

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.feed import Feed, FeedError, FeedEvent, PartnerEvent, UserIdentities, feed_event_id
from mparticle_firehose.feed_worker.sending import PACED, RATE_LIMITED
from mparticle_firehose.feed_worker.worker import NO_KEY_PAIR
from mparticle_firehose.queues.record import RESENT
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
            pytest.param("3", [(3, 5), (3, 5), (4, 9)], id="short"),
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

        deployment.run()
        deployment.run()

        assert world.arrived("key-new") == ["e2"]

    def test_with_another_key_pair_an_event_has_its_environment_and_platform(
        self, deployment: FeedDeployment, world: FeedWorld
    ) -> None:
        deployment.put(event(1, at=world.clock()))
        deployment.run()
        world.mparticle.keys["key-1"] = "revoked"
        ios = {"ios": {"key": "key-ios", "secret": "key-ios-secret"}}
        world.customer(1, "key-new", environment="production", platforms=ios)
        world.mparticle.keys["key-ios"] = "key-ios-secret"
        world.clock.now += 100
        deployment.put(*(event(number, at=world.clock(), platform=name) for number, name in ((2, "ios"), (3, "web"))))

        deployment.run_until_empty()

        assert (world.arrived("key-ios"), world.arrived("key-new")) == (["e2"], ["e3"])
        assert {batch["environment"] for batch in world.mparticle.taken("key-new")} == {"production"}

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


class TestWhatGoesWrongInside:
    """Mistakes of the partner's code and of other writers, and AWS failing between two steps."""

    @pytest.mark.parametrize("odd", [None, True, [], {}, " "])
    @pytest.mark.parametrize("name", ["id", "user"])
    def test_an_event_without_a_usable_id_is_put_aside(
        self, deployment: FeedDeployment, world: FeedWorld, name: str, odd: object
    ) -> None:
        wrong = [{**event(number, at=world.clock(), email="a@b.c"), name: odd} for number in (1, 2)]
        deployment.put(*wrong)

        deployment.run()

        assert (world.requests, [events for _, events in deployment.letters]) == ([], [wrong])

    def test_a_mapping_that_changes_its_event_changes_no_letter(self, world: FeedWorld) -> None:
        def careless(source: Any) -> FeedEvent | None:
            del source["user"]
            source["at"] = object()
            raise FeedError(("x", "is wrong"))

        deployment = FeedDeployment(world, feed=replace(FEED, mappings={**FEED.mappings, "open": careless}))
        refused = event(1, at=world.clock())
        deployment.put(refused, event(2, "unsubscribe", at=world.clock()))

        assert deployment.run() == []

        assert (deployment.letters, world.arrived("key-1")) == ([("x: is wrong", [refused])], ["e2"])

    @pytest.mark.parametrize("told", ['{"hops": 1e999}', f'{{"due_at_ms": {"9" * 400}}}', "[]", "canary"])
    def test_odd_attributes_of_a_message_cost_no_other(
        self, deployment: FeedDeployment, world: FeedWorld, told: str
    ) -> None:
        deployment.put(event(1, at=world.clock()))
        deployment.put(event(2, at=world.clock()))
        deployment.waiting[0].attributes = {RESENT: told}

        deployment.run()

        assert "e2" in world.arrived("key-1")

    def test_a_letter_is_stored_once_however_often_its_message_comes_again(
        self, deployment: FeedDeployment, world: FeedWorld
    ) -> None:
        world.faults = ["503"] * 4
        deployment.put(event(1, "unknown", at=world.clock()), event(2, at=world.clock()))
        for _ in range(4):
            deployment.run(Disturbances(failing="remember"))
            world.clock.now += 400

        deployment.run_until_empty()

        assert [[each["id"] for each in events] for _, events in deployment.letters] == [["e1"]]
        assert world.arrived("key-1") == ["e2"]

    def test_what_is_settled_travels_with_a_delayed_message_and_is_in_no_later_letter(
        self, deployment: FeedDeployment, world: FeedWorld
    ) -> None:
        world.customer(1, "key-1", platforms={"ios": {"key": "key-ios", "secret": "s"}})
        at = world.clock()
        deployment.put(event(1, at=at), event(2, "unknown", at=at), event(3, at=at, platform="ios"))
        deployment.run()
        (delayed,) = deployment.waiting
        requests = len(world.requests)

        world.clock.now += 901
        deployment.run()

        assert delayed.attributes["settled"] == "feed:Aw=="
        assert delayed.attributes["account_id"] == "1"
        assert len(world.requests) == requests + 1  # the third alone
        world.clock.now += MAX_AGE_SECONDS
        deployment.run()
        assert [[each["id"] for each in events] for _, events in deployment.letters] == [["e2"], ["e3"]]

    def test_attempts_travel_with_a_delayed_message(self, world: FeedWorld) -> None:
        deployment = FeedDeployment(world, max_attempts=3)
        world.faults, world.retry_after = ["503"] * 3, "60"
        deployment.put(event(1, at=world.clock()))

        deployment.run_until_empty()

        assert ([reason for reason, _ in deployment.letters], len(world.requests)) == (["http_503"], 3)

    def test_after_giving_up_the_count_begins_anew_for_what_was_held_back(self, world: FeedWorld) -> None:
        deployment = FeedDeployment(world, max_attempts=2)
        world.customer(1, "key-1", platforms={"ios": {"key": "key-ios", "secret": "key-ios-secret"}})
        deployment.put(event(1, at=world.clock()), event(2, at=world.clock(), platform="ios"))
        world.faults = ["503"]
        deployment.run()  # the first fails, the second is refused
        world.clock.now += 60
        world.faults = ["503"]
        deployment.run()
        world.mparticle.keys["key-ios"] = "key-ios-secret"
        world.clock.now += 1_000
        world.faults = ["503"]

        deployment.run_until_empty()

        assert [[each["id"] for each in events] for _, events in deployment.letters] == [["e1"]]
        assert world.arrived("key-ios") == ["e2"]

    def test_an_event_that_becomes_too_old_meanwhile_goes_the_historical_way(
        self, deployment: FeedDeployment, world: FeedWorld
    ) -> None:
        old = world.clock() - 30 * DAY + 2
        deployment.put(*(event(number, "unsubscribe", at=world.clock()) for number in range(30)))
        deployment.put(*(event(number, at=old) for number in range(100, 140)))

        deployment.run_until_empty()

        assert (deployment.letters, world.violations) == ([], [])
        assert len(world.arrived("key-1")) == 70

    def test_a_time_far_ahead_of_the_queue_is_refused_each_time(
        self, deployment: FeedDeployment, world: FeedWorld
    ) -> None:
        deployment.put(event(1, at=world.clock() + 8 * 60))
        world.clock.now += 4 * 60

        deployment.run()

        ((reason, _),) = deployment.letters
        assert reason == "timestamp_unixtime_ms: must not be more than 5 minutes after the event was queued"


class TestWaits:
    """How long a message waits, as SQS is told."""

    def test_a_wait_that_is_longer_than_sqs_delays_goes_on_without_a_request(
        self, deployment: FeedDeployment, world: FeedWorld
    ) -> None:
        due = int((world.clock() + 1_500) * 1000)
        deployment.put(event(1, at=world.clock()))
        deployment.waiting[0].attributes = {RESENT: json.dumps({"due_at_ms": due})}

        deployment.run()

        (again,) = deployment.waiting
        assert (world.requests, again.visible_at) == ([], world.clock() + 900)

    def test_progress_that_could_not_be_read_is_not_written(self, deployment: FeedDeployment, world: FeedWorld) -> None:
        world.faults = ["503"]
        deployment.put(event(1, "unknown", at=world.clock()), event(2, at=world.clock()))
        deployment.run()
        stored = {key: entry for key, entry in world.table.items() if key.startswith("attempts#")}
        world.clock.now += 400

        deployment.run(Disturbances(failing="recall"))

        assert stored
        assert {key: world.table[key] for key in stored} == stored

    def test_attempts_before_a_delay_count(self, world: FeedWorld) -> None:
        deployment = FeedDeployment(world, max_attempts=5)
        deployment.put(event(1, at=world.clock()))
        deployment.waiting[0].attributes = {RESENT: json.dumps({"attempts": 4})}
        world.faults = ["503"]

        deployment.run()

        assert [reason for reason, _ in deployment.letters] == ["http_503"]

    def test_a_429_is_no_attempt(self, world: FeedWorld) -> None:
        deployment = FeedDeployment(world, max_attempts=2)
        world.faults, world.retry_after = ["429"] * 10, "1"
        deployment.put(event(1, at=world.clock()))

        deployment.run_until_empty()

        assert (deployment.letters, world.arrived("key-1")) == ([], ["e1"])

    def test_a_wait_that_mparticle_asks_for_is_a_little_longer_for_each_environment(
        self, deployment: FeedDeployment, world: FeedWorld
    ) -> None:
        world.faults, world.retry_after = ["429"], "600"
        deployment.put(event(1, at=world.clock()))
        deployment.run()
        deployment.put(event(2, at=world.clock()))

        deployment.run()

        assert sorted(round(each.visible_at - world.clock()) for each in deployment.waiting) == [600, 630]

    def test_delayed_messages_of_a_customer_share_a_tenant_and_those_of_others_do_not(
        self, deployment: FeedDeployment, world: FeedWorld
    ) -> None:
        for account in (8, 8, 9):
            deployment.put(event(1, at=world.clock()), account_id=account)
        groups: list[str] = []
        send = world.send_message_batch

        def noted(**request: Any) -> Any:
            groups.extend(entry["MessageGroupId"] for entry in request["Entries"])
            return send(**request)

        world.send_message_batch = noted  # type: ignore[method-assign]  # the double's own
        deployment.run()

        assert [groups.count(group) for group in groups] == [2, 2, 1]

    def test_two_accounts_with_one_key_pair_share_no_request(
        self, deployment: FeedDeployment, world: FeedWorld
    ) -> None:
        world.customer(2, "key-1")
        deployment.put(event(1, at=world.clock()))
        deployment.put(event(2, at=world.clock()), account_id=2)

        deployment.run()

        assert [len(batches) for batches in sent_batches(world)] == [1, 1]

    def test_a_refused_key_pair_is_asked_once_for_all_its_events(
        self, deployment: FeedDeployment, world: FeedWorld
    ) -> None:
        world.mparticle.keys["key-1"] = "revoked"
        deployment.put(*(event(number, "unsubscribe", at=world.clock()) for number in range(20)))
        deployment.put(*(event(number, at=world.clock()) for number in range(20, 250)))

        deployment.run()

        assert len(world.requests) == 1

    def test_five_lost_answers_in_a_row_leave_the_host_alone(
        self, deployment: FeedDeployment, world: FeedWorld
    ) -> None:
        world.faults = [NOT_TAKEN] * 50
        for number in range(10):
            deployment.put(event(number, at=world.clock()))
            deployment.run(count=1)

        assert len(world.requests) == 5
        (*_, last) = deployment.waiting
        assert 9 <= last.visible_at - world.clock() <= 10

    def test_what_the_answers_say_of_the_limits_slows_the_pace_down(
        self, deployment: FeedDeployment, world: FeedWorld
    ) -> None:
        world.mparticle.batches_per_second = 101  # nearly used up by one request

        for first in (0, 100):
            deployment.put(*(event(first + number, at=world.clock()) for number in range(100)))
            deployment.run_until_empty()
            world.clock.now += 1

        assert deployment.paces.wait(next(iter(deployment.paces._paces)), 100) > 100 / 12  # noqa: SLF001

    def test_an_unexpected_error_of_a_mapping_is_a_letter_too(self, world: FeedWorld) -> None:
        def broken(_source: Any) -> FeedEvent | None:
            raise ZeroDivisionError

        deployment = FeedDeployment(world, feed=replace(FEED, mappings={"open": broken}))
        deployment.put(event(1, at=world.clock()))

        assert deployment.run() == []

        assert [reason.partition(" ")[0] for reason, _ in deployment.letters] == ["ZeroDivisionError"]


class TestErasedPeople:
    def test_nothing_is_sent_while_it_is_not_known_who_was_erased(
        self, deployment: FeedDeployment, world: FeedWorld
    ) -> None:
        deployment.put(event(1, at=world.clock()))

        assert len(deployment.run(Disturbances(failing="erased"))) == 1

        assert world.requests == []
        deployment.run_until_empty()
        assert world.arrived("key-1") == ["e1"]

    def test_old_events_about_an_erased_person_are_dropped_too(
        self, deployment: FeedDeployment, world: FeedWorld
    ) -> None:
        deployment.erased_people.note(1, [("email", "canary-u1@example.com")], Deadline.after(60, world.clock))
        deployment.put(event(1, at=world.clock() - 40 * DAY), event(2, at=world.clock() - 40 * DAY))

        deployment.run()

        assert world.arrived("key-1") == ["e2"]

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

    def test_more_events_than_the_pace_allows_are_not_mapped(self, world: FeedWorld) -> None:
        mapped = []

        def counted(source: Any) -> FeedEvent | None:
            mapped.append(source)
            return FEED.event_of(source)

        deployment = FeedDeployment(world, feed=replace(FEED, mappings={"open": counted}))
        for first in range(0, 5_000, 1_000):
            deployment.put(*(event(first + number, at=world.clock()) for number in range(1_000)))
        deployment.put(event(1, at=world.clock()), account_id=2)

        deployment.run()

        assert len(mapped) <= 8 * 120 + 100 + 1

    def test_the_requests_of_a_halved_one_are_paced_too(self, deployment: FeedDeployment, world: FeedWorld) -> None:
        for number in range(0, 100, 10):
            world.mparticle.poison(str(feed_event_id("Sample", 1, f"e{number}", f"canary-u{number}")))
        sizes: list[tuple[float, int]] = []
        deployment.put(*(event(number, at=world.clock()) for number in range(100)))
        upload = world.upload

        def noted(path: str, headers: Any, body: bytes) -> Any:
            sizes.append((world.clock(), len(json.loads(body))))
            return upload(path, headers, body)

        world.upload = noted  # type: ignore[method-assign]  # the double's own
        deployment.run()
        deployment.run_until_empty()

        busiest = max(sum(size for at, size in sizes if start <= at < start + 1) for start, _ in sizes)
        assert busiest <= 120 + 100
        assert len(world.arrived("key-1")) == 90
        assert sum(len(events) for _, events in deployment.letters) == 10

    def test_many_customers_with_slow_requests_leave_time_for_another(
        self, deployment: FeedDeployment, world: FeedWorld
    ) -> None:
        for account in range(2, 5):
            world.customer(account, f"key-{account}")
            deployment.put(*(event(each, "unsubscribe", at=world.clock()) for each in range(200)), account_id=account)
        deployment.put(event(1, at=world.clock()))
        world.seconds_a_request = 1.0

        deployment.run()

        assert world.arrived("key-1") == ["e1"]

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
