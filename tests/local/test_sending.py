"""The local runner sends messages in a sensible order, notices whatever does not arrive, and shows nothing private."""

import io
import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import urllib3
from rich.console import Console

from local.cloud.cloud import Answer
from local.isolation import LocalCloudError
from local.partner.server import PartnerServer
from local.progress import Silent
from local.run.expected import broken_rules, broken_seam, expected_calls, is_offered
from local.run.messages import Message, message_from, messages_in
from local.run.report import show
from local.run.sending import Run, send_all
from mparticle_firehose.integration import (
    Bearer,
    Delivered,
    Endpoint,
    Exchange,
    Header,
    Integration,
    Item,
    Json,
    JsonObject,
    Outcome,
    PartnerCall,
    Target,
)
from mparticle_firehose.protocol import AudienceMembershipChangeRequest, Permissions
from tests.sample.fake_api import FakeApi
from tests.sample.partner.integration import INTEGRATION, MEMBERS, membership_items
from tests.sample.server import SamplePartner

CANARIES = ("canary-key", "canary@example.com", "canary-attribute")
EVENTS: dict[str, object] = {
    "type": "event_processing_request",
    "account": {"account_id": 7, "account_settings": {"token": "canary-key"}},
    "user_identities": [{"type": "email", "encoding": "raw", "value": "canary@example.com"}],
    "events": [{"type": "custom_event", "attributes": {"colour": "canary-attribute"}}],
}
EVENTS_ANSWER: dict[str, object] = {
    "type": "event_processing_response",
    "id": "7a0a30f2-0a7c-4d9b-9d5a-5a3e1a2f4c11",
    "timestamp_ms": 1,
}
EVENTS_CALL: dict[str, object] = {
    "account": 7,
    "request": "r-1",
    "user": {"identities": {"email": "canary@example.com"}, "attributes": {"colour": "canary-attribute"}},
    "events": [{"kind": "custom_event", "at": 1}],
}
ACCOUNT = EVENTS["account"]
TO_SEGMENT = PartnerCall(method="DELETE", path="/segments/unknown", auth=Header("X-Sample-Token", "canary-key"))


def message(content: dict[str, object], name: str = "sample") -> Message:
    return Message.read(name, json.dumps(content).encode())


def subscription(action: str, partner_id: str | None = "seg-7-9") -> dict[str, object]:
    settings = {"segmentId": partner_id} if partner_id else {}
    return {
        "type": "audience_subscription_request",
        "account": ACCOUNT,
        "action": action,
        "audience_subscription_settings": settings,
    }


class DeploymentDouble:
    """Answers as told, calls the partner as told, and keeps its queues as told."""

    def __init__(
        self,
        answer: object,
        *,
        calls: Callable[[], object] = lambda: None,
        failed: bool = False,
        milliseconds: float = 12.0,
    ) -> None:
        self._answer = Answer(json.dumps(answer).encode(), failed, milliseconds)
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
def partner() -> Iterator[SamplePartner]:
    with SamplePartner() as running:
        yield running


def sent(deployment: DeploymentDouble, partner: SamplePartner, messages: list[Message]) -> Run:
    return send_all(deployment, partner, messages, INTEGRATION)


def events_call(partner: SamplePartner, body: object = EVENTS_CALL) -> Callable[[], object]:
    headers = {"X-Sample-Token": "canary-key", "Idempotency-Key": "k"}
    return lambda: urllib3.request("POST", f"{partner.url}/track", json=body, headers=headers, retries=False).status


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


MEMBERSHIP: dict[str, object] = {
    "type": "audience_membership_change_request",
    "account": ACCOUNT,
    "user_profiles": [
        {"mpid": "1", "audiences": [{"action": "add", "audience_subscription_settings": {"segmentId": segment}}]}
        for segment in ("seg-7-9", "seg-7-8")
    ],
}


ONE_AT_A_TIME = replace(MEMBERS, max_items=1)


