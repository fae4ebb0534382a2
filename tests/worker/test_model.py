"""Whatever fails, and in whatever order: nothing is lost, and each user's memberships end as mParticle asked.

A model of what mParticle has asked for and got acknowledged is compared with what the partner knows in the end, while
the partner, the worker and Lambda fail at random in between.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, override

import boto3
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import Phase as HypothesisPhase
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from local.cloud.ministack import MiniStack
from local.partner.faults import Step
from mparticle_firehose.deadline import Deadline
from mparticle_firehose.integration import Integration
from mparticle_firehose.queues.counts import counter
from mparticle_firehose.queues.membership_queue import MembershipQueue
from mparticle_firehose.queues.record import Record
from mparticle_firehose.queues.sender import QueueSender
from mparticle_firehose.tables.forwarding import ForwardedAccounts, ForwardingTable, Phase
from mparticle_firehose.tables.ledger import Ledger
from tests.conftest import Json
from tests.sample.fake_api import FakeApi
from tests.sample.partner.integration import INTEGRATION as ONE
from tests.stepwise.fake_api import StepwiseApi
from tests.stepwise.integration import INTEGRATION as MANY
from tests.worker.event_source_mapping import Deployment, Doom, SelectivePartner, aws_of
from tests.worker.membership_model import ACTIONS, Asked, World

pytestmark = pytest.mark.cloud

ACCOUNTS = (4242, 4243)
AUDIENCES = (1, 2, 3)
USERS = ("1", "2", "3", "4", "email:canary-pii@example.com")

MEMBERS = "/segments/seg-4242-1"
"""The partner's resource of the audience that the scenarios are about."""


@dataclass(frozen=True)
class Partner:
    """An integration and its partner."""

    name: str
    integration: Integration
    api: Callable[[], FakeApi]


PARTNERS = (Partner("one-endpoint", ONE, FakeApi), Partner("many-steps", MANY, StepwiseApi))


@pytest.fixture
def doom() -> Doom:
    return Doom()


@pytest.fixture
def aws(emulator: MiniStack, doom: Doom) -> Iterator[None]:
    with aws_of(emulator, doom):
        yield


@pytest.fixture(params=PARTNERS, ids=lambda partner: partner.name)
def kind(request: pytest.FixtureRequest) -> Partner:
    found: Partner = request.param
    return found


@pytest.fixture
def world(emulator: MiniStack, aws: None, doom: Doom, kind: Partner) -> Iterator[World]:
    with SelectivePartner(kind.api()) as partner:
        yield World(Deployment(emulator, partner.url, doom, kind.integration, MAX_ATTEMPTS="20"), partner)


@pytest.fixture
def one_group(emulator: MiniStack, aws: None, doom: Doom) -> Iterator[World]:
    """A deployment in which all changes of an account are in one group."""
    with SelectivePartner(FakeApi()) as partner:
        yield World(Deployment(emulator, partner.url, doom, MAX_ATTEMPTS="20", MEMBERSHIP_SHARDS="1"), partner)


# --- one fault at a time --------------------------------------------------------------------------------------------


def a_change_fails_and_a_later_one_of_the_user_follows(world: World) -> None:
    world.partner.script(MEMBERS, [500])
    world.change_memberships(4242, ("1", {1: "add"}))
    world.change_memberships(4242, ("1", {1: "delete"}))
    world.work()


def a_refused_change_comes_back_after_a_newer_one(world: World) -> None:
    world.partner.script(MEMBERS, [422])
    world.change_memberships(4242, ("1", {1: "add"}))
    world.change_memberships(4242, ("1", {1: "delete"}))
    world.work()
    world.redrive(0)


def a_refused_membership_comes_back_after_a_newer_attribute(world: World) -> None:
    world.partner.script(MEMBERS, [422])
    world.change_memberships(4242, ("1", {1: "add"}))
    world.change_memberships(4242, ("1", {1: "attribute_update"}))
    world.work()
    world.redrive(0)


