"""What must hold for alarms and dashboard, beyond what SAM, cfn-lint and the scanners see.

Each check takes the template and returns a sentence for each problem.
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache

from mparticle_firehose.protocol.enums import MessageType
from mparticle_firehose.reporting import DURATION
from tests.deployment.template_reading import (
    ALIAS,
    Check,
    Node,
    functions,
    of_type,
    problems,
    published,
    queues,
    references,
    sources,
)

NAMESPACE = "MParticleFirehose"
MESSAGE_TYPES = {str(kind) for kind in MessageType} | {
    "queue", "feed", "unreadable", "http", "cookie_sync", "feed_webhook", "letter_archive",
}  # fmt: skip
"""Every value that the dimension message_type takes."""


def alarms(template: Node) -> dict[str, Node]:
    return of_type(template, "AWS::CloudWatch::Alarm")


def notifying_alarms(template: Node) -> dict[str, Node]:
    """Return metric and composite alarms, without those whose state only a composite alarm uses."""
    composite = of_type(template, "AWS::CloudWatch::CompositeAlarm")
    parts = references([alarm["AlarmRule"] for alarm in composite.values()])
    return {name: alarm for name, alarm in (alarms(template) | composite).items() if name not in parts}


# --- alarms and dashboard -------------------------------------------------------------------------------------------


def alarms_and_dashboard_use_metrics_that_the_code_writes(template: Node) -> list[str]:
    """Compare our own metrics with the names, message types and dimensions that the code writes."""
    watched = [metric for alarm in alarms(template).values() for metric in _watched_by(alarm)]
    watched += [metric for widget in widgets(template) for metric in _shown_in(widget)]
    return [f"{name} with {dimensions}" for name, dimensions in watched if not _exists(name, dimensions)]


def _exists(name: str, dimensions: Mapping[str, str]) -> bool:
    written = dimensions.get("message_type") in MESSAGE_TYPES and dimensions.get("service") == "AWS::StackName"
    return name in metric_names() and set(dimensions) == {"service", "message_type"} and written


@cache
def metric_names() -> set[str]:
    """Return the names of the metrics that the code counts or measures."""
    return {DURATION, *re.findall(r'(?:count|measure)\(\s*"(\w+)"', sources())}


def metrics_of(alarm: Node) -> list[Node]:
    """Return the metrics that an alarm watches."""
    calculated = [entry["MetricStat"]["Metric"] for entry in alarm.get("Metrics", []) if "MetricStat" in entry]
    return calculated or [alarm]


def _watched_by(alarm: Node) -> Iterator[tuple[str, dict[str, str]]]:
    for metric in metrics_of(alarm):
        if metric.get("Namespace") == NAMESPACE:
            dimensions = metric["Dimensions"]
            yield metric["MetricName"], {entry["Name"]: _plain(entry["Value"]) for entry in dimensions}


def _plain(value: object) -> str:
    return str(value["Ref"] if isinstance(value, dict) else value)


def _shown_in(widget: Node) -> Iterator[tuple[str, dict[str, str]]]:
    for metric in widget["properties"].get("metrics", []):
        if metric[0] == NAMESPACE:
            pairs = [entry for entry in metric[2:] if isinstance(entry, str)]
            yield metric[1], dict(zip(pairs[::2], pairs[1::2], strict=True))


def dashboards(template: Node) -> dict[str, Node]:
    """Return the content of each dashboard, with each reference replaced by its name."""
    boards = of_type(template, "AWS::CloudWatch::Dashboard")
    texts = {name: board["DashboardBody"]["Fn::Sub"] for name, board in boards.items()}
    return {name: json.loads(_filled(text if isinstance(text, str) else text[0])) for name, text in texts.items()}


def widgets(template: Node) -> Iterator[Node]:
    """Yield the widgets of all dashboards."""
    for board in dashboards(template).values():
        yield from board["widgets"]


def _filled(text: str) -> str:
    numbers = re.sub(r"(?<=: )\$\{\w+\}", "1", text)
    return re.sub(r"\$\{([^}]+)\}", r"\1", numbers)


def the_dashboard_is_valid(template: Node) -> list[str]:
    try:
        boards = {name: board["widgets"] for name, board in dashboards(template).items()}
    except (json.JSONDecodeError, KeyError) as error:
        return [f"the dashboard is not JSON with widgets: {error}"]
    return [problem for shown in boards.values() for problem in _misplaced(shown)]


def _misplaced(shown: list[Node]) -> list[str]:
    taken: set[tuple[int, int]] = set()
    found = []
    for widget in shown:
        place = {(widget["x"] + x, widget["y"] + y) for x in range(widget["width"]) for y in range(widget["height"])}
        title = widget["properties"].get("title", "")
        found += problems(
            (title, "a widget has no title"),
            (widget["type"] == "alarm" or widget["properties"].get("region") == "AWS::Region", f"{title}: no region"),
            (not place & taken and max(x for x, _ in place) < 24, f"{title}: outside the grid, or on another widget"),
        )
        taken |= place
    return found


def the_dashboard_shows_every_alarm(template: Node) -> list[str]:
    shown = [arn for it in widgets(template) if it["type"] == "alarm" for arn in it["properties"]["alarms"]]
    names = {name: _filled(alarm["AlarmName"]["Fn::Sub"]) for name, alarm in notifying_alarms(template).items()}
    return [name for name in names if not any(arn == f"{name}.Arn" or arn.endswith(names[name]) for arn in shown)]


def every_queue_has_alarms_on_age_messages_in_flight_and_letters(template: Node) -> list[str]:
    """Before SQS stops at its quota of messages in flight, which is never less than 20,000 from the alarm."""
    found = []
    for name, queue in queues(template).items():
        watched = {
            it["MetricName"]: it["Threshold"]
            for it in alarms(template).values()
            if _queue_of(it) == name and it["Threshold"] != MAX_LETTER_AGE
        }
        is_source = "RedrivePolicy" in queue
        wanted = {"ApproximateAgeOfOldestMessage", _IN_FLIGHT} if is_source else {"NumberOfMessagesSent"}
        found += problems(
            (set(watched) == wanted, f"{name}: alarms on {sorted(watched)}"),
            (20_000 <= watched.get(_IN_FLIGHT, 20_000) <= MAX_IN_FLIGHT - 20_000, f"{name}: too late, or too early"),
        )
    return found


MAX_LETTER_AGE = 10 * 24 * 60 * 60


def _queue_of(alarm: Node) -> object:
    match alarm.get("Dimensions"):
        case [{"Name": "QueueName", "Value": {"Fn::GetAtt": [name, "QueueName"]}}]:
            return name
    return None


_IN_FLIGHT = "ApproximateNumberOfMessagesNotVisible"

MAX_IN_FLIGHT = 120_000
"""Messages of a queue, by AWS's documentation."""