def in_calls_of_one(request: AudienceMembershipChangeRequest) -> Iterator[Item]:
    """Map changes as the sample does, but for an API that takes one at a time."""
    for item in membership_items(request):
        assert isinstance(item, Item)
        yield replace(item, endpoint=ONE_AT_A_TIME)


def with_an_endpoint_for_each(request: AudienceMembershipChangeRequest) -> Iterator[Item]:
    for item in in_calls_of_one(request):
        yield replace(item, endpoint=replace(item.endpoint))


def to_segment(accept: Collection[int] = ()) -> Integration:
    """Return an integration whose events are deletions of a segment."""
    call = replace(TO_SEGMENT, accept=frozenset(accept))
    endpoint = Endpoint(name="delete", call=lambda _target, _bodies: call)
    return replace(INTEGRATION, events=lambda _: [Item(endpoint=endpoint, target=Target(), body={})])


@pytest.mark.parametrize(
    ("content", "calls"),
    [
        pytest.param(EVENTS, {("POST", "/track")}, id="events"),
        pytest.param({**EVENTS, "events": []}, set(), id="keep-alive"),
        pytest.param({**EVENTS, "account": {}}, set(), id="without-the-customers-token"),
        pytest.param(subscription("add", None), {("POST", "/segments")}, id="add"),
        pytest.param(subscription("update"), {("PUT", "/segments/seg-7-9")}, id="update"),
        pytest.param(subscription("remove"), {("DELETE", "/segments/seg-7-9")}, id="remove"),
        pytest.param(subscription("remove", None), set(), id="remove-of-unknown"),
        pytest.param(
            MEMBERSHIP, {("POST", "/segments/seg-7-9/changes"), ("POST", "/segments/seg-7-8/changes")}, id="membership"
        ),
        pytest.param({**MEMBERSHIP, "user_profiles": []}, set(), id="membership-keep-alive"),
        pytest.param({"type": "dsr_processing_request", "account": ACCOUNT}, {("POST", "/forget")}, id="erasure"),
        pytest.param({"type": "module_registration_request"}, set(), id="registration"),
        pytest.param({"type": "something_new"}, set(), id="unknown"),
    ],
)
def test_the_calls_that_the_partner_must_get_are_the_integrations_own(
    content: dict[str, object], calls: set[tuple[str, str]]
) -> None:
    assert {(call.method, call.path) for call in expected_calls(INTEGRATION, content)} == calls


def test_a_rule_of_the_seam_that_is_broken_is_named() -> None:
    wrong = replace(INTEGRATION, memberships=with_an_endpoint_for_each)

    (problem,) = broken_seam(wrong, MEMBERSHIP)

    assert problem == "the integration breaks a rule: endpoint_name: two endpoints have the name 'members'"
    assert broken_seam(INTEGRATION, MEMBERSHIP) == []


def test_more_changes_than_a_call_carries_are_several_calls() -> None:
    small = replace(INTEGRATION, memberships=in_calls_of_one)
    twice = {**MEMBERSHIP, "user_profiles": [*MEMBERSHIP["user_profiles"], *MEMBERSHIP["user_profiles"]]}  # type: ignore[misc]  # a list

    assert [len(expected_calls(small, content)) for content in (MEMBERSHIP, twice)] == [2, 4]


WITHOUT = replace(INTEGRATION, events=None, memberships=None, subscription=None, erasures=None)


@pytest.mark.parametrize(
    "content", [EVENTS, MEMBERSHIP, subscription("add"), {"type": "dsr_processing_request", "account": ACCOUNT}],
    ids=lambda content: content["type"],
)  # fmt: skip
def test_what_an_integration_does_not_offer_causes_no_calls(content: dict[str, object]) -> None:
    kind = str(content["type"])

    assert (is_offered(INTEGRATION, kind), is_offered(WITHOUT, kind)) == (True, False)
    assert expected_calls(WITHOUT, content) == []


