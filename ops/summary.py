"""Counts dead letters by reason and account from the log, without reading them."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.status import Status
from rich.table import Table
from rich.text import Text

from mparticle_firehose.letter_archive.archive import LetterArchive
from ops.dead_letter_queue import approximate_counts
from ops.dead_letters import QUEUES, QueueName
from ops.display import counted, minute, print_line
from ops.insights import Found, Insights, text_literal
from ops.stack import DEAD_LETTER_QUEUES, LARGE_BODY_BUCKET

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

_GIGABYTE = 1_000_000_000
_MEGABYTE = 1_000_000
_DOLLARS_A_GIGABYTE = 0.005
_METRIC_MINUTES = 15
_UNKNOWN = "-"
_DAY_HOURS = 48  # from so many hours on, an age is printed in days
_HOUR = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which letters are counted. What is None matches every letter.

    Attributes:
        since: dead-lettered less long ago than this.
        queue: dead-lettered from this queue.
        account: of this account at mParticle.
        reason: with exactly this reason.
    """

    since: timedelta
    queue: QueueName | None = None
    account: str | None = None
    reason: str | None = None

    @property
    def fields(self) -> Mapping[str, str]:
        """The fields of a log line that must have a value."""
        wanted = {"queue": self.queue, "account_id": self.account, "reason": self.reason}
        return {name: value for name, value in wanted.items() if value is not None}

    @property
    def query(self) -> str:
        """The query. What its language could not quote safely is left to `matches`."""
        literals = {name: text_literal(value) for name, value in self.fields.items()}
        conditions = [f"{name} = {literal}" for name, literal in literals.items() if literal]
        return "\n".join(
            (
                f"filter {' and '.join(('message = "dead-lettered"', *conditions))}",
                "| stats count(*) as letters, min(@timestamp) as oldest, max(@timestamp) as newest",
                "  by queue, reason, account_id, message_type",
                "| sort letters desc",
                "| limit 10000",
            )
        )

    def matches(self, row: Mapping[str, str]) -> bool:
        """Return whether a row of the result is one of those asked for."""
        return all(row.get(name) == value for name, value in self.fields.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Prints what was dead-lettered, and what lies in the queues and in the archive.

    Attributes:
        logs: the client of CloudWatch Logs.
        cloudwatch: the client of CloudWatch.
        sqs: the client of SQS.
        s3: the client of S3.
        urls: of the dead-letter queues, and the bucket's name, by the names of their stack outputs.
        functions: those whose logs are searched.
        out: where results are printed.
        status: shows a line while a command is busy.
        now: seconds since the epoch.
        sleep: waits for seconds.
    """

    logs: Any
    cloudwatch: Any
    sqs: "SQSClient"
    s3: "S3Client"
    urls: Mapping[str, str]
    functions: Sequence[str]
    out: Console
    status: Callable[[str], AbstractContextManager[Status]]
    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def print(self, filters: Filters) -> None:
        """Print both tables."""
        self._print_logged(filters)
        self._print_present()

    def _print_logged(self, filters: Filters) -> None:
        end = int(self.now())
        with self.status("Searching the log") as status:
            insights = Insights(
                logs=self.logs,
                sleep=self.sleep,
                progress=lambda scanned: status.update(f"Searching the log: {_size(scanned)} scanned"),
            )
            groups = [f"/aws/lambda/{name}" for name in self.functions]
            found = insights.run(filters.query, groups, start=end - int(filters.since.total_seconds()), end=end)
        rows = [row for row in found.rows if filters.matches(row)]
        if rows:
            self.out.print(_logged_table(rows))
        self._print_about(found, sum(int(row["letters"]) for row in rows), filters.since)

    def _print_about(self, found: Found, letters: int, since: timedelta) -> None:
        dollars = found.scanned_bytes / _GIGABYTE * _DOLLARS_A_GIGABYTE
        lines = [
            f"{counted(letters, 'letter')} put aside in the last {_age(since.total_seconds())}, as the log says.",
            f"Insights scanned {_size(found.scanned_bytes)}: about ${dollars:.2f}.",
        ]
        if found.is_cut:
            lines.append("Only the 10,000 largest groups are counted: choose a queue, an account or a reason.")
        for line in lines:
            print_line(self.out, line)

    def _print_present(self) -> None:
        table = Table("Queue", box=SIMPLE_HEAD)
        for title in ("Letters now", "In flight", "Oldest", "Archived objects", "Archive"):
            table.add_column(title, justify="right")
        urls = {queue: self.urls[name] for queue, name in DEAD_LETTER_QUEUES.items() if name in self.urls}
        ages = self._ages(urls)
        archive = LetterArchive(self.s3, self.urls[LARGE_BODY_BUCKET])
        for queue, url in urls.items():
            sizes = [stored.size for stored in archive.objects(queue) if not stored.is_expired(self.now())]
            oldest = _age(ages[queue]) if queue in ages else _UNKNOWN
            counts = approximate_counts(self.sqs, url)
            present = str(counts.available), str(counts.in_flight)
            cells = (queue, *present, oldest, str(len(sizes)), _size(sum(sizes)))
            table.add_row(*map(Text, cells))
        self.out.print(table)
        print_line(
            self.out,
            "SQS's counts are approximate. They include what SQS moved by itself, which is not in the log: see "
            "`list --reason 'too many receives'`.",
        )

    def _ages(self, urls: Mapping[QueueName, str]) -> Mapping[str, float]:
        """Return the age of the oldest letter of each queue in seconds, for queues of which CloudWatch has it."""
        end = datetime.fromtimestamp(self.now(), UTC)
        answer = self.cloudwatch.get_metric_data(
            MetricDataQueries=[_age_query(queue, url) for queue, url in urls.items()],
            StartTime=end - timedelta(minutes=_METRIC_MINUTES),
            EndTime=end,
            ScanBy="TimestampDescending",
        )
        return {result["Id"]: result["Values"][0] for result in answer["MetricDataResults"] if result["Values"]}


def _age_query(queue: str, url: str) -> Mapping[str, Any]:
    name = url.rstrip("/").rpartition("/")[2]
    metric = {
        "Namespace": "AWS/SQS",
        "MetricName": "ApproximateAgeOfOldestMessage",
        "Dimensions": [{"Name": "QueueName", "Value": name}],
    }
    return {"Id": queue, "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Maximum"}}


def _logged_table(rows: Iterable[Mapping[str, str]]) -> Table:
    table = Table("Queue", box=SIMPLE_HEAD)
    table.add_column("Letters", justify="right")
    table.add_column("Reason", max_width=48)
    for title in ("Account", "Message type", "Oldest (UTC)", "Newest (UTC)"):
        table.add_column(title, no_wrap=True)
    ranks = {queue: number for number, queue in enumerate(QUEUES)}
    ordered = sorted(rows, key=lambda row: (ranks.get(row.get("queue"), len(ranks)), -int(row["letters"])))  # type: ignore[call-overload]  # an unknown queue has the last rank
    for row in ordered:
        names = ("queue", "letters", "reason", "account_id", "message_type")
        cells = [row.get(name, _UNKNOWN) for name in names]
        table.add_row(*map(Text, (*cells, _moment(row.get("oldest", "")), _moment(row.get("newest", "")))))
    return table


def _moment(text: str) -> str:
    """Return a time of a result, which Insights writes as milliseconds or as a date with a time."""
    try:
        return minute(int(float(text)))
    except ValueError:
        return text[: len("2026-11-22 10:30")] or _UNKNOWN


def _age(seconds: float) -> str:
    hours = int(seconds // _HOUR)
    if hours >= _DAY_HOURS:
        return f"{hours // 24} days"
    return f"{hours} h" if hours else f"{int(seconds // 60)} min"


def _size(size: float) -> str:
    return f"{size / _GIGABYTE:.1f} GB" if size >= _GIGABYTE else f"{size / _MEGABYTE:.1f} MB"