def a_refused_change_comes_back_after_a_newer_one_of_the_same_request(world: World) -> None:
    world.partner.script(MEMBERS, [422])
    world.change_memberships(4242, ("1", {1: "delete"}), ("1", {1: "add"}))
    world.work()
    world.redrive(0)


def a_delivered_batch_comes_again_with_others(world: World) -> None:
    """The later change then travels in a call that the partner knows, the earlier one in a new one."""
    world.change_memberships(4242, ("1", {1: "add"}))
    world.change_memberships(4242, ("1", {1: "delete"}))
    world.work(acknowledges=False)
    world.change_memberships(4242, ("2", {1: "add"}))


def a_delivered_message_comes_again_first_with_others_and_then_alone(world: World) -> None:
    """What was taken alone, twice, is not what the partner knows last: in between it took the first half again."""
    world.change_memberships(4242, ("1", {1: "add"}), ("1", {1: "delete"}))
    world.work(acknowledges=False)
    world.change_memberships(4242, ("2", {1: "add"}))
    world.partner.script(MEMBERS, [200, 503])
    world.work()


def a_call_is_taken_in_part_and_comes_again(world: World) -> None:
    world.partner.refuse_first_items(MEMBERS, [503])
    world.change_memberships(4242, ("1", {1: "add"}), ("2", {1: "add"}))
    world.change_memberships(4242, ("1", {1: "delete"}))
    world.work()


def a_new_key_is_handed_over_before_changes_with_the_old_one(world: World) -> None:
    world.change_memberships(4242, ("2", {1: "add"}))
    world.keys[4242] += 1
    world.change_memberships(4242, ("1", {1: "add"}))
    world.change_memberships(4242, ("2", {1: "delete"}))
    world.work(turned=True)


def two_changes_of_a_user_when_groups_come_in_another_order(world: World) -> None:
    world.change_memberships(4242, ("1", {1: "add"}))
    world.change_memberships(4242, ("1", {1: "delete"}))
    world.work(turned=True)


SCENARIOS = (
    two_changes_of_a_user_when_groups_come_in_another_order,
    a_change_fails_and_a_later_one_of_the_user_follows,
    a_refused_change_comes_back_after_a_newer_one,
    a_refused_membership_comes_back_after_a_newer_attribute,
    a_refused_change_comes_back_after_a_newer_one_of_the_same_request,
    a_delivered_batch_comes_again_with_others,
    a_delivered_message_comes_again_first_with_others_and_then_alone,
    a_call_is_taken_in_part_and_comes_again,
    a_new_key_is_handed_over_before_changes_with_the_old_one,
)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_memberships_end_as_asked_when(scenario: Callable[[World], None], world: World) -> None:
    scenario(world)
    world.settle()

    world.check()


class Ungrouped:
    """An SQS client that puts each message into a group of its own."""

    def __init__(self, sqs: Any) -> None:
        self._sqs = sqs

    def send_message_batch(self, *, QueueUrl: str, Entries: list[Json]) -> Any:  # noqa: N803  as SQS calls them
        entries = [{**entry, "MessageGroupId": entry["MessageDeduplicationId"]} for entry in Entries]
        return self._sqs.send_message_batch(QueueUrl=QueueUrl, Entries=entries)


def test_without_groups_the_model_finds_changes_out_of_order(world: World) -> None:
    """The control: what the tests above prove would not hold by itself."""
    deployment = world.deployment
    sqs: Any = Ungrouped(deployment.sqs)
    sender = QueueSender(sqs, deployment.services.large_bodies)
    vars(deployment.services)["memberships"] = MembershipQueue(sender, deployment.membership, shards=10)

    two_changes_of_a_user_when_groups_come_in_another_order(world)
    world.settle()

    with pytest.raises(AssertionError, match="seg-4242-1"):
        world.check()


