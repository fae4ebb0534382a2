"""`verify` of an alias: what mParticle would refuse fails with its reason, and what was not tried is no success."""

import itertools
import json
import re
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ConnectionClosedError
from moto import mock_aws

from local.rooms import Room
from mparticle_firehose.errors import (
    ConfigurationError,
    DeliveryError,
    FirehoseError,
    IntegrationError,
    PartnerUnavailableError,
    RefusedError,
    RegistrationError,
    UnexpectedError,
)
from mparticle_firehose.integration import Integration
from mparticle_firehose.protocol import (
    AudienceMembershipChangeResponse,
    AudienceSubscriptionResponse,
    EventProcessingResponse,
    ModuleRegistrationResponse,
    Serializer,
)
from ops.interrupts import Interrupts
from ops.stack import StackError
from ops.verify.alias_target import AliasTarget
from ops.verify.capacity import Load
from ops.verify.dead_letters import CHECK as LETTERS
from ops.verify.dead_letters import counting
from ops.verify.findings import Finding, Result, would_be_refused
from ops.verify.handled import handled_types
from ops.verify.replies import Kind
from ops.verify.run import Wanted, verify
from ops.verify.settings import known_settings
from tests.ops.fake_deployment import (
    ALIAS,
    MPARTICLE,
    ROOM,
    Crash,
    Ended,
    FakeDeployment,
    FakeLambda,
    Hang,
    declaration,
    grant,
    refusal,
)

KEY = {"token": "canary-key"}
QUICK: dict[str, Any] = {
    "settings": KEY, "calls": 5, "settle_seconds": 0, "sleep": lambda _: None, "letters": lambda: {"event": 0},
}  # fmt: skip


def logged(milliseconds: float, **fields: str) -> str:
    """Return the end of an invocation's log, with what Powertools' logger and a mapping write besides."""
    line = {"message": "answered", **fields, "duration_ms": milliseconds, "_aws": {}}
    return "\n".join(['{"message": "queued"}', "printed", json.dumps(line), '{"QueueAge": [1, 2], "_aws": {}}'])


def verified(
    client: FakeLambda | None = None, *, arn: str = ALIAS, is_local: bool = False, **wanted: Any
) -> dict[str, Finding]:
    """Return the findings by the names of their checks."""
    target = AliasTarget(client or FakeLambda(), arn, is_local=is_local)
    done = verify(target, ROOM, Wanted(**{**QUICK, **wanted}), lambda _: None)
    names = [each.check for each in done.findings]
    assert len(set(names)) == len(names)
    return {each.check: each for each in done.findings}


def with_fault(fault: Callable[[bytes], object], **changed: Any) -> FakeLambda:
    return FakeLambda(FakeDeployment(fault=fault), **changed)


def on(mark: str, then: Callable[[], object]) -> Callable[[bytes], object]:
    """Return a fault of the requests that contain a text."""
    return lambda body: then() if mark.encode() in body else None


def raising(error: Exception) -> Callable[[], object]:
    def fail() -> object:
        raise error

    return fail


def problems(found: dict[str, Finding]) -> dict[str, str]:
    return {name: each.seen for name, each in found.items() if each.result is Result.FAILED}


def test_a_right_deployment_passes_every_check() -> None:
    found = verified()

    assert {name: each.result for name, each in found.items() if each.result is not Result.OK} == {}
    assert list(found) == [
        "alias", "region", "who may invoke", "concurrency of the account", "concurrency of the handler", "registration",
        "registration rules", "registration as here", "keep-alive of events", "event types", "all types in one",
        "system notifications", "unknown event and fields", "keep-alive of audiences", "audience connected",
        "settings to keep", "members", "audience changed", "malformed input", "valid after malformed", "warm latency",
        "audience disconnected", "erasure", "dead letters",
    ]  # fmt: skip
    assert not would_be_refused(found.values())


def test_no_value_and_no_account_of_the_partner_is_in_a_finding() -> None:
    client = FakeLambda(statements=[*MPARTICLE, grant({"AWS": "arn:aws:iam::999988887777:root"})])

    seen = " ".join(each.seen for each in verified(client).values())

    assert "canary" not in seen
    assert "111122223333" not in seen
    assert "999988887777" not in seen


