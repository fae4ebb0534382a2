"""What a deployment replies to one request, in the words that both ways to call it have in common."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

RETRIED_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
"""The statuses after which mParticle repeats a request. After any other error the request is lost."""

_MAX_TEXT = 160
_CODE = re.compile(r"[A-Za-z][A-Za-z._]{1,60}")


class Kind(StrEnum):
    """How a request ended."""

    ANSWERED = "answered"
    MALFORMED = "refused as malformed"
    REFUSED = "refused"
    UNAUTHORIZED = "refused without a valid token"
    NOT_NOW = "refused for now"
    CRASHED = "crashed"
    SILENT = "not answered in time"


@dataclass(frozen=True)
class Reply:
    """A reply.

    Attributes:
        kind: how the request ended.
        payload: the response's JSON, if it was answered.
        milliseconds: measured here, with the network.
        reason: the type or the code of the error, and its text if it is one of the product's own, which hold no values.
        status: over HTTP.
        function_ms: how long the function took, if that is known.
        is_cold: whether the call waited until a new environment had started, if that is known.
        before: how the request ended the first time, if it was repeated.
    """

    kind: Kind
    payload: bytes = b""
    milliseconds: float = 0.0
    reason: str = ""
    status: int | None = None
    function_ms: float | None = None
    is_cold: bool = False
    before: str = ""

    @property
    def described(self) -> str:
        """How the request ended, with the reason."""
        status = f", status {self.status}" if self.status else ""
        again = ", also when repeated" if self.before else ""
        return f"{self.kind}{again}{status}{f': {self.reason}' if self.reason else ''}"


class Target(Protocol):
    """A deployment that can be called as mParticle calls it."""

    is_local: bool
    latency_limit_ms: int

    def send(self, body: bytes, *, authorized: bool = True) -> Reply:
        """Send one request.

        Args:
            body: the request's JSON, or what should be refused.
            authorized: whether the target's credential goes with it, where there is one.

        Raises:
            StackError: nothing can be sent at all.
        """


def code_of(text: object) -> str:
    """Return the code or type of an error if it is one, and nothing else that an unknown sender may have written."""
    return text if isinstance(text, str) and _CODE.fullmatch(text) else ""


def short(text: str) -> str:
    """Return a text without what a terminal would take for a command, cut where a table would suffer."""
    shown = "".join(each if each.isprintable() else "?" for each in text)
    return shown if len(shown) <= _MAX_TEXT else f"{shown[:_MAX_TEXT]}..."
