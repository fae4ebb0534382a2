"""That the benchmarks run. What they measure in so short a time means nothing, and nothing is asserted of it."""

import json
import os
import sys
from functools import partial
from pathlib import Path

import pytest
import urllib3

from bench.__main__ import BENCHMARKS, main
from bench.harness import seconds_per_call
from bench.in_process import deployed, log_lines
from bench.loopback import PARTNER, Loopback

SERVICES_OF_LINUX = {"cold_start", "import_time", "end_to_end", "memory"}
"""Those that need the runtime's client and emulator."""


def names() -> list[object]:
    needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="AWS ships its runtime client for Linux")
    marks = [pytest.mark.cloud, needs_linux]
    return [pytest.param(name, marks=marks if name in SERVICES_OF_LINUX else []) for name in BENCHMARKS]


@pytest.mark.parametrize("name", names())
def test_every_benchmark_measures_shows_and_keeps_what_it_found(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main([name, "--quick", "--results", str(tmp_path)]) == 0

    kept = json.loads((tmp_path / f"{name}.json").read_text())
    benchmark = BENCHMARKS[name]
    assert kept["quick"] is True
    assert set(kept["machine"]) >= {"processor", "cores", "python", "packages", "commit"}
    shown = capfd.readouterr().out
    assert [title for title in kept["figures"] if f"**{title}**" not in shown] == []
    assert [target.text for target in benchmark.targets(kept["figures"]) if target.text not in shown] == []
    drawn = benchmark.chart(kept["figures"])
    assert [path.read_text() for path in tmp_path.glob("*.svg")] == ([drawn.svg()] if drawn else [])


def test_a_benchmark_that_does_not_exist_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["warm_cup"])

    assert "there is no benchmark warm_cup" in capsys.readouterr().err


def test_the_loopback_services_count_what_they_are_asked_whatever_its_size() -> None:
    with Loopback() as loopback, urllib3.PoolManager(retries=False) as pool:
        for size in (0, 1, 1_000_000):
            answer = pool.request("POST", f"{loopback.url}/any/path", body=b"x" * size)
            assert answer.json() == {"message": "success"}
        target = {"X-Amz-Target": "AmazonSQS.SendMessageBatch"}
        sent = pool.request("POST", loopback.url, body=b"{}", headers=target)

        assert sent.json() == {"Successful": [], "Failed": []}
        assert loopback.taken() == {PARTNER: 3, "AmazonSQS.SendMessageBatch": 1}
        assert loopback.taken() == {}


def test_the_loopback_partner_takes_its_time_and_aws_does_not() -> None:
    with Loopback(partner_seconds=0.05) as loopback, urllib3.PoolManager(retries=False) as pool:
        call = partial(pool.request, "POST", loopback.url)
        call()  # connects
        aws = seconds_per_call(partial(call, headers={"X-Amz-Target": "AmazonSQS.SendMessageBatch"}))
        partner = seconds_per_call(call)

    assert aws < 0.05 <= partner


def test_a_function_in_this_process_leaves_its_environment_and_its_output_as_they_were(
    capfd: pytest.CaptureFixture[str],
) -> None:
    before = dict(os.environ)
    with deployed({"SUSPENSION_TABLE": "suspension"}):
        os.write(1, b"discarded\n")
        assert os.environ["SUSPENSION_TABLE"] == "suspension"
    os.write(1, b"seen\n")

    assert dict(os.environ) == before
    assert capfd.readouterr().out == "seen\n"


def test_what_is_logged_is_measured_and_not_seen(capfd: pytest.CaptureFixture[str]) -> None:
    def act() -> None:
        os.write(1, b"by descriptor\n")
        sys.stdout.write("by name\n")

    assert log_lines(act) == [b"by descriptor", b"by name"]
    assert capfd.readouterr().out == ""
