import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.__main__ import BENCHMARKS
from bench.bars import Bars
from bench.benchmark import Benchmark, Target, markdown, shown
from bench.harness import calls_lasting, differences, growth, interleaved, percentiles, ratios, spread
from bench.import_time import self_times
from bench.report import run, write_page
from local.isolation import LocalCloudError


def test_a_spread_is_the_median_and_the_quartiles() -> None:
    assert spread([5.0, 1.0, 3.0, 2.0, 4.0]) == {"median": 3.0, "lower": 2.0, "upper": 4.0, "count": 5}


def test_a_single_measurement_is_its_own_quartiles() -> None:
    assert spread([7.0]) == {"median": 7.0, "lower": 7.0, "upper": 7.0, "count": 1}


def test_a_spread_can_be_in_another_unit() -> None:
    assert spread([0.5, 0.5], 1e3) == {"median": 500.0, "lower": 500.0, "upper": 500.0, "count": 2}


def test_ratios_compare_within_a_round_so_that_a_slow_round_distorts_nothing() -> None:
    assert ratios([2.0, 200.0, 2.0], [1.0, 100.0, 1.0]) == {"median": 2.0, "lower": 2.0, "upper": 2.0, "count": 3}


def test_differences_compare_within_a_round_too() -> None:
    assert differences([2.0, 101.0, 3.0], [1.0, 100.0, 1.0]) == [1.0, 1.0, 2.0]


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


def test_figures_are_tables_with_even_columns_after_the_targets() -> None:
    figures = {"Found": {"one": {"ms": 1, "text": "some"}, "three": {"ms": 1_000, "text": "x"}}, "Nothing": {}}

    assert markdown(figures, [Target("at most 2", "1", met=True)]).splitlines() == [
        "**Targets**",
        "",
        "|           | measured | met |",
        "| --------- | -------- | --- |",
        "| at most 2 | 1        | yes |",
        "",
        "**Found**",
        "",
        "|       | ms    | text |",
        "| ----- | ----- | ---- |",
        "| one   | 1     | some |",
        "| three | 1,000 | x    |",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (1_234, "1,234"),
        (0.323, "0.32"),
        (12.345, "12.3"),
        (1_234.5, "1,234"),
        ([1.5, 20.0], "1.50 / 20.0"),
        ({"p50": 1.0, "p99": 2.5}, "1.00 / 2.50"),
        ({"median": 2.0, "lower": 1.0, "upper": 3.0, "count": 5}, "2.00 (1.00-3.00)"),
    ],
)
def test_a_value_is_shown_by_what_it_is(value: object, text: str) -> None:
    assert shown(value) == text


def benchmark_of(value: float) -> Benchmark:
    return Benchmark(
        title="One",
        measure=lambda _: {"Found": {"one": {"value": value}}},
        targets=lambda figures: [Target("at most 2", "measured", figures["Found"]["one"]["value"] <= 2)],
        chart=lambda figures: Bars("One", {"value": [figures["Found"]["one"]["value"]]}),
    )


def test_a_target_that_is_missed_is_shown_and_not_asserted() -> None:
    benchmark = benchmark_of(3.0)

    assert "| at most 2 | measured | **no** |" in markdown({}, benchmark.targets(benchmark.measure(True)))


def test_a_chart_says_each_value_beside_its_bar() -> None:
    drawn = Bars("A < B", {"short": [1.5, 3.0], "long": [1_200]}, digits=1).svg()

    assert ">A &lt; B<" in drawn
    assert [">1.5 / 3.0<" in drawn, ">1,200.0<" in drawn] == [True, True]
    assert '<rect x="230" y="70" width="400"' in drawn


def test_quick_results_never_reach_the_documentation(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text("untouched")
    run("one", benchmark_of(1.0), quick=True, folder=tmp_path)

    with pytest.raises(LocalCloudError, match="not measured yet: one"):
        write_page({"one": benchmark_of(1.0)}, tmp_path, page)
    assert page.read_text() == "untouched"


def test_a_page_waits_for_every_benchmark(tmp_path: Path) -> None:
    with pytest.raises(LocalCloudError, match=f"not measured yet: {', '.join(BENCHMARKS)}"):
        write_page(BENCHMARKS, tmp_path)


def test_the_page_shows_what_was_measured_between_its_marks(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text("before\n<!-- figures -->\nold\n<!-- end of figures -->\nafter\n")
    run("one", benchmark_of(1.0), quick=False, folder=tmp_path / "results")

    write_page({"one": benchmark_of(1.0)}, tmp_path / "results", page)

    before, header, found = page.read_text().split("\n", 2)
    assert (before, header) == ("before", "<!-- figures -->")
    assert found.startswith("Measured ")
    assert "| at most 2 | measured | yes |" in found
    assert found.endswith("\n<!-- end of figures -->\nafter\n")
    assert (tmp_path / "performance" / "one.svg").read_text() == Bars("One", {"value": [1.0]}).svg()
