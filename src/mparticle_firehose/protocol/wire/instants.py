"""The one time that is not integer milliseconds: ``submitted_time`` of a data subject request."""

import math
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated

from pydantic_core import core_schema

from mparticle_firehose.protocol.wire.coercion import is_blank
from mparticle_firehose.protocol.wire.unions import Schema, count_unrecognized

MALFORMED_TIME = "malformed_time"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_SECONDS = 1e11
"""A larger number is read as milliseconds: as seconds it would be the year 5138."""
_ZONE_NAME = re.compile(r"\[[^\]]*\]$")


def read_instant(value: object) -> datetime:
    """Reads epoch seconds, epoch milliseconds or ISO 8601 text, which is in UTC if it names no zone.

    Digits after the microsecond are dropped. A number is read as a float even if its text has more digits, so that a
    request reads the same from bytes and from the dict that Lambda passes.

    Raises:
        ValueError: it is none of them.
        OverflowError: its year is outside the range of a datetime.
    """
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, str):
        try:
            return _from_number(float(value))
        except ValueError:
            return _from_iso(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _from_number(float(value))
    raise ValueError


def epoch_seconds(instant: datetime) -> Decimal:
    """The form in which the Java SDK writes an instant: decimal seconds since the epoch."""
    return Decimal((instant - _EPOCH) // timedelta(microseconds=1)).scaleb(-6)


def _from_number(number: float) -> datetime:
    if not math.isfinite(number):
        raise OverflowError
    shift = -3 if abs(number) > _MAX_SECONDS else 0
    return _EPOCH + timedelta(microseconds=int(Decimal(repr(number)).scaleb(6 + shift)))


def _from_iso(text: str) -> datetime:
    instant = datetime.fromisoformat(_ZONE_NAME.sub("", text.strip().upper()))
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _optional_instant(value: object, info: core_schema.ValidationInfo) -> datetime | None:
    if is_blank(value):
        return None
    try:
        return read_instant(value)
    except (ValueError, OverflowError):
        count_unrecognized(info.context, MALFORMED_TIME)
        return None


OptionalInstant = Annotated[datetime | None, Schema(core_schema.with_info_plain_validator_function(_optional_instant))]
"""A datetime with a zone. Anything else reads as None and is counted, so that a bad time does not cost an erasure."""
