from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from mparticle_firehose.errors import ConfigurationError
from mparticle_firehose.integration import Delivered, NetworkFault, Outcome, Rejected, Retry, Suspend, Verdict
from mparticle_firehose.partner_api.retry_policy import DEFAULT, MAX_RETRY_AFTER, RetryPolicy

POLICY = RetryPolicy()

KINDS: dict[Verdict, type[Outcome]] = {
    Verdict.DELIVERED: Delivered,
    Verdict.RETRY: Retry,
    Verdict.REJECTED: Rejected,
    Verdict.SUSPEND: Suspend,
}


def judged(status: int, retry_after: str | None = None) -> Outcome:
    return POLICY.judge_status(status, answer={}, retry_after=retry_after)


@pytest.mark.parametrize(
    ("status", "verdict"), [(key, verdict) for key, verdict in DEFAULT.items() if not isinstance(key, NetworkFault)]
)
def test_each_status_of_the_table_comes_to_what_the_table_says(status: int, verdict: Verdict) -> None:
    assert isinstance(judged(status), KINDS[verdict])


@pytest.mark.parametrize(
    ("statuses", "kind"),
    [
        ((200, 201, 202, 204, 207), Delivered),
        ((400, 404, 409, 410, 413, 422), Rejected),
        ((401, 403), Suspend),
        ((408, 425, 429, 500, 502, 503, 504), Retry),
    ],
)
def test_the_table_is_the_partners_contract(statuses: tuple[int, ...], kind: type[Outcome]) -> None:
    assert {type(judged(status)) for status in statuses} == {kind}


@pytest.mark.parametrize("status", [status for status in range(100, 1000) if status not in DEFAULT])
def test_a_status_that_nobody_named_is_tried_again(status: int) -> None:
    assert judged(status) == Retry(f"http_{status}")


@pytest.mark.parametrize("fault", NetworkFault)
def test_every_network_fault_is_tried_again(fault: NetworkFault) -> None:
    assert POLICY.judge_fault(fault) == Retry(fault.value)


def test_a_call_may_count_a_status_as_done() -> None:
    assert isinstance(POLICY.judge_status(404, answer={}, retry_after=None, done=frozenset({404})), Delivered)


def test_the_answer_travels_with_success() -> None:
    assert POLICY.judge_status(201, answer={"id": "a"}, retry_after=None) == Delivered({"id": "a"})


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("0", 0.0),
        ("-3", 0.0),
        ("86400", MAX_RETRY_AFTER),
        ("inf", MAX_RETRY_AFTER),
        ("nan", None),
        ("soon", None),
        ("", None),
        (None, None),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0.0),
    ],
)
def test_retry_after_is_read_in_seconds_and_kept_within_bounds(header: str | None, seconds: float | None) -> None:
    assert judged(429, header) == Retry("http_429", seconds)


def test_retry_after_is_read_as_a_date() -> None:
    outcome = judged(503, format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True))

    assert isinstance(outcome, Retry)
    assert outcome.after is not None
    assert 25 < outcome.after <= 30


def test_items_of_a_call_are_judged_as_if_each_had_been_alone() -> None:
    assert POLICY.judge_items({0: 200, 3: 422, 4: 503, 5: 401, 9: 999}) == {
        3: Rejected("http_422"),
        4: Retry("http_503"),
        5: Suspend("http_401"),
        9: Retry("http_999"),
    }


def test_an_integrations_exceptions_come_before_the_default() -> None:
    policy = RetryPolicy({403: Verdict.RETRY, 432: Verdict.REJECTED, NetworkFault.TLS: Verdict.REJECTED})

    assert policy.judge_status(403, answer={}, retry_after="5") == Retry("http_403", 5.0)
    assert policy.judge_items({0: 432, 1: 401}) == {0: Rejected("http_432"), 1: Suspend("http_401")}
    assert policy.judge_fault(NetworkFault.TLS) == Rejected("tls")


def test_an_exception_that_is_no_verdict_is_refused_by_its_cause() -> None:
    unknown: Any = {409: "ignore", NetworkFault.TLS: None}

    with pytest.raises(ConfigurationError, match=r"^retry_policy: 409, tls must map to a Verdict$"):
        RetryPolicy(unknown)