def test_without_the_guard_the_model_finds_old_changes_that_undo_newer_ones(world: World) -> None:
    """The control: the worker does not see which changes come back from the dead-letter queue."""
    world.deployment.read = lambda entry: replace(Record.from_event(entry), redriven_at=None)

    a_refused_change_comes_back_after_a_newer_one(world)
    world.settle()

    with pytest.raises(AssertionError, match="seg-4242-1"):
        world.check()


class ForgetfulLedger:
    """A ledger that remembers nothing of messages."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    def recall(self, message_ids: Iterable[str], group_ids: Iterable[str], deadline: Deadline) -> Any:
        return self._ledger.recall([], group_ids, deadline)


def part_of_a_message_waits_while_a_later_one_is_delivered(world: World) -> None:
    world.partner.refuse_first_items(MEMBERS, [503])
    world.change_memberships(4242, ("2", {1: "add"}), ("1", {1: "add"}))
    world.change_memberships(4242, ("1", {1: "delete"}))
    world.work()


def test_what_is_settled_is_not_sent_again_behind_a_later_change(one_group: World) -> None:
    part_of_a_message_waits_while_a_later_one_is_delivered(one_group)
    one_group.settle()

    one_group.check()


def test_without_memory_of_what_is_settled_the_model_finds_it_sent_again(one_group: World) -> None:
    """The control to the test above."""
    worker = one_group.deployment.worker
    ledger: Any = ForgetfulLedger(worker.ledger)
    one_group.deployment.worker = replace(worker, ledger=ledger)

    part_of_a_message_waits_while_a_later_one_is_delivered(one_group)
    one_group.settle()

    with pytest.raises(AssertionError, match="seg-4242-1"):
        one_group.check()


def test_a_partner_that_forgets_a_change_is_found(world: World) -> None:
    """The control: it is the partner's own books that count, not what it was told."""
    world.partner.script(MEMBERS, [{"status": 503, "body": {}}])
    world.change_memberships(4242, ("1", {1: "add"}))
    world.work()

    with pytest.raises(AssertionError, match="seg-4242-1"):
        world.check()


# --- a group through a long outage ----------------------------------------------------------------------------------

HEADS = 3
ATTEMPTS = 20


def test_messages_that_always_fail_cost_others_of_their_group_nothing(one_group: World) -> None:
    """Messages that always fail stand before healthy ones: each is tried as often as it may be, one by one."""
    world = one_group
    world.partner.script(MEMBERS, [503] * HEADS * ATTEMPTS)
    for _ in range(HEADS):
        world.change_memberships(4242, ("1", {1: "add"}))
    for user in ("2", "3", "4"):
        world.change_memberships(4242, (user, {2: "add"}))

    world.work()
    healthy = set(world.partner.state("memberships")["seg-4242-2"])
    for _ in range(HEADS * ATTEMPTS):
        world.deployment.poll(world.deployment.membership)
    world.collect_letters()

    reasons = [(letter.attributes["reason"], letter.attributes["attempts"]) for letter in world.letters]
    assert healthy == {"2", "3", "4"}
    assert reasons == [("http_503", str(ATTEMPTS))] * HEADS
    world.settle()
    assert len(world.letters) == HEADS
    world.check()


def test_of_a_group_that_waits_one_message_is_in_flight_and_the_others_follow_it(one_group: World) -> None:
    world = one_group
    world.partner.script(MEMBERS, [{"status": 429, "retry_after": 1}])
    for action in ("add", "delete", "add", "delete"):
        world.change_memberships(4242, ("1", {1: action}))
    queue = world.deployment.membership

    world.deployment.poll(queue)
    waiting = world.deployment.counted(queue)
    handed_out = world.deployment.poll(queue)
    time.sleep(1.1)

    assert (waiting, handed_out) == ((3, 1), 0)
    assert world.deployment.poll(queue) == 4
    assert world.deployment.counted(queue) == (0, 0)
    world.check()


