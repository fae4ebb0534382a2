"""Whether the backfill of one customer's account keeps the membership changes of all others waiting.

A simulation of the FIFO queues in steps of 50 ms. The phases of accounts are decided by the real `Backlogs` of fifty
execution environments. SQS and Lambda do what AWS documents:

- SQS looks for message groups among the first 120,000 messages of a FIFO queue, and hands out at most ten messages of a
  group at a time (docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide, *Avoid large message backlogs
  with the same message group ID*).
- An event source mapping invokes the function for each group at most once at a time, and for no more batches than its
  maximum concurrency (docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html).
- The counts of a FIFO queue are exact (the same guide, *Resources required to process Amazon SQS messages*).

Each user of the backfill is a message of its own, and the messages are spread evenly over the account's groups.
Changes of the other accounts are counted together. They are spread evenly over 3,000 groups, so that a batch has one
unless many wait. A batch that may begin is of any group that has messages, with equal chances. Nothing fails.
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from bench.benchmark import Benchmark, Figures, Target
from bench.inputs import BATCH
from bench.quotas import LOOK_AHEAD as LOOK_AHEAD_QUOTA
from bench.simulation import SilentTelemetry
from local.build.deployment_settings import DEFAULTS
from mparticle_firehose.queues.counts import Counts
from mparticle_firehose.queues.record import Record
from mparticle_firehose.tables.forwarding import ForwardedAccounts, Phase
from mparticle_firehose.worker.backlogs import MIN_BULK_QUEUE_AGE_SECONDS, Backlogs
from mparticle_firehose.worker.forwarding import HELD_BACK_SECONDS

LOOK_AHEAD = LOOK_AHEAD_QUOTA.value
MEMBERSHIP_CONCURRENCY, BULK_CONCURRENCY = DEFAULTS["MembershipConcurrency"], DEFAULTS["BulkConcurrency"]
THRESHOLD = 20_000
"""The default of the template."""

STEP = 0.05
"""Seconds. Time is counted in steps."""

DELIVERY_STEPS = 3
"""Of a batch that is delivered, 0.15 s: ten groups then deliver 670 messages a second. An assumption."""

FORWARDING_STEPS = 1
"""Of a batch that is forwarded, 50 ms: the invocation, one request to SQS, and the deletion. An assumption."""

OTHERS_A_SECOND = 60.0
"""Changes of 300 other accounts: 17,000 a day of each on average."""

OTHER_GROUPS = 3_000

USERS = 10_000_000
MINUTE, HOUR = 60, 3_600
RATE_STEP, MAX_RATE = 500, 10_000
_NOTHING = 1e-9
_STARTED_AT = 1_760_000_000.0

BACKFILL, OTHERS = "1", "2"
"""The accounts: that with the backfill, and all the others together."""

P50, P99, MAX = "others wait s, p50", "p99", "max"
LASTS, DEPTH = "backfill delivered after h", "max messages in the membership queue"
BULK_DEPTH = "max in the bulk queue"
WITHOUT, WITH = "one queue", "with the bulk queue"
BY_RATE = "Simulated: a backfill of ten million users"
BY_GROUPS = "Simulated: the fastest backfill beside which others wait under a minute"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One backfill beside other accounts.

    Attributes:
        rate: users a second that mParticle sends of it.
        users: that it has.
        groups: message groups of the account, `MembershipShards`.
        threshold: as of `Backlogs`; 0 forwards nothing.
        until: when to stop, in seconds; None when all is delivered.
    """

    rate: float
    users: int = USERS
    groups: int = 10
    threshold: int = THRESHOLD
    until: float | None = None


@dataclass(slots=True)
class Course:
    """What became of it. Times are seconds, and waits are rounded to a tenth."""

    waits: dict[float, float] = field(default_factory=dict)
    max_depth: float = 0.0
    max_bulk_depth: float = 0.0
    opened_at: float | None = None
    lasted: float | None = None

    def note_wait(self, seconds: float, messages: float) -> None:
        """Add others' changes that waited so long."""
        rounded = round(seconds, 1)
        self.waits[rounded] = self.waits.get(rounded, 0.0) + messages

    def waited(self, share: float) -> float:
        """Return how long this share of the others' changes waited at most."""
        left = share * sum(self.waits.values())
        for seconds in sorted(self.waits):
            left -= self.waits[seconds]
            if left <= _NOTHING:
                return seconds
        return 0.0


