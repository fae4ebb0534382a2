"""How the benchmarks judge what they have measured, and what they compare it with."""

import json
from typing import Any

import pytest

from bench import cold_start, end_to_end, warm_cpu
from bench.cost_model import kinds
from bench.inputs import encoded, memberships_of, message, over_https
from bench.loopback import TOKEN
from mparticle_firehose.endpoint import is_http_event
from mparticle_firehose.endpoint.http_event import HttpRequest


def started(times: float) -> dict[str, Any]:
    compared = {"times_baseline": {"median": times}}
    return {**compared, "cpu": compared}


def test_every_first_answer_is_judged_by_itself() -> None:
    starts = {title: started(1.2) for title in cold_start.ANSWERED} | {"memberships to SQS": started(1.8)}

    found = cold_start.verdicts({"with .pyc": starts})

    assert [verdict.target.rpartition(": ")[2] for verdict in found] == list(cold_start.ANSWERED)
    assert [verdict.met for verdict in found] == [True, True, True, False]


def invoked(added: float, boto3: float | None = None) -> dict[str, Any]:
    def inside(milliseconds: float) -> dict[str, Any]:
        return {name: {"p50": milliseconds, "p99": milliseconds} for name in ("added_ms", "cpu_ms")}

    return {**inside(added), "boto3": inside(boto3) if boto3 else None}


def test_boto3s_part_of_what_the_handler_adds_is_judged_too_and_shown() -> None:
    [alone, queued] = end_to_end.verdicts({"keep-alive": invoked(1.5), "memberships to SQS": invoked(2.5, boto3=1.25)})

    assert (alone.measured, alone.met) == ("1.50 ms (CPU 1.50)", True)
    assert (queued.measured, queued.met) == ("2.50 ms (CPU 2.50); 1.25 without boto3's 1.25", False)


def test_the_partners_mapping_is_judged_apart_from_our_own_share() -> None:
    step: dict[str, Any] = {"median": 1.4}
    figures = {
        name: {
            "times_json": {"answer": {"median": 2.1}, warm_cpu.UNMAPPED: step},
            "ms": {"log": {"median": 0.6}, warm_cpu.LOADS: {"median": 0.4}},
        }
        for name in (warm_cpu.EVENTS_6_KB, warm_cpu.MEMBERSHIPS_100)
    }

    found = {verdict.target: (verdict.measured, verdict.met) for verdict in warm_cpu.verdicts(figures)}

    events = "Warm CPU, events, 6 KB: parse, dispatch, answer ≤ 1.5 × json"
    assert found[f"{events}, without the partner's mapping"] == ("1.40 ×", True)
    assert found[f"{events}, with it"] == ("2.10 ×", False)
    assert found["Warm CPU, memberships, 100 profiles: the same with log line and metrics ≤ 0.5 ms"] == (
        "0.60 ms (json.loads alone 0.40)", False,
    )  # fmt: skip


def test_boto3_alone_is_given_what_the_handler_would_send() -> None:
    call = json.loads(end_to_end.sqs_call(memberships_of(100)) or b"")

    profiles = [profile for entry in call["Entries"] for profile in json.loads(entry["MessageBody"])["user_profiles"]]
    assert set(call) == {"QueueUrl", "Entries"}
    assert len(profiles) == 100


@pytest.mark.parametrize("name", ["event_processing_request", "module_registration_request"])
def test_boto3_alone_has_no_part_in_what_does_not_go_to_sqs(name: str) -> None:
    assert end_to_end.sqs_call(message(name)) is None


def test_a_request_over_https_carries_the_message_and_the_token() -> None:
    body = encoded(message("event_processing_request"))
    event = over_https("/events", body, TOKEN)

    request = HttpRequest.from_event(event)

    assert is_http_event(event)
    assert (request.method, request.path, request.body) == ("POST", "/events", body)
    assert request.headers["authorization"] == f"Token {TOKEN}"


def test_only_queued_events_are_measured_in_a_deployment_that_queues_all_events() -> None:
    assert [kind.name for kind in kinds() if kind.event_mode == "queue"] == ["events, queued"]
