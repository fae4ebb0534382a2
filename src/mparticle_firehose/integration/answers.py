"""The partner's answer to a call, and tolerant readers of what it says."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import Self

from mparticle_firehose.integration.outcomes import Outcome

_MIN_EPOCH_SECONDS = 1_000_000_000.0
_MIN_EPOCH_MILLISECONDS = 1_000_000_000_000.0
_MAX_EXACT_FLOAT = 2.0**53
_SUCCESSES = range(200, 300)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One HTTP answer of the partner's API.

    Attributes:
        status: the HTTP status.
        headers: by name in lower case. Never shown.
        body: the parsed JSON; None if there is no body or it is not JSON. Never shown.
        received_at: seconds since the epoch, to turn a moment into a wait.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: object = field(default=None, repr=False)
    received_at: float = 0.0

    @property
    def succeeded(self) -> bool:
        """Whether the status is 2xx."""
        return self.status in _SUCCESSES

    def at(self, *path: str | int) -> object:
        """Return what is at a path of field names and indexes in the body; None if anything on the way is missing."""
        value = self.body
        for step in path:
            value = _inside(value, step)
        return value

    def text(self, *path: str | int) -> str:
        """Return the text at a path; empty if there is none."""
        value = self.at(*path)
        return value if isinstance(value, str) else ""

    def identifier(self, *path: str | int) -> str:
        """Return the id at a path as text: a text, or a whole number as its digits; empty if there is none.

        A number that is written with a fraction or an exponent is a whole one below 2**53: a double holds no larger one
        for certain. A blank text is no id.
        """
        value = self.at(*path)
        if isinstance(value, float) and value.is_integer() and abs(value) < _MAX_EXACT_FLOAT:
            value = int(value)
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        return str(value) if is_whole or (isinstance(value, str) and value.strip()) else ""

    def whole(self, *path: str | int) -> int | None:
        """Return the whole number at a path; None if there is none. A boolean is not a number."""
        value = self.at(*path)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def objects(self, *path: str | int) -> list[Mapping[str, object]]:
        """Return the JSON objects of the list at a path, without its other elements; empty if there is no list."""
        return [entry for entry in self._list(*path) if isinstance(entry, dict)]

    def texts(self, *path: str | int) -> list[str]:
        """Return the texts of the list at a path, without its other elements; empty if there is no list."""
        return [entry for entry in self._list(*path) if isinstance(entry, str)]

    def each(self, *path: str | int) -> list[Self]:
        """Return every element of the list at a path as an answer of its own, for paths within it."""
        return [replace(self, body=entry) for entry in self._list(*path)]

    def wait(self, *headers: str) -> float | None:
        """Return the seconds that the first readable one of these headers asks to wait, see `seconds`."""
        readable = (self.seconds(self.headers.get(name.lower())) for name in headers)
        return next((wait for wait in readable if wait is not None), None)

    def seconds(self, value: object) -> float | None:
        """Read a wait: a number of seconds, an HTTP date, or a moment as an epoch in seconds or milliseconds.

        A number from 1,000,000,000 on is an epoch, from 1,000,000,000,000 on one in milliseconds. What has passed
        already is zero; what cannot be read is None. The queue waits twelve hours at most, whatever is asked.
        """
        number = _number(value)
        if number is None:
            moment = _http_date(value) if isinstance(value, str) else None
            return None if moment is None else max(0.0, moment - self.received_at)
        if number >= _MIN_EPOCH_MILLISECONDS:
            number = number / 1000 - self.received_at
        elif number >= _MIN_EPOCH_SECONDS:
            number -= self.received_at
        return max(0.0, number)

    def _list(self, *path: str | int) -> Iterator[object]:
        value = self.at(*path)
        return iter(value if isinstance(value, list) else ())


def index_in(value: object, count: int) -> int | None:
    """Return an index that an answer names if it is a whole number below the count, else None."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < count else None


def by_table(_bodies: object, _answer: Answer) -> Outcome | None:
    """Judge no answer: leave them all to the retry policy's table."""
    return None


def _inside(value: object, step: str | int) -> object:
    if isinstance(value, dict):
        return value.get(step)
    if isinstance(value, list) and isinstance(step, int):
        return value[step] if -len(value) <= step < len(value) else None
    return None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if isfinite(number) else None


def _http_date(text: str) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.fromtimestamp(0, UTC)).total_seconds()
