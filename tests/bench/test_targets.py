"""How the benchmarks compare what they have measured with their targets."""

from collections.abc import Mapping
from typing import Any

from bench import cold_start, end_to_end, membership, memory, queued_events, warm_cpu


def spread_of(median: float) -> dict[str, float]:
    return {"median": median}


def test_every_first_response_is_compared_by_itself_and_no_baseline_is() -> None:
    times = {
        "bare handler": 0.2,
        "bare handler with boto3 and an SQS client": 1.0,
        "registration": 1.2,
        "events": 1.25,
        "memberships": 1.8,
    }

    found = cold_start.targets(
        {cold_start.DEPLOYED: {title: {"×": spread_of(time), "CPU ×": spread_of(1.0)} for title, time in times.items()}}
    )

    assert [target.text.rpartition(": ")[2] for target in found] == ["registration", "events", "memberships"]
    assert [target.met for target in found] == [True, True, False]


def test_the_first_events_that_must_be_queued_are_compared_with_their_deadline() -> None:
    def found(milliseconds: float) -> bool:
        queued = {cold_start.FIRST: {"ms": spread_of(milliseconds)}, "next": {"ms": spread_of(5.0)}}
        [target] = cold_start.targets({cold_start.DEPLOYED: {}, cold_start.QUEUED: queued})
        return target.met

    assert [found(120.0), found(121.0)] == [True, False]


def invoked(added: float, boto3: float | None = None) -> dict[str, Any]:
    def percentiles(milliseconds: float) -> dict[str, float]:
        return {"p50": milliseconds, "p99": milliseconds}

    return {
        "adds": percentiles(added),
        "CPU": percentiles(added),
        "boto3 alone adds": percentiles(boto3) if boto3 else None,
    }


def test_what_the_handler_adds_is_compared_without_boto3s_part_which_is_shown() -> None:
    [alone, queued] = end_to_end.targets(
        {end_to_end.TABLE: {"keep-alive": invoked(1.5), "memberships": invoked(3.5, boto3=1.25)}}
    )

    assert (alone.measured, alone.met) == ("1.50 ms (CPU 1.50)", True)
    assert (queued.measured, queued.met) == ("2.25 ms without boto3's 1.25 (CPU 3.50)", False)


def test_events_may_take_longer_because_their_network_call_is_made_in_a_thread() -> None:
    found = end_to_end.targets(
        {end_to_end.TABLE: {"events": invoked(2.4), "events over HTTPS": invoked(3.6), "erasure": invoked(2.4)}}
    )

    assert [target.met for target in found] == [True, False, False]


def warm(names: tuple[str, ...]) -> Mapping[str, tuple[str, bool]]:
    row = {
        "answer ×": spread_of(2.1),
        "answer without map ×": spread_of(1.4),
        "read × json.loads": spread_of(0.6),
        "map × read": spread_of(0.8),
        "log ms": spread_of(0.6),
        "json.loads µs": spread_of(400.0),
    }
    targets = warm_cpu.targets({warm_cpu.TABLE: dict.fromkeys(names, row)})
    return {target.text: (target.measured, target.met) for target in targets}


def test_the_integrations_mapping_is_compared_apart_from_the_frameworks_share() -> None:
    assert warm((warm_cpu.EVENTS_6_KB,)) == {
        "Warm CPU: read from a dict ≤ 0.7 × json.loads: events, 6 KB": ("0.60 ×", True),
        "Warm CPU: the integration's mapping ≤ 0.5 × read: events, 6 KB": ("0.80 ×", False),
        "Warm CPU: parse, dispatch, answer ≤ 1.5 × json: events, 6 KB, without the integration's mapping":
            ("1.40 ×", True),
        "Warm CPU: parse, dispatch, answer ≤ 1.5 × json: events, 6 KB, with it": ("2.10 ×", False),
        "Warm CPU: the same with log line and metrics ≤ 0.5 ms: events, 6 KB":
            ("0.60 ms (json.loads alone 0.40)", False),
    }  # fmt: skip


def test_memberships_have_no_mapping_to_compare_apart() -> None:
    assert warm((warm_cpu.MEMBERSHIPS_100,)) == {
        "Warm CPU: read from a dict ≤ 0.7 × json.loads: memberships, 100 profiles": ("0.60 ×", True),
        "Warm CPU: parse, dispatch, answer ≤ 1.5 × json: memberships, 100 profiles": ("2.10 ×", False),
        "Warm CPU: the same with log line and metrics ≤ 0.5 ms: memberships, 100 profiles":
            ("0.60 ms (json.loads alone 0.40)", False),
    }  # fmt: skip


def test_what_the_integration_does_not_take_has_no_targets() -> None:
    assert warm(()) == {}
    assert (membership.targets({}), membership.chart({})) == ([], None)
    only_other_types = {"after start": [42.0, 42.0], "after 10,000 requests": [48.0, 48.0]}
    assert len(memory.targets({memory.TABLE: {"handler": only_other_types}})) == 1


def test_memberships_are_compared_with_targets_of_speed_calls_and_growth() -> None:
    def row(profiles: int) -> dict[str, Any]:
        return {
            "handler ms": spread_of(profiles / 10),
            "worker / s": spread_of(4_000.0 + profiles),
            "worker / CPU s": spread_of(6_000.0),
            "partner calls / 1000": 2_000 / profiles,
        }

    largest = {"handler ms": spread_of(1_000.0), "handler × json.loads": spread_of(10.0)}
    found = membership.targets(
        {
            membership.TABLE: {str(profiles): row(profiles) for profiles in (1, 10, 100, 1_000)},
            membership.LARGEST: {"10000": largest},
        }
    )

    assert [(target.measured, target.met) for target in found] == [
        ("4,001/s (6,000 a CPU second)", True),
        ("5,000/s (6,000 a CPU second)", True),
        ("2.0", True),
        ("10.0 ×", False),
        ("exponent 1.00", True),
    ]


def test_queued_events_are_compared_with_targets_of_speed_and_growth() -> None:
    def row(per_second: float) -> dict[str, Any]:
        return {"worker / s": spread_of(per_second), "worker / CPU s": spread_of(2 * per_second)}

    subjects = queued_events.events(queued_events.MERGING, queued_events.SIZES)
    rates = zip(subjects, (3_000.0, 2_900.0, 2_000.0), strict=True)
    found = queued_events.targets({queued_events.TABLE: {subject.title: row(rate) for subject, rate in rates}})

    assert [(target.measured, target.met) for target in found] == [
        ("2,900/s (5,800 a CPU second)", False), ("exponent 1.09", True),
    ]  # fmt: skip


def test_the_handler_must_stay_small_and_the_largest_request_must_fit_into_the_functions_memory() -> None:
    def found(resident: float, maximum: float) -> list[bool]:
        row = {"after 10,000 requests": [resident, 999.0], "after 6 MB request": [100.0, maximum]}
        return [target.met for target in memory.targets({memory.TABLE: {"handler": row}})]

    assert found(60.0, 1_024.0) == [True, True]
    assert found(61.0, 1_025.0) == [False, False]
