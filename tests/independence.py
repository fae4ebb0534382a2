"""Tests that do not depend on the user's integration, and a guard that shows it.

`tests/test_rehearsal.py` runs the others once more with another integration. Each test below fails if it opens a file
of the user's. What runs in programs that it starts, or was read before by another test, is not seen. Hypothesis reads
the source of every module that is loaded, also by other tests of the process, for constants to draw: that is ignored.
"""

import inspect
import sys
from collections.abc import Generator
from dataclasses import dataclass, field

import pytest

from local.isolation import ROOT

YOURS = ("src/app.py", "src/partner", "tests/partner", "events", "registration.json", "samconfig.toml")
"""What docs/upgrading.md lists as the user's."""

INDEPENDENT = (
    "examples",
    "tests/alarms",
    "tests/bench/test_backfill.py",
    "tests/bench/test_feed.py",
    "tests/bench/test_outage.py",
    "tests/bench/test_starvation.py",
    "tests/delivery",
    "tests/endpoint",
    "tests/feed",
    "tests/feed_worker",
    "tests/integration",
    "tests/letter_archive",
    "tests/local/inspector/test_page.py",
    "tests/local/inspector/test_page_accessibility.py",
    "tests/local/inspector/test_page_compose.py",
    "tests/local/inspector/test_security.py",
    "tests/local/test_fake_mparticle.py",
    "tests/local/test_preview.py",
    "tests/local/test_preview_masking.py",
    "tests/local/test_preview_watching.py",
    "tests/ops",
    "tests/partner_api",
    "tests/processors",
    "tests/protocol",
    "tests/queues",
    "tests/rooms",
    "tests/tables",
    "tests/test_feed_function.py",
    "tests/test_hostile.py",
    "tests/test_makefile.py",
    "tests/test_silent_aws.py",
    "tests/worker",
)
"""Files and folders of tests that work with the small integration of the framework's own tests, or with none."""


@dataclass
class OpenedFiles:
    """Remembers which files of the user's are opened while it is watching."""

    watching: bool = False
    found: set[str] = field(default_factory=set)
    _prefixes: tuple[str, ...] = tuple(str(ROOT / name) for name in YOURS)

    def hear(self, event: str, arguments: tuple[object, ...]) -> None:
        """Take an audit event of the interpreter: https://docs.python.org/3/library/audit_events.html."""
        if not self.watching or event != "open":
            return
        path = arguments[0]
        if isinstance(path, str) and path.startswith(self._prefixes) and not _reads_constants():
            self.found.add(path.removeprefix(f"{ROOT}/"))


def _reads_constants() -> bool:
    """Return whether it is Hypothesis that opens a file now."""
    frame = inspect.currentframe()
    while frame and frame.f_globals.get("__name__") != "hypothesis.internal.constants_ast":
        frame = frame.f_back
    return frame is not None


_OPENED = OpenedFiles()
sys.addaudithook(_OPENED.hear)


def is_independent(item: pytest.Item) -> bool:
    """Return whether a test is one of those; what needs the local cloud is not run in the rehearsal anyway."""
    return item.nodeid.startswith(INDEPENDENT) and item.get_closest_marker("cloud") is None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None]:
    """Begin to watch."""
    _OPENED.found.clear()
    _OPENED.watching = is_independent(item)
    yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None]:
    """Fail the test if it has opened a file of the user's."""
    yield
    _OPENED.watching = False
    if _OPENED.found:
        raise AssertionError(f"it depends on the user's {', '.join(sorted(_OPENED.found))}: see tests/independence.py")
