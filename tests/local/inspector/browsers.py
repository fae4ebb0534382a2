"""A browser for tests of the inspector's page: whatever goes wrong in it fails the test."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

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


def is_required() -> bool:
    """Return whether a missing browser is a failure: .ci/run says so."""
    return os.environ.get("REQUIRE_BROWSER") == "1"


@contextmanager
def launched() -> Iterator[Browser]:
    """Start the installed browser; without one the test is skipped, or fails where one is required."""
    path = executable()
    if path is None:
        reason = "no Chromium or Chrome is installed: the page of the inspector is not tested"
        (pytest.fail if is_required() else pytest.skip)(reason)
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*FLAGS, *sandbox])
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, url: str, *, width: int = WIDE, scheme: Scheme = "light") -> Iterator[Page]:
    """Open the page. Errors in its console, exceptions and requests to other hosts fail the test at the end."""
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
    assert not faults, faults


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
    """Return whether the page is wider than its window."""
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))