def messages_that_wait_long_raise_an_alarm(template: Node) -> list[str]:
    """SQS measures the age of a message anew that is sent again, so the worker's metric counts, in milliseconds."""
    found = []
    for name in ("WaitingAgeAlarm", "FeedWaitingAgeAlarm"):
        waiting = alarms(template)[name]
        calculated, measured = waiting.get("Metrics", [{}, {}])
        found += problems(
            (calculated.get("Expression") == "waiting / 1000", f"{name}: not in seconds"),
            (measured.get("MetricStat", {}).get("Stat") == "Maximum", f"{name}: not the oldest"),
            (waiting["Threshold"] == {"Ref": "QueueAgeAlarmSeconds"}, f"{name}: another age than that of the queues"),
        )
    return found


TICKETS = {
    "SpillRateAlarm", "BulkAgeAlarm", "ErasureAgeAlarm", "WaitingAgeAlarm",
    "MembershipDeadLettersAlarm", "EventDeadLettersAlarm", "ErasureDeadLettersAlarm", "FeedDeadLettersAlarm",
    "DeadLettersAgeAlarm", "FeedDeadLettersAgeAlarm", "NearlyMovedAlarm",
    "HandlerLatencyAlarm", "LatencySlowBurnAlarm", "CustomerErrorsAlarm", "PartnerErrorsAlarm",
    "CredentialsRefusedAlarm", "SuspendedAccountsAlarm", "FeedCredentialsRefusedAlarm", "FeedCredentialsMissingAlarm",
    "FeedWaitingAgeAlarm", "FeedWebhookAlarm",
    "HandlerReleaseErrorsAlarm", "HandlerReleaseLatencyAlarm", "WorkerReleaseErrorsAlarm", "FeedReleaseErrorsAlarm",
    "LetterArchiveErrorsAlarm", "ColdStartsAlarm",
}  # fmt: skip
"""The alarms that can wait until the next working day: nothing is lost meanwhile. The others wake somebody."""


