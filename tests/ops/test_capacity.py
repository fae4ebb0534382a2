"""Which parameters a load needs."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from local.isolation import ROOT
from mparticle_firehose.config import Settings
from ops.__main__ import main
from ops.capacity.commands import print_plan
from ops.capacity.planning import (
    DEFAULT_SHARDS,
    MAX_CONCURRENCY,
    MAX_FORWARDED_CALL_MS,
    MAX_SHARDS,
    MAX_WINDOW_SECONDS,
    MIN_CONCURRENCY,
    Load,
    Mode,
    Plan,
    busy,
    concurrency,
)
from tests.deployment.template_reading import load as template


def printed(load: Load) -> tuple[int, str]:
    """Return the exit status, and what is printed."""
    out = io.StringIO()
    status = print_plan(load, Console(file=out, width=160, highlight=False))
    return status, out.getvalue()


def test_busy_environments_are_littles_law_rounded_up() -> None:
    assert [busy(rate, 0.0433) for rate in (2_000, 10_000)] == [87, 433]


@pytest.mark.parametrize(
    ("seconds", "units"),
    [
        pytest.param(0.001, 200, id="however-short"),
        pytest.param(0.1, 200, id="as-long-as-it-may-be"),
        pytest.param(0.2, 400, id="longer"),
    ],
)
def test_two_thousand_requests_a_second_need_two_hundred_units_however_short_they_are(
    seconds: float, units: int
) -> None:
    assert concurrency(2_000, seconds) == units


def test_a_batch_makes_four_calls_at_a_time() -> None:
    single, bulk = Load(requests=1, call_ms=40), Load(requests=1, call_ms=200, requests_per_call=100)

    assert single.batch_seconds(10) == pytest.approx(3 * 0.04 + 0.1)
    assert bulk.batch_seconds(100) == pytest.approx(0.2 + 0.28)


def test_forwarded_events_are_caught_up_as_fast_as_they_come_and_queued_ones_twice_as_fast() -> None:
    forwarded, queued = (Plan(Load(requests=2_000, call_ms=40, mode=mode)) for mode in (Mode.FORWARD, Mode.QUEUE))

    assert (forwarded.events_at_a_time, queued.events_at_a_time) == (44, 88)  # 2,000 × 0.22 s / 10
    assert (forwarded.handler, queued.handler) == (400, 200)
    assert (forwarded.worker, queued.worker) == (50 + 10 + 44 + 5, 50 + 10 + 88 + 5)


def test_more_batches_than_lambda_accepts_without_pollers_get_pollers() -> None:
    plan = Plan(Load(requests=10_000, call_ms=200, mode=Mode.QUEUE))

    assert (plan.events_at_a_time, plan.max_pollers) == (1_400, 140)
    assert plan.worker == 50 + 10 + 1_400 + 5
    assert plan.account == 1_000 + plan.worker


def test_an_api_that_takes_many_requests_a_call_gets_a_window() -> None:
    plans = [
        Plan(Load(requests=requests, call_ms=200, requests_per_call=100, mode=Mode.QUEUE))
        for requests in (1, 10, 2_000)
    ]

    assert [plan.window_seconds for plan in plans] == [300, 50, 1]
    assert plans[-1].events_at_a_time == 20  # 2 × 2,000 × 0.48 s / 100


def test_events_in_order_share_the_fifo_queue_with_memberships() -> None:
    load = Load(requests=2_000, memberships=200, call_ms=40, mode=Mode.IN_ORDER, busiest_percent=20)
    plan = Plan(load)

    assert plan.memberships_at_a_time == 97  # 2 × 2,200 × 0.22 s / 10
    assert plan.shards == 20
    assert (plan.events_at_a_time, plan.window_seconds) == (MIN_CONCURRENCY, 0)
    assert plan.handler == 200 + 20


def test_a_fifo_queue_that_cannot_keep_up_is_said_to() -> None:
    _, within = printed(Load(requests=10_000, call_ms=200, mode=Mode.IN_ORDER))
    _, beyond = printed(Load(requests=10_000, call_ms=400, mode=Mode.IN_ORDER))

    assert "at most 1,000, which deliver 14,285 a second" in within
    assert "fewer than come" not in within
    assert "at most 1,000, which deliver 7,692 a second; fewer than come" in beyond


def test_a_small_load_needs_no_more_than_mparticle_requires() -> None:
    plan = Plan(Load(requests=10, call_ms=40))

    assert (plan.events_at_a_time, plan.handler, plan.account, plan.alarm_threshold) == (MIN_CONCURRENCY, 2, 1_000, 800)


def test_an_api_that_answers_too_late_for_the_handler_is_refused_unless_events_are_queued() -> None:
    too_slow = Load(requests=10, call_ms=MAX_FORWARDED_CALL_MS)

    assert printed(too_slow)[0] == 1
    assert "Use --mode queue" in printed(too_slow)[1]
    assert printed(Load(requests=10, call_ms=MAX_FORWARDED_CALL_MS - 1))[0] == 0
    assert printed(Load(requests=10, call_ms=1_000, mode=Mode.QUEUE))[0] == 0


def test_the_command_takes_a_load_and_prints_parameters_with_their_arithmetic(
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = ["--requests", "2000", "--memberships", "200", "--call-ms", "40", "--busiest", "20"]

    assert main(["capacity", *options]) == 0

    rows = [line.split(maxsplit=2) for line in capsys.readouterr().out.splitlines()]
    assert ["EventConcurrency", "44", "2,000 a second × 0.22 s / 10"] in [
        [part.strip() for part in row] for row in rows
    ]
    assert ["MembershipConcurrency", "9", "2 × 200 a second × 0.22 s / 10"] in [
        [part.strip() for part in row] for row in rows
    ]


@pytest.mark.parametrize("option", [["--busiest", "101"], ["--call-ms", "0"], ["--mode", "fast"]])
def test_what_cannot_be_is_refused(option: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["capacity", "--requests", "1", "--call-ms", "1", *option])

    assert stopped.value.code == 2
    assert option[0] in capsys.readouterr().err


def test_what_is_calculated_is_a_parameter_of_the_template_within_its_limits() -> None:
    parameters = template()["Parameters"]
    _, text = printed(Load(requests=10_000, call_ms=200, mode=Mode.QUEUE))
    names = [words[0] for line in text.splitlines()[3:] if len(words := line.split()) > 1]

    assert [name for name in names if name not in {*parameters, "limit", "calls"}] == []
    assert "EventMaximumPollers" in names
    for name in ("EventConcurrency", "MembershipConcurrency"):
        assert (parameters[name]["MinValue"], parameters[name]["MaxValue"]) == (MIN_CONCURRENCY, MAX_CONCURRENCY)
    shards = parameters["MembershipShards"]
    assert (shards["Default"], shards["MaxValue"]) == (DEFAULT_SHARDS, MAX_SHARDS)
    assert parameters["EventBatchWindowSeconds"]["MaxValue"] == MAX_WINDOW_SECONDS
    assert Settings.model_fields["handler_deadline_ms"].default - 2 == MAX_FORWARDED_CALL_MS


WORKED = {
    "a call a request, 40 ms": Load(requests=1, call_ms=40),
    "a call a request, 200 ms": Load(requests=1, call_ms=200, mode=Mode.QUEUE),
    "100 requests a call, 200 ms": Load(requests=1, call_ms=200, requests_per_call=100, mode=Mode.QUEUE),
    "a call a request, 40 ms, events in order": Load(requests=1, call_ms=40, mode=Mode.IN_ORDER),
}
"""The APIs of the worked rows in docs/operating.md. A tenth as many messages of memberships come besides."""


def documented_row(requests: int, name: str, api: Load) -> str:
    """Return the row of a load, whose busiest customer has a fifth of it."""
    plan = Plan(replace(api, requests=requests, memberships=requests // 10, busiest_percent=20))
    mode = {Mode.FORWARD: "`forward`", Mode.QUEUE: "`queue`", Mode.IN_ORDER: "`EventOrder=user`"}[api.mode]
    events = f"{plan.max_pollers} pollers" if plan.max_pollers else f"{plan.events_at_a_time:,}"
    values = (f"{requests:,}", name, mode, plan.window_seconds, events, plan.memberships_at_a_time, plan.shards)
    return " | ".join(map(str, ("", *values, f"{plan.worker:,}", f"{plan.handler:,}", f"{plan.account:,}", ""))).strip()


def test_the_documented_rows_are_what_is_calculated() -> None:
    page = (ROOT / "docs" / "operating.md").read_text()
    rows = [
        documented_row(requests, name, api) for name, api in WORKED.items() for requests in (10, 100, 2_000, 10_000)
    ]

    assert [row for row in rows if row not in page] == []