@pytest.mark.parametrize(
    ("arn", "check", "reason"),
    [
        (ALIAS.removesuffix(":production"), "alias", "the bare function"),
        (ALIAS.replace("production", "$LATEST"), "alias", "the bare function"),
        (ALIAS.replace("production", "17"), "alias", "a version"),
        (ALIAS.replace("us-east-1", "us-west-2"), "region", "us-west-2: mParticle's pods are in us-east-1"),
    ],
    ids=["function", "latest", "version", "region"],
)
def test_only_an_alias_in_a_pods_region_is_given_to_mparticle(arn: str, check: str, reason: str) -> None:
    client = FakeLambda(of_function=MPARTICLE)

    failed = problems(verified(client, arn=arn)) if ":production" not in arn else problems(verified(arn=arn))

    assert failed[check].startswith(reason)


def test_what_is_no_arn_of_a_function_cannot_be_tried() -> None:
    with pytest.raises(StackError, match="neither the ARN"):
        verified(arn="arn:aws:sqs:us-east-1:111122223333:canary")


STRANGER = grant({"AWS": "arn:aws:iam::999988887777:root"})


@pytest.mark.parametrize(
    ("statements", "reason"),
    [
        ([*MPARTICLE, grant("*")], "an open door: every AWS account may invoke it"),
        ([*MPARTICLE, grant({"AWS": "*"}, action="lambda:*")], "an open door: every AWS account may invoke it"),
        ([*MPARTICLE, STRANGER], "an open door: an account that is not mParticle's may invoke it"),
        ([*MPARTICLE, grant({"AWS": "arn:aws:iam::338661164609:role/canary"})], "an open door: an account that is not"),
        ([*MPARTICLE, grant({"Service": "apigateway.amazonaws.com"})], "an open door: a service for any account's"),
        (MPARTICLE[:1], "mParticle's account 457804467337 may not invoke it"),
        ([], "mParticle's account 338661164609, 457804467337 may not invoke it"),
        ([{**each, "Effect": "Deny"} for each in MPARTICLE], "mParticle's account 338661164609, 457804467337"),
    ],
    ids=["everybody", "everybody-everything", "stranger", "role", "service", "one-missing", "nobody", "denied"],
)
def test_exactly_mparticles_accounts_may_invoke(statements: list[dict[str, object]], reason: str) -> None:
    failed = problems(verified(FakeLambda(statements=statements)))

    assert list(failed) == ["who may invoke"]
    assert failed["who may invoke"].startswith(reason)


def test_the_terminal_is_told_which_statement_opens_the_door() -> None:
    found = verified(FakeLambda(statements=[*MPARTICLE, STRANGER]))

    assert found["who may invoke"].private == "999988887777 by statement canary-sid"


@pytest.mark.parametrize(
    "of_endpoint",
    [
        grant({"Service": "apigateway.amazonaws.com"}, **{"AWS:SourceArn": "arn:aws:execute-api:canary"}),
        grant("*", **{"lambda:InvokedViaFunctionUrl": "true"}),
        grant("*", action="lambda:InvokeFunctionUrl", **{"lambda:FunctionUrlAuthType": "NONE"}),
    ],
    ids=["http-api", "function-url-invoke", "function-url"],
)
def test_the_https_endpoint_may_invoke_it_too(of_endpoint: dict[str, object]) -> None:
    assert verified(FakeLambda(statements=[*MPARTICLE, of_endpoint]))["who may invoke"].result is Result.OK


def test_who_may_invoke_every_version_may_invoke_the_alias() -> None:
    assert problems(verified(FakeLambda(of_function=[STRANGER]))) == {
        "who may invoke all versions": "an open door: an account that is not mParticle's may invoke it"
    }


@pytest.mark.parametrize(
    ("of_alias", "of_function", "checks"),
    [
        ([*MPARTICLE, STRANGER], [STRANGER], ["who may invoke"]),
        (MPARTICLE, [grant({"AWS": "457804467337"}, action="*")], []),
    ],
    ids=["the-same", "mparticles"],
)
def test_what_the_function_allows_beside_is_no_second_open_door(
    of_alias: list[dict[str, object]], of_function: list[dict[str, object]], checks: list[str]
) -> None:
    assert list(problems(verified(FakeLambda(statements=of_alias, of_function=of_function)))) == checks


def test_other_accounts_of_mparticles_can_be_named() -> None:
    assert problems(verified(FakeLambda(statements=[STRANGER]), accounts=["999988887777"])) == {}


def test_a_grant_under_conditions_is_a_warning() -> None:
    conditional = [grant({"AWS": "338661164609"}, **{"aws:SourceVpc": "canary"}), MPARTICLE[1]]

    assert verified(FakeLambda(statements=conditional))["who may invoke"].result is Result.WARNING


