"""The inspector on the local cloud: a message is sent, fails, is tried again, becomes a dead letter and is redriven."""

import json
from collections.abc import Iterator

import pytest

from tests.conftest import Json, load_event
from tests.local.inspector.browsers import NARROW, WIDE, Browser, Page, expect, opened, scrolls_sideways
from tests.planted import leaks
from tests.sample.server import SamplePartner

ACCOUNT = 770_001
"""No other test's: its credential is refused here."""

REFUSED = "401 Unauthorized"
BROKEN = "500 Internal Server Error"


@pytest.fixture
def page(browser: Browser, inspector_url: str) -> Iterator[Page]:
    with opened(browser, inspector_url) as shown:
        yield shown


def small_message() -> Json:
    """Return a request of one event: Chromium takes seconds to type a long text."""
    account = {"account_id": ACCOUNT, "account_settings": {"token": "canary-secret"}}
    sample = load_event("event_processing_request", account=account)
    kept = ("type", "id", "timestamp_ms", "account", "user_identities", "mpid")
    return {**{name: sample[name] for name in kept}, "events": sample["events"][:1]}


def compose(page: Page, message: Json) -> None:
    page.get_by_role("link", name="Compose").click()
    page.get_by_role("tab", name="JSON").click()
    expect(page.get_by_label("The message as JSON")).not_to_have_value("")
    page.get_by_label("The message as JSON").fill(json.dumps(message))


def send_and_trace(page: Page) -> None:
    page.keyboard.press("Control+Enter")
    page.get_by_role("link", name="Open the trace").click()


def break_it(page: Page, title: str, times: int) -> None:
    page.get_by_role("link", name="Break it").click()
    page.get_by_label("Where").select_option("/track")
    page.get_by_label("For how many calls").fill(str(times))
    page.get_by_role("button", name=f"Break it: {title}").click()
    expect(page.get_by_role("region", name="Active faults")).to_contain_text(f"{title} at /track ({times} more)")


def labels(page: Page) -> list[str]:
    return page.get_by_role("list", name="Timeline").locator("li:visible .label").all_inner_texts()


def expect_state(page: Page, state: str) -> None:
    expect(page.get_by_role("article", name="Trace").locator(".state")).to_have_text(state)


@pytest.mark.cloud
def test_a_message_is_followed_from_the_first_answer_to_its_redrive(page: Page, fake_partner: SamplePartner) -> None:
    message = small_message()

    break_it(page, BROKEN, 2)
    compose(page, message)
    send_and_trace(page)
    expect_state(page, "Done")
    assert labels(page)[0] == "Request"
    assert {"Answer", "Queue", "Delivery", "Call"} <= set(labels(page))
    expect(page.get_by_text(f"Fault: {BROKEN}")).to_have_count(2)
    expect(page.locator(".step.call .tag.good")).to_have_text("202")
    expect(page.get_by_text("attempt 3")).to_be_visible()

    break_it(page, REFUSED, 2)
    compose(page, message)
    send_and_trace(page)
    expect_state(page, "Dead letter")
    trace = page.url

    page.get_by_role("link", name="Dead letters").click()
    row = page.get_by_role("row").filter(has_text=str(ACCOUNT))
    row.get_by_role("button", name="Show the letter").click()
    assert not leaks(page.get_by_label("Masked content").inner_text())
    page.keyboard.press("Escape")
    delivered = len(fake_partner.events)
    row.get_by_role("button", name="Redrive").click()
    expect(page.get_by_text("Nothing is sent yet.")).to_be_visible()
    assert len(fake_partner.events) == delivered
    page.get_by_role("button", name="Redrive 1 letter").click()
    expect(page.get_by_role("status")).to_have_text("Sent 1 letter again.")
    page.goto(trace)
    expect_state(page, "Done")
    assert len(fake_partner.events) == delivered + 1


@pytest.mark.cloud
@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_the_registration_is_shown_and_nothing_scrolls_sideways(
    browser: Browser, inspector_url: str, width: int
) -> None:
    with opened(browser, inspector_url, width=width) as page:
        for key in ("2", "3", "5", "1", "4"):
            page.keyboard.press(key)
            expect(page.get_by_role("heading", level=1)).to_be_focused()
            assert not scrolls_sideways(page)
        expect(page.get_by_role("group", name="The JSON to send to mParticle")).to_contain_text("registration_response")
        assert not scrolls_sideways(page)
