"""What the checks found."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Result(StrEnum):
    """What a check found.

    FAILED is what mParticle would refuse. NOT_CHECKED is no success: something is missing to try it.
    """

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True)
class Finding:
    """One row of the report.

    Attributes:
        check: what was tried.
        result: what came of it.
        seen: what was seen, without values of settings, ids of accounts of customers, or data.
        private: more for the terminal only, such as the account that may invoke and should not.
    """

    check: str
    result: Result
    seen: str
    private: str = ""


def ok(check: str, seen: str) -> Finding:
    """Return a success."""
    return Finding(check, Result.OK, seen)


def failed(check: str, seen: str, private: str = "") -> Finding:
    """Return what mParticle would refuse."""
    return Finding(check, Result.FAILED, seen, private)


def warning(check: str, seen: str, private: str = "") -> Finding:
    """Return what mParticle may accept, and a reader should know."""
    return Finding(check, Result.WARNING, seen, private)


def not_checked(check: str, seen: str) -> Finding:
    """Return what could not be tried, and what is missing."""
    return Finding(check, Result.NOT_CHECKED, seen)


def would_be_refused(findings: Iterable[Finding]) -> bool:
    """Return whether mParticle would refuse the integration."""
    return any(each.result is Result.FAILED for each in findings)