@pytest.mark.parametrize("kind", ["module_registration_request", "something_new"])
def test_every_integration_registers_and_unknown_messages_are_sent_to_be_refused(kind: str) -> None:
    assert is_offered(WITHOUT, kind)


@pytest.mark.parametrize(
    ("changed", "rules"),
    [
        pytest.param({}, [], id="valid"),
        pytest.param({"body": Json({})}, ["account: is required"], id="body"),
        pytest.param({"path": "/nowhere"}, ["path: is unknown"], id="path"),
        pytest.param({"auth": Bearer("canary-key")}, ["X-Sample-Token: must be present"], id="auth"),
    ],
)
def test_a_call_is_checked_against_the_rules_of_the_api_without_being_sent(
    changed: dict[str, Any], rules: list[str]
) -> None:
    (call,) = expected_calls(INTEGRATION, EVENTS)

    assert broken_rules(FakeApi(), replace(call, **changed)) == rules


def test_the_rules_that_no_document_can_say_are_checked_as_well() -> None:
    call, _ = expected_calls(INTEGRATION, MEMBERSHIP)
    assert call.body
    body = json.loads(call.body.encoded())
    twice = {**body, "changes": body["changes"] * 2}

    assert broken_rules(FakeApi(), call) == []
    assert broken_rules(FakeApi(), replace(call, body=Json(twice))) == ["changes: the same user twice in one call"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param(b'{"type":\n  canary}', "is not JSON: line 2, column 3: Expecting value$", id="broken"),
        pytest.param(b'{"type": "\xff canary"}', "is not JSON: it is not in UTF-8$", id="encoding"),
        pytest.param(b"[" * 100_000, "is not a message: it is nested too deeply$", id="deep"),
        pytest.param(b'["canary"]', "is not a JSON object$", id="list"),
        pytest.param(
            b'{"type": "canary_request"}',
            ": type must be one of module_registration_request, event_processing_request, "
            "audience_subscription_request, audience_membership_change_request, dsr_processing_request$",
            id="type",
        ),
        pytest.param(b"{}", ": type must be one of module_registration_request, ", id="without-a-type"),
    ],
)
def test_a_file_that_is_no_message_is_refused_without_quoting_it(tmp_path: Path, content: bytes, problem: str) -> None:
    file = tmp_path / "broken.json"
    file.write_bytes(content)

    with pytest.raises(LocalCloudError, match=f"^{re.escape(str(file))} ?{problem}") as raised:
        message_from(str(file))

    assert "canary" not in str(raised.value)


def test_a_message_is_named_after_its_file(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text(json.dumps(EVENTS))

    assert message_from(str(tmp_path / "mine.json")).name == "mine"


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LocalCloudError, match=r"absent\.json cannot be read: No such file"):
        message_from(str(tmp_path / "absent.json"))


def test_a_message_that_arrives_has_no_problems(partner: SamplePartner) -> None:
    run = sent(DeploymentDouble(EVENTS_ANSWER, calls=events_call(partner)), partner, [message(EVENTS)])
    assert run.problems == ()


def test_what_mparticle_would_not_send_is_a_problem(partner: SamplePartner) -> None:
    asks_for_nothing = replace(
        INTEGRATION,
        registration=lambda: INTEGRATION.declaration().model_copy(update={"permissions": Permissions()}),
    )
    double = DeploymentDouble(EVENTS_ANSWER, calls=events_call(partner))

    run = send_all(double, partner, [message(EVENTS)], asks_for_nothing)

    rule = "the calls need the user identity 'email', and mParticle sends none: the registration does not ask for it"
    assert run.problems == (f"sample: {rule}",)


def test_an_acknowledged_message_that_the_partner_never_got_is_a_problem(partner: SamplePartner) -> None:
    run = sent(DeploymentDouble(EVENTS_ANSWER), partner, [message(EVENTS)])
    assert run.problems == ("sample: the partner accepted no POST /track",)


