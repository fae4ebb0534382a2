"""CloudWatch's embedded metric format: a log line that is a JSON object, of which CloudWatch takes numbers as metrics.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import batched
from typing import Any

MAX_METRICS = 100
"""Metrics of one document."""

MAX_VALUES = 100
"""Values of one metric in one document."""

_encode = json.JSONEncoder(separators=(",", ":"), default=str).encode


def documents(
    values: Mapping[str, Sequence[float]],
    *,
    units: Mapping[str, str],
    namespace: str,
    dimensions: Mapping[str, str],
    fields: Mapping[str, Any],
    timestamp_ms: int,
) -> Iterator[str]:
    """Yield as many documents as the limits of the format ask for, mostly one.

    Args:
        values: of each metric, at least one of one metric. CloudWatch makes percentiles of several.
        units: of the metrics that have one.
        namespace: of the metrics.
        dimensions: of the metrics.
        fields: what else the first document says. It is searchable in the log, and no metric.
        timestamp_ms: when this was measured, since the epoch.
    """
    for first in range(0, max(map(len, values.values())), MAX_VALUES):
        present = [name for name, each in values.items() if len(each) > first]
        for names in batched(present, MAX_METRICS, strict=False):
            definitions = [{"Name": name, "Unit": units[name]} if name in units else {"Name": name} for name in names]
            directive = {"Namespace": namespace, "Dimensions": [[*dimensions]], "Metrics": definitions}
            yield _encode(
                {
                    **fields,
                    **dimensions,
                    **{name: _plain(values[name][first : first + MAX_VALUES]) for name in names},
                    "_aws": {"Timestamp": timestamp_ms, "CloudWatchMetrics": [directive]},
                }
            )
            fields = {}


def _plain(values: Sequence[float]) -> float | Sequence[float]:
    """Return a single value as a number."""
    return values[0] if len(values) == 1 else values
