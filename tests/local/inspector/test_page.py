"""The inspector's page: what all views share, and each view but Compose."""

import re

import pytest

from local.inspector.letters import MAX_LISTED
from tests.local.inspector import fake_data
from tests.local.inspector.browsers import NARROW, WIDE, Browser, Page, expect, launched, opened, scrolls_sideways
from tests.local.inspector.conftest import Open
from tests.local.inspector.fake_inspector import FakeInspector

VIEWS = {
    "compose": "Compose",
    "trace": "Trace",
    "faults": "Break it",
    "registration": "Registration",
    "letters": "Dead letters",
}


CONTENTS = {
    "Compose": "event_processing_request",
    "Trace": "Dead letter",
    "Break it": "429 Too Many Requests",
    "Registration": "The JSON to send to mParticle",
    "Dead letters": "rejected: 400",
}
"""A text of each view that is there once its data have come."""


def filled(inspector: FakeInspector) -> None:
    """Give each view something to show."""
    for _ in range(3):
        inspector.put(inspector.new_trace(fake_data.PURCHASE, title=fake_data.HOSTILE))
    inspector.put(inspector.new_trace(fake_data.PURCHASE, state="dead", steps=fake_data.retried_steps()))
    inspector.letters = [fake_data.letter("m1"), fake_data.letter("m2")]
    inspector.active = [{"kind": "status_500", "route": "/track", "left": 3}]


def run_in_page(browser: Browser, url: str, script: str) -> None:
    with opened(browser, f"{url}#/trace") as page:
        page.evaluate(script)
        page.wait_for_timeout(100)


def steps(page: Page) -> list[str]:
    return [
        row.replace("\n", " ")
        for row in page.get_by_role("list", name="Timeline").locator("li:visible .label").all_inner_texts()
    ]


def knows_what_is_deployed(page: Page) -> None:
    expect(page.locator("#partner")).to_have_text(fake_data.OVERVIEW["partner"])


def test_without_a_browser_the_tests_are_skipped_and_fail_where_one_is_required() -> None:
    with pytest.raises(pytest.skip.Exception, match="no Chromium"), launched(lambda: None, is_required=False):
        pass
    with pytest.raises(pytest.fail.Exception, match="no Chromium"), launched(lambda: None, is_required=True):
        pass


@pytest.mark.parametrize(
    "fault",
    [
        "console.error('planted')",
        "setTimeout(() => { throw new Error('planted'); })",
        "fetch('http://127.0.0.1:9/planted').catch(() => {})",
        "document.body.insertAdjacentHTML('beforeend', '<i onclick=\"planted()\"></i>');"
        "document.body.lastChild.click()",
    ],
)
def test_what_goes_wrong_in_the_page_would_fail_its_test(
    browser: Browser, served: tuple[FakeInspector, str], fault: str
) -> None:
    with pytest.raises(AssertionError, match=r"planted|inline"):
        run_in_page(browser, served[1], f"() => {{ {fault} }}")


def test_a_browser_that_changes_large_numbers_is_pointed_out(
    browser: Browser, served: tuple[FakeInspector, str]
) -> None:
    with opened(browser, f"{served[1]}#/trace") as page:
        expect(page.get_by_role("region", name="Browser")).to_be_hidden()
        page.add_init_script("delete JSON.rawJSON")
        page.reload()
        expect(page.get_by_role("region", name="Browser")).to_be_visible()


def test_each_view_is_reached_with_its_number_and_takes_the_focus(open_page: Open) -> None:
    page = open_page("letters")
    expect(page.get_by_text("No dead letters")).to_be_visible()
    for number, title in enumerate(VIEWS.values(), start=1):
        page.keyboard.press(str(number))
        expect(page.get_by_role("heading", name=title, level=1)).to_be_focused()
        expect(page.get_by_role("link", name=title)).to_have_attribute("aria-current", "page")
        expect(page).to_have_title(f"{title} · Inspector")


def test_keys_are_listed_and_can_be_switched_off(open_page: Open) -> None:
    page = open_page("faults")
    page.keyboard.press("?")
    page.get_by_label("Single keys").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("2")
    expect(page.get_by_role("heading", name="Break it", level=1)).to_be_visible()

    page.get_by_role("button", name="Keyboard").click()
    page.get_by_label("Single keys").check()
    page.keyboard.press("Escape")
    page.keyboard.press("2")
    expect(page.get_by_role("heading", name="Trace", level=1)).to_be_visible()


