"""How pytest-xdist distributes the tests among processes: ``pytest --numprocesses 2 --dist loadfile``.

The tests of a file run in one process, because they may share what takes long to start; those of some files together.
The option ``loadgroup`` and its marks are not used: pytest-xdist 3.8 ignores the marks under pytest 9.2
(https://github.com/pytest-dev/pytest-xdist/issues/1386).
"""

import os

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

FIRST = (
    ("tests/test_rehearsal.py",),
    ("tests/deployment/test_deployment.py",),
    (
        "tests/deployment/test_end_to_end.py",
        "tests/deployment/test_feed_end_to_end.py",
        "tests/deployment/test_http_endpoint.py",
        "tests/deployment/test_letter_archive_end_to_end.py",
        "tests/local/inspector/test_inspector.py",
        "tests/deployment/test_verify.py",
        "tests/local/inspector/test_page_end_to_end.py",
        "tests/local/test_cloud.py",
    ),
    ("tests/local/test_examples.py",),
    ("tests/worker/test_model.py",),
    ("tests/local/test_background.py",),
    ("tests/deployment/test_latency_under_fault.py",),
    ("tests/endpoint/test_openapi.py",),
    ("tests/deployment/test_runtime_emulator.py",),
    ("tests/bench/test_runs.py",),
)
"""The files that take longest, which start first, so that no process ends long after the others.

Files in one entry share the fixture `cloud`, which deploys the template, or `inspector_url`, which needs it.
"""

_GROUPS = {file: group[0] for group in FIRST for file in group}
_RANKS = {file: rank for rank, group in enumerate(FIRST) for file in group}


def file_of(nodeid: str) -> str:
    """Return the file in which a test is."""
    return nodeid.partition("::")[0]


class FileScheduling(LoadScopeScheduling):  # type: ignore[misc]  # pytest-xdist is not typed
    """Assigns the tests of a file, or of an entry of `FIRST`, to one process."""

    def _split_scope(self, nodeid: str) -> str:
        return _GROUPS.get(file_of(nodeid), file_of(nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """Have three processes on two cores: the tests of the local cloud wait for it a third of their time."""
    return _PROCESSES_ON_TWO_CORES if os.process_cpu_count() == _TWO_CORES else None


_TWO_CORES, _PROCESSES_ON_TWO_CORES = 2, 3


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FileScheduling | None:
    """Assign files in the order of `pytest_collection_modifyitems`, and not by their number of tests."""
    config.option.loadscopereorder = False
    return FileScheduling(config, log) if config.option.dist == "loadfile" else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Start with the files that take longest; in a single process their order does not matter."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: _RANKS.get(file_of(item.nodeid), len(FIRST)))
