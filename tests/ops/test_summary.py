"""The summary: what it asks of the log, and what it prints."""

import io
import json
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from rich.console import Console

from ops.insights import MAX_ROWS, Insights, text_literal
from ops.stack import DEAD_LETTER_QUEUES, StackError
from ops.summary import Filters, Summary
from tests.conftest import BUCKET, load_event, serializer
from tests.ops.environment import NOW, Environment

DAY = timedelta(hours=24)


@dataclass
class LogsDouble:
    """Answers a query after some polls."""

    rows: Sequence[dict[str, str]] = ()
    statuses: list[str] = field(default_factory=lambda: ["Scheduled", "Running", "Complete"])
    scanned: float = 2_000_000_000.0
    asked: list[dict[str, Any]] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)

    def start_query(self, **arguments: Any) -> Any:
        self.asked.append(arguments)
        return {"queryId": "query"}

    def get_query_results(self, *, queryId: str) -> Any:  # noqa: N803  boto3's name
        assert queryId == "query"
        results = [[{"field": name, "value": value} for name, value in row.items()] for row in self.rows]
        return {"status": self.statuses.pop(0), "results": results, "statistics": {"bytesScanned": self.scanned}}

    def stop_query(self, *, queryId: str) -> None:  # noqa: N803
        self.stopped.append(queryId)


class CloudWatchDouble:
    """Knows the age of the oldest letter of one queue."""

    def get_metric_data(self, **arguments: Any) -> Any:
        self.asked = arguments
        ids = [query["Id"] for query in arguments["MetricDataQueries"]]
        return {"MetricDataResults": [{"Id": it, "Values": [7_300.0] if it == "event" else []} for it in ids]}


def row(letters: int, **fields: str) -> dict[str, str]:
    known = {"queue": "event", "reason": "http_422", "account_id": "4242", "message_type": "event_processing_request"}
    return {"letters": str(letters), "oldest": str(NOW), "newest": "2027-01-15 08:00:00.000", **known, **fields}


def printed(env: Environment, logs: LogsDouble, filters: Filters) -> str:
    text = io.StringIO()
    urls = {output: env.url(queue) for queue, output in DEAD_LETTER_QUEUES.items()}
    Summary(
        logs=logs,
        cloudwatch=CloudWatchDouble(),
        sqs=env.queues.sqs,
        s3=env.queues.s3,
        urls={**urls, "LargeBodyBucketName": BUCKET},
        functions=["one-handler", "one-worker"],
        out=Console(file=text, width=200, highlight=False),
        status=lambda _: nullcontext(Console(file=io.StringIO()).status("")),
        now=lambda: NOW / 1000,
        sleep=lambda _: None,
    ).print(filters)
    return text.getvalue()


def test_letters_are_counted_by_queue_reason_account_and_type(env: Environment, bucket: None) -> None:
    env.put("event")
    rows = [row(170_000), row(3, queue="erasure", account_id="77"), row(5, reason="http_401")]

    text = printed(env, LogsDouble(rows), Filters(since=DAY))

    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert lines[3:6] == [
        "event 170000 http_422 4242 event_processing_request 2027-01-15 08:00 2027-01-15 08:00",
        "event 5 http_401 4242 event_processing_request 2027-01-15 08:00 2027-01-15 08:00",
        "erasure 3 http_422 77 event_processing_request 2027-01-15 08:00 2027-01-15 08:00",
    ]
    assert "170008 letters put aside in the last 24 h, as the log says." in lines
    assert "Insights scanned 2.0 GB: about $0.01." in lines
    assert "event 1 0 2 h 0 0.0 MB" in lines
    assert "membership 0 0 - 0 0.0 MB" in lines


def test_the_logs_of_the_functions_are_searched_from_so_long_ago_until_now(env: Environment, bucket: None) -> None:
    logs = LogsDouble()

    printed(env, logs, Filters(since=timedelta(hours=2), account="4242", reason="http_422"))

    (asked,) = logs.asked
    assert asked["logGroupNames"] == ["/aws/lambda/one-handler", "/aws/lambda/one-worker"]
    assert (asked["startTime"], asked["endTime"]) == (NOW // 1000 - 7200, NOW // 1000)
    assert asked["queryString"].startswith(
        'filter message = "dead-lettered" and account_id = "4242" and reason = "http_422"\n| stats count(*)'
    )


def test_a_reason_that_the_query_cannot_quote_is_compared_afterwards(env: Environment, bucket: None) -> None:
    reason = 'a "quoted" | reason'
    rows = [row(2), row(7, reason=reason)]
    filters = Filters(since=DAY, reason=reason)

    text = printed(env, LogsDouble(rows), filters)

    assert "quoted" not in filters.query
    assert "7 letters put aside" in text


def test_it_says_that_there_are_more_kinds_than_insights_returns(env: Environment, bucket: None) -> None:
    assert "Only the 10,000 largest groups" in printed(env, LogsDouble([row(1)] * MAX_ROWS), Filters(since=DAY))
    assert "Only the" not in printed(env, LogsDouble([row(1)] * 3), Filters(since=DAY))


def test_a_query_that_fails_is_an_error() -> None:
    insights = Insights(logs=LogsDouble(statuses=["Running", "Timeout"]), sleep=lambda _: None)

    with pytest.raises(StackError, match="ended with the status Timeout"):
        insights.run("query", ["group"], start=0, end=1)


def test_an_interrupted_query_is_stopped_because_it_costs_money() -> None:
    logs = LogsDouble()

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Insights(logs=logs, sleep=interrupt).run("query", ["group"], start=0, end=1)

    assert logs.stopped == ["query"]


@pytest.mark.parametrize("text", ['"', "\\", "a\nb", "é"])
def test_only_plain_texts_become_literals(text: str) -> None:
    assert text_literal(text) is None
    assert text_literal("events.*.attributes.*: must be text") == '"events.*.attributes.*: must be text"'


def test_the_handler_and_the_worker_log_each_letter_once_with_what_the_query_counts_by(deployment: Any) -> None:
    event = load_event("event_processing_request")
    event["events"].append({"type": "custom_event", "attributes": {"name": ["a list"]}})
    deployment.invoke(event)
    deployment.queues.sqs.send_message(
        QueueUrl=deployment.queues.event,
        MessageBody="{",
        MessageAttributes={
            name: {"DataType": "String", "StringValue": value}
            for name, value in {"account_id": "4242", "message_type": "event_processing_request"}.items()
        },
    )
    deployment.work(deployment.queues.event)

    written = [json.loads(line) for line in deployment.capture.readouterr().out.splitlines()]
    lines = [line for line in written if line.get("message") == "dead-lettered"]
    letters = deployment.queues.messages(deployment.queues.event_dlq)
    account = str(serializer.parse(load_event("event_processing_request")).account.account_id)  # type: ignore[union-attr]
    assert len(lines) == len(letters) == 2
    assert [(line["queue"], line["account_id"], line["message_type"], line["level"]) for line in lines] == [
        ("event", account, "event_processing_request", "WARNING"),
        ("event", "4242", "event_processing_request", "WARNING"),
    ]
    assert [line["reason"] for line in lines] == [
        letter["MessageAttributes"]["reason"]["StringValue"] for letter in letters
    ]