def test_the_first_tab_skips_to_the_content_and_arrows_move_among_views(open_page: Open) -> None:
    page = open_page("trace")
    expect(page.get_by_text("Nothing has arrived yet")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Trace")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Break it", level=1)).to_be_focused()
    page.get_by_role("link", name="Skip to the content").focus()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_the_theme_is_kept(open_page: Open) -> None:
    page = open_page("trace")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_label("Dark").check()
    page.reload()

    expect(page.get_by_label("Dark")).to_be_checked()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_no_view_scrolls_sideways(open_page: Open, inspector: FakeInspector, width: int) -> None:
    filled(inspector)
    page = open_page(width=width)
    for number, title in enumerate(VIEWS.values(), start=1):
        page.keyboard.press(str(number))
        expect(page.get_by_role("heading", name=title, level=1)).to_be_visible()
        expect(page.get_by_text(CONTENTS[title]).first).to_be_visible()
        assert not scrolls_sideways(page), title


def test_something_too_wide_would_be_found(open_page: Open) -> None:
    page = open_page("trace", width=NARROW)
    page.evaluate("document.querySelector('.shell').style.width = '2000px'")

    assert scrolls_sideways(page)


def test_code_that_is_newer_than_the_deployment_is_pointed_out(open_page: Open, inspector: FakeInspector) -> None:
    inspector.is_stale = True

    expect(open_page().get_by_text("The code has changed since it was deployed.")).to_be_visible()


def test_an_edit_and_its_deployment_are_seen_while_the_page_is_open(open_page: Open, inspector: FakeInspector) -> None:
    page = open_page()
    banner = page.get_by_role("region", name="Deployment")
    knows_what_is_deployed(page)
    expect(banner).to_be_hidden()

    inspector.is_stale = True
    expect(banner).to_have_text("The code has changed since it was deployed. Run make up to deploy it.")
    inspector.is_stale, inspector.deployed_at = False, "2026-01-01T00:00:00.000+00:00"
    expect(banner).to_be_hidden()


def test_after_a_deployment_there_are_its_samples_and_the_message_stays(
    open_page: Open, inspector: FakeInspector
) -> None:
    page = open_page()
    knows_what_is_deployed(page)
    page.get_by_label("id", exact=True).fill("my-own")
    added = {**inspector.samples[0], "name": "added", "title": "A further sample"}

    inspector.samples = [*inspector.samples, added]
    inspector.deployed_at = "2026-01-01T00:00:00.000+00:00"

    expect(page.get_by_role("button", name="A further sample")).to_be_visible()
    expect(page.get_by_label("id", exact=True)).to_have_value("my-own")
    assert page.locator(".sample[aria-pressed=true]").count() == 1


def test_after_a_deployment_there_is_its_registration(open_page: Open, inspector: FakeInspector) -> None:
    page = open_page("registration")
    knows_what_is_deployed(page)
    expect(page.get_by_role("heading", name="Permissions")).to_be_visible()

    inspector.registration = {**inspector.registration, "permissions": ["A further permission."]}
    inspector.deployed_at = "2026-01-01T00:00:00.000+00:00"

    expect(page.get_by_text("A further permission.")).to_be_visible()


def test_an_address_that_is_mistyped_does_not_hinder_the_page(open_page: Open, inspector: FakeInspector) -> None:
    inspector.put(inspector.new_trace(fake_data.PURCHASE))
    page = open_page("trace/%E0%A4%A")

    expect(page.get_by_role("list", name="Timeline")).to_be_visible()
    knows_what_is_deployed(page)


def test_traces_arrive_while_one_watches_and_what_is_open_stays_open(open_page: Open, inspector: FakeInspector) -> None:
    page = open_page("trace")
    expect(page.get_by_text("Nothing has arrived yet")).to_be_visible()
    trace = inspector.new_trace(fake_data.PURCHASE, state="waiting", answer=None, milliseconds=None)
    inspector.put(trace)
    page.get_by_text("POST /track").click()
    expect(page.get_by_role("group", name="The partner's answer")).to_be_visible()

    inspector.put({**trace, "answer": {}, "milliseconds": 231.0, "is_slow": True, "is_cold": True, "state": "done"})

    expect(page.get_by_text("231 ms of 200 ms")).to_be_visible()
    expect(page.get_by_text("Over 200 ms")).to_be_visible()
    expect(page.get_by_text("Cold start", exact=True)).to_be_visible()
    expect(page.get_by_text("231 ms cold start")).to_be_visible()
    expect(page.get_by_role("group", name="The partner's answer")).to_be_visible()
    assert steps(page) == ["Request", "Call", "Answer"]


