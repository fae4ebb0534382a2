"""Two FIFO queues, the environments of a worker that empties them, and time that only a history lets pass.

The real `BulkForwarding`, `Backlogs` and `QueueSender` decide and send. What is delivered is written down.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, cast

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.errors import DeliveryError
from mparticle_firehose.queues.counts import Counts
from mparticle_firehose.queues.record import Record
from mparticle_firehose.queues.sender import QueueSender
from mparticle_firehose.tables.forwarding import ForwardedAccounts, Phase
from mparticle_firehose.worker.backlogs import Backlogs
from mparticle_firehose.worker.batch import Batch, Message
from mparticle_firehose.worker.forwarding import BulkForwarding
from tests.conftest import TelemetryDouble

MEMBERSHIPS, BULK = "memberships.fifo", "bulk.fifo"
HIDDEN_SECONDS = 360.0
TIMEOUT_SECONDS = 55.0
UNCOUNTED_SECONDS = 55.0
GROUPS = ("1.0", "1.1", "2.0")
BUSY_SECONDS, QUIET_SECONDS = 40.0, 1_100.0
BUSY_STEP_SECONDS, QUIET_STEP_SECONDS = 0.3, 1.5


class MemoryPhases:
    """The entry of phases, without DynamoDB."""

    def __init__(self) -> None:
        self.present = ForwardedAccounts()

    def read(self) -> ForwardedAccounts:
        return self.present

    def replace(self, seen: ForwardedAccounts, new: ForwardedAccounts) -> bool:
        if seen.version != self.present.version:
            return False
        self.present = new
        return True


@dataclass(eq=False)
class Stored:
    """A message in a queue."""

    id: str
    number: int
    group: str
    attributes: Mapping[str, str]
    stored_at: float = 0.0
    visible_at: float = 0.0
    receives: int = 0

    def record(self, queue: str) -> Record:
        told = {name: {"stringValue": value} for name, value in self.attributes.items()}
        return Record.from_event(
            {
                "messageId": self.id,
                "receiptHandle": self.id,
                "body": str(self.number),
                "eventSourceARN": f"arn:aws:sqs:us-east-1:1:{queue}",
                "attributes": {"MessageGroupId": self.group, "ApproximateReceiveCount": str(self.receives)},
                "messageAttributes": told,
            }
        )


@dataclass(frozen=True, kw_only=True)
class Troubles:
    """How often something fails, from 0 to 1.

    Attributes:
        dies: an environment, between two of its steps.
        refused: an entry of a call that forwards.
        unanswered: such a call, of which SQS has stored entries.
        fails: a delivery.
        unreadable: a read of the phases.
        unwritten: a write of the phases, half of which are stored.
    """

    dies: float = 0.0
    refused: float = 0.0
    unanswered: float = 0.0
    fails: float = 0.0
    unreadable: float = 0.0
    unwritten: float = 0.0


class Fifo:
    """A FIFO queue: nothing of a group is handed out while an earlier message of it is in flight."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.messages: list[Stored] = []

    def store(self, messages: Sequence[Stored]) -> None:
        for message in messages:
            message.stored_at = self.world.now
        self.messages += messages

    def receive(self, count: int) -> list[Stored]:
        blocked: set[str] = set()
        found: list[Stored] = []
        for message in self.messages:
            if message.group in blocked or len(found) == count:
                continue
            if message.visible_at > self.world.now:
                blocked.add(message.group)
                continue
            found.append(message)
        for message in found:
            message.receives += 1
            message.visible_at = self.world.now + HIDDEN_SECONDS
        return found

    def delete(self, message: Stored) -> None:
        if message in self.messages:
            self.messages.remove(message)

    def counts(self) -> Counts:
        """Count without what is new, as SQS may."""
        is_late = self.world.random.random() < 0.5
        newest = self.world.now - (UNCOUNTED_SECONDS if is_late else 0)
        return Counts(visible=sum(message.stored_at <= newest for message in self.messages))


