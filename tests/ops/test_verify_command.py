"""The command `verify`: its target, its settings, its question, its table and its report."""

import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from local.cloud.running import Running
from local.cloud.sources import Sources
from local.isolation import ROOT, LocalCloudError
from ops.__main__ import main
from ops.stack import StackError
from ops.verify.alias_target import AliasTarget
from ops.verify.commands import Place, confirmed, found_target, question, run
from ops.verify.display import About, print_findings, report
from ops.verify.findings import Finding, Result, failed, not_checked, ok
from ops.verify.https_target import HttpsTarget
from ops.verify.run import Wanted, verify
from ops.verify.settings import given_settings, known_settings
from tests.ops.fake_deployment import (
    ALIAS,
    MPARTICLE,
    ROOM,
    TOKEN,
    FakeDeployment,
    FakeLambda,
    declaration,
    endpoint,
    grant,
)

LOCAL = "http://127.0.0.1:4566"
SECRET = "canary-secret"


def target_of(text: str | None, environ: dict[str, str] | None = None, running: Running | None = None) -> Place:
    return found_target(text, environ or {}, running=lambda: running)


def test_an_arn_is_called_in_aws_or_in_the_local_cloud() -> None:
    local, real = target_of(ALIAS, {"AWS_ENDPOINT_URL": LOCAL}), target_of(ALIAS)

    assert [type(each.target) for each in (local, real)] == [AliasTarget, AliasTarget]
    assert [each.target.is_local for each in (local, real)] == [True, False]
    assert [each.name for each in (local, real)] == [
        "canary-function:production in the local cloud",
        "canary-function:production in us-east-1",
    ]


def test_a_url_is_called_with_the_token_of_the_environment() -> None:
    place = target_of("https://abc.execute-api.us-east-1.amazonaws.com", {"HTTP_TOKEN": SECRET})

    assert isinstance(place.target, HttpsTarget)
    assert target_of("HTTPS://abc.example").target.is_local is False
    assert (place.target.token, place.target.is_local, place.name) == (SECRET, False, "the endpoint over HTTPS")


CLOUD = Running(
    process=1,
    endpoint=LOCAL,
    http_endpoint=f"{LOCAL}/x",
    partner=LOCAL,
    inspector=LOCAL,
    outputs={"HandlerAliasArn": ALIAS},
    room="",
    home="",
    sources=Sources(stack="", fake_api=""),
    deployed_at=0.0,
)


def test_without_a_target_the_cloud_in_the_background_is_taken() -> None:
    place = target_of(None, running=CLOUD)

    assert isinstance(place.target, AliasTarget)
    assert (place.target.arn, place.target.is_local) == (ALIAS, True)


def test_it_is_known_what_belongs_to_the_cloud_in_the_background() -> None:
    local = {"AWS_ENDPOINT_URL": LOCAL}

    inside = [target_of(None, running=CLOUD), target_of(ALIAS, local), target_of(f"{LOCAL}/x/")]
    outside = [
        target_of(ALIAS),
        target_of(f"{ALIAS}-2", local),
        target_of(f"{LOCAL}/y"),
        target_of("https://x.example"),
    ]

    assert [each.is_in(CLOUD) for each in (*inside, *outside)] == [True] * 3 + [False] * 4


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "or run `make up` for a local one"),
        ("http://canary.example", "mParticle calls https:// URLs only"),
        ("https://canary.example/?token=canary", "without a query"),
        ("https://canary:canary@canary.example", "without credentials"),
        ("https://canary.example/canary/events/", "without /events at its end"),
        ("http://127.0.0.1:4566/registration", "without /registration at its end"),
        ("https://", "names no host"),
        ("https://[canary", "cannot be read"),
        ("https://127.0.0.1:99999", "cannot be read"),
        ("HTTP://canary.example", "mParticle calls https:// URLs only"),
        ("canary-function", "neither the ARN of a Lambda function's alias nor an https:// URL"),
    ],
)
def test_a_target_that_mparticle_could_not_call_is_refused(text: str | None, reason: str) -> None:
    with pytest.raises(StackError, match=reason) as raised:
        target_of(text)

    assert "canary" not in str(raised.value)


