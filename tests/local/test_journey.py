"""The local runner sends messages in a sensible order, notices whatever does not arrive, and shows nothing private."""

import io
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import urllib3
from rich.console import Console

from local.cloud.cloud import Answer
from local.isolation import LocalCloudError
from local.partner.server import FakePartner
from local.run.journey import travel
from local.run.messages import Message, message_from, messages_in
from local.run.report import show

CANARIES = ("canary-key", "canary@example.com", "canary-attribute")
EVENTS: dict[str, object] = {
    "type": "event_processing_request",
    "account": {"account_id": 7, "account_settings": {"apiKey": "canary-key"}},
    "user_identities": [{"type": "email", "encoding": "raw", "value": "canary@example.com"}],
    "events": [{"type": "custom_event", "attributes": {"colour": "canary-attribute"}}],
}
EVENTS_ANSWER: dict[str, object] = {
    "type": "event_processing_response",
    "id": "7a0a30f2-0a7c-4d9b-9d5a-5a3e1a2f4c11",
    "timestamp_ms": 1,
}
EVENTS_CALL: dict[str, object] = {
    "account_id": 7,
    "request_id": "r-1",
    "user": {"identities": {"email": "canary@example.com"}},
    "events": [{"id": "e", "type": "custom_event", "timestamp_ms": 1, "attributes": {"colour": "canary-attribute"}}],
}


def message(content: dict[str, object], name: str = "sample") -> Message:
    return Message.read(name, json.dumps(content).encode())


def subscription(action: str, partner_id: str | None = "aud-7-9") -> dict[str, object]:
    settings = {"partnerAudienceId": partner_id} if partner_id else {}
    return {"type": "audience_subscription_request", "action": action, "audience_subscription_settings": settings}


class DeploymentDouble:
    """Answers as told, calls the partner as told, and keeps its queues as told."""

    def __init__(self, answer: object, *, calls: Callable[[], object] = lambda: None, failed: bool = False) -> None:
        self._answer = Answer(json.dumps(answer).encode(), failed, 12.0)
        self._calls = calls
        self.waiting = Counter({"event": 0})
        self.dead = Counter({"event-dead-letter": 0})

    def invoke(self, payload: bytes) -> Answer:
        self._calls()
        return self._answer

    def settle(self) -> bool:
        return not self.waiting.total()

    def backlog(self) -> Counter[str]:
        return self.waiting

    def dead_letters(self) -> Counter[str]:
        return self.dead

    def dead_letter_reasons(self) -> list[str]:
        return ["http_422"] * self.dead.total()

    def processed_messages(self) -> Counter[str]:
        return Counter()


@pytest.fixture
def partner() -> Iterator[FakePartner]:
    with FakePartner() as running:
        yield running


def events_call(partner: FakePartner, body: object = EVENTS_CALL) -> Callable[[], object]:
    headers = {"Authorization": "Bearer canary-key", "Idempotency-Key": "k"}
    return lambda: urllib3.request("POST", f"{partner.url}/v1/events", json=body, headers=headers, retries=False).status


def test_messages_come_in_the_order_of_a_customers_life(tmp_path: Path) -> None:
    contents: dict[str, dict[str, object]] = {
        "a": subscription("remove"),
        "b": {"type": "something_new"},
        "c": {"type": "dsr_processing_request"},
        "d": subscription("update"),
        "e": EVENTS,
        "f": {"type": "audience_membership_change_request"},
        "g": subscription("add"),
        "h": {"type": "module_registration_request"},
    }
    for name, content in contents.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    assert "".join(entry.name for entry in messages_in(tmp_path)) == "hgfedbca"


@pytest.mark.parametrize(
    ("content", "call"),
    [
        pytest.param(EVENTS, ("POST", "/v1/events"), id="events"),
        pytest.param({**EVENTS, "events": []}, None, id="keep-alive"),
        pytest.param(subscription("add", None), ("POST", "/v1/audiences"), id="add"),
        pytest.param(subscription("update"), ("PATCH", "/v1/audiences/"), id="update"),
        pytest.param(subscription("update", None), ("POST", "/v1/audiences"), id="update-of-unknown"),
        pytest.param(subscription("remove"), ("DELETE", "/v1/audiences/"), id="remove"),
        pytest.param(subscription("remove", None), None, id="remove-of-unknown"),
        pytest.param(
            {"type": "audience_membership_change_request", "user_profiles": [{"audiences": [{}]}]},
            ("POST", "/v1/audiences/"),
            id="membership",
        ),
        pytest.param({"type": "audience_membership_change_request"}, None, id="membership-keep-alive"),
        pytest.param({"type": "dsr_processing_request"}, ("POST", "/v1/erasures"), id="erasure"),
        pytest.param({"type": "module_registration_request"}, None, id="registration"),
    ],
)
def test_each_message_says_which_call_the_partner_must_get(
    content: dict[str, object], call: tuple[str, str] | None
) -> None:
    assert message(content).partner_call() == call