class Environment:
    """One execution environment, with a clock of its own. It is the SQS client with which it forwards."""

    def __init__(self, world: "World", number: int) -> None:
        self.world = world
        self.ahead = 1_000.0 * number
        self.stopped_at = world.now if number in world.stopped_clocks else None
        self.knows_phases = number not in world.earlier_releases
        self.outbox: list[Stored] = []
        self.backlogs = Backlogs(
            store=self,
            membership_queue=world.queues[MEMBERSHIPS].counts,
            bulk_queue=world.queues[BULK].counts,
            threshold=0,
            telemetry=world.telemetry,
            clock=self.clock,
        )
        never_used: Any = None
        self.forwarding = BulkForwarding(
            backlogs=self.backlogs,
            sender=QueueSender(cast("Any", self), never_used),
            bulk_url=BULK,
            ledger=cast("Any", self),
        )

    def clock(self) -> float:
        return (self.stopped_at or self.world.now) + self.ahead

    def recall(self, _messages: object, _groups: object, _deadline: object) -> tuple[dict[str, Any], dict[str, Any]]:
        return {}, {}

    # --- the phases

    def read(self) -> ForwardedAccounts:
        if self.world.happens(self.world.troubles.unreadable):
            raise DeliveryError("not read")
        return self.world.phases.read()

    def replace(self, seen: ForwardedAccounts, new: ForwardedAccounts) -> bool:
        if self.world.happens(self.world.troubles.unwritten):
            if self.world.happens(0.5):
                self.world.phases.replace(seen, new)
            raise DeliveryError("not known")
        return self.world.phases.replace(seen, new)

    # --- SQS

    def send_message_batch(self, *, QueueUrl: str, Entries: Sequence[Any]) -> Any:  # noqa: N803  boto3's names
        """Take entries, which are in the queue when this batch goes on."""
        assert QueueUrl == BULK
        failed = []
        for entry in Entries:
            if self.world.happens(self.world.troubles.refused):
                failed.append({"Id": entry["Id"], "Code": "InternalError", "SenderFault": False})
                continue
            attributes = {name: told["StringValue"] for name, told in entry["MessageAttributes"].items()}
            number = int(entry["MessageBody"])
            self.world.forwarded += 1
            self.outbox.append(self.world.made(number, entry["MessageGroupId"], attributes))
        if self.world.happens(self.world.troubles.unanswered):
            failed = [{"Id": entry["Id"], "Code": "InternalError", "SenderFault": False} for entry in Entries]
        return {"Failed": failed}

    # --- one batch

    def work(self, queue: str) -> Iterator[float]:
        """Work on a batch, and yield the seconds until each next step."""
        world, source = self.world, self.world.queues[queue]
        stored = source.receive(world.random.randint(1, 10))
        if not stored:
            return
        messages = [Message(each.record(queue)) for each in stored]
        left = messages
        if self.knows_phases:
            left = self.forwarding.forward(Batch(messages, world.telemetry), Deadline.after(1_000))
        yield self._pause(TIMEOUT_SECONDS / 2)
        world.queues[BULK].store(self.outbox)
        self.outbox = []
        yield self._pause(1)
        kept: list[Stored] = []
        for message, each in zip(messages, stored, strict=True):
            if message in left and not self._is_delivered(message, each, kept):
                kept.append(each)
                continue
            if message in left:
                yield self._pause(TIMEOUT_SECONDS / 2 / len(messages))
                world.delivered[each.group].append(each.number)
        waits = {each.id: message.wait or 0.0 for message, each in zip(messages, stored, strict=True)}
        for each in stored:
            if each in kept:
                each.visible_at = world.now + waits[each.id]
            else:
                source.delete(each)

    def _pause(self, longest: float) -> float:
        """Return a pause: mostly a short one."""
        return longest * (self.world.random.random() if self.world.happens(0.1) else 0.01)

    def _is_delivered(self, message: Message, each: Stored, kept: Sequence[Stored]) -> bool:
        """Return whether a delivery succeeds. What is behind a failure of its group is not tried."""
        if message.retry_reason is None and self.world.happens(self.world.troubles.fails):
            message.fail("http_503", counts=False, wait=self.world.random.uniform(0, 20))
        return message.retry_reason is None and not any(other.group == each.group for other in kept)


