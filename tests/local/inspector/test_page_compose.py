"""Compose: a message is edited as a form or as JSON, checked while one types, and sent."""

import json
from typing import Any

from tests.local.inspector import fake_data
from tests.local.inspector.browsers import Locator, Page, expect
from tests.local.inspector.conftest import Open
from tests.local.inspector.fake_inspector import FakeInspector


def composed(page: Page) -> str:
    """Return the text of the message, as the JSON tab shows it."""
    page.get_by_role("tab", name="JSON").click()
    expect(page.get_by_label("The message as JSON")).not_to_have_value("")
    return page.get_by_label("The message as JSON").input_value()


def field(page: Page, name: str) -> Locator:
    return page.get_by_role("textbox", name=name, exact=True)


def choose(page: Page, title: str) -> None:
    page.get_by_role("complementary", name="Message types").get_by_role("button", name=title).click()


def test_a_sample_fills_the_form_and_the_json(open_page: Open) -> None:
    page = open_page()

    expect(field(page, "timestamp_ms")).to_have_value("1760000000000")
    assert json.loads(composed(page)) == fake_data.PURCHASE


def test_numbers_that_javascript_cannot_hold_are_kept_as_they_are_written(
    open_page: Open, inspector: FakeInspector
) -> None:
    page = open_page()
    field(page, "timestamp_ms").fill("1")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("Answered in 23 ms")).to_be_visible()

    text = composed(page)
    assert f'"id": {fake_data.LARGE_ID}' in text
    assert '"total": 1.0' in text
    assert inspector.sent[0]["content"]["events"][0]["id"] == fake_data.LARGE_ID
    assert inspector.sent[0]["content"]["timestamp_ms"] == 1


def test_what_the_schema_does_not_know_is_kept_and_shown_as_text(open_page: Open, inspector: FakeInspector) -> None:
    page = open_page()
    page.locator("summary", has_text="product_action").click()
    field(page, fake_data.HOSTILE).fill("changed")
    page.get_by_role("button", name="Send").click()

    expect(page.get_by_text("Answered in 23 ms")).to_be_visible()
    assert inspector.sent[0]["content"]["events"][0][fake_data.HOSTILE] == "changed"


def test_a_problem_is_shown_at_its_field_and_goes_when_it_is_mended(open_page: Open) -> None:
    page = open_page()
    time = field(page, "timestamp_ms")
    problems = page.get_by_role("region", name="Problems")
    expect(problems).to_have_text("No problems")

    time.fill("soon")
    expect(time).to_have_attribute("aria-invalid", "true")
    expect(time).to_have_accessible_description("must be a whole number")
    expect(problems).to_contain_text("1 problem")

    time.fill("12")
    expect(time).not_to_have_attribute("aria-invalid", "true")
    expect(problems).to_have_text("No problems")


def test_a_problem_in_a_closed_part_is_counted_and_leads_to_its_field(open_page: Open) -> None:
    page = open_page()
    page.locator("summary", has_text="product_action").click()
    page.get_by_label("action", exact=True).select_option("refund")
    page.locator("summary", has_text="events").click()
    expect(page.locator("summary", has_text="events")).to_contain_text("1 problem")

    page.get_by_role("button", name="events[0].action").click()

    expect(page.get_by_label("action", exact=True)).to_be_focused()
    expect(page.get_by_label("action", exact=True)).to_have_accessible_description("cannot be delivered")


def test_a_problem_leads_to_its_line_in_the_json(open_page: Open) -> None:
    page = open_page()
    field(page, "timestamp_ms").fill("soon")
    page.get_by_role("tab", name="JSON").click()

    page.get_by_role("button", name="Line 4").click()

    expect(page.get_by_label("The message as JSON")).to_be_focused()
    assert page.evaluate("getSelection().toString()").strip() == '"timestamp_ms": "soon",'


def test_the_line_numbers_are_as_high_as_the_text_and_scroll_with_it(open_page: Open) -> None:
    page = open_page()
    composed(page)
    page.get_by_label("The message as JSON").fill("[\n" + "0,\n" * 60 + "0\n]")
    page.locator(".json-editor textarea").evaluate("(area) => (area.scrollTop = 300)")

    # Measured at one moment: both grow and shrink with the list of problems below them.
    numbers, text = page.locator(".json-editor > *").evaluate_all("(parts) => parts.map((part) => part.clientHeight)")
    assert 0 < numbers == text
    assert page.locator(".numbers span").count() == 63
    expect(page.locator(".numbers")).to_have_js_property("scrollTop", 300)