@pytest.mark.parametrize(
    ("operation", "check", "permission"),
    [
        ("GetPolicy", "who may invoke", "lambda:GetPolicy"),
        ("GetAccountSettings", "concurrency of the account", "lambda:GetAccountSettings"),
        ("GetFunctionConcurrency", "concurrency of the handler", "lambda:GetFunctionConcurrency"),
    ],
)
def test_what_may_not_be_read_is_not_checked_and_the_permission_is_named(
    operation: str, check: str, permission: str
) -> None:
    finding = verified(FakeLambda(denied=frozenset({operation})))[check]

    assert (finding.result, finding.seen) == (Result.NOT_CHECKED, f"needs {permission}")


def test_a_function_or_an_alias_that_is_not_there_is_explained() -> None:
    with pytest.raises(StackError, match="the account has no such function, or the function no such alias"):
        verified(FakeLambda(refused="ResourceNotFoundException"))


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("TooManyRequestsException", Kind.NOT_NOW),
        ("ServiceException", Kind.NOT_NOW),
        ("EC2ThrottledException", Kind.NOT_NOW),
        ("InvalidRequestContentException", Kind.MALFORMED),
    ],
)
def test_what_lambda_itself_refuses_is_told_apart(code: str, kind: Kind) -> None:
    reply = AliasTarget(FakeLambda(refused=code), ALIAS, is_local=False).send(b"{")

    assert (reply.kind, reply.reason) == (kind, code)


@pytest.mark.parametrize(
    ("kind", "text", "described"),
    [
        ("Sandbox.Timedout", "RequestId: canary Error: Task timed out after 30.00 seconds",
         "not answered in time: the function's own timeout"),
        ("canary with spaces", "canary", "crashed: an error without a type"),
        (None, None, "crashed: an error without a type"),
        ("RefusedError", "no\x1b[2J", "refused: RefusedError: no?[2J"),
        ("RefusedError", "x" * 999, f"refused: RefusedError: {'x' * 160}..."),
    ],
    ids=["timeout", "odd-type", "nothing", "terminal", "long"],
)  # fmt: skip
def test_an_error_is_described_without_what_others_may_have_written(
    kind: str | None, text: str | None, described: str
) -> None:
    client = FakeLambda(FakeDeployment(fault=lambda _: raising(Ended(kind, text))()))

    assert AliasTarget(client, ALIAS, is_local=False).send(b"{}").described == described


def test_a_connection_that_is_lost_is_no_answer() -> None:
    class Lost(FakeLambda):
        def invoke(self, **_: Any) -> dict[str, Any]:
            raise ConnectionClosedError(endpoint_url="https://lambda.example")

    assert AliasTarget(Lost(), ALIAS, is_local=False).send(b"{}").kind is Kind.SILENT


def test_the_emulators_own_error_is_told_by_the_log() -> None:
    log = "Traceback\nmparticle_firehose.errors.RefusedError: the partner refuses the audience"
    client = FakeLambda(FakeDeployment(fault=lambda _: raising(Ended("Runtime.HandlerError", "canary"))()), log=log)

    assert AliasTarget(client, ALIAS, is_local=True).send(b"{}").kind is Kind.REFUSED


def test_nothing_can_be_tried_without_the_right_to_invoke() -> None:
    with pytest.raises(type(refusal("", "")), match="AccessDenied"):
        verified(FakeLambda(denied=frozenset({"Invoke"})))


