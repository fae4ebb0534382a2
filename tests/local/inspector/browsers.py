"""A browser for tests of the inspector's page: whatever goes wrong in it fails the test.

Without Playwright, or without a browser, the tests are skipped; with REQUIRE_BROWSER=1, which .ci/run sets, they fail.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal
from urllib.parse import urlsplit

import pytest

IS_REQUIRED = os.environ.get("REQUIRE_BROWSER") == "1"

try:
    from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request, expect, sync_playwright
except ImportError:
    if IS_REQUIRED:
        raise
    pytest.skip("playwright is not installed: the inspector's page is not tested", allow_module_level=True)

__all__ = ["Browser", "Locator", "Page", "Scheme", "executable", "expect", "launched", "opened", "scrolls_sideways"]

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
WIDE, NARROW = 1280, 800
TIMEOUT_MS = 10_000

type Scheme = Literal["light", "dark"]


def executable() -> str | None:
    """Return the installed browser, if there is one."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


@contextmanager
def launched(find: Callable[[], str | None] = executable, *, is_required: bool = IS_REQUIRED) -> Iterator[Browser]:
    """Start the installed browser; without one the test is skipped, or fails where one is required."""
    path = find()
    if path is None:
        reason = "no Chromium or Chrome is installed: the inspector's page is not tested"
        (pytest.fail if is_required else pytest.skip)(reason)
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*FLAGS, *sandbox])
        yield browser
        browser.close()


@contextmanager
def opened(
    browser: Browser, url: str, *, width: int = WIDE, scheme: Scheme = "light", expected: tuple[str, ...] = ()
) -> Iterator[Page]:
    """Open the page. Errors in its console, exceptions and requests to other hosts fail the test at the end.

    Args:
        browser: opens it.
        url: of the page.
        width: of the window.
        scheme: what the system prefers.
        expected: texts of errors that the test provokes; the browser logs each answer that is no success.
    """
    context = browser.new_context(
        viewport={"width": width, "height": 800},
        color_scheme=scheme,
        reduced_motion="reduce",
        permissions=["clipboard-read", "clipboard-write"],
    )
    context.set_default_timeout(TIMEOUT_MS)
    expect.set_options(timeout=TIMEOUT_MS)
    page = context.new_page()
    faults: list[str] = []
    watch(page, url, faults)
    page.goto(url)
    yield page
    context.close()
    unexpected = [fault for fault in faults if not any(text in fault for text in expected)]
    assert not unexpected, unexpected


def watch(page: Page, url: str, faults: list[str]) -> None:
    """Collect what a page does wrong."""
    own = urlsplit(url).netloc

    def on_console(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            faults.append(f"console: {message.text}")

    def on_request(request: Request) -> None:
        if urlsplit(request.url).netloc != own:
            faults.append(f"request to another host: {urlsplit(request.url).netloc}")

    page.on("console", on_console)
    page.on("pageerror", lambda error: faults.append(f"exception: {error}"))
    page.on("request", on_request)


def scrolls_sideways(page: Page) -> bool:
    """Return whether the page, or a view in it, is wider than its place."""
    script = "(boxes) => boxes.some((box) => box.scrollWidth > box.clientWidth)"
    return bool(page.locator("html, .view").evaluate_all(script))
