"""Fails each test whose output holds a secret, a personal value or a name: whatever is planted holds a mark."""

from collections.abc import Generator

import pytest

from tests.planted import leaks


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test whose logs, metrics or other output hold a secret or personal value."""
    report = yield
    if report.passed and not item.get_closest_marker("shows_canaries"):
        leaking = [name for name, content in report.sections if leaks(content)]
        if leaking:
            report.outcome = "failed"
            report.longrepr = f"a secret or personal value shows in: {', '.join(leaking)}"
    return report
