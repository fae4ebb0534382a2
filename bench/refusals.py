"""What DynamoDB charges for the order of memberships, by the share of changes that the partner refuses.

What a change reads and writes is counted: the worker and its ledger are the real ones, with messages of one change each
from ten message groups, as the worker gets them at a time. How often a change is of which kind is calculated.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import ceil, exp
from typing import Any

from bench.benchmark import Benchmark, Figures, Target
from bench.calls import OWN, SENT_AT_MS, Partner, Say, one_change, records, taken, worker
from bench.inputs import BATCH, Json
from bench.prices import PRICES
from local.isolation import LocalCloudError
from local.rooms import Room
from mparticle_firehose.deadline import Deadline
from mparticle_firehose.integration import Answer, Integration
from mparticle_firehose.queues.dead_letters import DeadLetters
from mparticle_firehose.queues.record import Record
from mparticle_firehose.queues.sender import QueueSender
from mparticle_firehose.tables.ledger import COMES_BACK_SECONDS, Ledger

SHARES = (0.0, 0.001, 0.01)
PER_SECOND = 1_000
GUARDED_DAYS = COMES_BACK_SECONDS // 86_400
MAX_USD = 1_500
"""A budget for one change in a hundred that is refused, which is far more than a mapping that works has.

The longer letters are guarded, the more changes have one. Without the archive it would be 28 days, and about US$ 900.
The 30 days in the archive stay nevertheless: whoever comes to letters late can still redrive them, and with one change
in a thousand refused the longer guard costs about US$ 60.
"""

_MONTH_SECONDS = 30 * 86_400
_READ_BYTES, _WRITE_BYTES = 4_096, 1_024

UNTRACKED = "delivered, no letter in the group"
OF_OTHERS = "delivered, letters of other users or audiences in the group"
OF_ITS_OWN = "delivered, a letter of the same user and audience"
REFUSED = "refused"
WHOLE = "delivered, the whole group is tracked, as by earlier releases"
COUNTED = f"What a membership change reads and writes, in batches of {BATCH}"
CHARGED = f"DynamoDB for {PER_SECOND:,} changes a second, in US$ a month, by the share that is refused"


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What is not counted.

    Attributes:
        changes_of_pair_a_week: of one user in one audience.
    """

    changes_of_pair_a_week: float = 2.5


ASSUMED = Assumptions()


class Table:
    """A DynamoDB table in memory, which counts the units that are charged. It is the SQS client as well."""

    def __init__(self) -> None:
        self.entries: dict[str, Json] = {}
        self.reads = self.writes = self.sends = 0

    def batch_get_item(self, *, RequestItems: Any) -> Json:  # noqa: N803  boto3's names
        ((name, request),) = RequestItems.items()
        found = [self.entries.get(key["key"]["S"]) for key in request["Keys"]]
        self.reads += sum(ceil(_size(entry) / _READ_BYTES) if entry else 1 for entry in found)
        return {"Responses": {name: [entry for entry in found if entry]}, "UnprocessedKeys": {}}

    def batch_write_item(self, *, RequestItems: Any) -> Json:  # noqa: N803  as above
        (requests,) = RequestItems.values()
        for entry in (request["PutRequest"]["Item"] for request in requests):
            self.entries[entry["key"]["S"]] = entry
            self.writes += ceil(_size(entry) / _WRITE_BYTES)
        return {"UnprocessedItems": {}}

    def send_message_batch(self, **_: object) -> Json:
        self.sends += 1
        return {}


def _size(entry: Json) -> int:
    return sum(len(name) + len(*value.values()) for name, value in entry.items())


class Groups:
    """Ten message groups and their table, with messages of one change each.

    Attributes:
        own: a message of each group, as the worker gets them at a time.
        others: as many of other users.
    """

    def __init__(self, integration: Integration, request: Json) -> None:
        self.table = Table()
        self._integration = integration
        some = list(records(request, 2 * BATCH))
        self.own, self.others = some[:BATCH], some[BATCH:]

    def deliver(self, batch: Sequence[Record], say: Say = taken) -> None:
        aws: Any = self.table
        ledger = Ledger(aws, "ledger", lambda: SENT_AT_MS / 1000)
        letters = DeadLetters(QueueSender(aws, aws), membership_url="letters", event_url="", erasure_url="")
        if worker(self._integration, Partner(say), ledger, letters).deliver(batch, Deadline.after(60)):
            raise LocalCloudError("the worker did not settle everything")

    def refuse(self, batch: Sequence[Record]) -> None:
        self.deliver(batch, lambda _: Answer(status=422))

    def track_all(self) -> None:
        """Write what earlier releases wrote once a change of a group was refused."""
        for record in self.own:
            key = f"contested#{record.group_id}"
            self.table.entries[key] = {"key": {"S": key}, "expires_at": {"N": str(SENT_AT_MS)}}