def test_a_backlog_goes_through_the_bulk_queue_in_order(one_group: World) -> None:
    """With the table and the FIFO queues of the emulator, as a deployment has them."""
    world, deployment = one_group, one_group.deployment
    table = ForwardingTable(boto3.client("dynamodb"), deployment.environ["LEDGER_TABLE"])
    table.replace(ForwardedAccounts(), ForwardedAccounts().changed({"4242": Phase.OPEN}))
    for action in ("add", "delete", "add", "delete"):
        world.change_memberships(4242, ("1", {1: action}), ("2", {1: "add"}))

    deployment.poll(deployment.membership)
    moved = [deployment.counted(queue) for queue in (deployment.membership, deployment.bulk)]
    known = world.partner.state("memberships")
    deployment.poll(deployment.bulk)

    assert (moved, known) == ([(0, 0), (4, 0)], {})
    assert counter(deployment.sqs, deployment.bulk)().is_empty
    assert deployment.counted(deployment.bulk) == (0, 0)
    world.check()


def test_a_message_of_a_standard_queue_that_waits_long_is_not_in_flight(one_group: World) -> None:
    """The emulator takes the tenant and the delay as SQS does."""
    world = one_group
    world.partner.script("/forget", [{"status": 429, "retry_after": 10}])
    world.erase(4242)

    world.work()

    assert world.deployment.counted(world.deployment.erasure) == (0, 0)
    assert world.deployment.counted(world.deployment.erasure, "Delayed") == (1,)


UNREADABLE = '{"canary-pii'


def test_a_message_that_nobody_can_read_delays_its_group_by_nothing(one_group: World) -> None:
    world = one_group
    world.change_memberships(4242, ("1", {1: "add"}))
    world.deployment.put(world.deployment.membership, UNREADABLE, group="4242.0")
    world.change_memberships(4242, ("1", {1: "delete"}), ("2", {1: "add"}))

    world.work()

    (letter,) = world.letters
    assert (letter.body, letter.attributes["attempts"]) == (UNREADABLE, "1")
    assert set(world.partner.state("memberships")["seg-4242-1"]) == {"2"}
    assert world.deployment.take(world.deployment.membership) == []


def test_a_change_that_is_always_refused_delays_its_group_by_one_attempt(one_group: World) -> None:
    world = one_group
    world.partner.script("/segments/seg-4242-2", [422] * 5)
    world.change_memberships(4242, ("1", {1: "add"}))
    world.change_memberships(4242, ("1", {2: "add"}))
    world.change_memberships(4242, ("1", {1: "delete"}), ("2", {1: "add"}))

    world.work()

    (letter,) = world.letters
    assert (letter.attributes["reason"], letter.attributes["attempts"]) == ("http_422", "1")
    assert {key: set(members) for key, members in world.partner.state("memberships").items()} == {"seg-4242-1": {"2"}}
    assert world.deployment.take(world.deployment.membership) == []
    world.check()


def test_an_unreadable_message_behind_a_failing_one_is_dead_lettered_once(one_group: World) -> None:
    """SQS would hide it for five minutes only, so what counts is how often the worker does it."""
    world = one_group
    world.partner.script(MEMBERS, [503] * 3)
    world.change_memberships(4242, ("1", {1: "add"}))
    world.deployment.put(world.deployment.membership, UNREADABLE, group="4242.0")

    for _ in range(4):
        world.work()

    assert world.deployment.telemetry.counts["DeadLettered"] == 1


# --- at random ------------------------------------------------------------------------------------------------------

asked = st.tuples(
    st.sampled_from(USERS), st.dictionaries(st.sampled_from(AUDIENCES), st.sampled_from(list(ACTIONS)), min_size=1)
)
steps: st.SearchStrategy[list[Step]] = st.lists(
    st.sampled_from(
        [500, 503, {"status": 429, "retry_after": 0}, "reset", "apply_then_reset", 422, 401, 200, 500, 422, "hang"]
    ),
    min_size=1,
    max_size=6,
)
accounts = st.sampled_from(ACCOUNTS)
audiences = st.sampled_from(AUDIENCES)
places = st.integers(0, 1000)


