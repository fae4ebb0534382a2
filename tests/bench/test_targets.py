"""How the benchmarks compare what they have measured with their targets."""

from typing import Any

from bench import cold_start, end_to_end, membership, warm_cpu


def started(times: float) -> dict[str, Any]:
    compared = {"times_baseline": {"median": times}}
    return {**compared, "cpu": compared}


def test_every_first_response_is_compared_by_itself_and_no_baseline_is() -> None:
    baselines = {"bare handler": started(0.2), "bare handler with boto3 and an SQS client": started(1.0)}
    starts = {"registration": started(1.2), "events": started(1.2), "memberships": started(1.8)}

    found = cold_start.targets({"with .pyc": baselines | starts})

    assert [target.text.rpartition(": ")[2] for target in found] == ["registration", "events", "memberships"]
    assert [target.met for target in found] == [True, True, False]


def invoked(added: float, boto3: float | None = None) -> dict[str, Any]:
    def inside(milliseconds: float) -> dict[str, Any]:
        return {name: {"p50": milliseconds, "p99": milliseconds} for name in ("added_ms", "cpu_ms")}

    return {**inside(added), "boto3": inside(boto3) if boto3 else None}


def test_boto3s_part_of_what_the_handler_adds_counts_too_and_is_shown() -> None:
    [alone, queued] = end_to_end.targets({"keep-alive": invoked(1.5), "memberships": invoked(2.5, boto3=1.25)})

    assert (alone.measured, alone.met) == ("1.50 ms (CPU 1.50)", True)
    assert (queued.measured, queued.met) == ("2.50 ms (CPU 2.50); 1.25 without boto3's 1.25", False)


def test_the_integrations_mapping_is_compared_apart_from_the_frameworks_share() -> None:
    figures = {
        name: {
            "times_json": {"answer": {"median": 2.1}, warm_cpu.UNMAPPED: {"median": 1.4}},
            "ms": {"log": {"median": 0.6}, warm_cpu.LOADS: {"median": 0.4}},
        }
        for name in (warm_cpu.EVENTS_6_KB, warm_cpu.MEMBERSHIPS_100)
    }

    found = {target.text: (target.measured, target.met) for target in warm_cpu.targets(figures)}

    events = "Warm CPU, events, 6 KB: parse, dispatch, answer ≤ 1.5 × json"
    assert found[f"{events}, without the integration's mapping"] == ("1.40 ×", True)
    assert found[f"{events}, with it"] == ("2.10 ×", False)
    assert found["Warm CPU, memberships, 100 profiles: the same with log line and metrics ≤ 0.5 ms"] == (
        "0.60 ms (json.loads alone 0.40)", False,
    )  # fmt: skip


def test_an_integration_without_memberships_has_no_targets_for_them() -> None:
    assert [table.title for table in membership.tables({})] == ["The integration takes no memberships."]
    assert (membership.targets({}), membership.chart({}), warm_cpu.targets({})) == ([], None, [])
