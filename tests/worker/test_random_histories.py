"""Whatever fails, and in whatever order: what is acknowledged is delivered or in a letter, once and in order.

Random requests, faults of the partner and of AWS, deaths of the environment, rotated keys, changed mappings and
redrives go through the real worker and the real processors. See `history_world` for what is around them.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, cast, override
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.delivery.sending import Delivery
from mparticle_firehose.integration import Item, Undeliverable
from mparticle_firehose.tables.ledger import Ledger
from mparticle_firehose.tables.progress import Progress
from mparticle_firehose.worker.forwarding import HELD_BACK, BulkForwarding
from tests.conftest import Json, serializer
from tests.worker.history_deployment import (
    BULK,
    EVENT_LETTERS,
    EVENTS,
    MEMBERSHIP_LETTERS,
    MEMBERSHIPS,
    Deployment,
    element_name,
)
from tests.worker.history_integration import Mappings
from tests.worker.history_world import HIDDEN_SECONDS, Disturbances, World

MAX_INVOCATIONS = 3_000
WAITING = frozenset({"rate_limited", "circuit_open", "behind_another", HELD_BACK})
REFUSALS = frozenset({"bad", "http_400", "http_409", "http_413", "too_large", "item_too_large", "odd"})
KINDS = ["good"] * 6 + ["bad", "flaky1", "flaky3", "flaky9", "big", "pair"]


@dataclass(frozen=True)
class History:
    """What happens.

    Attributes:
        in_order: whether events are queued in each user's order.
        requests: of mParticle, each with the number of worker invocations that follow it.
        faults: what the partner's calls meet with, one after another.
        disturbances: of the handler's and the worker's invocations, one after another.
        dead: keys that the partner refuses until the letters are redriven.
        batch: how many messages the worker gets at most.
        remapped_after: after so many invocations the mapping changes; None is never.
        turns: which letter is redriven next.
        forwarded_after: after so many invocations an account's messages are forwarded to the bulk queue; None is never.
    """

    in_order: bool
    requests: Sequence[tuple[Json, int]]
    faults: Sequence[str]
    disturbances: Sequence[Disturbances]
    dead: frozenset[str]
    batch: int
    remapped_after: int | None
    turns: Sequence[int]
    forwarded_after: int | None = None


@st.composite
def requests(draw: st.DrawFn) -> list[tuple[Json, int]]:
    made: list[tuple[Json, int]] = []
    time = 1_000
    for number in range(draw(st.integers(1, 6))):
        account = draw(st.sampled_from([1, 1, 2]))
        time += draw(st.integers(0, 1))
        head = {
            "id": str(UUID(int=number + 1)),
            "timestamp_ms": time,
            "account": {"account_id": account, "account_settings": {"key": draw(st.sampled_from(["k1", "k1", "k2"]))}},
        }
        body = draw(memberships(number, account)) if draw(st.booleans()) else draw(events())
        made.append(({**head, **body}, draw(st.integers(0, 2))))
    return made


@st.composite
def events(draw: st.DrawFn) -> Json:
    item = st.tuples(
        st.sampled_from(["single", "bulk", "bulk", "many", "many", "strict"]),
        st.sampled_from(KINDS),
        st.sampled_from([0, 0, 0, 100, 400]),
    )
    shape = draw(st.integers(0, 3))
    if shape == 0:  # often a single call, which is forwarded
        said = [[("bulk", kind, 0)] for kind in draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=4))]
    elif shape == 1:
        said = [
            [("many", kind, 0)] for kind in draw(st.lists(st.sampled_from(["good", *KINDS]), min_size=9, max_size=90))
        ]
    else:
        said = draw(st.lists(st.lists(item, max_size=3), max_size=8))
    state = draw(st.sampled_from(["", "", "good", "bad", "flaky2"]))
    return {
        "type": "event_processing_request",
        "mpid": draw(st.sampled_from("abc")),
        "user_attributes": {"kind": state} if state else {},
        "events": [
            {"type": "custom_event", "name": f"e{number}", "attributes": {"items": json.dumps(items)}}
            for number, items in enumerate(said)
        ],
    }


@st.composite
def memberships(draw: st.DrawFn, number: int, account: int) -> Json:
    profiles: list[Json] = []
    for profile in range(draw(st.integers(1, 5))):
        mpid, audiences = draw(st.sampled_from("abc")), list[Json]()
        for place in range(draw(st.integers(1, 3))):
            action = draw(st.sampled_from(["add", "delete", "attribute_update"]))
            audience = draw(st.sampled_from([1, 2])) + 10 * account
            kind = draw(st.sampled_from([*KINDS, "odd"]))
            via = draw(st.sampled_from(["chain", "remove" if action == "delete" else "add"]))
            also = draw(st.sampled_from(["", "", "", *KINDS]))
            uid = f"{number}/{profile}/{place}"
            if kind == "good" and not also and draw(st.booleans()):
                uid = f"shared/{audience}/{mpid}/{action}"
            attributes = [{"key": "x", "value": uid, "action": "upsert"}] if action == "attribute_update" else []
            audiences.append(
                {
                    "audience_id": audience,
                    "action": action,
                    "user_attributes": attributes,
                    "audience_subscription_settings": {"uid": uid, "kind": kind, "via": via, "also": also},
                }
            )
        profiles.append({"mpid": mpid, "audiences": audiences})
    return {"type": "audience_membership_change_request", "user_profiles": profiles}


FAULTS = ["", "", "", "", "", "", "503", "503", "429", "404", "lost before", "lost after"]
disturbances = st.builds(
    Disturbances,
    calls=st.sampled_from([1 << 30, 1 << 30, 0, 1, 2, 5]),
    dies_at=st.sampled_from([1 << 30] * 6 + [*range(14)]),
    failing=st.sampled_from(["", "", "", "", "recall", "write", "letters"]),
)
calm = st.builds(Disturbances, calls=st.sampled_from([1 << 30, 0, 1, 3]), failing=st.sampled_from(["", "", "recall"]))
histories = st.builds(
    History,
    in_order=st.booleans(),
    requests=requests(),
    faults=st.one_of(
        st.just([]), st.lists(st.sampled_from(FAULTS[:-1]), max_size=20), st.lists(st.sampled_from(FAULTS), max_size=30)
    ),
    disturbances=st.one_of(st.just([]), st.lists(calm, max_size=10), st.lists(disturbances, max_size=12)),
    dead=st.sampled_from([frozenset[str](), frozenset[str](), frozenset({"k2"})]),
    batch=st.sampled_from([1, 3, 10]),
    remapped_after=st.sampled_from([None, None, None, None, 1, 3]),
    turns=st.lists(st.integers(0, 1_000), min_size=1, max_size=8),
    forwarded_after=st.sampled_from([None, None, 1, 2, 4, 8]),
)


class Run:
    """One history in a deployment, and what must be true of it."""

    def __init__(self, history: History, ledger: type[Ledger] = Ledger) -> None:
        self.history = history
        self.world = World(faults=list(history.faults), dead=history.dead)
        self.deployment = Deployment(self.world, in_order=history.in_order, ledger=ledger)
        self.disturbances = list(history.disturbances)
        self.invocations = 0
        self.asked: list[Asked] = []

    def run(self) -> None:
        for message, turns in self.history.requests:
            if self.deployment.acknowledges(message, self._next()):
                self.asked += _asked(message)
            for turn in range(turns):
                self._work((MEMBERSHIPS, EVENTS)[turn % 2])
        self.drain()
        self.check_letters()
        if self.history.remapped_after is None:
            self.check_order()
            self.redrive()
        self.check_memberships()
        if self.history.in_order:
            self.check_states()

    def drain(self) -> None:
        queues = self.world.queues
        while waiting := [*queues[MEMBERSHIPS], *queues[BULK], *queues[EVENTS]]:
            assert self.invocations < MAX_INVOCATIONS, "a message comes again without end"
            if not (self._work(MEMBERSHIPS) | self._work(BULK) | self._work(EVENTS)):
                later = [message.visible_at for message in waiting if message.visible_at > self.world.clock()]
                self.world.clock.now = min(later)

    def _next(self) -> Disturbances:
        self.invocations += 1
        if self.invocations == self.history.remapped_after:
            self.world.mapping.version, self.world.is_disturbed = 1, True
        if self.invocations == self.history.forwarded_after:
            self.deployment.open("1")
        return replace(self.disturbances.pop(0)) if self.disturbances else Disturbances()

    def _work(self, queue: str) -> bool:
        what, notes = self._next(), len(self.world.telemetry.notes)
        is_calm = what == Disturbances()
        before = self._known(queue)
        worked = self.deployment.work(queue, self.history.batch, what)
        if worked and is_calm:
            new = self.world.telemetry.notes[notes:]
            reasons = {note["reason"] for note in new if note["event"] == "retried later"}
            assert self._known(queue) != before or reasons <= WAITING, "an invocation brings nothing nearer"
        return worked

    def _known(self, queue: str) -> object:
        messages = [message.id for message in self.world.queues[queue]]
        return messages, [self.world.table.get(f"attempts#{name}") for name in messages]

    # --- what must be true -------------------------------------------------------------------------------------------

    @property
    def letters(self) -> list[tuple[str, Any]]:
        return [(queue, each) for queue in (MEMBERSHIP_LETTERS, EVENT_LETTERS) for each in self.world.queues[queue]]

    def lettered(self) -> Counter[str]:
        return Counter(uid for _, letter in self.letters for uid in self.deployment.left_in(letter))

    def check_letters(self) -> None:
        """Nothing is lost, and without a disturbance each item is delivered or in one letter."""
        lettered = self.lettered()
        accepted = Counter(uid for _, uid in self.world.accepted)
        for uid, kind in {(each.uid, each.kind) for each in self.asked}:
            assert accepted[uid] or lettered[uid], "an item is lost"
            assert not (accepted[uid] and kind in {"bad", "big"}), "the double takes what it refuses"
            if not self.world.is_disturbed and not uid.startswith("shared"):
                assert accepted[uid] + lettered[uid] == 1, "an item is delivered, or in a letter, twice"
        refused = (letter for _, letter in self.letters if letter.attributes["reason"] in REFUSALS)
        named = {uid for letter in refused for uid in self.deployment.left_in(letter)}
        good = {each.uid for each in self.asked if each.kind == "good" and each.fits}
        assert self.history.remapped_after or not good & named, "a good item is refused because of others"

    def check_order(self) -> None:
        """A user's items of a lane are first taken, and last taken, in their order, save inside one call.

        What is refused holds nothing back, and is out of order if the environment dies and it is taken after all.
        """
        first: dict[str, int] = {}
        last: dict[str, int] = {}
        for number, uid in self.world.accepted:
            first.setdefault(uid, number)
            last[uid] = number
        sequences: dict[object, list[Asked]] = {}
        for each in self.asked:
            if each.uid in first.keys() - self.world.refused and not each.uid.startswith("shared"):
                scope = "" if self.history.in_order or each.key else each.request
                sequences.setdefault((each.lane, each.user, scope), []).append(each)
        for sequence in sequences.values():
            for one, other in combinations(sequence, 2):
                if one.endpoint != other.endpoint or one.key or one.endpoint == "single":
                    assert first[one.uid] <= first[other.uid], "an item passes an earlier one of its user"
                    assert last[one.uid] <= last[other.uid], "an earlier item comes once more after a later one"

    def redrive(self) -> None:
        """Send every letter back once the partner takes what it can: it asks for its own items and no others."""
        self.world.faults.clear()
        self.world.is_healthy = True
        self.disturbances.clear()
        self.world.dead = frozenset()
        self.world.clock.now += 2 * HIDDEN_SECONDS
        self.deployment.breaker.forget()
        wanted: set[str] = set()
        for number, (queue, letter) in enumerate(_turned(self.letters, self.history.turns)):
            wanted |= set(self.deployment.left_in(letter))
            self.world.refused -= wanted
            self.world.taken -= wanted if self.world.is_disturbed else set()
            calls = len(self.world.asked)
            self.deployment.redrive(queue, letter)
            if (number + self.history.turns[0]) % 3:
                self.drain()
                assert {uid for uids in self.world.asked[calls:] for uid in uids} <= wanted, "a letter asks for more"
                wanted.clear()
        self.drain()
        lettered = set(self.lettered())
        stuck = {each.uid for each in self.asked if each.kind == "good" and each.fits} & lettered
        assert not stuck, "a good item stays in its letter"

    def check_memberships(self) -> None:
        """Each user is in each list as mParticle has asked last, unless that is in a letter."""
        lettered = self.lettered()
        users: dict[tuple[str, str], list[Asked]] = {}
        for each in self.asked:
            if each.action in {"add", "delete"}:
                users.setdefault((each.list, each.member), []).append(each)
        for key, asked in users.items():
            if not lettered[asked[-1].uid]:
                assert self.world.members.get(key) == asked[-1].action, "a membership is wrong"

    def check_states(self) -> None:
        """The partner has the state of each user that mParticle has sent last, unless that is in a letter."""
        lettered = self.lettered()
        last = {each.user: each.uid for each in self.asked if each.uid.endswith("/state")}
        for user, uid in last.items():
            assert lettered[uid] or self.world.states.get(user) == uid, "a state is not the newest"


@dataclass(frozen=True)
class Asked:
    """An item that mParticle has asked for."""

    uid: str
    kind: str
    endpoint: str = ""
    lane: str = ""
    user: str = ""
    request: str = ""
    key: str = ""
    list: str = ""
    member: str = ""
    action: str = ""
    fits: bool = True


def _asked(message: Json) -> list[Asked]:
    request: Any = serializer.parse(message)
    mappings = Mappings()
    planned = mappings.memberships(request) if "user_profiles" in message else mappings.events(request)
    return [_asked_by(request, message, each) for each in planned]


def _asked_by(request: Any, message: Json, planned: Item | Undeliverable) -> Asked:
    if isinstance(planned, Undeliverable):
        return Asked(element_name(request, planned.covers), "odd", **_membership(request, planned.covers[0]))
    body: Mapping[str, Any] = planned.body
    of_membership = _membership(request, planned.covers[0]) if "user" in body else {}
    return Asked(
        uid=body["uid"],
        kind=body["kind"],
        endpoint=planned.endpoint.name,
        lane=planned.endpoint.order,
        user=f"{request.account.account_id}/{body.get('user') or planned.user or message['mpid']}",
        request=str(request.id),
        key=planned.key,
        **of_membership,
        fits=len(json.dumps(body)) < 380 or planned.endpoint.name != "bulk",
    )


def _membership(request: Any, origin: Any) -> dict[str, Any]:
    if origin[0] != "user_profiles":
        return {}
    profile = request.user_profiles[origin[1]]
    audience = profile.audiences[origin[2]]
    return {"list": str(audience.audience_id), "member": str(profile.mpid), "action": str(audience.action)}


def _turned(letters: Sequence[tuple[str, Any]], turns: Sequence[int]) -> list[tuple[str, Any]]:
    left, turned = list(letters), list[tuple[str, Any]]()
    while left:
        turned.append(left.pop(turns[len(turned) % len(turns)] % len(left)))
    return turned


def attack(examples: int, ledger: type[Ledger] = Ledger, *, phases: Sequence[Phase] = (Phase.generate,)) -> None:
    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=phases,
        suppress_health_check=list(HealthCheck),
    )
    @given(histories)
    def run(history: History) -> None:
        Run(history, ledger).run()

    cast("Any", run)()


def test_whatever_fails_nothing_is_lost_nothing_is_repeated_and_order_is_kept() -> None:
    attack(300)


class ForgetfulLedger(Ledger):
    """Forgets which items are settled."""

    @override
    def remember(self, messages: Mapping[str, Progress], deadline: Deadline) -> dict[str, str]:
        forgotten = {name: Progress(attempts=progress.attempts) for name, progress in messages.items()}
        return super().remember(forgotten, deadline)


def test_without_memory_of_what_is_settled_items_are_repeated() -> None:
    """The control."""
    with pytest.raises(AssertionError, match=r"asked again|without end"):
        attack(300, ForgetfulLedger)


class IgnorantLedger(Ledger):
    """Does not write down what is delivered."""

    @override
    def note_delivered(self, versions: Mapping[str, str], deadline: Deadline) -> dict[str, str]:
        return {}


def test_if_deliveries_are_not_written_down_letters_undo_them() -> None:
    """The control."""
    with pytest.raises(AssertionError, match=r"membership is wrong|state is not the newest"):
        attack(300, IgnorantLedger)


def test_if_nothing_is_held_back_items_pass_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control."""
    monkeypatch.setattr(Delivery, "_hold", lambda _self, _pending, gate: gate)

    with pytest.raises(AssertionError, match=r"passes an earlier one|membership is wrong"):
        attack(300)


def test_if_what_is_settled_does_not_travel_to_the_bulk_queue_items_are_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The control."""
    monkeypatch.setattr(BulkForwarding, "_recall", lambda _self, _due, _deadline: None)

    with pytest.raises(AssertionError, match=r"asked again|asks for more"):
        attack(300)
