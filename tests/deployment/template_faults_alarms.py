"""Faults for the checks of the alarms on latency, cold starts, silence and old letters, and of the queries of logs."""

from tests.deployment.planting import Fault, drop, put, write


def alarm(name: str) -> str:
    """Return the path to an alarm's properties."""
    return f"Resources/{name}Alarm/Properties"


FAULTS: dict[str, dict[str, Fault]] = {
    "letters_raise_an_alarm_before_sqs_deletes_them": {
        "late": put(f"{alarm('DeadLettersAge')}/Threshold", 1_209_600),
        "of-one-queue": drop(f"{alarm('DeadLettersAge')}/Metrics/2"),
        "of-live-messages": put(f"{alarm('FeedDeadLettersAge')}/Dimensions/0/Value/Fn::GetAtt/0", "FeedQueue"),
        "a-number": put(f"{alarm('FeedDeadLettersAge')}/MetricName", "ApproximateNumberOfMessagesVisible"),
    },
    "the_latency_is_watched_as_a_share_of_slow_requests": {
        "lenient": put(f"{alarm('HandlerLatency')}/Threshold", 5),
        "average": put(f"{alarm('HandlerLatency')}/Metrics/2/MetricStat/Stat", "Average"),
        "single-slow-ones": put(f"{alarm('LatencyLastHour')}/Metrics/0/Expression", "100 - quick"),
        "two-periods": put(f"{alarm('LatencyLastSixHours')}/Metrics/1/MetricStat/Period", 3600),
        "reverse": put(f"{alarm('LatencyLastFiveMinutes')}/ComparisonOperator", "GreaterThanThreshold"),
        "another-limit": put(f"{alarm('LatencyLastThirtyMinutes')}/ExtendedStatistic", "PR(:2000)"),
        "late": put(f"{alarm('LatencyLastThirtyMinutes')}/Period", 21600),
    },
    "cold_starts_are_watched_as_a_share_of_the_requests": {
        "lenient": put(f"{alarm('ColdStarts')}/Threshold", 50),
        "single-ones": put(f"{alarm('ColdStarts')}/Metrics/0/Expression", "100 * FILL(events, 0) / requests"),
        "of-all-invocations": put(f"{alarm('ColdStarts')}/Metrics/3/MetricStat/Metric/MetricName", "Errors"),
        "average": put(f"{alarm('ColdStarts')}/Metrics/1/MetricStat/Stat", "Average"),
    },
    "silence_pages_only_where_there_were_requests": {
        "always": put(f"{alarm('Quiet')}/AlarmRule/Fn::Sub", 'ALARM("${NoRequestsAlarm}")'),
        "never": put(f"{alarm('NoRequests')}/TreatMissingData", "notBreaching"),
        "another-time": put(f"{alarm('NoRequests')}/EvaluationPeriods", 60),
        "used-by-a-try": put(f"{alarm('NotInUse')}/DatapointsToAlarm", 168),
        "not-switched": drop("Resources/NotInUseAlarm/Condition"),
    },
    "log_queries_use_an_index_and_a_short_time": {
        "no-index": drop("Resources/WorkerLogGroup/Properties/FieldIndexPolicies"),
        "another-index": put("Resources/FeedLogGroup/Properties/FieldIndexPolicies/0/Fields", ["accountId"]),
        "every-line": write("Resources/RequestQuery/Properties/QueryString", "filter request_id =", "filter reason ="),
        "every-line-on-the-dashboard": write(
            "Resources/Dashboard/Properties/DashboardBody/Fn::Sub/0", "filter message in", "filter error in"
        ),
        "days": write("Resources/FeedDashboard/Properties/DashboardBody/Fn::Sub", "-PT3H", "-P30D"),
    },
}
