"""The real worker and the real processors in the world of a random history."""

from collections.abc import Mapping
from typing import Any, cast

from mparticle_firehose.delivery.plan import Planner
from mparticle_firehose.errors import DeliveryError
from mparticle_firehose.integration import (
    Integration,
)
from mparticle_firehose.partner_api.circuit_breaker import CircuitBreaker
from mparticle_firehose.partner_api.rate_limits import RateLimits
from mparticle_firehose.partner_api.retry_policy import RetryPolicy
from mparticle_firehose.processors import process
from mparticle_firehose.queues.backoff import Backoff
from mparticle_firehose.queues.counts import Counts
from mparticle_firehose.queues.dead_letters import DeadLetters
from mparticle_firehose.queues.delays import Delays
from mparticle_firehose.queues.event_queue import EventQueue, OrderedEventQueue
from mparticle_firehose.queues.membership_queue import MembershipQueue
from mparticle_firehose.queues.record import REDRIVEN_AT
from mparticle_firehose.queues.sender import QueueSender
from mparticle_firehose.queues.source_queues import SourceQueues
from mparticle_firehose.queues.visibility import VisibilityTimeouts
from mparticle_firehose.services import EventMode, Services
from mparticle_firehose.tables.forwarding import Phase
from mparticle_firehose.tables.ledger import Ledger
from mparticle_firehose.tables.progress import Progress
from mparticle_firehose.tables.suspensions import Suspensions
from mparticle_firehose.worker.backlogs import Backlogs
from mparticle_firehose.worker.forwarding import BulkForwarding
from mparticle_firehose.worker.worker import Worker
from tests.conftest import serializer
from tests.worker.forwarding_world import MemoryPhases
from tests.worker.history_world import Disturbances, KilledError, Stored, World

MEMBERSHIPS, BULK, EVENTS, ERASURES = "memberships.fifo", "bulk.fifo", "events", "erasures"
MEMBERSHIP_LETTERS, EVENT_LETTERS, ERASURE_LETTERS = "membership-dlq.fifo", "event-dlq", "erasure-dlq"
MAX_ATTEMPTS = 4


