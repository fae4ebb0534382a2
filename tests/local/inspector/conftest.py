"""The browser and the fake inspector for tests of the page. Tests of the server need neither, nor Playwright."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Protocol

import pytest

from tests.local.inspector.fake_inspector import FakeInspector

if TYPE_CHECKING:
    from tests.local.inspector.browsers import Browser, Page, Scheme


class Open(Protocol):
    """Opens the page of the fake inspector at a view; the options are those of `browsers.opened`."""

    def __call__(
        self, view: str = "compose", *, width: int = 1280, scheme: Scheme = "light", expected: tuple[str, ...] = ()
    ) -> Page: ...


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start the browser, once for each module: Playwright occupies the event loop of its thread while it runs."""
    from tests.local.inspector.browsers import launched  # noqa: PLC0415  it needs Playwright

    with launched() as running:
        yield running


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[FakeInspector, str]]:
    """Serve a fake inspector, and return it with its URL."""
    inspector = FakeInspector()
    with inspector.server() as server:
        yield inspector, server.url


@pytest.fixture
def inspector(served: tuple[FakeInspector, str]) -> FakeInspector:
    """Return the fake inspector as if it had just started."""
    served[0].reset()
    return served[0]


@pytest.fixture
def open_page(browser: Browser, inspector: FakeInspector, served: tuple[FakeInspector, str]) -> Iterator[Open]:
    from tests.local.inspector.browsers import opened  # noqa: PLC0415  it needs Playwright

    with ExitStack() as stack:

        def opening(
            view: str = "compose", *, width: int = 1280, scheme: Scheme = "light", expected: tuple[str, ...] = ()
        ) -> Page:
            url = f"{served[1]}#/{view}"
            return stack.enter_context(opened(browser, url, width=width, scheme=scheme, expected=expected))

        yield opening