def test_a_real_deployment_is_asked_about_first_and_what_would_happen_is_said() -> None:
    place = target_of(ALIAS)
    asked: list[str] = []

    assert confirmed("?", is_yes=False, ask=lambda text: asked.append(text) or "y")  # type: ignore[func-returns-value]
    assert not confirmed("?", is_yes=False, ask=lambda _: "")
    assert confirmed("?", is_yes=True, ask=None)
    assert asked == ["?"]
    with pytest.raises(StackError, match="add --yes"):
        confirmed("?", is_yes=False, ask=None)
    assert "reaches your API. Continue?" in question(place, 100, ())
    assert "Without values of token your API refuses them" in question(place, 100, ("token",))


def given(*options: str, file: Path | None = None, lines: tuple[str, ...] = ()) -> dict[str, str]:
    values = iter(lines)
    return given_settings(options, file, declaration(), lambda _: next(values))


def test_settings_come_from_options_from_standard_input_and_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    file.write_text(json.dumps({"token": SECRET, "segmentId": "7"}))

    assert given("token=-", lines=(SECRET,)) == {"token": SECRET}
    assert given("segmentId=8", file=file) == {"token": SECRET, "segmentId": "8"}
    assert given("segmentId=a=b") == {"segmentId": "a=b"}


@pytest.mark.parametrize(
    ("options", "content", "reason"),
    [
        ([f"token={SECRET}"], None, "token is confidential: write --setting token=- and give it on standard input"),
        (["segmentId"], None, "write --setting ID=VALUE"),
        (["unheardOf=1"], None, "the registration has no setting unheardOf"),
        ([], '["canary"]', "settings.json must be a JSON object of texts"),
        ([], '{"token": 1}', "settings.json must be a JSON object of texts"),
        ([], "{", "settings.json must be a JSON object of texts"),
        ([], "", "settings.json cannot be read: No such file or directory"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_without_its_value(
    tmp_path: Path, options: list[str], content: str | None, reason: str
) -> None:
    file = tmp_path / "settings.json"
    if content:
        file.write_text(content)

    with pytest.raises(StackError, match=reason) as raised:
        given(*options, file=file if content is not None else None)

    assert "canary" not in str(raised.value)


def test_a_real_deployment_gets_no_secret_of_the_sample_requests_and_the_local_cloud_does() -> None:
    real = known_settings(declaration(), {}, ROOM, is_local=False)
    local = known_settings(declaration(), {}, ROOM, is_local=True)
    complete = known_settings(declaration(), {"token": SECRET}, ROOM, is_local=False)

    assert (real.invented, local.invented, complete.invented) == (("token",), (), ())
    assert "token" not in real.values
    assert "token" in local.values
    assert complete.values["token"] == SECRET


def test_a_request_of_the_integrations_that_is_not_json_is_named(tmp_path: Path) -> None:
    events = tmp_path / "events"
    events.mkdir()
    (events / "half.json").write_text('{"canary":')

    with pytest.raises(LocalCloudError, match=r"half\.json is not JSON: line 1, column 11") as raised:
        known_settings(declaration(), {}, replace(ROOM, events=events), is_local=False)

    assert "canary" not in str(raised.value)


FINDINGS = [
    ok("alias", "the alias production"),
    failed("who may invoke", "an open door | for all", private="999988887777 by statement canary"),
    not_checked("statuses of passing errors", "nothing failed for a while during these trials, which is a long text"),
]


@pytest.mark.parametrize("width", [80, 200])
def test_the_table_is_readable_at_80_columns(width: int) -> None:
    text = io.StringIO()

    print_findings(Console(file=text, width=width), FINDINGS)

    lines = text.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert "999988887777" in text.getvalue()
    assert lines[-1] == "1 ok, 1 failed, 1 not checked."


def test_the_report_is_markdown_without_what_is_for_the_terminal_only() -> None:
    about = About("Sample 1.0", "f:production in us-east-1", datetime(2026, 11, 27, 8, 30, tzinfo=UTC))

    assert report(about, FINDINGS).splitlines() == [
        "# Verification of Sample 1.0",
        "",
        "Called f:production in us-east-1, on 2026-11-27 at 08:30 UTC. 1 ok, 1 failed, 1 not checked.",
        "",
        "| Check | Result | Seen |",
        "|---|---|---|",
        "| alias | ok | the alias production |",
        "| who may invoke | failed | an open door \\| for all |",
        "| statuses of passing errors | not checked | nothing failed for a while during these trials, which is a long "
        "text |",
    ]


def ran(client: FakeLambda, file: Path, **wanted: Any) -> tuple[int, str]:
    text = io.StringIO()
    place = Place(AliasTarget(client, ALIAS, is_local=False), "canary:production in us-east-1")
    status = run(place, ROOM, Wanted(**{"calls": 1, "settle_seconds": 0, **wanted}), Console(file=text, width=80), file)
    return status, text.getvalue()


def test_the_exit_status_says_whether_mparticle_would_refuse_and_the_report_holds_no_value(tmp_path: Path) -> None:
    stranger = grant({"AWS": "arn:aws:iam::999988887777:root"})
    right, wrong = tmp_path / "right.md", tmp_path / "wrong.md"

    accepted, _ = ran(FakeLambda(), right, settings={"token": SECRET})
    refused, printed = ran(FakeLambda(statements=[*MPARTICLE, stranger]), wrong, settings={"token": SECRET})

    assert (accepted, refused) == (0, 1)
    assert "999988887777" in printed
    for text in (right.read_text(), wrong.read_text()):
        assert SECRET not in text
        assert "999988887777" not in text
        assert "111122223333" not in text


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["canary"], "neither the ARN"),
        ([ALIAS], "this is a real deployment: add --yes"),
        ([ALIAS, "--setting", f"token={SECRET}"], "token is confidential"),
        (["http://127.0.0.1:9", "--calls", "0"], "the endpoint cannot be reached"),
        ([ALIAS, "--yes", "--report", "/missing/report.md"], "report.md cannot be written: No such file"),
    ],
)
def test_what_cannot_be_tried_ends_with_status_2_and_a_sentence(
    arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)

    assert main(["verify", "--partner", "tests/sample", *arguments]) == 2

    printed = capsys.readouterr().err
    assert reason in " ".join(printed.split())
    assert "canary" not in printed


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--calls", "-1"], "0 or more"),
        (["--cold", "many"], "0 or more"),
        (["--peak", "0"], "1 or more"),
        (["--account", "12"], "twelve digits"),
    ],
)
def test_wrong_options_are_explained(arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["verify", *arguments])

    assert stopped.value.code == 2
    assert reason in capsys.readouterr().err


