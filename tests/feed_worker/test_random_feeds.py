"""Whatever fails, each event of the partner arrives once at the right customer's feed, and no limit is broken."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.feed import Feed, FeedEvent, PartnerEvent
from tests.feed_worker.feed_world import (
    DLQ,
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

ACCOUNTS = {1: "key-1", 2: "key-2"}
FAULTS = [NOT_TAKEN, TAKEN, "500", "503", "429", "404", "400", "413", ""]
NAMES = ["open", "unsubscribe", "noise", "unknown"]


@dataclass(frozen=True)
class Put:
    """The partner queues a message with events of these numbers and names."""

    account: int
    events: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class Fail:
    """These are mParticle's next answers."""

    faults: tuple[str, ...]


@dataclass(frozen=True)
class Deliver:
    """A batch is delivered, with these disturbances, and time passes."""

    messages: int
    dies_at: int
    failing: str
    seconds: int


steps = st.lists(
    st.one_of(
        st.builds(
            Put,
            st.sampled_from([1, 2]),
            st.lists(st.tuples(st.integers(0, 30), st.sampled_from(NAMES)), min_size=1, max_size=5).map(tuple),
        ),
        st.builds(Fail, st.lists(st.sampled_from(FAULTS), max_size=4).map(tuple)),
        st.builds(
            Deliver,
            st.sampled_from([1, 3, 100]),
            st.integers(0, 15) | st.just(1 << 30),
            st.sampled_from(["", "", "", "recall", "write", "letters"]),
            st.sampled_from([0, 1, 30, 400, 1000]),
        ),
    ),
    max_size=25,
)


class History:
    """One history, and what must be true after it."""

    def __init__(self, feed: Feed = FEED, *, is_paced: bool = True) -> None:
        self.world = FeedWorld()
        for account, key in ACCOUNTS.items():
            self.world.customer(account, key)
        self.deployment = FeedDeployment(self.world, feed=feed, is_paced=is_paced)
        self.put: dict[int, dict[str, str]] = {1: {}, 2: {}}

    def play(self, script: list[Any]) -> None:
        began = self.world.clock()
        for step in script:
            match step:
                case Put(account, events):
                    its = [self._named(account, number, name) for number, name in events]
                    self.put[account] |= {each["id"]: each["type"] for each in its}
                    self.deployment.put(*({**each, "at": int(began * 1000)} for each in its), account_id=account)
                case Fail(faults):
                    self.world.faults.extend(faults)
                case Deliver(messages, dies_at, failing, seconds):
                    self.deployment.run(Disturbances(dies_at=dies_at, failing=failing), count=messages)
                    self.world.clock.now += seconds
        self.world.faults.clear()
        self.deployment.run_until_empty()

    def _named(self, account: int, number: int, name: str) -> dict[str, Any]:
        """Return an event whose id says what it is and whose, so that equal ids are equal events."""
        return {**event(number, name, at=0), "id": f"{account}-{name}-{number}"}

    def arrived(self, account: int) -> Counter[str]:
        return Counter(self.world.arrived(ACCOUNTS[account]))

    def letters(self) -> set[str]:
        return {each["id"] for _, events in self.deployment.letters for each in events}

    def check(self) -> None:
        for account, put in self.put.items():
            arrived = self.arrived(account)
            assert set(arrived.values()) <= {1}, "an event arrives twice"
            letters = {id_ for id_ in self.letters() if id_.startswith(f"{account}-")}
            wanted = {id_ for id_, name in put.items() if name in {"open", "unsubscribe"}}
            assert wanted <= arrived.keys() | letters, "an event is lost"
            assert {id_ for id_, name in put.items() if name == "unknown"} <= letters, "a refused event is lost"
            assert arrived.keys() <= wanted
            assert all(id_.startswith(f"{account}-") for id_ in arrived), "a customer gets another's event"
        assert not self.world.violations
        assert not self.world.mparticle.dropped
        assert self.world.mparticle.throttled == 0
        self._check_what_is_shown()

    def _check_what_is_shown(self) -> None:
        told = [*self.world.telemetry.notes, *self.world.telemetry.warnings, *self.world.telemetry.counts]
        attributes = [dict(message.attributes) for queue in (QUEUE, DLQ) for message in self.world.queues[queue]]
        assert "canary" not in json.dumps([told, attributes, [*self.world.table]])
        assert "secret" not in json.dumps([told, attributes, [*self.world.table]])


many = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@many
@given(steps)
def test_each_event_arrives_once_or_is_put_aside(script: list[Any]) -> None:
    history = History()

    history.play(script)

    history.check()


BUSY: list[Any] = [
    Put(1, tuple((number, "open") for number in range(5))),
    Put(2, ((1, "open"), (2, "unsubscribe"))),
    Fail((TAKEN, NOT_TAKEN, TAKEN, "503")),
    Deliver(100, 1 << 30, "", 30),
    Deliver(100, 5, "", 400),
    Put(1, ((1, "open"), (6, "open"))),
    Deliver(100, 1 << 30, "", 1),
]


def test_repetitions_are_the_same_bytes() -> None:
    history = History()

    history.play(BUSY)

    history.check()
    batches = [batch for request in sent_batches(history.world) for batch in request]
    contents: dict[str, set[str]] = {}
    for batch in batches:
        contents.setdefault(batch["source_request_id"], set()).add(json.dumps(batch))
    assert len(batches) > len(contents)
    assert {len(each) for each in contents.values()} == {1}


def _with_ids(draw: Callable[[], str]) -> Feed:
    def mapped(source: PartnerEvent) -> FeedEvent:
        found = FEED.event_of(source)
        assert found
        return replace(found, event_id=draw())

    return replace(FEED, mappings={**FEED.mappings, "open": mapped})


def test_with_ids_that_are_made_up_events_arrive_twice() -> None:
    history = History(_with_ids(lambda: str(uuid4())))

    history.play(BUSY)

    with pytest.raises(AssertionError, match="arrives twice"):
        history.check()


@pytest.mark.parametrize("is_paced", [True, False])
def test_without_the_pace_mparticle_refuses_requests(is_paced: bool) -> None:
    history = History(is_paced=is_paced)

    history.play([Put(1, tuple((number, "open") for number in range(700))), Deliver(100, 1 << 30, "", 0)])

    assert (history.world.mparticle.throttled == 0) == is_paced
    assert sum(history.arrived(1).values()) == 700


def test_a_rotated_key_pair_and_an_erased_person_in_the_middle_of_it() -> None:
    history = History()
    history.play(BUSY[:4])
    world = history.world
    world.customer(1, "key-new")
    del world.mparticle.keys["key-1"]
    world.clock.now += 400
    history.deployment.erased_people.note(1, [("email", "canary-u8@example.com")], Deadline.after(60, world.clock))

    history.play([Put(1, ((7, "open"), (8, "open"))), Deliver(100, 1 << 30, "", 1)])

    assert world.arrived("key-new") == ["1-open-7"]
    assert world.violations == []
