"""Makes the screenshots of docs/inspector.md: ``python -m tests.local.inspector.screenshots``, with src on the path.

It deploys the integration in src/partner into a local cloud of its own, lets its fake API fail twice, and takes
pictures of the trace of that, in light, and of the form, in dark.
"""

from contextlib import ExitStack
from pathlib import Path

from local.cloud.cloud import LocalCloud
from local.inspector.inspector import Inspector
from local.isolation import ROOT
from local.partner.server import PartnerServer
from local.rooms import Room
from tests.local.inspector.browsers import Browser, Page, expect, launched, opened

FOLDER = ROOT / "docs" / "screenshots"
MAX_BYTES = 200_000


def main() -> None:
    """Make both."""
    room = Room.of("")
    with ExitStack() as stack:
        partner = stack.enter_context(PartnerServer(room.fake_api()))
        inspector = stack.enter_context(Inspector(room, partner))
        cloud = stack.enter_context(LocalCloud(partner.url, room=room, observer=inspector.observer))
        url = inspector.serve(cloud, lambda: None)
        browser = stack.enter_context(launched())
        FOLDER.mkdir(exist_ok=True)
        take_trace(browser, url)
        take_compose(browser, url)


def take_trace(browser: Browser, url: str) -> None:
    """Take the trace of a purchase that is tried again, between others."""
    with opened(browser, url) as page:
        for title in ("Screen view", "Membership: add", "All types of events in one", "Erasure"):
            send(page, title)
        page.get_by_role("link", name="Break it").click()
        page.get_by_label("For how many calls").fill("2")
        page.get_by_role("button", name="Break it: 500 Internal Server Error").click()
        page.get_by_role("link", name="Compose").click()
        send(page, "Product action")
        page.get_by_role("link", name="Open the trace").click()
        expect(page.get_by_role("article", name="Trace").locator(".state")).to_have_text("Done")
        page.locator(".step.call summary").last.click()
        expect(page.get_by_role("group", name="The partner's answer")).to_be_visible()
        picture(page, "trace.png")


def take_compose(browser: Browser, url: str) -> None:
    """Take the form of a product action."""
    with opened(browser, url, scheme="dark") as page:
        choose(page, "Product action")
        event = page.locator(".section .section > summary").first
        event.click()
        event.evaluate("(summary) => summary.scrollIntoView()")
        picture(page, "compose.png")


def send(page: Page, title: str) -> None:
    """Send a sample and wait for the answer."""
    choose(page, title)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("Answered in")).to_be_visible()


def choose(page: Page, title: str) -> None:
    """Choose a sample."""
    page.get_by_role("complementary", name="Message types").get_by_role("button", name=title).first.click()
    expect(page.get_by_role("heading", name=title, exact=True)).to_be_visible()
    expect(page.get_by_role("region", name="Problems")).to_have_text("No problems")


def picture(page: Page, name: str) -> None:
    """Take the window, without pointer and focus in it."""
    page.mouse.move(0, 0)
    path = FOLDER / name
    page.screenshot(path=path)
    size = Path(path).stat().st_size
    print(f"{path.relative_to(ROOT)}: {size // 1000} KB")  # noqa: T201  a command line prints
    if size > MAX_BYTES:
        raise SystemExit(f"{name} has more than {MAX_BYTES // 1000} KB")


if __name__ == "__main__":
    main()
