"""What must hold for the alarms on latency, cold starts, silence and old letters, and for the queries of logs.

Each check takes the template and returns a sentence for each problem.
"""

import re

from tests.deployment.template_checks_watching import MAX_LETTER_AGE, alarms, dashboards, metrics_of, widgets
from tests.deployment.template_reading import Check, Node, of_type, problems, queues, references


def letters_raise_an_alarm_before_sqs_deletes_them(template: Node) -> list[str]:
    """Ten days after they came, four before they go."""
    old = {name: it for name, it in alarms(template).items() if name.endswith("DeadLettersAgeAlarm")}
    aged = {queue for it in old.values() for queue in references(it) if queue.endswith("DeadLetterQueue")}
    dead = {name for name, queue in queues(template).items() if "RedrivePolicy" not in queue}
    measured = [metric for it in old.values() for metric in metrics_of(it)]
    return problems(
        (aged == dead, f"alarms on the letters' age in {sorted(aged)}"),
        (all(it["Threshold"] == MAX_LETTER_AGE for it in old.values()), "another age"),
        ({it["MetricName"] for it in measured} == {"ApproximateAgeOfOldestMessage"}, "not the age"),
    )


SLOW_SHARE = "IF(requests * (100 - quick) >= 250, 100 - quick, 0)"
"""Percent of the requests that are slow, and 0 for one or two slow ones."""

BURN_RATES = {
    "HandlerLatencyAlarm": (SLOW_SHARE, 300, 1),
    "LatencyLastHourAlarm": (SLOW_SHARE, 3600, 14.4),
    "LatencyLastFiveMinutesAlarm": (None, 300, 85.6),
    "LatencyLastSixHoursAlarm": (SLOW_SHARE, 21600, 6),
    "LatencyLastThirtyMinutesAlarm": (None, 1800, 94),
}
"""Expression, period and threshold. Without an expression the quick requests are compared, in percent."""


def the_latency_is_watched_as_a_share_of_slow_requests(template: Node) -> list[str]:
    """tests/alarms has what these numbers mean for incidents."""
    found = []
    for name, wanted in BURN_RATES.items():
        alarm = alarms(template)[name]
        calculated = [entry["Expression"] for entry in alarm.get("Metrics", []) if "Expression" in entry]
        stats = {entry["MetricStat"]["Stat"]: entry["MetricStat"]["Period"] for entry in alarm.get("Metrics", [])[1:]}
        stats = stats or {alarm.get("ExtendedStatistic"): alarm["Period"]}
        quick = wanted[0] is None
        found += problems(
            ((calculated or [None])[0] == wanted[0] and alarm["Threshold"] == wanted[2], f"{name}: another share"),
            (alarm["ComparisonOperator"] == ("LessThan" if quick else "GreaterThan") + "Threshold", f"{name}: reverse"),
            (stats.keys() | {"SampleCount"} == {"PR(:200)", "SampleCount"}, f"{name}: {stats}"),
            (set(stats.values()) == {wanted[1]}, f"{name}: another period"),
        )
    return found


COLD_SHARE = (
    "IF(FILL(events, 0) + FILL(memberships, 0) >= 10, 100 * (FILL(events, 0) + FILL(memberships, 0)) / requests, 0)"
)
"""Percent of the requests that wait for a start, and 0 for fewer than ten in five minutes."""


def cold_starts_are_watched_as_a_share_of_the_requests(template: Node) -> list[str]:
    alarm = alarms(template).get("ColdStartsAlarm", {"Metrics": [{}]})
    calculated, *measured = alarm["Metrics"]
    stats = [(it["MetricStat"]["Stat"], it["MetricStat"]["Period"]) for it in measured]
    names = [it["MetricStat"]["Metric"]["MetricName"] for it in measured]
    return problems(
        ((calculated.get("Expression"), alarm.get("Threshold")) == (COLD_SHARE, 1), "another share"),
        (names == ["ColdStarts", "ColdStarts", "Invocations"], f"of {names}"),
        (set(stats) == {("Sum", 300)}, f"{stats}"),
    )


def silence_pages_only_where_there_were_requests(template: Node) -> list[str]:
    quiet, silent, unused = (template["Resources"].get(f"{it}Alarm") for it in ("Quiet", "NoRequests", "NotInUse"))
    rule = {"Fn::Sub": 'ALARM("${NoRequestsAlarm}") AND NOT ALARM("${NotInUseAlarm}")'}
    keys = ("Period", "DatapointsToAlarm", "EvaluationPeriods", "TreatMissingData", "Threshold")
    found = [[it["Properties"].get(key) for key in keys] for it in (silent, unused) if it]
    return problems(
        (quiet and quiet["Properties"]["AlarmRule"] == rule, "another rule"),
        (all(it and it.get("Condition") == "HasQuietAlarm" for it in (quiet, silent, unused)), "another condition"),
        (
            found
            == [
                [60, None, {"Ref": "QuietAlarmMinutes"}, "breaching", 1],
                [3600, 168 - 96 + 1, 168, "breaching", 1],
            ],
            f"{found}",
        ),
    )


def log_queries_use_an_index_and_a_short_time(template: Node) -> list[str]:
    """Logs Insights is paid by what it reads, and a dashboard runs its query again and again."""
    indexed = [it for name, it in of_type(template, "AWS::Logs::LogGroup").items() if name in FUNCTION_LOGS]
    saved = [it["QueryString"] for it in of_type(template, "AWS::Logs::QueryDefinition").values()]
    shown = [it["properties"]["query"] for it in widgets(template) if it["type"] == "log"]
    queries = [query.partition("filter ")[2] for query in [*saved, *shown]]
    return problems(
        (
            all(it.get("FieldIndexPolicies") == [{"Fields": INDEXED_FIELDS}] for it in indexed),
            "log groups without indexes",
        ),
        (len(indexed) == len(FUNCTION_LOGS) and saved and shown, "no log groups, or no queries"),
        (
            all(re.match(rf"({'|'.join(INDEXED_FIELDS)}) (in \[|= )", query) for query in queries),
            f"a query reads all lines: {queries}",
        ),
        (all(board.get("start") == "-PT3H" for board in dashboards(template).values()), "a dashboard shows days"),
    )


INDEXED_FIELDS = ["account_id", "request_id", "message"]
FUNCTION_LOGS = ("HandlerLogGroup", "WorkerLogGroup", "FeedLogGroup")


CHECKS: tuple[Check, ...] = (
    letters_raise_an_alarm_before_sqs_deletes_them,
    the_latency_is_watched_as_a_share_of_slow_requests,
    cold_starts_are_watched_as_a_share_of_the_requests,
    silence_pages_only_where_there_were_requests,
    log_queries_use_an_index_and_a_short_time,
)
