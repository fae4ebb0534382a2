"""axe-core finds nothing serious in any view, in either theme."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.local.inspector import fake_data
from tests.local.inspector.browsers import NARROW, WIDE, Page, Scheme, expect
from tests.local.inspector.conftest import Open
from tests.local.inspector.fake_inspector import FakeInspector

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


def findings(page: Page) -> list[str]:
    """Return the serious and critical findings of axe-core, each with the first place."""
    found: dict[str, Any] = Axe().run(page, options={**RULES, "resultTypes": ["violations"]}).response
    return [
        f"{each['id']}: {each['nodes'][0]['target']} {each['nodes'][0].get('failureSummary', '')}"
        for each in found["violations"]
        if each["impact"] in {"serious", "critical"}
    ]


def fill(inspector: FakeInspector) -> None:
    """Give each view something to show."""
    states = ("done", "waiting", "running", "failed")
    for state in states:
        inspector.put(inspector.new_trace(fake_data.PURCHASE, state=state, failed=state == "failed"))
    inspector.put(inspector.new_trace(fake_data.PURCHASE, state="dead", is_slow=True, steps=fake_data.retried_steps()))
    inspector.letters = [fake_data.letter("m1")]
    inspector.active = [{"kind": "status_500", "route": "/track", "left": 3}]
    inspector.is_stale = True


def show_compose(page: Page) -> None:
    page.locator("summary", has_text="product_action").click()
    page.get_by_role("textbox", name="timestamp_ms").fill("soon")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("region", name="Problems")).to_contain_text("1 problem")
    expect(page.get_by_text("Answered in 23 ms")).to_be_visible()


def show_json(page: Page) -> None:
    page.get_by_role("tab", name="JSON").click()
    page.get_by_label("The message as JSON").fill("{")
    expect(page.get_by_text("The JSON ends too early.")).to_be_visible()


def show_trace(page: Page) -> None:
    page.get_by_label("Logs").check()
    for summary in page.locator(".step summary").all():
        summary.click()


def show_dialog(page: Page) -> None:
    page.get_by_role("button", name="Purge").click()
    expect(page.get_by_label("Type 1 to confirm")).to_be_focused()


def show_keys(page: Page) -> None:
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()


def show_faults(page: Page) -> None:
    expect(page.locator(".cards .card")).to_have_count(3)


def show_registration(page: Page) -> None:
    expect(page.get_by_text("The JSON to send to mParticle")).to_be_visible()


def show_letters(page: Page) -> None:
    expect(page.get_by_role("table", name="Groups of dead letters")).to_be_visible()


SCENES = {
    "compose": ("compose", show_compose),
    "compose as JSON": ("compose", show_json),
    "trace": ("trace", show_trace),
    "break it": ("faults", show_faults),
    "registration": ("registration", show_registration),
    "dead letters": ("letters", show_letters),
    "purge": ("letters", show_dialog),
    "keyboard": ("letters", show_keys),
}


@pytest.mark.parametrize(("scheme", "width"), [("light", WIDE), ("dark", NARROW)])
def test_nothing_serious_is_found_in_any_view(
    open_page: Open, inspector: FakeInspector, scheme: Scheme, width: int
) -> None:
    fill(inspector)
    page = open_page(scheme=scheme, width=width)
    found: dict[str, list[str]] = {}
    for name, (view, prepare) in SCENES.items():
        page.goto(f"{page.url.partition('#')[0]}#/{view}")
        page.reload()
        prepare(page)
        found |= {name: faults} if (faults := findings(page)) else {}

    assert found == {}


def test_nothing_serious_is_found_where_there_is_no_data(open_page: Open) -> None:
    page = open_page("trace", scheme="dark")
    for key in ("2", "5"):
        page.keyboard.press(key)
        expect(page.locator(".empty")).to_be_visible()

        assert findings(page) == []


def test_a_text_with_too_little_contrast_would_be_found(open_page: Open) -> None:
    page = open_page("trace")
    page.evaluate("document.querySelector('.lead').style.color = '#bbb'")

    assert [finding.partition(":")[0] for finding in findings(page)] == ["color-contrast"]