class Faults(RuleBasedStateMachine):
    """Everybody does something at random: mParticle, the customers, the partner, Lambda, whoever reads dead letters."""

    def __init__(self, emulator: MiniStack, doom: Doom, kind: Partner) -> None:
        super().__init__()
        self.partner = SelectivePartner(kind.api())
        self.partner.__enter__()
        self.deployment = Deployment(
            emulator, self.partner.url, doom, kind.integration, MEMBERSHIP_SHARDS="2", MAX_ATTEMPTS="4"
        )
        self.world = World(self.deployment, self.partner)

    @rule(account=accounts, asked=st.lists(asked, min_size=1, max_size=5))
    def mparticle_asks_for_changes(self, account: int, asked: list[Asked]) -> None:
        self.world.change_memberships(account, *asked)

    @rule(account=accounts)
    def mparticle_sends_events(self, account: int) -> None:
        self.world.send_events(account)

    @rule(account=accounts)
    def mparticle_asks_for_an_erasure(self, account: int) -> None:
        self.world.erase(account)

    @rule(which=places)
    def mparticle_repeats_a_request(self, which: int) -> None:
        self.world.repeat(which)

    @rule(account=accounts)
    def a_customer_changes_the_key(self, account: int) -> None:
        self.world.keys[account] += 1

    @rule(account=accounts, audience=audiences, steps=steps)
    def the_partner_fails_changes(self, account: int, audience: int, steps: list[Step]) -> None:
        self.partner.script(f"/segments/seg-{account}-{audience}", steps)

    @rule(path=st.sampled_from(["/track", "/forget", "/people", "/state"]), steps=steps)
    def the_partner_fails_others(self, path: str, steps: list[Step]) -> None:
        self.partner.script(path, steps)

    @rule(
        path=st.one_of(st.just("/track"), st.builds("/segments/seg-{}-{}".format, accounts, audiences)),
        statuses=st.lists(st.sampled_from([422, 503]), min_size=1, max_size=3),
    )
    def the_partner_takes_calls_in_part(self, path: str, statuses: list[int]) -> None:
        self.partner.refuse_first_items(path, statuses)

    @rule(turned=st.booleans())
    def the_worker_takes_a_turn(self, turned: bool) -> None:
        self.world.work(turned=turned)

    @rule(turned=st.booleans())
    def the_worker_takes_two_turns(self, turned: bool) -> None:
        self.world.work(turned=turned)
        self.world.work(turned=not turned)

    @rule(steps=st.integers(0, 30))
    def the_worker_dies_on_the_way(self, steps: int) -> None:
        self.world.work(dies_after=steps)
        self.deployment.start()

    @rule()
    def lambda_forgets_what_the_worker_reported(self) -> None:
        self.world.work(acknowledges=False)

    @rule()
    def the_worker_has_no_time(self) -> None:
        self.world.work(seconds=0.5)

    @rule(which=places)
    def somebody_sends_a_letter_back(self, which: int) -> None:
        self.world.redrive(which)

    @override
    def teardown(self) -> None:
        try:
            self.world.settle()
            self.world.check()
            self.world.redrive_all()
            self.world.settle()
            self.world.check()
            assert self.world.letters == []
        finally:
            self.partner.close()


def run_machine(emulator: MiniStack, doom: Doom, kind: Partner, *, examples: int, steps: int) -> None:
    profile = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[HypothesisPhase.generate, HypothesisPhase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    machine: Any = partial(Faults, emulator, doom, kind)  # Hypothesis only calls it, although it asks for a class
    run_state_machine_as_test(machine, settings=profile)


def test_whatever_fails_nothing_is_lost_and_order_is_kept(
    emulator: MiniStack, aws: None, doom: Doom, kind: Partner
) -> None:
    run_machine(emulator, doom, kind, examples=40, steps=15)