def test_a_call_that_the_partner_refused_does_not_count(partner: SamplePartner) -> None:
    partner.script("/track", [503])
    run = sent(DeploymentDouble(EVENTS_ANSWER, calls=events_call(partner)), partner, [message(EVENTS)])
    assert run.problems == ("sample: the partner accepted no POST /track",)


def found_first(_target: Target, bodies: Sequence[JsonObject]) -> Exchange[Outcome]:
    yield PartnerCall(method="PUT", path="/segments/seg-7-9", site="eu", body=Json({}))
    yield PartnerCall(path="/track", body=Json(bodies[0]))
    return Delivered()


def test_of_an_exchange_its_first_call_must_arrive_with_the_targets_site_and_credential() -> None:
    whose = Target(site="us", auth=Header("X-Sample-Token", "canary-key"))
    chain = Endpoint(name="chain", call=found_first)
    integration = replace(
        INTEGRATION,
        sites={"us": "https://us.example", "eu": "https://eu.example"},
        events=lambda _: [Item(endpoint=chain, target=whose, body={})],
    )

    (call,) = expected_calls(integration, EVENTS)

    assert (call.method, call.path, call.site, call.auth) == ("PUT", "/segments/seg-7-9", "eu", whose.auth)


@pytest.mark.parametrize(("base", "missing"), [("/v2", ()), ("", ("sample: the partner accepted no POST /track",))])
def test_a_call_must_arrive_below_the_path_of_its_sites_base_url(base: str, missing: tuple[str, ...]) -> None:
    api = FakeApi()
    api.document = {**api.document, "servers": [{"url": "https://eu.example/v2"}]}
    endpoint = Endpoint(
        name="track", call=lambda _, bodies: PartnerCall(path="/track", site="eu", body=Json(bodies[0]))
    )
    integration = replace(
        INTEGRATION,
        sites={"eu": "https://eu.example/v2"},
        events=lambda _: [Item(endpoint=endpoint, target=Target(), body={})],
    )
    headers = {"X-Sample-Token": "canary-key"}

    with PartnerServer(api) as partner:
        url = f"{partner.url}{base}/track"
        double = DeploymentDouble(
            EVENTS_ANSWER, calls=lambda: urllib3.request("POST", url, json=EVENTS_CALL, headers=headers, retries=False)
        )
        run = send_all(double, partner, [message(EVENTS)], integration)

    assert [problem for problem in run.problems if "accepted" in problem] == list(missing)
    assert [call.status for call in partner.requests] == [202]


def test_a_call_to_another_resource_does_not_count(partner: SamplePartner) -> None:
    deployment = DeploymentDouble(EVENTS_ANSWER, calls=events_call(partner))
    run = send_all(deployment, partner, [message(EVENTS)], to_segment())
    assert run.problems == ("sample: the partner accepted no DELETE /segments/{id}",)


@pytest.mark.parametrize(("statuses", "problems"), [({404}, 0), (set(), 1)], ids=["done", "not-done"])
def test_a_refusal_that_means_success_for_the_call_counts(
    partner: SamplePartner, statuses: set[int], problems: int
) -> None:
    headers = {"X-Sample-Token": "canary-key"}
    deletion = f"{partner.url}{TO_SEGMENT.path}"
    deployment = DeploymentDouble(
        EVENTS_ANSWER, calls=lambda: urllib3.request("DELETE", deletion, headers=headers, retries=False).status
    )
    run = send_all(deployment, partner, [message(EVENTS)], to_segment(statuses))
    assert ([call.status for call in partner.requests], len(run.problems)) == ([404], problems)


def test_a_message_that_the_integration_does_not_offer_is_not_sent(partner: SamplePartner) -> None:
    run = send_all(DeploymentDouble(EVENTS_ANSWER, calls=events_call(partner)), partner, [message(EVENTS)], WITHOUT)

    assert (run.problems, run.results[0].answer, partner.requests) == ((), None, ())
    assert "not offered" in printed(run)
    assert "Nothing was sent. Not offered by the integration: 1." in printed(run)


