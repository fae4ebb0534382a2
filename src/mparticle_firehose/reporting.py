"""What an invocation writes: one line with its fields and its metrics, and few others on the way."""

import logging
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aws_lambda_powertools import Logger

from mparticle_firehose.embedded_metrics import documents
from mparticle_firehose.errors import (
    FirehoseError,
    PartnerUnavailableError,
    RefusedError,
    SettingError,
    UnexpectedError,
    described,
)
from mparticle_firehose.execution_environment import COLD_STARTS, ExecutionEnvironment
from mparticle_firehose.protocol import AnyRequest, correlation

SERVICE = os.environ.get("POWERTOOLS_SERVICE_NAME", "mparticle-firehose")
NAMESPACE = os.environ.get("POWERTOOLS_METRICS_NAMESPACE", "MParticleFirehose")
DURATION = "duration_ms"
"""A field of each line, and a metric: with one value for each invocation, it also counts them."""

logger = Logger(service=SERVICE, utc=True, use_rfc3339=True, location=None, xray_trace_id=None)
logger.remove_keys(["service"])  # the name of the log group says it

_levels = logging.getLogger(logger.name)

# The template's ApplicationLogLevel, INFO, becomes the level of Powertools' logger, whatever POWERTOOLS_LOG_LEVEL says,
# and that of the libraries.
_levels.setLevel(os.environ.get("POWERTOOLS_LOG_LEVEL", "INFO").upper())
logging.getLogger().setLevel(logging.WARNING)


class InvocationTelemetry:
    """Logs at once what happens on the way, and keeps what is counted and measured for the invocation's line.

    Threads may share it.
    """

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._times: dict[str, list[float]] = {}
        self._delivered: dict[str, dict[str, None]] = {}
        self._lock = threading.Lock()

    def count(self, name: str, value: int = 1) -> None:
        """Add to a metric. An invocation writes its sum as one value, and nothing for zero."""
        if value:
            with self._lock:
                self._counts[name] = self._counts.get(name, 0) + value

    def measure(self, name: str, milliseconds: float) -> None:
        """Add to a metric of time. Each value is written: CloudWatch makes percentiles of them."""
        with self._lock:
            self._times.setdefault(name, []).append(milliseconds)

    def list_delivered(self, message_type: str, request_id: str) -> None:
        """Name a request of which something was delivered, in the invocation's line: once, however often it is named.

        Args:
            message_type: of the request.
            request_id: mParticle's, a UUID. A batch has at most 100 messages, so their ids take less than 5 KB of the
                256 KB that a line of CloudWatch may have.
        """
        with self._lock:
            self._delivered.setdefault(message_type, {})[request_id] = None

    def note(self, event: str, facts: Mapping[str, str | int]) -> None:
        """Log what happened to a piece of work."""
        logger.info(event, extra=dict(facts))

    def warn(self, event: str, facts: Mapping[str, str | int]) -> None:
        """Log a problem that an operator should look at, although the work goes on."""
        logger.warning(event, extra=dict(facts))

    def write(self, duration_ms: float, *, message_type: str, fields: Mapping[str, Any]) -> None:
        """Write an invocation's line, with what has been counted, measured and listed since the last one.

        Args:
            duration_ms: of the invocation.
            message_type: the dimension of the metrics, besides the service.
            fields: what else the line says. Without any it has its metrics only.
        """
        with self._lock:
            counts, times, delivered = self._counts, self._times, self._delivered
            self._counts, self._times, self._delivered = {}, {}, {}
        if fields and delivered:
            fields = {**fields, "delivered": {kind: list(request_ids) for kind, request_ids in delivered.items()}}
        units = {**dict.fromkeys(counts, "Count"), **dict.fromkeys(times, "Milliseconds")}
        values = {**{name: [value] for name, value in counts.items()}, **times, DURATION: [duration_ms]}
        for document in documents(
            values,
            units=units,
            namespace=NAMESPACE,
            dimensions={"message_type": message_type, "service": SERVICE},
            fields=fields,
            timestamp_ms=int(time.time() * 1000),
        ):
            sys.stdout.write(f"{document}\n")
        sys.stdout.flush()


telemetry = InvocationTelemetry()
environment = ExecutionEnvironment()


@dataclass(slots=True)
class Report:
    """The line that is written when the invocation ends.

    Attributes:
        message: what the line says first. An error that ends the invocation replaces it.
        level: of the module `logging`. If it is not logged, the line has its metrics only.
        facts: its other fields: what a request is and whose, but no values of it. ``message_type`` is also a
            dimension of the metrics.
    """

    message: str
    level: int = logging.INFO
    facts: dict[str, Any] = field(default_factory=lambda: {"message_type": "unreadable"})

    def describe(self, request: AnyRequest) -> None:
        """Add what may be said of a request, and count its values that this version does not know."""
        telemetry.count("Unrecognized", request.unrecognized.total())
        self.facts.update(correlation(request))
        if request.unrecognized:
            self.facts["unrecognized"] = dict(request.unrecognized)

    @property
    def fields(self) -> Mapping[str, Any]:
        """What the line says besides its metrics. Without a level its level is INFO, for Lambda as well."""
        level = {} if self.level == logging.INFO else {"level": logging.getLevelName(self.level)}
        return {**level, "message": self.message, **self.facts}


@contextmanager
def reported(message: str) -> Iterator[Report]:
    """Log and measure one invocation. No error leaves it whose text could quote a request.

    Args:
        message: of the line, if all goes well.

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
        _write(report, round((time.perf_counter() - started) * 1000, 2))


def _fail(report: Report, error: str) -> None:
    report.message, report.level = "failed", logging.ERROR
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
    """Write the line. The response does not depend on it: what was acknowledged must not fail for it."""
    try:
        news = environment.news()
        if news.get("initialization") in COLD_STARTS:
            telemetry.count("ColdStarts")
        fields = {**report.fields, **news} if _levels.isEnabledFor(report.level) else {}
        telemetry.write(duration_ms, message_type=report.facts["message_type"], fields=fields)
    except Exception as error:  # noqa: BLE001  whatever it is
        logger.error("line not written", extra={"error": described(error)})  # noqa: TRY400  a traceback may hold values