def test_a_report_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"nowhere\.md cannot be written: No such file"):
        ran(FakeLambda(), tmp_path / "missing" / "nowhere.md", settings={"token": SECRET})


def test_the_help_names_the_results_and_where_the_token_comes_from(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["verify", "--help"])

    printed = capsys.readouterr().out
    assert "HTTP_TOKEN in the environment" in printed
    assert "1 it would refuse, 2 it could not be tried" in printed


def test_every_result_has_a_style() -> None:
    text = io.StringIO()

    print_findings(Console(file=text, width=80), [Finding("x", each, "y") for each in Result])

    assert text.getvalue().rstrip().endswith("1 ok, 1 warning, 1 failed, 1 not checked.")


def test_every_check_is_documented() -> None:
    documented = (ROOT / "docs" / "deploying.md").read_text().partition("### Verify")[2].partition("\n## ")[0]
    with endpoint(FakeDeployment()) as url:
        targets: list[AliasTarget | HttpsTarget] = [
            AliasTarget(FakeLambda(of_function=[grant("*")]), ALIAS, is_local=False),
            HttpsTarget(url, TOKEN, is_local=True),
        ]
        wanted = Wanted(calls=1, burst=1, settle_seconds=0, settings={"token": SECRET})
        found = [each for target in targets for each in verify(target, ROOM, wanted, lambda _: None).findings]

    names = {each.check for each in found}
    assert {"cold latency", "TLS", "who may invoke all versions"} <= names
    assert [name for name in sorted(names) if f"`{name}`" not in documented] == []