def test_json_that_cannot_be_read_is_not_sent_and_keeps_the_text(open_page: Open, inspector: FakeInspector) -> None:
    page = open_page()
    composed(page)
    page.get_by_label("The message as JSON").fill('{\n  "type": "later_request",\n  "note": nothing\n}')

    expect(page.get_by_role("region", name="Problems")).to_contain_text("Line 3 This is not valid JSON.")
    expect(page.get_by_role("button", name="Send")).to_be_disabled()
    page.get_by_role("tab", name="Form").click()
    expect(page.get_by_text("The JSON has a syntax error")).to_be_visible()
    page.keyboard.press("Control+Enter")
    assert "nothing" in composed(page)
    assert inspector.sent == []


def test_what_is_typed_as_json_is_in_the_form(open_page: Open) -> None:
    page = open_page()
    composed(page)
    page.get_by_label("The message as JSON").fill('{"type": "later_request", "deep": {"list": [true, null, "x"]}}')

    page.get_by_role("tab", name="Form").click()
    page.locator("summary", has_text="deep").click()
    page.locator("summary", has_text="list").click()

    expect(page.get_by_label("1", exact=True)).to_have_value("true")
    expect(field(page, "3")).to_have_value("x")


def test_fields_and_items_are_added_duplicated_and_removed(open_page: Open) -> None:
    page = open_page()
    page.get_by_label("Name of a field to add").last.fill("mpid")
    page.keyboard.press("Enter")
    expect(field(page, "mpid")).to_be_focused()
    page.keyboard.type("77")
    page.get_by_label("Type of the item to add").select_option("screen_view")
    page.get_by_role("button", name="Add item").click()
    page.locator("summary", has_text="screen_view").hover()
    page.get_by_role("button", name="Duplicate item 2").click()
    page.locator("summary", has_text="product_action").hover()
    page.get_by_role("button", name="Remove item 1").click()
    page.get_by_role("button", name="source", exact=True).click()

    content: Any = json.loads(composed(page))
    assert content["mpid"] == "77"
    assert content["source"] == ""
    assert content["events"] == [{"type": "screen_view"}, {"type": "screen_view"}]


def test_the_tab_key_leaves_the_json(open_page: Open) -> None:
    page = open_page()
    composed(page)
    page.get_by_label("The message as JSON").focus()
    page.keyboard.press("Tab")

    expect(page.get_by_label("The message as JSON")).not_to_be_focused()


def test_a_hundred_are_sent_over_https_with_one_key(open_page: Open, inspector: FakeInspector) -> None:
    page = open_page()
    expect(field(page, "timestamp_ms")).to_be_visible()
    page.get_by_label("HTTPS").check()
    page.get_by_label("How often it is sent").fill("100")
    page.keyboard.press("Control+Enter")

    expect(page.get_by_text("100 of 100 answered · 0 failures · 0 too slow")).to_be_visible()
    assert [(sent["route"], sent["count"]) for sent in inspector.sent] == [("https", 100)]
    page.get_by_role("link", name="Open the last trace").click()
    expect(page.get_by_role("heading", name="Trace", level=1)).to_be_focused()


def test_the_link_to_the_trace_stays_while_the_result_changes(open_page: Open, inspector: FakeInspector) -> None:
    page = open_page()
    expect(field(page, "timestamp_ms")).to_be_visible()
    page.keyboard.press("Control+Enter")
    link = page.get_by_role("link", name="Open the trace")
    expect(page.get_by_text("Answered in 23 ms. Done.")).to_be_visible()
    link.focus()

    inspector.put({**inspector.traces["t1"], "milliseconds": 231.0, "is_slow": True, "state": "waiting"})

    expect(page.get_by_text("more than the 200 ms that mParticle allows. In a queue.")).to_be_visible()
    inspector.put({**inspector.traces["t1"], "is_cold": True})
    expect(page.get_by_text("It was a cold start")).to_be_visible()
    expect(link).to_be_focused()


def test_the_search_finds_message_types(open_page: Open) -> None:
    page = open_page()
    search = page.get_by_label("Search message types")
    search.fill("MEMBER")
    expect(page.locator("button.sample:visible")).to_have_text(["Membership change"])
    search.press("Enter")
    expect(page.get_by_role("heading", name="Membership change")).to_be_visible()
    expect(page.get_by_role("button", name="Membership change")).to_be_focused()
    search.fill("nothing such")
    expect(page.get_by_text("No message type matches.")).to_be_visible()


def test_markup_in_a_title_is_text(open_page: Open) -> None:
    page = open_page()
    choose(page, fake_data.HOSTILE)

    expect(page.get_by_role("heading", name=fake_data.HOSTILE)).to_be_visible()
    assert page.locator("img").count() == 0
