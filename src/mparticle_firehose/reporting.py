"""What an invocation writes: one structured log line, and metrics in CloudWatch's embedded metric format."""

import os
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from mparticle_firehose.errors import (
    FirehoseError,
    PartnerUnavailableError,
    RefusedError,
    SettingError,
    UnexpectedError,
    described,
)
from mparticle_firehose.protocol import AnyRequest, correlation

logger = Logger()
metrics = Metrics(namespace=os.environ.get("POWERTOOLS_METRICS_NAMESPACE", "MParticleFirehose"))


class PowertoolsTelemetry:
    """Log lines at once, metrics when the invocation ends. Threads may share it.

    Powertools writes a document by itself with the hundredth value of a metric or the hundredth metric, which are the
    limits of CloudWatch's embedded metric format. So it gets the values when the dimensions are known, and not before.
    """

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._times: defaultdict[str, list[float]] = defaultdict(list)
        self._lock = threading.Lock()

    def count(self, name: str, value: int = 1) -> None:
        """Add to a metric. An invocation writes its sum as one value, and nothing for zero."""
        with self._lock:
            self._counts[name] += value

    def measure(self, name: str, milliseconds: float) -> None:
        """Add to a metric of time. Each value is written: CloudWatch makes percentiles of them."""
        with self._lock:
            self._times[name].append(milliseconds)

    def note(self, event: str, facts: Mapping[str, str | int]) -> None:
        """Log what happened to a piece of work."""
        logger.info(event, extra=dict(facts))

    def warn(self, event: str, facts: Mapping[str, str | int]) -> None:
        """Log a problem that an operator should look at, although the work goes on."""
        logger.warning(event, extra=dict(facts))

    def flush(self, dimensions: Mapping[str, str]) -> None:
        """Write what has been counted and measured since the last time, with these dimensions in each document."""
        with self._lock:
            counts, times = self._counts, self._times
            self._counts, self._times = Counter(), defaultdict(list)
        for name, text in dimensions.items():
            metrics.add_dimension(name=name, value=text)
        for name, count in counts.items():
            if count:
                metrics.add_metric(name=name, unit=MetricUnit.Count, value=count)
        for name, milliseconds in times.items():
            for value in milliseconds:
                metrics.add_metric(name=name, unit=MetricUnit.Milliseconds, value=value)
        if metrics.metric_set:
            metrics.flush_metrics()
        metrics.clear_metrics()


telemetry = PowertoolsTelemetry()


@dataclass(slots=True)
class Report:
    """The log line that is written when the invocation ends, unless an error ends it.

    Attributes:
        message: of the log line.
        write: writes the log line, on the level that it deserves.
        facts: its other fields: what a request is and whose, but no values of it. ``message_type`` is also the
            dimension of the metrics.
    """

    message: str
    write: Callable[..., None] = logger.info
    facts: dict[str, Any] = field(default_factory=lambda: {"message_type": "unreadable"})

    def describe(self, request: AnyRequest) -> None:
        """Add what may be said of a request, and count its values that this version does not know."""
        telemetry.count("Unrecognized", request.unrecognized.total())
        self.facts.update(correlation(request))
        if request.unrecognized:
            self.facts["unrecognized"] = dict(request.unrecognized)


@contextmanager
def reported(message: str) -> Iterator[Report]:
    """Log and measure one invocation. No error leaves it whose text could quote a request.

    Args:
        message: of the log line, if all goes well.

    Raises:
        FirehoseError: what the invocation raises. Any other exception becomes an UnexpectedError.
    """
    report = Report(message)
    started = time.perf_counter()
    try:
        yield report
    except FirehoseError as error:
        _fail(report, f"{type(error).__name__}: {error}")
        _count_cause(error)
        raise
    except Exception as error:  # noqa: BLE001  its text could quote a request
        unexpected = UnexpectedError(described(error))
        _fail(report, str(unexpected))
        raise unexpected from None
    finally:
        _write(report, round((time.perf_counter() - started) * 1000, 3))


def _fail(report: Report, error: str) -> None:
    report.message, report.write = "failed", logger.error
    report.facts["error"] = error
    telemetry.count("Failed")


def _count_cause(error: FirehoseError) -> None:
    """Count a failure that nobody can mend in this deployment. The alarms on Lambda's errors leave these out."""
    match error:
        case SettingError() | RefusedError():
            telemetry.count("CustomerErrors")
        case PartnerUnavailableError():
            telemetry.count("PartnerErrors")


def _write(report: Report, duration_ms: float) -> None:
    report.write(report.message, extra={**report.facts, "duration_ms": duration_ms})
    telemetry.count("Received")
    telemetry.measure("Duration", duration_ms)
    telemetry.flush({"message_type": report.facts["message_type"]})