@pytest.mark.parametrize(
    ("concurrency", "reserved", "expected"),
    [
        (10, None, {
            "concurrency of the account": (Result.FAILED, "10; mParticle requires 1,000"),
            "concurrency of the handler": (
                Result.FAILED, "10 unreserved × 10 = 100 requests a second; 2,000 on average need 200"),
        }),
        (1_000, 150, {
            "concurrency of the account": (Result.OK, "1,000; mParticle requires 1,000"),
            "concurrency of the handler": (
                Result.FAILED, "150 reserved × 10 = 1,500 requests a second; 2,000 on average need 200"),
        }),
        (1_000, 0, {
            "concurrency of the handler": (
                Result.FAILED, "0 reserved × 10 = 0 requests a second; 2,000 on average need 200"),
        }),
        (1_000, 200, {
            "concurrency of the handler": (
                Result.WARNING, "200 reserved × 10 = 2,000 requests a second; a peak of 10,000 needs 1,000"),
        }),
        (1_500, 500, {
            "concurrency of the account": (Result.OK, "1,500; mParticle requires 1,000"),
            "concurrency of the handler": (
                Result.WARNING, "500 reserved × 10 = 5,000 requests a second; a peak of 10,000 needs 1,000"),
        }),
        (1_000, None, {
            "concurrency of the account": (Result.OK, "1,000; mParticle requires 1,000"),
            "concurrency of the handler": (Result.OK, "1,000 unreserved × 10 = 10,000 requests a second; "
                "enough for 2,000 on average and 10,000 at peak"),
        }),
    ],
    ids=["new-account", "reserved-too-little", "switched-off", "just-the-average", "peak", "enough"],
)  # fmt: skip
def test_the_concurrency_is_compared_with_what_mparticle_sends(
    concurrency: int, reserved: int | None, expected: dict[str, tuple[Result, str]]
) -> None:
    found = verified(FakeLambda(concurrency=concurrency, reserved=reserved))

    assert {name: (found[name].result, found[name].seen) for name in expected} == expected


def test_another_load_needs_another_concurrency() -> None:
    found = verified(FakeLambda(concurrency=1_000), load=Load(average=20_001, peak=20_001))

    assert "20,001 on average need 2,001" in problems(found)["concurrency of the handler"]


def test_the_local_cloud_has_no_quotas_to_check() -> None:
    assert verified(FakeLambda(concurrency=10), is_local=True)["concurrency"].result is Result.NOT_CHECKED


@pytest.mark.parametrize(
    ("changed", "check", "reason"),
    [
        ({"description": "x" * 230}, "registration rules", "description: must be shorter than 230 characters"),
        ({"name": ""}, "registration rules", "name"),
        ({"version": "99"}, "registration as here", "version differ from `make registration`"),
    ],
    ids=["description", "name", "other-version"],
)
def test_the_registration_is_checked_as_it_is_answered(changed: dict[str, object], check: str, reason: str) -> None:
    found = verified(FakeLambda(FakeDeployment(registered=declaration(**changed))))

    assert reason in found[check].seen
    assert found[check].result is (Result.FAILED if "rules" in check else Result.WARNING)


@pytest.mark.parametrize(
    ("lacking", "missing"),
    [
        (["event_processing_registration"], "impression, attribution"),
        (["audience_processing_registration", "dsr_processing_registration"], "audiences, erasures"),
    ],
    ids=["events", "audiences-and-erasures"],
)
def test_what_is_handled_here_and_not_declared_there_would_never_be_sent(lacking: list[str], missing: str) -> None:
    found = verified(FakeLambda(FakeDeployment(registered=declaration(**dict.fromkeys(lacking)))))

    assert found["registration as here"].result is Result.FAILED
    assert f"{missing} missing: mParticle would never send" in found["registration as here"].seen


def test_one_type_of_event_that_is_not_declared_is_named() -> None:
    failed = problems(verified(FakeLambda(FakeDeployment(registered=without_screen_views()))))

    assert failed == {
        "registration as here": "screen_view missing: mParticle would never send what is handled here. Deploy"
    }


class Forgetful(Room):
    """The sample integration, whose registration does not declare a type that its code handles."""

    def integration(self) -> Integration:
        return replace(super().integration(), registration=without_screen_views)


def without_screen_views() -> ModuleRegistrationResponse:
    events = declaration().event_processing_registration
    assert events is not None
    others = tuple(each for each in events.supported_event_types if each != "screen_view")
    return declaration(event_processing_registration=events.model_copy(update={"supported_event_types": others}))


def test_a_type_of_event_that_is_handled_and_declared_nowhere_is_named() -> None:
    target = AliasTarget(FakeLambda(FakeDeployment(registered=without_screen_views())), ALIAS, is_local=False)
    room = Forgetful(ROOM.partner, ROOM.fake_api_folder, ROOM.events, ROOM.registration)

    found = {each.check: each for each in verify(target, room, Wanted(**QUICK), lambda _: None).findings}

    same = found["registration as here"]
    assert same.result is Result.WARNING
    assert same.seen.startswith("screen_view handled here, and declared neither here nor there: mParticle sends none.")


