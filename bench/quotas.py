"""What AWS documents as its quotas, with the pages. They were read in November 2026."""

from dataclasses import dataclass

_LAMBDA = "https://docs.aws.amazon.com/lambda/latest/dg"
_SQS = "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide"
_DYNAMODB = "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide"


@dataclass(frozen=True, slots=True)
class Quota:
    """A quota.

    Attributes:
        value: by default, in us-east-1.
        what: it counts.
        source: the page that states it.
    """

    value: int
    what: str
    source: str

    def percent(self, used: float) -> float:
        """Return how much of it is used."""
        return 100 * used / self.value


CONCURRENCY = Quota(1_000, "concurrent executions of an account", f"{_LAMBDA}/gettingstarted-limits.html")
REQUESTS_PER_UNIT = Quota(10, "requests a second for each of them", f"{_LAMBDA}/lambda-concurrency.html")
NEW_ENVIRONMENTS = Quota(1_000, "new environments of a function in 10 s", f"{_LAMBDA}/scaling-behavior.html")
QUEUE_CONCURRENCY = Quota(1_000, "batches of a queue at a time", f"{_LAMBDA}/services-sqs-scaling.html")
NEW_BATCHES = Quota(300, "more of them each minute, from 5 on, of a standard queue", QUEUE_CONCURRENCY.source)
FIFO_CALLS = Quota(
    70_000,
    "calls a second of a FIFO queue, of each kind; 19,000 in eu-central-1, 9,000 in ap-southeast-2",
    f"{_SQS}/quotas-messages.html",
)
IN_FLIGHT = Quota(120_000, "messages in flight of a standard queue, about", f"{_SQS}/quotas-queues.html")
FIFO_IN_FLIGHT = Quota(120_000, "messages in flight of a FIFO queue", f"{_SQS}/quotas-fifo.html")
LOOK_AHEAD = Quota(
    120_000,
    "messages of a FIFO queue among which it looks for available groups",
    f"{_SQS}/avoid-backlog-with-the-same-message-group-id.html",
)
TABLE_WRITES = Quota(
    4_000, "writes a second of a new table on demand", f"{_DYNAMODB}/pre-warming-on-demand-capacity-mode.html"
)
TABLE_READS = Quota(12_000, "reads a second of a new table on demand", TABLE_WRITES.source)
ENTRY_WRITES = Quota(
    1_000, "writes a second of a partition, so of an entry", f"{_DYNAMODB}/bp-partition-key-design.html"
)
ENTRY_READS = Quota(3_000, "reads a second of a partition, so of an entry", ENTRY_WRITES.source)

QUOTAS = (
    CONCURRENCY,
    REQUESTS_PER_UNIT,
    NEW_ENVIRONMENTS,
    QUEUE_CONCURRENCY,
    NEW_BATCHES,
    FIFO_CALLS,
    IN_FLIGHT,
    FIFO_IN_FLIGHT,
    LOOK_AHEAD,
    TABLE_WRITES,
    TABLE_READS,
    ENTRY_WRITES,
    ENTRY_READS,
)