class World:
    """Queues, environments, and what was delivered.

    Attributes:
        random: what is drawn.
        troubles: what fails.
        now: seconds.
        delivered: the numbers of each group's messages, in the order of their delivery.
        sent: how many messages each group has.
        forwarded: how many were stored in the bulk queue.
        stopped_clocks: the environments whose clocks stand still.
        earlier_releases: the environments of a release that knows no phases.
    """

    def __init__(
        self,
        seed: int,
        troubles: Troubles,
        *,
        stopped_clocks: Sequence[int] = (),
        earlier_releases: Sequence[int] = (),
    ) -> None:
        self.stopped_clocks = stopped_clocks
        self.earlier_releases = earlier_releases
        self.random = Random(seed)  # noqa: S311  nothing secret depends on it
        self.troubles = troubles
        self.now = 1_760_000_000.0
        self.phases = MemoryPhases()
        self.queues = {name: Fifo(self) for name in (MEMBERSHIPS, BULK)}
        self.delivered: defaultdict[str, list[int]] = defaultdict(list)
        self.sent: defaultdict[str, int] = defaultdict(int)
        self.telemetry = TelemetryDouble()
        self.forwarded = 0
        self._ids = 0
        self._environments = [Environment(self, number) for number in range(6)]
        self._running: dict[int, tuple[float, Iterator[float]]] = {}

    @property
    def closed(self) -> int:
        """How often an account was no longer forwarded."""
        return sum(note["event"] == "forwarding closed" for note in self.telemetry.notes)

    def happens(self, share: float) -> bool:
        return self.random.random() < share

    def made(self, number: int, group: str, attributes: Mapping[str, str]) -> Stored:
        self._ids += 1
        return Stored(f"m{self._ids}", number, group, attributes)

    def enqueue(self, group: str) -> None:
        self.sent[group] += 1
        self.queues[MEMBERSHIPS].store([self.made(self.sent[group], group, {})])

    def open(self, account: str) -> None:
        """Have an account opened, as an environment does that sees a backlog."""
        seen = self.phases.present
        if account not in seen.accounts:
            self.phases.replace(seen, seen.changed({**seen.phases, account: Phase.OPENING}))

    def run(self, seconds: float) -> None:
        """Let messages come, accounts be opened, and environments work."""
        end = self.now + seconds
        while self.now < end:
            is_busy = (end - self.now) % (BUSY_SECONDS + QUIET_SECONDS) < BUSY_SECONDS
            if self.happens(0.25 if is_busy else 0.03):
                group = self.random.choice(GROUPS)
                for _ in range(self.random.randint(1, 12 if is_busy else 1)):
                    self.enqueue(group)
            if is_busy and self.happens(0.02):
                self.open(self.random.choice("12"))
            self._step(BUSY_STEP_SECONDS if is_busy else QUIET_STEP_SECONDS)

    def drain(self) -> None:
        """Let environments work without troubles until both queues are empty."""
        self.troubles = Troubles()
        for _ in range(20_000):
            if not any(queue.messages for queue in self.queues.values()):
                return
            self._step(QUIET_STEP_SECONDS)
        raise AssertionError("the queues are never empty")

    def _step(self, mean_seconds: float) -> None:
        """Let some time pass, and some environments take their next step."""
        self.now += self.random.expovariate(1 / mean_seconds)
        for number, environment in enumerate(self._environments):
            at, work = self._running.get(number, (self.now, None))
            if at > self.now or self.happens(0.5):
                continue
            if work is None:
                work = environment.work(BULK if number < 3 else MEMBERSHIPS)
            elif self.happens(self.troubles.dies):
                self._environments[number] = Environment(self, number)
                work = iter(())
            pause = next(work, None)
            self._running.pop(number, None)
            if pause is not None:
                self._running[number] = (self.now + pause, work)
