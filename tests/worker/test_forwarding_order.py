"""Whatever fails, and however environments overlap: forwarding loses nothing, and keeps the order of each group."""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import pytest

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.queues.sender import QueueMessage, QueueSender
from mparticle_firehose.worker import backlogs
from tests.worker.forwarding_world import Troubles, World

HISTORIES = 15
SECONDS = 2_280.0
CALM = Troubles(fails=0.1, unreadable=0.05, unwritten=0.1)
CRASHES = Troubles(fails=0.1, unreadable=0.05, unwritten=0.1, dies=0.003)
ALL = Troubles(fails=0.1, unreadable=0.05, unwritten=0.1, dies=0.003, refused=0.05, unanswered=0.05)


def histories(troubles: Troubles) -> Iterator[World]:
    for seed in range(HISTORIES):
        yield history(seed, troubles)


@cache
def history(
    seed: int, troubles: Troubles, stopped_clocks: Sequence[int] = (), earlier_releases: Sequence[int] = ()
) -> World:
    world = World(seed, troubles, stopped_clocks=stopped_clocks, earlier_releases=earlier_releases)
    world.run(SECONDS)
    world.drain()
    return world


def test_without_crashes_each_change_is_delivered_once_and_in_order() -> None:
    assert all(map(is_once_and_in_order, histories(CALM)))


def is_once_and_in_order(world: World) -> bool:
    return world.delivered == {group: list(range(1, count + 1)) for group, count in world.sent.items()}


@pytest.mark.parametrize("troubles", [CRASHES, ALL], ids=["crashes", "refusals"])
def test_nothing_is_lost_and_the_last_deliveries_are_in_order(troubles: Troubles) -> None:
    """So the last change of each user decides."""
    assert all(map(is_complete_and_ends_in_order, histories(troubles)))


def is_complete_and_ends_in_order(world: World) -> bool:
    for group, count in world.sent.items():
        last = {number: place for place, number in enumerate(world.delivered[group])}
        if sorted(last) != list(range(1, count + 1)):
            return False
        if any(last[one] > last[other] for one, other in pairwise(sorted(last))):
            return False
    return True


def test_after_a_crash_only_repeated_deliveries_are_out_of_order() -> None:
    for world in histories(CRASHES):
        for group, count in world.sent.items():
            assert list(dict.fromkeys(world.delivered[group])) == list(range(1, count + 1))


def test_the_histories_forward_and_close() -> None:
    """The control: they would hold as well if nothing was forwarded."""
    for troubles in (CALM, CRASHES, ALL):
        worlds = list(histories(troubles))
        assert all(world.forwarded for world in worlds)
        assert sum(world.closed for world in worlds) > 3


@pytest.mark.parametrize(
    ("constant", "value"),
    [
        pytest.param("HOLD_SECONDS", 0.0, id="forwards-at-once"),
        pytest.param("CLOSING_SECONDS", 0.0, id="closes-at-once"),
    ],
)
def test_without_a_wait_changes_pass_each_other(constant: str, value: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control."""
    monkeypatch.setattr(backlogs, constant, value)

    assert not all(is_once_and_in_order(history.__wrapped__(seed, CALM)) for seed in range(4 * HISTORIES))


def test_if_an_environment_uses_old_phases_changes_pass_each_other() -> None:
    """The control: its clock stands still, so that what it has read never grows old."""
    worlds = (history.__wrapped__(seed, CALM, stopped_clocks=(5,)) for seed in range(HISTORIES))

    assert not all(map(is_once_and_in_order, worlds))


def test_beside_an_environment_of_a_release_without_phases_changes_pass_each_other() -> None:
    """So nothing may be forwarded while one delivers, see MIN_BULK_QUEUE_AGE_SECONDS."""
    worlds = (history.__wrapped__(seed, CALM, earlier_releases=(5,)) for seed in range(HISTORIES))

    assert not all(map(is_complete_and_ends_in_order, worlds))


def test_if_only_what_was_refused_comes_again_an_earlier_change_is_delivered_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The control."""

    def only_refused(self: QueueSender, url: str, messages: Any, deadline: Deadline) -> tuple[list[QueueMessage], str]:
        refused = self._refused(url, messages, deadline)
        return [message for message in messages if id(message) in refused], "refused"

    monkeypatch.setattr(QueueSender, "send_in_order", only_refused)
    refusals = Troubles(refused=0.2)

    assert not all(is_complete_and_ends_in_order(history.__wrapped__(seed, refusals)) for seed in range(HISTORIES))
