import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.benchmark import Benchmark, Table, Verdict
from bench.catalogue import BENCHMARKS
from bench.harness import Spread, calls_lasting, differences, growth, interleaved, percentiles, ratios
from bench.import_time import self_times
from bench.inputs import encoded, events_of, memberships_of, memberships_of_bytes
from bench.membership import worker_batches
from bench.report import report
from bench.results import judged, keep
from local.isolation import LocalCloudError


def test_a_spread_is_the_median_and_the_quartiles() -> None:
    assert Spread.of([5.0, 1.0, 3.0, 2.0, 4.0]) == Spread(median=3.0, lower=2.0, upper=4.0, count=5)


def test_a_single_measurement_spreads_over_nothing() -> None:
    assert Spread.of([7.0]) == Spread(7.0, 7.0, 7.0, 1)


def test_ratios_compare_within_a_round_so_that_a_slow_round_distorts_nothing() -> None:
    assert ratios([2.0, 200.0, 2.0], [1.0, 100.0, 1.0]) == Spread(2.0, 2.0, 2.0, 3)


def test_differences_compare_within_a_round_too() -> None:
    assert differences([2.0, 101.0, 3.0], [1.0, 100.0, 1.0]).median == 1.0


def test_rounds_go_forwards_and_backwards_in_turn() -> None:
    order: list[str] = []

    def noting(name: str) -> Callable[[], float]:
        def note() -> float:
            order.append(name)
            return float(len(order))

        return note

    samples = interleaved({"a": noting("a"), "b": noting("b")}, rounds=3)

    assert "".join(order) == "abbaab"
    assert samples == {"a": [1.0, 4.0, 5.0], "b": [2.0, 3.0, 6.0]}


def test_the_first_call_does_not_tell_how_long_calls_take() -> None:
    waits = iter([0.02])

    def slow_at_first() -> None:
        until = time.process_time() + next(waits, 0.0)
        while time.process_time() < until:
            pass

    assert calls_lasting(slow_at_first, 0.001) > 10


def test_percentiles_are_values_that_were_measured() -> None:
    assert percentiles([float(number) for number in range(1000, 0, -1)]) == {
        "p50": 500.0, "p95": 950.0, "p99": 990.0, "p99.9": 999.0,
    }  # fmt: skip
    assert set(percentiles([3.0]).values()) == {3.0}


@pytest.mark.parametrize("exponent", [1, 2])
def test_growth_is_the_exponent(exponent: int) -> None:
    sizes = [10.0, 100.0, 1000.0]

    assert growth(sizes, [3 * size**exponent for size in sizes]) == pytest.approx(exponent)


def test_what_the_interpreter_reports_of_imports_is_read() -> None:
    report = [
        "import time: self [us] | cumulative | imported package",
        "import time:       250 |        250 |   zipimport",
        "import time:      1000 |       1250 | boto3.session",
        "a warning of somebody's",
    ]

    assert self_times(report) == {"zipimport": 0.00025, "boto3.session": 0.001}


def test_inputs_have_the_size_that_was_asked_for() -> None:
    assert 6_000 <= len(encoded(events_of(6_000))) < 7_000
    assert 95_000 < len(encoded(memberships_of_bytes(100_000))) <= 100_000


def test_the_users_of_a_request_differ_and_share_one_audience() -> None:
    profiles = memberships_of(30, first=5)["user_profiles"]

    assert len({profile["mpid"] for profile in profiles}) == 30
    assert len({json.dumps(profile["user_identities"]) for profile in profiles}) == 30
    assert {json.dumps(profile["audiences"]) for profile in profiles} == {json.dumps(profiles[0]["audiences"])}


def test_the_worker_gets_every_user_once_in_batches_of_ten() -> None:
    batches = worker_batches(profiles=100, requests=3)

    bodies = [json.loads(record["body"]) for batch in batches for record in batch["Records"]]
    assert [len(batch["Records"]) for batch in batches] == [10, 10, 10]
    assert len({profile["mpid"] for body in bodies for profile in body["user_profiles"]}) == 300


def test_a_table_is_markdown_with_even_columns() -> None:
    assert Table("Title", ["a", "long"], [["1", "2"]]).markdown().splitlines() == [
        "**Title**", "", "| a | long |", "|---|------|", "| 1 | 2    |",
    ]  # fmt: skip


def benchmark_of(value: float) -> Benchmark:
    return Benchmark(
        name="one",
        title="One",
        measure=lambda _: {"value": value},
        tables=lambda figures: [Table("Found", ["value"], [[str(figures["value"])]])],
        verdicts=lambda figures: [Verdict("at most 2", str(figures["value"]), figures["value"] <= 2)],
    )


def test_a_target_that_is_missed_is_shown_and_not_asserted() -> None:
    benchmark = benchmark_of(3.0)

    assert judged({benchmark: benchmark.measure(True)})[0].rows == [["at most 2", "3.0", "**no**"]]


def test_quick_results_never_reach_the_documentation(tmp_path: Path) -> None:
    keep(benchmark_of(1.0), {"value": 1.0}, machine={}, quick=True, folder=tmp_path)
    page = tmp_path / "performance.md"
    page.write_text("untouched")

    with pytest.raises(LocalCloudError, match=f"not measured yet: {', '.join(BENCHMARKS)}"):
        report(tmp_path, page)
    assert page.read_text() == "untouched"
