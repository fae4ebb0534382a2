"""What mParticle's answers to uploads mean."""

import re
from dataclasses import dataclass

from mparticle_firehose.integration import Alone, Answer, Delivered, Outcome, Retry, Split, Suspend

MAX_RETRY_AFTER_SECONDS = 900.0
"""The longest wait that is kept, whatever mParticle asks for: the batch is sent then, and may be refused again."""

_EXCEEDED = "x-mp-rate-limit-exceeded"
_USED = "x-mp-rate-limit-percentage-used"
_QUOTES = "\"'\u201c\u201d\u2018\u2019 \t"
_SCOPE = re.compile(r"[a-z_]{1,20}")
_PERCENTAGE = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?")
_SECONDS = re.compile(r"[0-9]+")

_REDIRECTS = range(300, 400)
_BAD_REQUEST, _UNAUTHORIZED, _FORBIDDEN, _TOO_LARGE = 400, 401, 403, 413
_NOT_FOUND = frozenset({404, 405})


@dataclass(frozen=True, slots=True)
class RateLimit:
    """What mParticle says of its limits.

    Attributes:
        percentage_used: the highest use of all limits that apply, in percent; None if it was not told. mParticle tells
            it with success.
        exceeded: which limit was exceeded: ``org``, ``account``, ``app``, ``feed``, ``workspace``, ``system`` or
            another name. ``acceleration`` means that the rate grew too fast. None if none was named.
    """

    percentage_used: float | None = None
    exceeded: str | None = None


def outcome_of(answer: Answer) -> Outcome:
    """Return the outcome of a request. The reason begins with ``http_`` and the status.

    ``Alone`` and ``Split`` mean Rejected if the request has one batch. A 404, a 405 and a redirect are faults of the
    base URL, for which no batch must be given up. A status that mParticle does not document is a Retry.
    """
    status, reason = answer.status, f"http_{answer.status}"
    if answer.succeeded:
        return Delivered()
    if status == _BAD_REQUEST:
        return Alone(reason)
    if status == _TOO_LARGE:
        return Split(reason)
    if status in {_UNAUTHORIZED, _FORBIDDEN}:
        return Suspend(f"{reason}: check key, secret and pod")
    if status in _NOT_FOUND or status in _REDIRECTS:
        return Retry(f"{reason}: check the base URL")
    return Retry(reason, retry_after(answer))


def rate_limit_of(answer: Answer) -> RateLimit:
    """Return what an answer says of the limits. What cannot be read is None."""
    used = answer.headers.get(_USED, "").strip()
    exceeded = answer.headers.get(_EXCEEDED, "").strip(_QUOTES).lower()
    return RateLimit(
        float(used) if _PERCENTAGE.fullmatch(used) else None, exceeded if _SCOPE.fullmatch(exceeded) else None
    )


def retry_after(answer: Answer) -> float | None:
    """Return the seconds that ``Retry-After`` asks to wait, as a number or a date; None if it cannot be read."""
    text = answer.headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), MAX_RETRY_AFTER_SECONDS)
    moment = answer.seconds(text) if text[:1].isalpha() else None
    return None if moment is None else min(moment, MAX_RETRY_AFTER_SECONDS)