class Fifo:
    """A FIFO queue of two accounts' messages, counted by the step in which they came."""

    def __init__(self) -> None:
        self._came: dict[str, list[float]] = {BACKFILL: [], OTHERS: []}
        self._heads = {BACKFILL: 0, OTHERS: 0}
        self._seen = 0  # steps whose messages are among the first that SQS looks through
        self._looked_through = 0.0
        self._found = {BACKFILL: 0.0, OTHERS: 0.0}
        self.depth = 0.0

    def put(self, backfill: float, others: float) -> None:
        """Take the messages of a step."""
        self._came[BACKFILL].append(backfill)
        self._came[OTHERS].append(others)
        self.depth += backfill + others
        self._look()

    def take(self, account: str, messages: float) -> list[tuple[int, float]]:
        """Return up to so many of an account's first messages that SQS finds, by the step in which they came."""
        came, taken = self._came[account], list[tuple[int, float]]()
        while messages > _NOTHING and self._heads[account] < self._seen:
            step = self._heads[account]
            some = min(messages, came[step])
            if some:
                taken.append((step, some))
            came[step] -= some
            messages -= some
            self.depth -= some
            self._looked_through -= some
            self._found[account] -= some
            if came[step] <= _NOTHING:
                self._heads[account] += 1
        self._look()
        return taken

    def has(self, account: str) -> bool:
        """Return whether SQS finds a message of the account."""
        came = self._came[account]
        while self._heads[account] < self._seen and came[self._heads[account]] <= _NOTHING:
            self._heads[account] += 1
        return self._heads[account] < self._seen

    def found(self, account: str) -> float:
        """Return how many of its messages SQS finds."""
        return self._found[account]

    def waiting(self, account: str) -> Iterator[tuple[int, float]]:
        """Yield its messages by the step in which they came."""
        for step in range(self._heads[account], len(self._came[account])):
            yield step, self._came[account][step]

    def head(self, account: str) -> int:
        """Return the step in which its first message came."""
        return self._heads[account]

    def _look(self) -> None:
        while self._seen < len(self._came[BACKFILL]):
            size = sum(came[self._seen] for came in self._came.values())
            if self._looked_through > _NOTHING and self._looked_through + size > LOOK_AHEAD:
                return
            self._looked_through += size
            for account, came in self._came.items():
                self._found[account] += came[self._seen]
            self._seen += 1


class _Simulation:
    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._random = Random(1)  # noqa: S311  nothing secret depends on it
        self._step = 0
        self._membership, self._bulk = Fifo(), Fifo()
        self._present = ForwardedAccounts()
        self._free_at = [0] * scenario.groups
        self._bulk_free_at = [0] * min(scenario.groups, BULK_CONCURRENCY)
        self._others_busy = [0.0] * DELIVERY_STEPS
        self._left = float(scenario.users)
        self._delivered = 0.0
        self._forwarded = 0.0
        self._environments = [self._environment() for _ in range(MEMBERSHIP_CONCURRENCY)]
        self.course = Course()

    @property
    def _now(self) -> float:
        return self._step * STEP

    def run(self) -> Course:
        until = self._scenario.until or float("inf")
        while self._now < until and self._delivered < self._scenario.users - 1:
            self._arrive()
            self._work()
            self._work_on_bulk()
            self.course.max_depth = max(self.course.max_depth, self._membership.depth)
            self.course.max_bulk_depth = max(self.course.max_bulk_depth, self._bulk.depth)
            self._step += 1
        if self._delivered >= self._scenario.users - 1:
            self.course.lasted = self._now
        self._count_those_that_wait()
        return self.course

    def _environment(self) -> Backlogs:
        created_at = _STARTED_AT - MIN_BULK_QUEUE_AGE_SECONDS
        return Backlogs(
            store=self,
            membership_queue=lambda: Counts(visible=int(self._membership.depth), created_at=created_at),
            bulk_queue=lambda: Counts(visible=int(self._bulk.depth), created_at=created_at),
            threshold=self._scenario.threshold,
            telemetry=SilentTelemetry(),
            clock=lambda: _STARTED_AT + self._now,
        )

    def _arrive(self) -> None:
        some = min(self._left, self._scenario.rate * STEP)
        self._left -= some
        self._membership.put(some, OTHERS_A_SECOND * STEP)
        self._bulk.put(self._forwarded, 0.0)
        self._forwarded = 0.0

    def _work(self) -> None:
        """Begin batches of groups that have messages, as many as the mapping may begin."""
        self._others_busy[self._step % DELIVERY_STEPS] = 0.0
        ready = [group for group, until in enumerate(self._free_at) if until <= self._step]
        if not self._membership.has(BACKFILL):
            ready = []
        others = self._membership.found(OTHERS)
        free = MEMBERSHIP_CONCURRENCY - sum(self._others_busy) - sum(until > self._step for until in self._free_at)
        share = min(1.0, max(0.0, free) / max(_NOTHING, len(ready) + min(others, OTHER_GROUPS)))
        for group in ready:
            if self._random.random() < share:
                self._free_at[group] = self._step + self._begin()
        self._work_on_others(others, share)

    def _begin(self) -> int:
        """Begin a batch of the backfill, and return for how many steps its group is locked."""
        queued_at = self._membership.head(BACKFILL) * STEP
        match self._phase(BACKFILL, BATCH, queued_at):
            case None:
                self._delivered += sum(some for _, some in self._membership.take(BACKFILL, BATCH))
                return DELIVERY_STEPS
            case Phase.OPEN:
                self._forwarded += sum(some for _, some in self._membership.take(BACKFILL, BATCH))
                return FORWARDING_STEPS
            case _:
                return round((HELD_BACK_SECONDS + 1) / STEP)

    def _phase(self, account: str, messages: int, queued_at: float) -> Phase | None:
        if not self._scenario.threshold:
            return None
        sent_at_ms = int((_STARTED_AT + queued_at) * 1000)
        records = [Record(message_id="m", body="", group_id=f"{account}.0", sent_at_ms=sent_at_ms)] * messages
        return self._random.choice(self._environments).phases(records).get(account)

    def _work_on_others(self, messages: float, share: float) -> None:
        """Deliver what the other accounts have, in this share of the batches that could begin."""
        size = min(max(1.0, messages / OTHER_GROUPS), BATCH)
        batches = share * messages / size
        self._others_busy[self._step % DELIVERY_STEPS] = batches
        taken = self._membership.take(OTHERS, batches * size)
        for step, some in taken:
            self.course.note_wait(self._now - step * STEP, some)
        if taken:
            self._phase(OTHERS, 1, taken[0][0] * STEP)

    def _work_on_bulk(self) -> None:
        for group, until in enumerate(self._bulk_free_at):
            if until <= self._step and self._bulk.has(BACKFILL):
                self._delivered += sum(some for _, some in self._bulk.take(BACKFILL, BATCH))
                self._bulk_free_at[group] = self._step + DELIVERY_STEPS

    def _count_those_that_wait(self) -> None:
        for step, some in self._membership.waiting(OTHERS):
            self.course.note_wait(self._now - step * STEP, some)

    # --- what environments share -------------------------------------------------------------------------------------

    def read(self) -> ForwardedAccounts:
        return self._present

    def replace(self, seen: ForwardedAccounts, new: ForwardedAccounts) -> bool:
        if seen.version != self._present.version:
            return False
        self._present = new
        if Phase.OPEN in new.phases.values() and self.course.opened_at is None:
            self.course.opened_at = self._now
        return True