@pytest.mark.parametrize(
    ("text", "problem"),
    [pytest.param("{", "is not JSON", id="broken"), pytest.param("[]", "is not a JSON object", id="list")],
)
def test_a_file_that_lambda_could_not_pass_on_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "broken.json").write_text(text)
    with pytest.raises(LocalCloudError, match=f"^broken {problem}"):
        message_from(str(tmp_path / "broken.json"))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LocalCloudError, match=r"absent\.json cannot be read: No such file"):
        message_from(str(tmp_path / "absent.json"))


def test_a_message_that_arrives_has_no_problems(partner: FakePartner) -> None:
    journey = travel(DeploymentDouble(EVENTS_ANSWER, calls=events_call(partner)), partner, [message(EVENTS)])
    assert journey.problems == ()


def test_an_acknowledged_message_that_the_partner_never_got_is_a_problem(partner: FakePartner) -> None:
    journey = travel(DeploymentDouble(EVENTS_ANSWER), partner, [message(EVENTS)])
    assert journey.problems == ("sample: the partner accepted no POST /v1/events",)


def test_a_call_that_the_partner_refused_does_not_count(partner: FakePartner) -> None:
    partner.script("/v1/events", [503])
    journey = travel(DeploymentDouble(EVENTS_ANSWER, calls=events_call(partner)), partner, [message(EVENTS)])
    assert journey.problems == ("sample: the partner accepted no POST /v1/events",)


def test_a_broken_contract_is_a_problem(partner: FakePartner) -> None:
    calls = events_call(partner, {**EVENTS_CALL, "extra": 1})
    journey = travel(DeploymentDouble(EVENTS_ANSWER, calls=calls), partner, [message({**EVENTS, "events": []})])
    assert journey.problems == (
        "the partner's contract was broken by POST /v1/events: extra: is not part of the contract",
    )


@pytest.mark.parametrize(
    ("answer", "failed", "problem"),
    [
        pytest.param({"errorMessage": "no queue took it"}, True, "the handler failed: no queue took it", id="error"),
        pytest.param(
            {**EVENTS_ANSWER, "type": "dsr_processing_response"}, False,
            "the answer is a dsr_processing_response, not a event_processing_response", id="other-type",
        ),
        pytest.param(
            {**EVENTS_ANSWER, "id": None}, False, "the answer is not valid: id: is required", id="without-id"
        ),
        pytest.param("done", False, "the answer is not valid: must be a JSON object", id="text"),
    ],
)  # fmt: skip
def test_a_wrong_answer_is_a_problem(partner: FakePartner, answer: object, failed: bool, problem: str) -> None:
    deployment = DeploymentDouble(answer, calls=events_call(partner), failed=failed)
    assert travel(deployment, partner, [message(EVENTS)]).problems == (f"sample: {problem}",)


def test_messages_left_in_a_queue_and_dead_letters_are_problems(partner: FakePartner) -> None:
    deployment = DeploymentDouble(EVENTS_ANSWER, calls=events_call(partner))
    deployment.waiting["event"] = 2
    deployment.dead["event-dead-letter"] = 1
    assert travel(deployment, partner, [message(EVENTS)]).problems == (
        "sample: the queues did not drain in time (2 in event)",
        "the queue event-dead-letter holds 1",
        "a dead letter's reason: http_422",
    )


@pytest.mark.parametrize(
    ("answer", "failed", "verdict"),
    [
        pytest.param(EVENTS_ANSWER, False, "The message arrived.", id="arrived"),
        pytest.param({"errorMessage": "no [queue] took it"}, True, "failed: no [queue] took it", id="error"),
        pytest.param(
            {"note": "canary-attribute"}, False, "the answer is not valid: type: is no response", id="invalid"
        ),
    ],
)
def test_the_report_shows_counts_and_never_a_key_an_identity_or_an_attribute(
    partner: FakePartner, answer: object, failed: bool, verdict: str
) -> None:
    deployment = DeploymentDouble(answer, calls=events_call(partner), failed=failed)
    printed = io.StringIO()
    show(travel(deployment, partner, [message(EVENTS)]), Console(file=printed, width=160))
    assert "1\N{MULTIPLICATION SIGN} POST /v1/events (1 event)" in printed.getvalue()
    assert verdict in printed.getvalue()
    assert [canary for canary in CANARIES if canary in printed.getvalue()] == []
