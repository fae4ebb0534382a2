"""The one time that is not integer milliseconds: ``submitted_time`` of a data subject request."""

import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated

from pydantic_core import core_schema

from mparticle_firehose.protocol.wire.coercion import is_blank, trimmed
from mparticle_firehose.protocol.wire.reading import count_unrecognized
from mparticle_firehose.protocol.wire.unions import Schema

MALFORMED_TIME = "malformed_time"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_SECONDS = 1e11
"""A larger number is read as milliseconds: as seconds it would be the year 5138."""
_END_OF_DAY = "T24:00"
_BEGIN_OF_DAY = "T00:00"


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
        text = trimmed(value)
        if "_" in text or not text.isascii():  # Python reads 1_000 and other scripts' digits as numbers
            raise ValueError
        try:
            return _from_number(float(text))
        except ValueError:
            return _from_iso(text.upper())
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
    if text.endswith("]"):  # the name of a zone after its offset
        text = text.rpartition("[")[0]
    ends_day = _END_OF_DAY in text
    instant = datetime.fromisoformat(text.replace(_END_OF_DAY, _BEGIN_OF_DAY, 1))
    if ends_day:
        if instant.second or instant.microsecond:
            raise ValueError
        instant += timedelta(days=1)
    if not instant.tzinfo:
        return instant.replace(tzinfo=UTC)
    instant.astimezone(UTC)  # raises an error for a year outside the range
    return instant


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