def test_a_trace_tells_of_faults_retries_logs_and_dead_letters(open_page: Open, inspector: FakeInspector) -> None:
    inspector.put(inspector.new_trace(fake_data.PURCHASE, state="dead", steps=fake_data.retried_steps()))
    page = open_page("trace")

    expect(page.get_by_text("Fault: 500 Internal Server Error")).to_be_visible()
    expect(page.get_by_text("Connection reset")).to_be_visible()
    expect(page.get_by_text("attempt 2")).to_be_visible()
    assert steps(page) == ["Request", "Call", "Answer", "Queue", "Delivery", "Call", "Dead letter"]
    page.get_by_label("Logs").check()
    assert steps(page)[-2:] == ["Log", "Dead letter"]
    page.locator("summary", has_text="Put on the queue event").click()
    expect(page.get_by_role("group", name="Attributes")).to_contain_text('"request_id": "x"')


def test_steps_that_are_left_out_are_counted_and_what_cannot_be_replayed_is_not_offered(
    open_page: Open, inspector: FakeInspector
) -> None:
    inspector.put(inspector.new_trace(fake_data.PURCHASE, type="", steps_left_out=12))
    page = open_page("trace")

    expect(page.get_by_text("12 more steps are not shown.")).to_be_visible()
    expect(page.get_by_role("button", name="Replay")).to_be_disabled()


def test_arrow_keys_move_in_the_list_and_new_traces_do_not_take_the_focus(
    open_page: Open, inspector: FakeInspector
) -> None:
    for title in ("First", "Second"):
        inspector.put(inspector.new_trace(fake_data.PURCHASE, title=title))
    page = open_page("trace")
    page.get_by_role("link", name="Second").focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("heading", name="First")).to_be_visible()
    inspector.put(inspector.new_trace(fake_data.PURCHASE, title="Third"))
    expect(page.get_by_role("link", name="Third")).to_be_visible()

    expect(page.get_by_role("link", name="First")).to_be_focused()
    expect(page.locator("#announcer")).to_have_text("New trace: Third")


def test_traces_are_filtered_replayed_and_removed(open_page: Open, inspector: FakeInspector) -> None:
    inspector.put(inspector.new_trace(fake_data.PURCHASE))
    inspector.put(inspector.new_trace(fake_data.MEMBERSHIP, title="Membership change"))
    page = open_page("trace/t1")
    rows = page.get_by_role("list", name="Traces, newest first").get_by_role("link")
    expect(rows).to_have_count(2)
    page.keyboard.press("/")
    page.keyboard.type("8000-000000000002")
    expect(rows).to_have_count(1)
    page.get_by_label("Filter by request id or type").fill("")

    page.get_by_role("button", name="Replay").click()
    expect(page).to_have_url(re.compile("#/trace/t3$"))
    page.get_by_role("button", name="Clear").click()

    expect(page.get_by_text("Nothing has arrived yet")).to_be_visible()
    assert inspector.traces == {}


def test_another_tab_sees_that_traces_are_removed_and_faults_are_on(open_page: Open, inspector: FakeInspector) -> None:
    inspector.put(inspector.new_trace(fake_data.PURCHASE))
    page, other = open_page("trace"), open_page("trace")
    expect(other.get_by_role("list", name="Timeline")).to_be_visible()
    page.get_by_role("button", name="Clear").click()
    expect(other.get_by_text("Nothing has arrived yet")).to_be_visible()

    inspector.active = [{"kind": "status_500", "route": "/track", "left": 3}]
    inspector.put(inspector.new_trace(fake_data.PURCHASE))

    expect(other.get_by_role("region", name="Active faults")).to_be_visible()


def test_what_cannot_be_done_without_the_server_is_told(open_page: Open, inspector: FakeInspector) -> None:
    inspector.active = [{"kind": "status_500", "route": "/track", "left": 3}]
    inspector.put(inspector.new_trace(fake_data.PURCHASE))
    page = open_page("trace", expected=("Failed to load resource",))
    expect(page.get_by_role("region", name="Active faults")).to_be_visible()
    page.route("**/api/**", lambda route: route.abort())

    for name in ("Clear", "Replay", "Heal"):
        page.get_by_role("button", name=name).click()
        expect(page.get_by_role("dialog", name=name)).to_contain_text("The inspector does not answer.")
        page.keyboard.press("Escape")
    page.keyboard.press("3")
    expect(page.get_by_role("alert")).to_contain_text("The inspector does not answer.")