@pytest.mark.parametrize(
    "name", ["tests/sample", "examples/braze", "examples/customerio", "examples/hubspot", "examples/iterable"]
)
def test_what_the_examples_handle_is_declared(name: str) -> None:
    room = Room.of(name)
    integration = room.integration()
    declared = integration.declaration()
    events = declared.event_processing_registration
    settings = known_settings(declared, {}, room, is_local=True).values

    assert events is not None
    handled = set(handled_types(integration, declared, settings))
    assert handled
    assert handled <= set(events.supported_event_types)


@pytest.mark.parametrize("changed", [{"events": None}, {"events": lambda _: KEY["canary"]}])
def test_what_cannot_be_mapped_is_not_handled(changed: dict[str, Any]) -> None:
    assert handled_types(replace(ROOM.integration(), **changed), declaration(), {}) == ()
    assert handled_types(ROOM.integration(), declaration(event_processing_registration=None), {}) == ()


def test_a_deployment_without_a_registration_fails_and_the_rest_is_tried_as_declared_here() -> None:
    found = verified(with_fault(on("module_registration_request", raising(KeyError("canary")))))

    assert problems(found) == {"registration": "crashed: KeyError"}
    assert found["event types"].result is Result.OK


def test_a_type_of_event_that_is_not_handled_is_named() -> None:
    found = verified(with_fault(on('"screen_view"', raising(RuntimeError("canary")))))

    failed = problems(found)
    assert failed["event types"].endswith("declared types answered; screen_view: crashed: RuntimeError")
    assert failed["all types in one"] == "crashed: RuntimeError"


@pytest.mark.parametrize(
    "error",
    [
        UnexpectedError("KeyError in events.py:61 event_items"),
        ConfigurationError("PARTNER_API_URL: is missing"),
        RegistrationError("description: must be shorter than 230 characters"),
        IntegrationError("lane", "must be one of the endpoints'"),
    ],
)
def test_where_the_code_failed_is_shown(error: FirehoseError) -> None:
    found = verified(with_fault(on("dsr_processing_request", raising(error))))

    assert problems(found) == {"erasure": f"crashed: {type(error).__name__}: {error}"}


def test_an_unknown_event_must_not_cost_its_request() -> None:
    found = verified(with_fault(on("sample_event_of_the_future", raising(KeyError("canary")))))

    assert problems(found) == {"unknown event and fields": "crashed: KeyError"}


@pytest.mark.parametrize(
    ("mark", "answer", "reason"),
    [
        ("dsr_processing_request", EventProcessingResponse, "of type event_processing_response, and mParticle expects"),
        (
            "dsr_processing_request",
            dict,
            "the response's type is none of mParticle's, and must be dsr_processing_response",
        ),
        ("dsr_processing_request", lambda: ["canary"], "the response is not valid: must be a JSON object"),
        ("dsr_processing_request", lambda: {"type": "dsr_processing_response"}, "id: is required"),
    ],
    ids=["other-type", "empty", "list", "no-id"],
)
def test_a_response_must_be_of_its_requests_type(mark: str, answer: Callable[[], Any], reason: str) -> None:
    def wrong() -> object:
        made = answer()
        return Serializer().dump(made) if isinstance(made, EventProcessingResponse) else made

    failed = problems(verified(with_fault(on(mark, wrong))))

    assert list(failed) == ["erasure"]
    assert reason in failed["erasure"]


def test_an_integration_that_asks_mparticle_to_stop_is_refused() -> None:
    stop = Serializer().dump(AudienceMembershipChangeResponse(suspend_subscription=True))

    failed = problems(verified(with_fault(on('"user_profiles"', lambda: stop))))

    assert "suspend_subscription" in failed["members"]


def test_settings_that_an_audience_keeps_are_sent_along_and_must_be_declared() -> None:
    right, wrong = FakeDeployment(), FakeDeployment(kept={"unheardOf": "1"})

    found = verified(FakeLambda(right))

    assert found["settings to keep"].seen == "segmentId"
    profiles = [each.get("user_profiles", [None])[0] for each in right.of_type("audience_membership_change_request")]
    audiences = [profile["audiences"][0] for profile in profiles if profile]
    assert [(each["action"], each["audience_subscription_settings"]["segmentId"]) for each in audiences] == [
        ("add", "seg-1"), ("delete", "seg-1"), ("attribute_update", "seg-1"),
    ]  # fmt: skip
    kept = [each.get("audience_subscription_settings") for each in right.of_type("audience_subscription_request")]
    assert kept[1:] == [{"segmentId": "seg-1"}] * 2
    assert problems(verified(FakeLambda(wrong)))["settings to keep"].endswith("does not keep them: unheardOf")


