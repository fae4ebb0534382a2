"""What AWS charges, and the sum of it for one request, item by item."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

PRICES: Mapping[str, Any] = tomllib.loads(Path(__file__).with_name("prices.toml").read_text())

MEMORY_GB = 1.0
SQS_CHUNK_BYTES = 64 * 1024
_GIGABYTE = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What one request of mParticle's uses on its whole way, in parts of a worker's batch where it shares one."""

    lambda_requests: float = 1.0
    lambda_gb_seconds: float = 0.0
    sqs_standard: float = 0.0
    sqs_fifo: float = 0.0
    dynamodb_reads: float = 0.0
    dynamodb_writes: float = 0.0
    log_bytes: float = 0.0


def itemised(usage: Usage, prices: Mapping[str, Any] = PRICES) -> dict[str, float]:
    """Return US$ for a million such requests, by item."""
    per_million = prices["per_million"]
    items = {
        field.name: getattr(usage, field.name) * per_million[field.name]
        for field in fields(usage)
        if field.name in per_million
    }
    return {**items, "logs": usage.log_bytes * 1e6 / _GIGABYTE * prices["other"]["logs_gb"]}