def test_a_fault_is_switched_on_shown_everywhere_and_healed(open_page: Open, inspector: FakeInspector) -> None:
    page = open_page("faults")
    page.get_by_label("Where").select_option("/track")
    page.get_by_label("For how many calls").fill("4")
    page.get_by_role("button", name="Break it: 500 Internal Server Error").click()
    banner = page.get_by_role("region", name="Active faults")
    expect(banner).to_contain_text("500 Internal Server Error at /track (4 more)")
    page.keyboard.press("4")
    expect(banner).to_be_visible()

    banner.get_by_role("button", name="Heal").click()

    expect(banner).to_be_hidden()
    assert inspector.active == []


def test_the_settings_are_shown_as_a_customer_sees_them(open_page: Open) -> None:
    page = open_page("registration")
    secret = page.get_by_label("API key required secret")
    secret.fill("typed")

    expect(secret).to_have_attribute("type", "password")
    expect(secret).to_have_accessible_description("From your settings page.")
    expect(page.get_by_label("Limit")).to_have_value("9007199254740993")
    expect(page.get_by_label("Rate")).to_have_value("1.0")
    expect(page.get_by_label("Rate")).to_have_accessible_description("From 0.0 to 1.0.")
    expect(page.get_by_label("Revenue")).to_have_value("true")
    expect(page.get_by_label("Region")).to_have_value("eu")
    expect(page.get_by_text("The setting zone is gone.")).to_be_visible()
    expect(page.get_by_text("Sends messages")).to_be_visible()
    page.get_by_role("button", name="Copy: The JSON to send to mParticle").click()
    expect(page.get_by_role("button", name="Copy: The JSON to send to mParticle")).to_have_text("Copied")
    assert '"type": "module_registration_response"' in page.evaluate("navigator.clipboard.readText()")


def test_letters_are_shown_masked_and_redriven_after_a_dry_run(open_page: Open, inspector: FakeInspector) -> None:
    inspector.letters = [fake_data.letter("m1"), fake_data.letter("m2")]
    page = open_page("letters")
    page.get_by_role("button", name="Show the letter").first.click()
    expect(page.get_by_label("Masked content")).to_have_text("email: <masked> (m1)")
    page.keyboard.press("Escape")

    page.get_by_role("button", name="Redrive: rejected: 400").click()
    expect(page.get_by_label("What would be sent")).to_contain_text("would send 2")
    assert page.get_by_label("What would be sent").evaluate("(box) => box.scrollWidth > box.clientWidth")
    assert not page.get_by_role("dialog").evaluate("(box) => box.scrollWidth > box.clientWidth")
    assert inspector.redriven == []
    page.get_by_role("button", name="Redrive 2 letters").click()

    expect(page.get_by_role("status")).to_have_text("Sent 2 letters again.")
    expect(page.get_by_text("No dead letters")).to_be_visible()
    assert [letter["message_id"] for letter in inspector.redriven] == ["m1", "m2"]


def test_it_is_said_how_many_letters_are_not_listed(open_page: Open, inspector: FakeInspector) -> None:
    inspector.letters = [fake_data.letter(f"m{number}") for number in range(MAX_LISTED + 1)]
    page = open_page("letters")

    expect(page.get_by_role("heading", name="Letters, the newest 500 of 501")).to_be_visible()


def test_letters_are_deleted_only_after_their_number_is_typed(open_page: Open, inspector: FakeInspector) -> None:
    inspector.letters = [fake_data.letter("m1"), fake_data.letter("m2")]
    page = open_page("letters", expected=("status of 400",))
    page.get_by_role("button", name="Purge: rejected: 400").click()
    confirm = page.get_by_role("button", name="Delete 2 letters")
    page.get_by_label("Type 2 to confirm").fill("3")
    expect(confirm).to_be_disabled()
    page.get_by_label("Type 2 to confirm").fill("2")
    inspector.letters.append(fake_data.letter("m3"))
    confirm.click()
    expect(page.get_by_role("alert")).to_have_text("The number is not the number of letters.")
    inspector.letters.pop()
    confirm.click()

    expect(page.get_by_role("status")).to_have_text("Deleted 2 letters.")
    assert inspector.letters == []