type Act = Callable[[Groups], None]

CASES: Mapping[str, tuple[Act, Act]] = {
    UNTRACKED: (lambda _: None, lambda groups: groups.deliver(groups.own)),
    OF_OTHERS: (lambda groups: groups.refuse(groups.others), lambda groups: groups.deliver(groups.own)),
    OF_ITS_OWN: (lambda groups: groups.refuse(groups.own), lambda groups: groups.deliver(groups.own)),
    REFUSED: (lambda groups: groups.refuse(groups.others), lambda groups: groups.refuse(groups.own)),
    WHOLE: (Groups.track_all, lambda groups: groups.deliver(groups.own)),
}
"""What happens before, and what is counted."""


def measure(quick: bool) -> Figures:  # noqa: ARG001  it takes no time
    room = Room.of(OWN)
    integration = room.integration()
    request = one_change(room, integration)
    if not request:
        return {}
    counted = {case: _counted(Groups(integration, request), *acts) for case, acts in CASES.items()}
    charged = {f"{share:.1%}": usd_a_month(counted, share) for share in SHARES}
    assumed = {**asdict(ASSUMED), "guarded_days": GUARDED_DAYS}
    return {COUNTED: counted, CHARGED: charged, "Assumptions": {"assumed": assumed}}


def _counted(groups: Groups, prepare: Act, act: Act) -> dict[str, float]:
    prepare(groups)
    table = groups.table
    table.reads = table.writes = table.sends = 0
    act(groups)
    return {"reads": table.reads / BATCH, "writes": table.writes / BATCH, "calls of SQS": table.sends / BATCH}


def usd_a_month(counted: Mapping[str, Mapping[str, float]], share: float) -> dict[str, float]:
    """Return what DynamoDB charges, if so many changes are refused and all else is as assumed.

    At this rate every message group has a letter at any time, unless nothing is refused.
    """
    changes = ASSUMED.changes_of_pair_a_week * GUARDED_DAYS / 7  # in the time for which a letter is guarded
    of_its_own = 1 - exp(-share * changes)  # a pair has a letter, as in a Poisson process
    others = OF_OTHERS if share else UNTRACKED
    now = {REFUSED: share, OF_ITS_OWN: (1 - share) * of_its_own, others: (1 - share) * (1 - of_its_own)}
    before = {REFUSED: share, WHOLE if share else UNTRACKED: 1 - share}
    reads, writes = (sum(part * counted[case][unit] for case, part in now.items()) for unit in ("reads", "writes"))
    return {
        "changes with a letter of their own": of_its_own,
        "reads a change": reads,
        "writes a change": writes,
        "US$": _usd(counted, now),
        "US$ if whole groups are tracked": _usd(counted, before),
    }


def _usd(counted: Mapping[str, Mapping[str, float]], mix: Mapping[str, float]) -> float:
    read, write = (float(PRICES["per_million"][f"dynamodb_{unit}"]) for unit in ("reads", "writes"))
    of_case = {case: row["reads"] * read + row["writes"] * write for case, row in counted.items()}
    return sum(part * of_case[case] for case, part in mix.items()) * PER_SECOND * _MONTH_SECONDS / 1e6


def targets(figures: Figures) -> list[Target]:
    if not figures:
        return []
    row = figures[CHARGED][f"{SHARES[-1]:.1%}"]
    usd, before = row["US$"], row["US$ if whole groups are tracked"]
    text = (
        f"{SHARES[-1]:.0%} of {PER_SECOND:,} changes a second refused, {ASSUMED.changes_of_pair_a_week} a week of a "
        f"user in an audience, letters guarded for {GUARDED_DAYS} days: ≤ US$ {MAX_USD:,} a month more for DynamoDB"
    )
    more = usd - figures[CHARGED][f"{SHARES[0]:.1%}"]["US$"]
    return [Target(text, f"{more:,.0f} (whole groups {before - usd + more:,.0f})", more <= MAX_USD)]


BENCHMARK = Benchmark(title="What refusals cost", measure=measure, targets=targets)