def simulate(scenario: Scenario) -> Course:
    """Simulate a scenario. What is drawn is the same each time."""
    return _Simulation(scenario).run()


def measure(quick: bool) -> Figures:
    users, rates = (100_000, (1_000.0,)) if quick else (USERS, (500.0, 1_000.0, 2_000.0, 4_000.0))
    return {
        BY_RATE: {
            f"{rate:,.0f} users/s, {name}": row(simulate(Scenario(rate=rate, users=users, threshold=threshold)))
            for rate in rates
            for name, threshold in ((WITHOUT, 0), (WITH, THRESHOLD))
        },
        BY_GROUPS: {
            f"MembershipShards={groups}": {
                f"{name}: users/s": fastest(groups, threshold, users // 5)
                for name, threshold in ((WITHOUT, 0), (WITH, THRESHOLD))
            }
            for groups in ((10,) if quick else (10, 20, 50))
        },
    }


def row(course: Course) -> dict[str, object]:
    """Return what a table shows of a course."""
    return {
        P50: course.waited(0.5),
        P99: course.waited(0.99),
        MAX: course.waited(1.0),
        LASTS: None if course.lasted is None else course.lasted / HOUR,
        DEPTH: round(course.max_depth),
        BULK_DEPTH: round(course.max_bulk_depth),
    }


def fastest(groups: int, threshold: int, users: int) -> int:
    """Return the rate of a backfill up to which 99 % of the others' changes wait under a minute, in steps of 500."""
    rates = range(RATE_STEP, MAX_RATE + 1, RATE_STEP)

    def delays_others(rate: int) -> bool:
        scenario = Scenario(rate=rate, users=users, groups=groups, threshold=threshold)
        return simulate(scenario).waited(0.99) >= MINUTE

    return RATE_STEP * bisect_left(rates, True, key=delays_others)


def targets(figures: Figures) -> list[Target]:
    return [
        Target(
            f"Backfill, {name}: others wait ≤ {MINUTE} s",
            f"{values[MAX]} s",
            values[MAX] <= MINUTE,
        )
        for name, values in figures[BY_RATE].items()
        if name.endswith(WITH) and not name.startswith("4,000")
    ]


BENCHMARK = Benchmark(title="One customer's backlog", measure=measure, targets=targets)
