"""Incidents as recorded metrics: each sets off the alarms of template.yaml that are meant for it, and no other."""

from dataclasses import replace

import pytest

from tests.alarms.evaluation import ALARM, OK, MetricAlarm, Source
from tests.alarms.recording import Recording, in_use, pages, read_alarms

SUBSCRIPTIONS = "audience_subscription_request"
EVENTS = "event_processing_request"


@pytest.mark.parametrize("per_minute", [1, 20, 600_000], ids=lambda number: f"{number} a minute")
def test_a_deployment_that_is_well_sets_off_nothing(per_minute: int) -> None:
    recording = in_use(per_minute)
    recording.requests(range(-360, 60), per_minute, slow=per_minute // 200)

    assert recording.alarmed(until=20) == set()


def test_a_first_deployment_without_requests_sets_off_nothing() -> None:
    assert Recording().alarmed(until=5) == set()


def test_trying_a_deployment_for_an_hour_is_no_use_that_could_end() -> None:
    recording = Recording().requests(range(-60, 0), 5)

    assert recording.alarmed(until=90, begin=60) == set()


def test_silence_pages_after_an_hour() -> None:
    ((minute, name),) = in_use(until=0).alarms(until=120)

    assert (name, pages([name])) == ("QuietAlarm", {"QuietAlarm"})
    assert 60 <= minute <= 65


def test_nine_percent_of_a_tenth_of_the_requests_fail_in_a_new_version() -> None:
    recording = in_use(1_000).requests(range(10), 1_000, failing=9)
    recording.requests(range(10), 100, failing=9, version=True)

    assert recording.alarms(until=30) == [(2, "HandlerReleaseErrorsAlarm")]


def test_our_bug_pages_and_takes_a_release_back() -> None:
    recording = in_use(100).requests(range(20), 100, failing=5)
    recording.requests(range(20), 50, failing=3, version=True)

    assert recording.alarmed(until=30) == {"HandlerErrorsAlarm", "HandlerReleaseErrorsAlarm"}


def test_invocations_that_end_in_a_timeout_page_although_no_code_counts_them() -> None:
    recording = in_use(1).requests(range(20), 1, failing=1)

    assert recording.alarmed(until=30) == {"HandlerErrorsAlarm"}


def test_one_customers_bad_key_opens_tickets_and_takes_no_release_back() -> None:
    recording = in_use(20).requests(range(20), 20, failing=2)
    recording.requests(range(20), 10, failing=1, version=True)
    recording.counted(SUBSCRIPTIONS, "CustomerErrors", range(20), 2)
    recording.counted("queue", "Suspended", range(20), 1)
    recording.of_queue("EventDeadLetterQueue", "NumberOfMessagesSent", range(20), 1)

    alarmed = recording.alarmed(until=30)

    assert alarmed == {"CustomerErrorsAlarm", "CredentialsRefusedAlarm", "EventDeadLettersAlarm"}
    assert pages(alarmed) == set()


def test_without_the_count_of_customers_the_same_failures_would_page() -> None:
    recording = in_use(20).requests(range(20), 20, failing=2)

    assert recording.alarmed(until=30) == {"HandlerErrorsAlarm"}


def test_our_bug_beside_a_customers_bad_key_pages() -> None:
    recording = in_use(20).requests(range(20), 20, failing=3)
    recording.counted(SUBSCRIPTIONS, "CustomerErrors", range(20), 2)

    assert recording.alarmed(until=30) == {"HandlerErrorsAlarm", "CustomerErrorsAlarm"}


def test_a_partner_that_is_down_for_25_minutes_opens_tickets() -> None:
    recording = in_use(60).requests(range(25), 60, failing=3)
    recording.counted(EVENTS, "EventsForwarded", range(-60, 0), 60)
    recording.counted(EVENTS, "EventsSpilled", range(25), 60)
    recording.counted(SUBSCRIPTIONS, "PartnerErrors", range(25), 3)
    recording.of_the_api("5xx", range(25), {1.0: 3})
    for minute in range(25):
        recording.counted("queue", "WaitingAge", [minute], 60_000 * minute)
        recording.of_queue("MembershipQueue", "ApproximateAgeOfOldestMessage", [minute], 60 * minute)

    alarmed = recording.alarmed(until=40)

    assert alarmed == {"SpillRateAlarm", "PartnerErrorsAlarm"}
    assert pages(alarmed) == set()


def test_a_partner_that_is_down_for_longer_pages_when_what_waits_is_late() -> None:
    recording = in_use(60)
    for minute in range(60):
        recording.counted("queue", "WaitingAge", [minute], 60_000 * minute)
        recording.of_queue("MembershipQueue", "ApproximateAgeOfOldestMessage", [minute], 60 * minute)

    alarmed = recording.alarmed(until=60)

    assert alarmed == {"WaitingAgeAlarm", "MembershipAgeAlarm"}
    assert pages(alarmed) == {"MembershipAgeAlarm"}


def test_a_backfill_of_hours_alarms_nobody_and_one_of_more_than_half_a_day_opens_a_ticket() -> None:
    hours = [in_use(60), in_use(60)]
    for recording, minutes in zip(hours, (11 * 60, 13 * 60), strict=True):
        for minute in range(60):
            recording.of_queue("BulkQueue", "ApproximateAgeOfOldestMessage", [minute], 60 * minutes)

    alarmed = [recording.alarmed(until=60) for recording in hours]

    assert alarmed == [set(), {"BulkAgeAlarm"}]
    assert pages(alarmed[1]) == set()


def test_failures_over_https_that_are_ours_page() -> None:
    recording = in_use(60).of_the_api("5xx", range(10), {1.0: 3})
    recording.counted(SUBSCRIPTIONS, "PartnerErrors", range(5), 3)

    assert recording.alarms(until=20) == [(8, "HttpErrorsAlarm")]


def test_two_percent_of_the_requests_that_wait_for_a_start_open_a_ticket() -> None:
    recording = in_use(100).counted(EVENTS, "ColdStarts", range(20), 1)
    recording.counted("audience_membership_change_request", "ColdStarts", range(20), 1)

    alarmed = recording.alarmed(until=30)

    assert (alarmed, pages(alarmed)) == ({"ColdStartsAlarm"}, set())


def test_starts_for_a_tenth_of_the_traffic_of_a_release_open_none() -> None:
    recording = in_use(120_000)
    for minute in range(10):
        recording.counted(EVENTS, "ColdStarts", [minute], 120)  # as many as a step of a linear release starts

    assert recording.alarmed(until=30) == set()


def test_a_request_a_minute_may_meet_a_start_each_time() -> None:
    recording = in_use(1).counted(EVENTS, "ColdStarts", range(30), 1)

    assert recording.alarmed(until=40) == set()


def test_one_slow_request_an_hour_at_one_a_minute_is_no_reason_to_wake_up() -> None:
    recording = in_use(1)
    for minute in range(-360, 60, 60):
        recording.requests([minute], 1, slow=1)

    assert recording.alarmed(until=40) == set()


def test_slow_requests_at_one_a_minute_page_within_a_quarter_of_an_hour() -> None:
    alarms = {name: minute for minute, name in in_use(1).requests(range(30), 1, slow=1).alarms(until=30)}

    assert set(alarms) == {"HandlerLatencyAlarm", "LatencyFastBurnAlarm", "LatencySlowBurnAlarm"}
    assert pages(alarms) == {"LatencyFastBurnAlarm"}
    assert alarms["LatencyFastBurnAlarm"] <= 15


def test_the_percentile_that_was_watched_before_says_nothing_at_one_request_a_minute() -> None:
    """A negative control of what the alarms on the latency are for."""
    duration = read_alarms()[0]["LatencyLastFiveMinutesAlarm"].sources["metric"].key
    percentile = MetricAlarm(
        sources={"metric": Source(key=duration, stat="p99", minutes=1)},
        expression="metric",
        comparison="GreaterThanThreshold",
        threshold=200,
        data_points_to_alarm=3,
        evaluation_periods=5,
        missing="notBreaching",
        ignores_few_samples=True,
    )
    recording = in_use(1).requests(range(60), 1, slow=1)

    assert [percentile.state(recording.series, minute, OK) for minute in range(60)] == [OK] * 60
    assert replace(percentile, ignores_few_samples=False).state(recording.series, 60, OK) == ALARM


@pytest.mark.parametrize(
    ("slow", "expected"),
    [
        (3, set()),
        (12, {"HandlerLatencyAlarm"}),
        (48, {"HandlerLatencyAlarm", "LatencySlowBurnAlarm"}),
        (120, {"HandlerLatencyAlarm", "LatencySlowBurnAlarm", "LatencyFastBurnAlarm"}),
    ],
    ids=["0.5 %", "2 %", "8 %", "20 %"],
)
def test_the_faster_the_promise_is_used_up_the_louder_the_alarm(slow: int, expected: set[str]) -> None:
    recording = in_use(600).requests(range(400), 600, slow=slow)

    assert recording.alarmed(until=400, begin=375) == expected


def test_slow_minutes_that_are_over_page_nobody_any_more() -> None:
    recording = in_use(600).requests(range(30), 600, slow=300)

    assert "LatencyFastBurnAlarm" in recording.alarmed(until=30)
    assert "LatencyFastBurnAlarm" not in recording.alarmed(until=60, begin=40)


def test_a_second_incident_is_notified_although_letters_of_the_first_are_still_there() -> None:
    recording = in_use()
    recording.of_queue("EventDeadLetterQueue", "ApproximateNumberOfMessagesVisible", range(-10, 300), 5)
    recording.of_queue("EventDeadLetterQueue", "NumberOfMessagesSent", range(-10, 300), 0)
    recording.of_queue("EventDeadLetterQueue", "NumberOfMessagesSent", [0, 200], 5)

    notified = [minute for minute, name in recording.alarms(until=300) if name == "EventDeadLettersAlarm"]

    assert notified == [1, 201]


def test_letters_that_sqs_will_soon_delete_open_a_ticket() -> None:
    recording = in_use()
    recording.of_queue("ErasureDeadLetterQueue", "ApproximateAgeOfOldestMessage", range(30), 10 * 86_400 + 60)
    recording.of_queue("FeedDeadLetterQueue", "ApproximateAgeOfOldestMessage", range(30), 9 * 86_400)

    alarmed = recording.alarmed(until=30)

    assert (alarmed, pages(alarmed)) == ({"DeadLettersAgeAlarm"}, set())


def test_messages_that_sqs_will_soon_move_by_itself_open_a_ticket() -> None:
    recording = in_use().counted("queue", "NearlyMoved", [5], 1)

    assert recording.alarms(until=30) == [(6, "NearlyMovedAlarm")]


def test_a_worker_that_fails_as_a_whole_pages() -> None:
    recording = in_use().of_function("WorkerFunction", "Errors", range(5), 1)

    alarmed = recording.alarmed(until=10)

    assert (alarmed, pages(alarmed)) == ({"WorkerErrorsAlarm"}, {"WorkerErrorsAlarm"})
