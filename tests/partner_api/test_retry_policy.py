from typing import Any

import pytest

from mparticle_firehose.errors import ConfigurationError
from mparticle_firehose.integration import (
    Alone,
    Answer,
    Delivered,
    NetworkFault,
    Outcome,
    Rejected,
    Retry,
    Split,
    Suspend,
    Verdict,
)
from mparticle_firehose.integration.outcomes import MAX_WAIT_SECONDS
from mparticle_firehose.partner_api.retry_policy import DEFAULT, RetryPolicy
from tests.partner_api.doubles import MOMENT

POLICY = RetryPolicy()


def judged(status: int, **headers: str) -> Outcome:
    return POLICY.judge(
        Answer(
            status=status,
            headers={name.replace("_", "-"): value for name, value in headers.items()},
            received_at=MOMENT,
        )
    )


OUTCOMES: dict[Verdict, type[Outcome]] = {
    Verdict.DELIVERED: Delivered,
    Verdict.RETRY: Retry,
    Verdict.REJECTED: Rejected,
    Verdict.SUSPEND: Suspend,
    Verdict.ALONE: Alone,
    Verdict.SPLIT: Split,
}


def test_each_verdict_has_an_outcome() -> None:
    assert set(OUTCOMES) == set(Verdict)


@pytest.mark.parametrize(
    ("status", "verdict"), [(key, verdict) for key, verdict in DEFAULT.items() if not isinstance(key, NetworkFault)]
)
def test_each_status_of_the_table_becomes_the_outcome_of_its_verdict(status: int, verdict: Verdict) -> None:
    assert type(judged(status)) is OUTCOMES[verdict]


@pytest.mark.parametrize(
    ("statuses", "outcome"),
    [
        ((200, 201, 202, 204, 207), Delivered()),
        ((400,), Alone("http_400")),
        ((409,), Alone("http_409")),
        ((422,), Alone("http_422")),
        ((413,), Split("http_413")),
        ((404,), Rejected("http_404")),
        ((410,), Rejected("http_410")),
        ((401,), Suspend("http_401")),
        ((403,), Suspend("http_403")),
        *(((status,), Retry(f"http_{status}")) for status in (408, 425, 429, 500, 502, 503, 504)),
    ],
)
def test_the_default_table_is_a_contract(statuses: tuple[int, ...], outcome: Outcome) -> None:
    assert {status: judged(status) for status in statuses} == dict.fromkeys(statuses, outcome)


@pytest.mark.parametrize("status", [status for status in range(100, 1000) if status not in DEFAULT])
def test_a_status_that_the_table_does_not_name_is_a_retry(status: int) -> None:
    assert judged(status) == Retry(f"http_{status}")


def test_unusual_successes_are_not_in_the_table() -> None:
    assert [status for status in range(200, 300) if status in DEFAULT] == [200, 201, 202, 204, 207]


@pytest.mark.parametrize("fault", NetworkFault)
def test_every_network_fault_is_a_retry(fault: NetworkFault) -> None:
    assert POLICY.judge_fault(fault) == Retry(fault.value)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("0", 0.0),
        ("-3", 0.0),
        ("3600", 3_600.0),
        ("86400", MAX_WAIT_SECONDS),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        ("", None),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0.0),
        ("Fri, 15 Jan 2027 08:00:30 GMT", 30.0),
        ("Fri, 15 Jan 2036 08:00:30 GMT", MAX_WAIT_SECONDS),
        (str(int(MOMENT) + 20), 20.0),
    ],
)
def test_retry_after_is_read_and_clamped(header: str, seconds: float | None) -> None:
    assert judged(429, retry_after=header) == Retry("http_429", seconds)


def test_without_a_header_the_backoff_decides() -> None:
    assert judged(503) == Retry("http_503", None)


def test_the_longest_wait_is_shorter_than_a_queue_can_hide_a_message() -> None:
    assert MAX_WAIT_SECONDS < 12 * 60 * 60


def test_an_integration_names_its_own_wait_headers() -> None:
    policy = RetryPolicy(wait_headers=("X-RateLimit-Reset", "Retry-After"))
    headers = {"retry-after": "7", "x-ratelimit-reset": "later"}

    assert policy.judge(Answer(status=429, headers=headers)) == Retry("http_429", 7.0)
    assert policy.judge(Answer(status=429, headers={**headers, "x-ratelimit-reset": "3"})) == Retry("http_429", 3.0)


def test_an_integrations_exceptions_come_before_the_default() -> None:
    policy = RetryPolicy({403: Verdict.RETRY, 432: Verdict.REJECTED, NetworkFault.TLS: Verdict.REJECTED})

    assert policy.judge(Answer(status=403, headers={"retry-after": "5"})) == Retry("http_403", 5.0)
    assert policy.judge(Answer(status=432)) == Rejected("http_432")
    assert policy.judge(Answer(status=401)) == Suspend("http_401")
    assert policy.judge_fault(NetworkFault.TLS) == Rejected("tls")


def test_the_statuses_that_suspend_are_those_of_the_table() -> None:
    policy = RetryPolicy({403: Verdict.REJECTED, 419: Verdict.SUSPEND})

    assert [status for status in range(100, 600) if policy.suspends(status)] == [401, 419]


def test_an_exception_that_is_no_verdict_is_refused_by_its_cause() -> None:
    unknown: Any = {409: "ignore", NetworkFault.TLS: None}

    with pytest.raises(ConfigurationError, match=r"^retry_policy: 409, tls must map to a Verdict$"):
        RetryPolicy(unknown)
