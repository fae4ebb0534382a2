"""`feed check` shows what the partner's events become, and what is wrong with them, without a value of theirs."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mparticle_firehose.errors import ConfigurationError
from ops.__main__ import main
from ops.feed.commands import check
from tests.ops.partner_events import DAY_MS, FOLDER, INTEGRATION, NOW, NOW_MS, Printed, checked, file_of, opened, rows


def test_what_events_become_is_counted_by_their_names() -> None:
    status, lines = checked(
        opened(1),
        opened(2, user="canary-longer-user"),
        opened(3, at=NOW_MS - 31 * DAY_MS),
        opened(4, by_machine=True),
        opened(5, type="unsubscribe"),
        opened(6, type="unsubscribe", at=NOW_MS - 31 * DAY_MS),
        opened(7, type="view"),
        opened(8, type="buy"),
        {"type": "send"},
    )

    assert status == 0
    assert lines[0] == "events.json: 9 events"
    assert [row[:-1] if "/" in row[-2] else row for row in rows(lines)] == [
        ["buy", "commerce_event", "1", "no", "/bulkevents"],
        ["open", "custom_event Email Opened", "2", "no", "/bulkevents"],
        ["open", "custom_event Email Opened", "1", "no", "/bulkevents/historical"],
        ["open", "left out", "1"],
        ["send", "left out", "1"],
        ["unsubscribe", "custom_event Email Unsubscribed", "1", "yes", "/bulkevents/historical"],
        ["unsubscribe", "custom_event Email Unsubscribed", "1", "yes", "/events"],
        ["view", "screen_view Preferences", "1", "no", "/bulkevents"],
    ]
    assert lines[-1] == "0 of 9 events refused."


def test_the_bytes_are_those_of_the_smallest_and_the_largest_batch() -> None:
    _, lines = checked(opened(1), opened(2, user="canary-user-longer"))

    smallest, largest = rows(lines)[0][-1].split("-")
    assert int(largest) - int(smallest) == len("-longer")


REFUSED: list[tuple[str, object, str, str]] = [
    ("no-object", "canary", "event", "must be a JSON object"),
    ("no-mapping", opened(type="canary"), "event", "must have a name that Feed.mappings has"),
    (
        "seconds",
        opened(at=int(NOW)),
        "CustomEvent.timestamp_unixtime_ms",
        "must be milliseconds since 1970, from the year 2010 on",
    ),
    (
        "future",
        opened(at=NOW_MS + DAY_MS),
        "Batch.events.0.timestamp_unixtime_ms",
        "must not be more than 5 minutes ahead",
    ),
    (
        "attribute",
        opened(attributes={"canary": ["canary"]}),
        "CustomEvent.custom_attributes",
        "every value must be text, a number or a boolean, and no list or object",
    ),
    (
        "partner-identity",
        opened(partner_identities={"canary": "canary"}),
        "Batch.partner_identities",
        "must have the partner's own registered type only",
    ),
    ("blank-user", opened(user=" "), "user", "must not be blank"),
    (
        "bytes",
        opened(attributes={f"canary{number}": "x" * 4_000 for number in range(40)}),
        "Batch",
        "must have at most 128,000 bytes",
    ),
]


@pytest.mark.parametrize(("event", "field", "rule"), [pytest.param(*row, id=name) for name, *row in REFUSED])
def test_a_broken_rule_is_shown_with_its_position_and_no_value(event: object, field: str, rule: str) -> None:
    status, lines = checked(opened(0), event, opened(3), event)

    assert status == 1
    assert [field, rule, "2", "2, 4"] in rows(lines)
    assert lines[-1] == "2 of 4 events refused."
    assert "canary" not in "\n".join(lines)


def test_a_mapping_that_raises_refuses_the_event_and_shows_where() -> None:
    status, lines = checked(opened(1), {"type": "open", "user": "canary"})
    (_, rule, *cells) = rows(lines)[-1]

    assert (status, cells) == (1, ["1", "2"])
    assert rule.startswith("must not make Feed raise: KeyError in ")
    assert "integration.py:" in rule


def test_of_many_positions_the_first_ten_are_shown() -> None:
    _, lines = checked(*["x"] * 12)

    assert rows(lines)[-1] == ["event", "must be a JSON object", "12", "1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 2 more"]


def test_dropped_identities_are_shown() -> None:
    _, lines = checked(
        opened(1), opened(2, email="canary@example.com"), opened(3, email="d41d8cd98f00b204e9800998ecf8427e")
    )

    assert "user_identities.email is dropped, because mParticle could not use its value, at 3." in lines


def test_another_event_with_the_id_of_an_earlier_one_is_refused() -> None:
    status, lines = checked(opened(1), opened(1, at=NOW_MS - 1))

    rule = "must not be that of an earlier event with other content, which would count"
    assert (status, rows(lines)[-1]) == (1, ["Batch.source_request_id", rule, "1", "2"])


def test_a_repeated_event_is_shown_and_not_refused() -> None:
    status, lines = checked(opened(1), opened(2), opened(1), opened(1))

    assert (status, lines[-2:]) == (0, ["2 events repeat an earlier one: at 3, 4.", "0 of 4 events refused."])


def test_a_refused_event_in_any_file_is_exit_status_1() -> None:
    printed = Printed()

    assert check(INTEGRATION, [file_of("x"), file_of(opened(1))], printed.out, clock=lambda: NOW) == 1
    assert [line for line in printed.lines if "refused." in line] == [
        "1 of 1 event refused.",
        "0 of 1 event refused.",
    ]


def test_an_integration_without_a_feed_is_explained() -> None:
    with pytest.raises(ConfigurationError, match="the integration has no feed"):
        check(replace(INTEGRATION, feed=None, feed_name=""), [file_of(opened())], Printed().out)


# The command line


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "events.json"


def test_the_command_checks_files_with_the_integration_of_a_folder(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(json.dumps([opened(1)]))

    assert main(["feed", "check", "--partner", FOLDER, str(file), str(file)]) == 0
    printed = capsys.readouterr()
    assert printed.out.count("events.json: 1 event\n") == 2
    assert "canary" not in printed.out + printed.err


@pytest.mark.parametrize(
    ("content", "options", "text"),
    [
        pytest.param("canary", ["--partner", FOLDER], "events.json: must be JSON, or JSON lines", id="content"),
        pytest.param(
            "[1]",
            ["--partner", "tests/second"],
            "the integration has no feed: see Integration.feed and Integration.feed_name",
            id="no-feed",
        ),
        pytest.param(
            "[1]",
            ["--partner", "tests"],
            "tests holds no integration: tests/partner/integration.py is missing",
            id="no-integration",
        ),
    ],
)
def test_unusable_input_is_exit_status_2_and_one_sentence(
    file: Path, capsys: pytest.CaptureFixture[str], *, content: str, options: list[str], text: str
) -> None:
    file.write_text(content)

    assert main(["feed", "check", *options, str(file)]) == 2
    assert capsys.readouterr() == ("", f"Failed: {text}.\n")


@pytest.mark.parametrize("command", [["feed"], ["feed", "check"], ["feed", "send"]], ids=["group", "check", "send"])
def test_the_commands_have_help_texts(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([*command, "--help"])

    assert stopped.value.code == 0
    assert "JSON lines" in capsys.readouterr().out