def test_settings_that_are_empty_are_not_kept() -> None:
    response = Serializer().dump(AudienceSubscriptionResponse())
    answer = {**response, "audience_subscription_settings": {"segmentId": "", "unheardOf": None}}

    found = verified(with_fault(on('"action": "add"', lambda: answer)))["settings to keep"]

    assert (found.result, found.seen) == (Result.WARNING, "empty, so that mParticle does not keep them: segmentId")


def test_an_audience_is_disconnected_whatever_happens_to_it() -> None:
    deployment = FakeDeployment(fault=on('"delete"', raising(KeyboardInterrupt())))  # type: ignore[arg-type]

    with pytest.raises(KeyboardInterrupt):
        verified(FakeLambda(deployment))

    assert [each["action"] for each in deployment.of_type("audience_subscription_request")] == ["add", "remove"]


def test_an_interrupt_while_an_audience_is_being_connected_waits_for_its_answer() -> None:
    deployment = FakeDeployment(fault=on('"action": "add"', lambda: signal.raise_signal(signal.SIGINT)))

    with Interrupts() as interrupts, pytest.raises(KeyboardInterrupt):
        verified(FakeLambda(deployment), uninterrupted=interrupts.uninterrupted)

    assert [each["action"] for each in deployment.of_type("audience_subscription_request")] == ["add", "remove"]


def test_an_audience_and_a_person_end_after_what_is_queued_has_had_time_to_arrive() -> None:
    deployment = FakeDeployment()
    waits: list[tuple[float, int]] = []

    verified(
        FakeLambda(deployment),
        settle_seconds=60,
        sleep=lambda seconds: waits.append((seconds, len(deployment.requests))),
    )

    (before, sent_before), (after, sent_in_all) = waits
    assert (before, after) == (60, 60)
    assert [each.get("action", each["type"]) for each in deployment.requests[sent_before:]] == [
        "remove",
        "dsr_processing_request",
    ]
    assert len(deployment.requests) == sent_in_all  # what is acknowledged last has as much time to fail


def test_more_dead_letters_than_before_are_told_by_queue() -> None:
    before = {"event": 2, "membership": 3, "erasure": 0}

    same = verified(letters=iter([before, {**before, "membership": 1}]).__next__)[LETTERS]
    more = verified(letters=iter([before, {"event": 20, "membership": 3, "erasure": 1}]).__next__)[LETTERS]

    assert (same.result, same.seen) == (Result.OK, "no more than before")
    assert more.result is Result.WARNING
    assert more.seen.startswith("more than before: event 18, erasure 1. These were acknowledged but not delivered;")


def test_dead_letters_of_invented_secrets_say_nothing() -> None:
    found = verified(settings={}, letters=iter([{"event": 0}, {"event": 16}]).__next__)[LETTERS]

    assert (found.result, found.seen) == (
        Result.NOT_CHECKED,
        "more than before: event 16, which is expected with invented values of token",
    )


def test_whoever_may_not_count_dead_letters_is_told_which_permission_that_needs() -> None:
    def denied() -> Mapping[str, int]:
        raise refusal("AccessDenied", "GetQueueAttributes")

    found = verified(letters=denied)[LETTERS]

    assert (found.result, found.seen) == (
        Result.NOT_CHECKED,
        "needs lambda:GetFunctionConfiguration and sqs:GetQueueAttributes",
    )


def test_letters_are_counted_in_the_queues_that_the_function_names() -> None:
    class Functions:
        def get_function_configuration(self, *, FunctionName: str) -> dict[str, Any]:  # noqa: N803
            assert FunctionName == ALIAS
            return {"Environment": {"Variables": {"EVENT_DLQ_URL": letters, "EVENT_QUEUE_URL": "another"}}}

    with mock_aws():
        sqs = boto3.client("sqs", region_name="us-east-1")
        letters = sqs.create_queue(QueueName="letters")["QueueUrl"]
        for body in ("waits", "is looked at"):
            sqs.send_message(QueueUrl=letters, MessageBody=body)
        sqs.receive_message(QueueUrl=letters)

        assert counting(Functions(), sqs, ALIAS)() == {"event": 2}