def alarms_notify_the_topic_if_there_is_one(template: Node) -> list[str]:
    page: Node = {"Fn::If": ["HasAlarmTopic", [{"Ref": "AlarmTopicArn"}], {"Ref": "AWS::NoValue"}]}
    ticket: Node = {"Fn::If": ["HasTicketTopic", [{"Ref": "TicketTopicArn"}], page]}
    notifying = notifying_alarms(template)
    silent = {name: alarm for name, alarm in alarms(template).items() if name not in notifying}
    found = problems((set(notifying) >= TICKETS, "an alarm that can wait does not exist"))
    found += [f"{name}: it notifies apart" for name, it in silent.items() if {"AlarmActions", "OKActions"} & it.keys()]
    for name, alarm in notifying.items():
        topic = ticket if name in TICKETS else page
        found += problems(
            ((alarm.get("AlarmActions"), alarm.get("OKActions")) == (topic, topic), f"{name}: another topic"),
            (alarm.get("AlarmDescription"), f"{name}: not described"),
        )
    return found


def alarms_on_functions_watch_the_alias(template: Node) -> list[str]:
    """Errors, throttles and durations of the unpublished version must not raise alarms."""
    found = []
    watched = [(name, metric) for name, alarm in alarms(template).items() for metric in metrics_of(alarm)]
    for name, metric in watched:
        if metric.get("MetricName") in ["Duration", "Errors", "Throttles", "Invocations"]:
            dimensions = {entry["Name"]: entry["Value"] for entry in metric["Dimensions"]}
            function = dimensions["FunctionName"]["Ref"]
            if function not in published(template):
                continue
            found += problems(
                (dimensions.get("Resource") == {"Fn::Sub": f"${{{function}}}:{ALIAS}"}, f"{name}: not the alias")
            )
    return found


def lambda_logs_what_went_wrong_and_drops_no_metric(template: Node) -> list[str]:
    """It would drop metrics with an application level above INFO, and set a lower one for the libraries as well."""
    logging = template["Globals"]["Function"].get("LoggingConfig")
    found = problems(
        (logging == {"LogFormat": "JSON", "ApplicationLogLevel": "INFO", "SystemLogLevel": "WARN"}, f"{logging}")
    )
    for name, function in functions(template).items():
        ignored = template["Resources"][name].get("IgnoreGlobals", [])
        found += problems(("LoggingConfig" not in [*function, *ignored], f"{name}: another configuration"))
    return found


CHECKS: tuple[Check, ...] = (
    alarms_and_dashboard_use_metrics_that_the_code_writes,
    the_dashboard_is_valid,
    the_dashboard_shows_every_alarm,
    every_queue_has_alarms_on_age_messages_in_flight_and_letters,
    messages_that_wait_long_raise_an_alarm,
    alarms_notify_the_topic_if_there_is_one,
    alarms_on_functions_watch_the_alias,
    lambda_logs_what_went_wrong_and_drops_no_metric,
)