class Deployment:
    """The real parts around a world.

    Attributes:
        world: the doubles.
        in_order: whether events are queued in each user's order.
    """

    def __init__(self, world: World, *, in_order: bool, ledger: type[Ledger] = Ledger) -> None:
        aws = cast("Any", world)
        self.world, self.in_order = world, in_order
        self.integration = Integration(
            registration=cast("Any", None), events=world.mapping.events, memberships=world.mapping.memberships
        )
        never_used: Any = None  # no message is large
        self.sender = QueueSender(aws, never_used)
        self.planner = Planner(self.integration)
        self.memberships = MembershipQueue(self.sender, MEMBERSHIPS, shards=2)
        unordered = EventQueue(self.sender, EVENTS, erasure_url=ERASURES)
        ordered = OrderedEventQueue(sender=self.sender, url=MEMBERSHIPS, unordered=unordered, shards=2)
        self.events = ordered if in_order else unordered
        self.event_mode: EventMode = "in_order" if in_order else "forward"
        self.dead_letters = DeadLetters(
            self.sender,
            membership_url=MEMBERSHIP_LETTERS,
            event_url=EVENT_LETTERS,
            erasure_url=ERASURE_LETTERS,
            clock=world.clock,
        )
        self.suspensions = Suspensions(aws, "suspensions", world.clock)
        self.rate_limits = RateLimits(world.clock)
        self.breaker = CircuitBreaker(telemetry=world.telemetry, clock=world.clock)
        self.verdicts, self.telemetry, self.partner, self.parse = (
            RetryPolicy(),
            world.telemetry,
            world,
            serializer.parse,
        )
        queues = SourceQueues(membership_url=MEMBERSHIPS, bulk_url=BULK, event_url=EVENTS, erasure_url=ERASURES)
        self.worker = Worker(
            serializer=serializer,
            planner=self.planner,
            partner=world,
            verdicts=self.verdicts,
            breaker=self.breaker,
            rate_limits=self.rate_limits,
            dead_letters=self.dead_letters,
            large_bodies=never_used,
            suspensions=self.suspensions,
            ledger=ledger(aws, "ledger", world.clock),
            visibility=VisibilityTimeouts(aws, world.telemetry, queues),
            delays=Delays(self.sender, world.telemetry, queues, world.clock),
            forwarding=self._forwarding(ledger(aws, "ledger", world.clock)),
            backoff=Backoff(2, 900, jitter=lambda maximum: maximum),
            max_attempts=MAX_ATTEMPTS,
            telemetry=world.telemetry,
            clock=world.clock,
        )

    def _forwarding(self, ledger: Ledger) -> BulkForwarding:
        self.phases = MemoryPhases()
        backlogs = Backlogs(
            store=self.phases,
            membership_queue=Counts,
            bulk_queue=lambda: Counts(visible=len(self.world.queues[BULK])),
            threshold=0,
            telemetry=self.world.telemetry,
            clock=self.world.clock,
        )
        return BulkForwarding(backlogs=backlogs, sender=self.sender, bulk_url=BULK, ledger=ledger)

    def open(self, account: str) -> None:
        """Have an account's messages forwarded, as if it had a backlog."""
        seen = self.phases.present
        self.phases.replace(seen, seen.changed({**seen.phases, account: Phase.OPENING}))

    def acknowledges(self, message: Mapping[str, Any], disturbances: Disturbances) -> bool:
        """Process a request, and again until it is acknowledged: mParticle repeats it.

        Return whether it is taken: changes of an account that is suspended are not.
        """
        for what in (disturbances, Disturbances()):
            try:
                response = process(
                    cast("Any", serializer.parse(message)), cast("Services", self), self.world.begin(what)
                )
            except (DeliveryError, KilledError):
                continue
            return not getattr(response, "suspend_subscription", False)
        raise AssertionError("a request is not acknowledged although nothing fails")

    def work(self, queue: str, count: int, disturbances: Disturbances) -> bool:
        """Let the worker deliver a batch, as Lambda does. Return whether there was one."""
        batch = self.world.receive(queue, count)
        if not batch:
            return False
        try:
            failed = self.worker.deliver([message.record for message in batch], self.world.begin(disturbances))
        except KilledError:
            return True
        done = {message.id for message in batch} - set(failed)
        self.world.queues[queue] = [message for message in self.world.queues[queue] if message.id not in done]
        return True

    def left_in(self, letter: Stored) -> list[str]:
        """Return the uids that a letter asks for, an odd element by its event's name."""
        request = cast("Any", serializer.parse(letter.body))
        told = Progress.from_text(letter.attributes.get("settled", ""))
        plan = self.planner.plan(request, source=letter.id, progress=told)
        names = [element_name(request, plan.planned[refused.position].covers) for refused in plan.refused]
        return [*(str(pending.item.body["uid"]) for pending in plan.pending), *names]

    def redrive(self, queue: str, letter: Stored) -> None:
        """Send a letter back to where it came from, as the operator's command does."""
        attributes = {**letter.attributes, REDRIVEN_AT: str(int(self.world.clock() * 1000))}
        source = MEMBERSHIPS if queue == MEMBERSHIP_LETTERS else EVENTS
        self.world.queues[queue].remove(letter)
        self.world.send(source, letter.body, attributes, letter.attributes.get("group_id"), {})


def element_name(request: Any, covers: Any) -> str:
    """Return what tells an odd element from others."""
    kind, *place = covers[0]
    if kind == "events":
        return f"{request.id}/{request.events[place[0]].name}"
    return str(request.user_profiles[place[0]].audiences[place[1]].audience_subscription_settings["uid"])
