"""Metric series as AWS and the functions write them, and the alarms of template.yaml on them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Self

from tests.alarms.evaluation import ALARM, INSUFFICIENT_DATA, MetricAlarm, MetricKey, combined, read_alarm
from tests.deployment.template_checks_watching import TICKETS
from tests.deployment.template_reading import load
from tests.deployment.template_resolving import resolved

DAYS_BEFORE = 7
"""Of requests before a recording begins, at minute 0, in a deployment that is in use."""

QUICK, SLOW = 40.0, 450.0
"""Milliseconds of a request."""


class Recording:
    """Metrics of a deployment, as samples by the minute. Minute 0 is where an incident may begin."""

    def __init__(self) -> None:
        """Begin without any data."""
        self.series: defaultdict[MetricKey, dict[int, dict[float, int]]] = defaultdict(dict)

    def put(self, key: MetricKey, minutes: Iterable[int], samples: Mapping[float, int]) -> Self:
        """Put samples into each of the minutes, in place of those that are there."""
        for minute in minutes:
            self.series[key][minute] = dict(samples)
        return self

    def requests(
        self, minutes: Iterable[int], per_minute: int, *, slow: int = 0, failing: int = 0, version: bool = False
    ) -> Self:
        """Put requests to the handler, as Lambda counts them.

        Args:
            minutes: in which they come.
            per_minute: how many.
            slow: how many of these are slow.
            failing: how many of these fail.
            version: whether these are the requests to the new version only; those to the alias are put apart.
        """
        dimensions = {"FunctionName": "HandlerFunction", "Resource": "HandlerFunction:production"}
        dimensions |= {"ExecutedVersion": "HandlerFunction"} if version else {}
        for name, samples in {
            "Invocations": {1.0: per_minute},
            "Errors": {0.0: per_minute - failing, 1.0: failing},
            "Duration": {QUICK: per_minute - slow, SLOW: slow},
        }.items():
            present = {value: number for value, number in samples.items() if number}
            self.put(_key("AWS/Lambda", name, dimensions), minutes, present)
        return self

    def of_function(self, function: str, name: str, minutes: Iterable[int], value: float) -> Self:
        """Put a metric of another function's alias."""
        dimensions = {"FunctionName": function, "Resource": f"{function}:production"}
        return self.put(_key("AWS/Lambda", name, dimensions), minutes, {value: 1})

    def of_queue(self, queue: str, name: str, minutes: Iterable[int], value: float) -> Self:
        """Put a metric of a queue."""
        return self.put(_key("AWS/SQS", name, {"QueueName": queue}), minutes, {value: 1})

    def of_the_api(self, name: str, minutes: Iterable[int], samples: Mapping[float, int]) -> Self:
        """Put a metric of the HTTP API."""
        return self.put(_key("AWS/ApiGateway", name, {"ApiId": "HttpApi"}), minutes, samples)

    def counted(self, message_type: str, name: str, minutes: Iterable[int], value: float) -> Self:
        """Put one of our own metrics."""
        dimensions = {"service": "AWS::StackName", "message_type": message_type}
        return self.put(_key("MParticleFirehose", name, dimensions), minutes, {value: 1})

    def alarms(self, until: int, begin: int = 0) -> list[tuple[int, str]]:
        """Return each notification of an alarm, with its minute: from OK, or from no state, to ALARM.

        CloudWatch evaluates an alarm each minute, and once an hour if its evaluation range is longer than a day.
        """
        metric_alarms, composite_alarms = read_alarms()
        states = dict.fromkeys([*metric_alarms, *composite_alarms], INSUFFICIENT_DATA)
        notified = []
        for now in range(begin, until):
            before = dict(states)
            for name, alarm in metric_alarms.items():
                if now == begin or (alarm.has_data(self.series) and (now % 60 == 0 or not alarm.spans_days)):
                    states[name] = alarm.state(self.series, now, before[name])
            for name, rule in composite_alarms.items():
                states[name] = combined(rule, states)
            notified += [(now, name) for name in sorted(notifying()) if before[name] != ALARM == states[name]]
        return notified

    def alarmed(self, until: int, begin: int = 0) -> set[str]:
        """Return the names of the alarms that notify somebody."""
        return {name for _, name in self.alarms(until, begin)}


def in_use(per_minute: int = 60, until: int = 720) -> Recording:
    """Return a deployment that has had requests for a week and goes on having them, all of them well."""
    hourly = [minute for minute in range(-DAYS_BEFORE * 1_440, -720) if minute % 60 == 0]
    return Recording().requests(hourly, per_minute).requests(range(-720, until), per_minute)


def pages(names: Iterable[str]) -> set[str]:
    """Return those of the alarms that wake somebody."""
    return set(names) - TICKETS


def _key(namespace: str, name: str, dimensions: Mapping[str, str]) -> MetricKey:
    return namespace, name, frozenset(dimensions.items())


@cache
def _template() -> dict[str, Any]:
    return load()


@cache
def _resources() -> dict[str, Any]:
    return resolved(
        _template(),
        GradualDeployment="true",
        HttpEndpoint="http-api",
        Feed="on",
        FeedWebhookSecret="secret",
        DeploymentSecretSource="secret",
        AlarmTopicArn="page",
        TicketTopicArn="ticket",
    )


def _of_type(kind: str) -> dict[str, dict[str, Any]]:
    return {name: it["Properties"] for name, it in _resources().items() if it.get("Type") == kind}


@cache
def notifying() -> frozenset[str]:
    """Return the alarms that notify a topic."""
    both = _of_type("AWS::CloudWatch::Alarm") | _of_type("AWS::CloudWatch::CompositeAlarm")
    return frozenset(name for name, alarm in both.items() if alarm.get("AlarmActions"))


@cache
def read_alarms() -> tuple[dict[str, MetricAlarm], dict[str, str]]:
    """Return the metric alarms of the template, and the rules of its composite alarms."""
    defaults = {name: it["Default"] for name, it in _template()["Parameters"].items()}

    def number(value: Any) -> float:
        return float(defaults[value["Ref"]] if isinstance(value, dict) else value)

    metric_alarms = {name: read_alarm(it, number) for name, it in _of_type("AWS::CloudWatch::Alarm").items()}
    rules = {name: it["AlarmRule"]["Fn::Sub"] for name, it in _of_type("AWS::CloudWatch::CompositeAlarm").items()}
    return metric_alarms, rules