def test_a_trial_is_about_one_person_who_is_erased_last_and_the_next_about_another() -> None:
    first, second = FakeDeployment(), FakeDeployment()

    verified(FakeLambda(first))
    verified(FakeLambda(second))

    erased = [each.requests[-1]["subject_identities"]["email"]["value"] for each in (first, second)]
    people = {
        identity["value"]
        for request in first.of_type("event_processing_request")
        for identity in request.get("user_identities") or [] if identity and identity["type"] == "email"
    }  # fmt: skip
    assert people == {erased[0]}
    assert erased[0] != erased[1]


@pytest.mark.parametrize("kind", [DeliveryError, PartnerUnavailableError])
def test_without_an_audience_its_changes_are_not_checked(kind: type[DeliveryError]) -> None:
    found = verified(with_fault(on('"add"', raising(kind("the partner could not be reached in time")))))

    assert problems(found) == {
        "audience connected": f"refused for now, also when repeated: {kind.__name__}: the partner could not be reached "
        "in time"
    }
    assert {found[name].result for name in ("members", "audience changed", "audience disconnected")} == {
        Result.NOT_CHECKED
    }


def test_a_deployment_that_never_answers_is_not_waited_for_long() -> None:
    deployment = FakeDeployment(fault=lambda _: raising(Hang())())

    found = verified(FakeLambda(deployment))

    assert problems(found) == {
        "registration": "not answered in time",
        "keep-alive of events": "not answered in time",
        "answers": "3 requests in a row were not answered in time; the rest is untried",
    }
    assert len(deployment.requests) == 4


def test_single_requests_without_an_answer_do_not_end_the_trial() -> None:
    found = verified(with_fault(on('"screen_view"', raising(Hang()))))

    assert list(problems(found)) == ["event types", "all types in one"]
    assert found["erasure"].result is Result.OK


def test_an_audience_is_disconnected_even_if_nothing_answers_any_more() -> None:
    deployment = FakeDeployment()
    members = on("audience_membership_change_request", raising(Hang()))
    deployment.fault = lambda body: members(body) if deployment.of_type("audience_subscription_request") else None

    found = verified(FakeLambda(deployment))

    assert list(problems(found)) == ["answers"]
    assert [each["action"] for each in deployment.of_type("audience_subscription_request")] == ["add", "remove"]


def test_the_first_call_that_fails_ends_the_measurement() -> None:
    events = itertools.count()
    deployment = FakeDeployment(
        fault=on('"custom_event"', lambda: raising(KeyError("canary"))() if next(events) > 8 else None)
    )

    found = verified(FakeLambda(deployment), calls=50)

    assert re.fullmatch(r"call \d of 50: crashed: KeyError", problems(found)["warm latency"])
    assert next(events) < 20


def test_what_is_refused_for_now_is_repeated_as_mparticle_does() -> None:
    waited: list[float] = []
    times = itertools.count()
    once = on('"add"', lambda: None if next(times) else raising(PartnerUnavailableError("not reached in time"))())

    found = verified(with_fault(once), sleep=waited.append)

    connected = found["audience connected"]
    assert connected.result is Result.WARNING
    assert connected.seen.startswith("refused for now: PartnerUnavailableError: not reached in time; answered when")
    assert found["members"].result is Result.OK
    assert waited == [2.0, 0, 0]  # before the repetition, before the end, and after it
    assert not would_be_refused(found.values())


def test_what_the_partner_refuses_for_an_invented_secret_is_not_the_integrations_fault() -> None:
    client = with_fault(on('"audience_subscription_request"', raising(RefusedError("the partner does not accept it"))))

    invented, given = verified(client, settings={})["audience connected"], verified(client)["audience connected"]

    assert (invented.result, given.result) == (Result.NOT_CHECKED, Result.FAILED)
    assert invented.seen == "refused with invented values of token: give them with --setting"
    assert given.seen == "refused: RefusedError: the partner does not accept it"


@pytest.mark.parametrize(
    ("mark", "then", "reason"),
    [
        ('[{"type": "event_processing_request"}]', raising(Crash()), "a list: crashed: Runtime.ExitError"),
        ('{"type": null}', raising(Hang()), "a null type: not answered in time"),
        ("sample_request_of_the_future", raising(AttributeError("canary")), "an unknown type: crashed: AttributeError"),
        ('"account": []', lambda: Serializer().dump(EventProcessingResponse()), "an account that is a list: answered"),
        ('"events": [null]', raising(TypeError("canary")), "nulls in lists: crashed: TypeError"),
    ],
    ids=["crash", "hang", "unexpected", "accepted", "nulls"],
)
def test_malformed_input_gets_a_clear_error(mark: str, then: Callable[[], object], reason: str) -> None:
    assert problems(verified(with_fault(on(mark, then)))) == {"malformed input": reason}


