"""The whole inspector on the local cloud: what is sent, broken, retried, dead-lettered and sent back is seen."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from local.cloud.cloud import LocalCloud
from tests.conftest import EVENTS, load_event
from tests.local.inspector.serving import Client

type Json = dict[str, Any]

pytestmark = pytest.mark.cloud

WAIT_SECONDS = 30


class Page:
    """Does what the page does."""

    def __init__(self, url: str) -> None:
        self.client = Client(url)

    def get(self, path: str) -> Any:
        return self.client.ask("GET", f"api/{path}").json()

    def post(self, path: str, **content: object) -> Any:
        return self.client.ask("POST", f"api/{path}", json=content).json()

    def delete(self, path: str) -> Any:
        return self.client.ask("DELETE", f"api/{path}", json={}).json()

    def send(self, name: str, route: str = "alias", **more: object) -> list[str]:
        sent: list[str] = self.post("send", content=load_event(name), route=route, **more)["sent"]
        return sent

    def trace(self, id_: str, until: Callable[[Json], bool] = lambda trace: trace["state"] == "done") -> Json:
        """Return the trace with this id, or of the request with this id, as soon as it is as wanted.

        What the emulator reports may come later than its answer. If it takes too long, the trace is returned as it is.
        """
        give_up = time.monotonic() + WAIT_SECONDS
        while True:
            found = [
                each for each in self.get(f"traces?request={id_}")["traces"] if id_ in (each["id"], each["request_id"])
            ]
            if (found and until(found[0])) or time.monotonic() > give_up:
                return dict(found[0])
            time.sleep(0.05)

    def dead_letter(self) -> Json:
        """Send an event that the fake API refuses, and return its trace.

        If the handler does not wait for the refusal any more, the worker's call is refused.
        """
        self.post("faults", kind="partial", route="/track", times=5)
        [sent] = self.send("event_processing_request")
        trace = self.trace(sent, lambda trace: trace["state"] == "dead")
        self.delete("faults")
        return trace


@pytest.fixture
def page(inspector_url: str) -> Iterator[Page]:
    made = Page(inspector_url)
    yield made
    made.delete("faults")
    made.client.close()


def steps(trace: Json, kind: str) -> list[Json]:
    return [step for step in trace["steps"] if step["kind"] == kind]


def test_a_fault_is_seen_with_the_retry_after_it(page: Page) -> None:
    page.post("faults", kind="status_500", route="/track", times=2)
    [sent] = page.send("event_processing_request")
    trace = page.trace(sent)

    assert (trace["state"], trace["route"], trace["failed"]) == ("done", "alias", False)
    assert trace["answer"]["type"] == "event_processing_response"
    assert [(call["status"], call["fault"], call["attempt"]) for call in steps(trace, "call")] == [
        (500, "status_500", 1),
        (500, "status_500", 2),
        (202, None, 3),
    ]
    assert [step["queue"] for step in steps(trace, "queued")] == ["event"]
    outcomes = [step["outcome"] for step in steps(trace, "delivery")]
    assert (outcomes[0], outcomes[-1]) == ("again", "done")
    assert {"queued", "answered", "retried later"} <= {step["message"] for step in steps(trace, "log")}


def test_a_membership_change_is_seen_on_its_way_through_the_queue(page: Page) -> None:
    [sent] = page.send("audience_membership_change_request", "https")
    trace = page.trace(sent)

    assert (trace["state"], trace["status"], trace["limit_ms"]) == ("done", 200, 100)
    queued, delivered = steps(trace, "queued"), steps(trace, "delivery")
    assert {step["queue"] for step in queued} == {"membership.fifo"}
    assert all(step["group"] and step["attributes"]["request_id"] == trace["request_id"] for step in queued)
    assert sum(step["messages"] for step in delivered) == len(queued)
    assert all(call["headers"]["X-Sample-Token"].endswith(" characters)") for call in steps(trace, "call"))


def test_a_repeated_request_is_seen_to_be_stored_once(page: Page) -> None:
    [sent] = page.send("audience_membership_change_request")
    page.trace(sent)
    [repeated] = page.post(f"traces/{sent}/replay")["sent"]
    trace = page.trace(repeated)

    assert trace["state"] == "done"
    assert {step["is_duplicate"] for step in steps(trace, "queued")} == {True}
    assert steps(trace, "call") == []


def test_a_dead_letter_is_shown_masked_sent_back_and_delivered(page: Page) -> None:
    trace = page.dead_letter()
    assert [step["reason"] for step in steps(trace, "dead_letter")] == ["http_422"]
    account = str(trace["request"]["account"]["account_id"])
    kind = {"queue": "event", "reason": "http_422", "account": account}

    found = page.get("dead-letters")
    [group] = [each for each in found["groups"] if each["reason"] == "http_422" and each["account"] == account]
    assert (group["queue"], group["type"], group["count"]) == ("event", "event_processing_request", 1)
    [letter] = [each for each in found["letters"] if each["reason"] == "http_422" and each["account"] == account]
    lines = "\n".join(page.get(f"dead-letters/event/{letter['message_id']}")["lines"])
    assert trace["request_id"] in lines
    assert "canary" not in lines
    refused = page.client.ask("POST", "api/dead-letters/purge", json={**kind, "confirm": 2})
    assert (refused.status, refused.json()) == (
        409,
        {"error": "1 letter would be deleted, not 2. Nothing was deleted."},
    )
    tried = page.post("dead-letters/redrive", **kind, dry_run=True)
    assert (tried["matched"], tried["sent"], tried["lines"][-1]) == (
        1,
        0,
        "1 letter would be sent back. Nothing was changed.",
    )

    done = page.post("dead-letters/redrive", **kind, dry_run=False)

    assert (done["matched"], done["sent"], done["lines"]) == (1, 1, ["event: 1 letter sent back."])
    delivered = page.trace(trace["id"])
    assert (delivered["state"], steps(delivered, "call")[-1]["status"]) == ("done", 202)
    assert page.client.ask("GET", f"api/dead-letters/event/{letter['message_id']}").status == 404


def test_a_dead_letter_is_deleted_if_the_number_is_confirmed(page: Page) -> None:
    trace = page.dead_letter()

    assert page.post("dead-letters/purge", queue="event", reason="http_422", confirm=1) == {"deleted": 1}
    assert page.trace(trace["id"])["state"] == "done"


def test_what_others_send_is_seen_too(page: Page, cloud: LocalCloud) -> None:
    content = load_event("event_processing_request", id="5a3c1e70-0000-4000-8000-00000000beef")
    page.client.ask("DELETE", "api/traces", json={})
    cloud.invoke(
        (EVENTS / "event_processing_request.json")
        .read_bytes()
        .replace(load_event("event_processing_request")["id"].encode(), content["id"].encode())
    )

    trace = page.trace(content["id"])
    assert (trace["route"], trace["request"]["id"]) == ("other", content["id"])
    assert {call["status"] for call in steps(trace, "call")} == {202}  # a second one if the first was late


def test_several_requests_are_sent_under_ids_of_their_own(page: Page) -> None:
    """Two: each that runs at the same time takes an environment, which the emulator unpacks the code for."""
    sent = page.send("audience_membership_change_request", count=2)
    traces = [page.trace(each) for each in sent]

    assert [trace["state"] for trace in traces] == ["done"] * 2
    assert len({trace["request_id"] for trace in traces}) == 2


def test_the_rest_of_the_page_is_filled(page: Page, cloud: LocalCloud) -> None:
    overview = page.get("overview")
    assert (overview["partner"], overview["alias"], overview["is_stale"]) == (
        "Sample",
        cloud.outputs["HandlerAliasArn"],
        False,
    )
    assert overview["https"] == cloud.http_endpoint
    sample = next(each for each in page.get("samples") if each["name"] == "event_processing_request/screen_view")
    assert page.post("check", content=sample["content"]) == {"problems": []}
    assert page.get("schema/dsr_processing_request")["title"] == "DsrProcessingRequest"
    assert page.get("registration")["module"]["name"] == "Sample"
    assert "/track" in page.get("faults")["routes"]
    for version in ("x", "9" * 5_000):
        assert page.client.ask("GET", f"api/traces?since={version}").status == 400
    assert page.client.ask("GET", "api/dead-letters/other/x").json() == {
        "error": "queue: must be one of membership, event, erasure, feed."
    }