def test_a_broken_contract_is_a_problem(partner: SamplePartner) -> None:
    calls = events_call(partner, {**EVENTS_CALL, "extra": 1})
    run = sent(DeploymentDouble(EVENTS_ANSWER, calls=calls), partner, [message({**EVENTS, "events": []})])
    assert run.problems == ("the partner's contract was broken by POST /track: extra: is not part of the API",)


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
def test_a_wrong_answer_is_a_problem(partner: SamplePartner, answer: object, failed: bool, problem: str) -> None:
    deployment = DeploymentDouble(answer, calls=events_call(partner), failed=failed)
    assert sent(deployment, partner, [message(EVENTS)]).problems == (f"sample: {problem}",)


def test_messages_left_in_a_queue_and_dead_letters_are_problems(partner: SamplePartner) -> None:
    deployment = DeploymentDouble(EVENTS_ANSWER, calls=events_call(partner))
    deployment.waiting["event"] = 2
    deployment.dead["event-dead-letter"] = 1
    assert sent(deployment, partner, [message(EVENTS)]).problems == (
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
    partner: SamplePartner, answer: object, failed: bool, verdict: str
) -> None:
    deployment = DeploymentDouble(answer, calls=events_call(partner), failed=failed)
    text = printed(sent(deployment, partner, [message(EVENTS)]))
    assert "1\N{MULTIPLICATION SIGN} POST /track (1 events)" in text
    assert verdict in text
    assert [canary for canary in CANARIES if canary in text] == []


def test_the_report_shows_the_paths_of_the_document_without_their_values(partner: SamplePartner) -> None:
    headers = {"X-Sample-Token": "canary-key"}
    deployment = DeploymentDouble(
        EVENTS_ANSWER,
        calls=lambda: urllib3.request("DELETE", f"{partner.url}/segments/canary-id", headers=headers, retries=False),
    )
    text = printed(sent(deployment, partner, [message(EVENTS)]))
    assert "1\N{MULTIPLICATION SIGN} DELETE /segments/{id} → 404" in text
    assert "canary" not in text


def test_each_message_is_a_block_in_80_columns_with_nothing_cut(partner: SamplePartner) -> None:
    long_name = "a_request_with_a_name_that_is_as_long_as_the_names_of_files_become"
    deployment = DeploymentDouble(EVENTS_ANSWER, calls=events_call(partner))

    text = printed(sent(deployment, partner, [message(EVENTS, long_name)]), width=80)

    assert text.splitlines()[1:4] == [
        f"\N{CHECK MARK} {long_name}",
        "    answer   acknowledged, 12 ms",
        "    partner  1\N{MULTIPLICATION SIGN} POST /track (1 events)",
    ]
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize(("milliseconds", "is_slow"), [(200.0, False), (201.0, True)])
def test_an_answer_that_takes_longer_than_mparticle_allows_is_flagged(
    partner: SamplePartner, milliseconds: float, is_slow: bool
) -> None:
    deployment = DeploymentDouble(EVENTS_ANSWER, calls=events_call(partner), milliseconds=milliseconds)

    run = sent(deployment, partner, [message(EVENTS)])

    assert (f"acknowledged, {milliseconds:.0f} ms: slow" in printed(run)) is is_slow
    assert ("Slow: 1, over 200 ms" in printed(run)) is is_slow
    assert run.problems == ()


def test_progress_says_which_message_is_being_sent(partner: SamplePartner) -> None:
    steps: list[str] = []

    class Recorder(Silent):
        def doing(self, step: str) -> None:
            steps.append(step)

    deployment = DeploymentDouble(EVENTS_ANSWER, calls=events_call(partner))
    send_all(deployment, partner, [message(EVENTS, "a"), message(EVENTS, "b")], INTEGRATION, Recorder())

    assert steps == ["Sending a (1 of 2)", "Sending b (2 of 2)"]


def printed(run: Run, width: int = 160) -> str:
    out = io.StringIO()
    show(run, Console(file=out, width=width))
    return out.getvalue()