def test_what_is_acknowledged_is_of_a_customer_with_settings_lest_it_becomes_a_dead_letter() -> None:
    deployment = FakeDeployment()

    verified(FakeLambda(deployment))

    memberships = deployment.of_type("audience_membership_change_request")
    assert [None, {"audiences": [None]}] in [each.get("user_profiles") for each in memberships]
    assert all(each["account"]["account_settings"]["token"] for each in memberships)


def test_a_function_that_answers_nothing_after_malformed_input_fails() -> None:
    state = {"broken": False}

    def fault(body: bytes) -> object:
        state["broken"] = state["broken"] or body == b"null"
        if state["broken"] and b'"events": []' in body and b"account_settings" in body:
            raise Crash
        return None

    assert problems(verified(with_fault(fault), calls=0)) == {"valid after malformed": "crashed: Runtime.ExitError"}


def measured(client: FakeLambda, limit_ms: int, *, is_local: bool = False) -> Finding:
    """Return the finding of the warm latency with a limit for which no test has to wait."""
    target = AliasTarget(client, ALIAS, is_local=is_local)
    target.latency_limit_ms = limit_ms
    done = verify(target, ROOM, Wanted(**QUICK), lambda _: None)
    return next(each for each in done.findings if each.check == "warm latency")


def test_slow_answers_fail() -> None:
    slow = measured(FakeLambda(seconds=0.003), 2)

    assert (slow.result, measured(FakeLambda(seconds=0.003), 2_000).result) == (Result.FAILED, Result.OK)
    assert slow.seen.endswith("of 5 calls with custom_event, the network from here included; limit 2 ms")


def test_slow_answers_of_a_fast_function_are_the_networks() -> None:
    finding = measured(FakeLambda(seconds=0.003, log=logged(0.5)), 2)

    assert finding.result is Result.WARNING
    assert finding.seen.endswith("Without the network p99 is 0 ms: measure from the pod's region")


def test_single_slow_answers_in_the_local_cloud_are_this_machines() -> None:
    seconds = itertools.cycle([0.0, 0.12])
    at_times = with_fault(on('"custom_event"', lambda: time.sleep(next(seconds))))

    finding = measured(at_times, 100, is_local=True)

    assert finding.result is Result.WARNING
    assert finding.seen.endswith("This may be a busy machine's: measure on AWS")


def test_in_the_local_cloud_a_function_that_is_never_fast_enough_fails() -> None:
    finding = measured(FakeLambda(seconds=0.003), 2, is_local=True)

    assert finding.result is Result.FAILED
    assert "Even the fastest took" in finding.seen


def test_slow_answers_of_a_slow_function_are_not() -> None:
    assert measured(FakeLambda(seconds=0.003, log=logged(2.5)), 2).result is Result.FAILED


@pytest.mark.parametrize("initialization", ["snap-start", "on-demand"])
def test_cold_starts_are_measured_where_they_are_logged(initialization: str) -> None:
    finding = verified(FakeLambda(log=logged(12, initialization=initialization)), burst=4)["cold latency"]

    assert finding.result is Result.OK
    assert finding.seen.startswith("4 of 4 calls at once started an environment: p50")


@pytest.mark.parametrize("log", [logged(12), logged(12, initialization="provisioned-concurrency"), "", "[1]", "{"])
def test_a_call_that_waited_for_no_start_is_none(log: str) -> None:
    assert verified(FakeLambda(log=log), burst=4)["cold latency"].result is Result.NOT_CHECKED


def test_a_burst_that_meets_running_environments_only_measures_nothing() -> None:
    assert verified(burst=2)["cold latency"].result is Result.NOT_CHECKED
    assert "cold latency" not in verified()


def test_an_integration_that_takes_erasures_only_is_asked_for_nothing_else() -> None:
    deployment = FakeDeployment(
        registered=declaration(
            permissions=None, event_processing_registration=None, audience_processing_registration=None
        )
    )

    found = verified(FakeLambda(deployment))

    assert list(problems(found)) == ["registration as here"]  # the one here takes more
    assert found["warm latency"].result is Result.NOT_CHECKED
    assert {"event types", "audience connected"}.isdisjoint(found)
    kinds = {each["type"] for each in deployment.requests if isinstance(each, dict) and each.get("subject_request_id")}
    assert kinds == {"dsr_processing_request"}
