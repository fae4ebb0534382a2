"""`feed send` sends what breaks no rule to mParticle, and says what became of it."""

import argparse
import json
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path

import pytest

from local.partner.faults import Step
from mparticle_firehose.errors import ConfigurationError, MalformedRequestError
from mparticle_firehose.feed import Environment
from mparticle_firehose.feed.events_api import FeedCredentials, Pod
from ops.__main__ import main
from ops.feed.commands import Target, add_commands, target_from
from ops.feed.sending import MAX_BATCHES_PER_SECOND
from tests.ops.partner_events import (
    DAY_MS,
    FOLDER,
    KEY,
    NOW_MS,
    SECRET,
    Sending,
    opened,
    running_feed,
)

PROVES_NOTHING = (
    "This proves nothing: of a bulk request mParticle drops what it refuses and still answers 202. Count the events in "
    "the workspace, or send a few with --single."
)
AGAIN = "Then send the same file again: what mParticle has taken already, it does not take twice."
FOREIGN = {"partner_identities": {"Sample_Id": "canary"}}


@pytest.fixture
def feed() -> Iterator[Sending]:
    with running_feed() as running:
        yield running


def test_valid_events_arrive_each_on_its_route(feed: Sending) -> None:
    status, lines = feed.send(
        opened(1),
        opened(2, type="send"),
        opened(3, at=NOW_MS - 31 * DAY_MS),
        opened(4, type="unsubscribe"),
        opened(5, type="buy"),
    )

    assert status == 0
    assert feed.routes == ["/events", "/bulkevents", "/bulkevents/historical"]
    assert feed.taken == ["Email Unsubscribed", "Email Opened", "commerce_event", "Email Opened"]
    assert lines[-3:] == [
        "0 of 5 events refused.",
        "1 event was taken by mParticle, each in a request of its own.",
        f"3 events were sent in bulk. {PROVES_NOTHING}",
    ]
    assert feed.mparticle.violations == ()
    assert "canary" not in "\n".join(lines)


def test_an_event_that_breaks_a_rule_is_not_sent_and_the_others_are(feed: Sending) -> None:
    status, lines = feed.send(opened(1), opened(2, attributes={"x": []}), opened(3))

    assert (status, feed.taken) == (1, ["Email Opened"] * 2)
    assert "1 of 3 events refused." in lines


def test_without_a_sendable_event_there_is_no_request(feed: Sending) -> None:
    status, lines = feed.send("x", opened(2, type="send"))

    assert (status, feed.routes, lines[-1]) == (1, [], "1 of 2 events refused.")


def test_an_event_that_mparticle_drops_in_bulk_is_not_seen(feed: Sending) -> None:
    feed.mparticle.events.partner_identity = "Other_Id"

    status, lines = feed.send(opened(1), opened(2, **FOREIGN))

    assert (status, len(feed.taken), len(feed.mparticle.dropped)) == (0, 1, 1)
    assert lines[-1] == f"2 events were sent in bulk. {PROVES_NOTHING}"


def test_an_event_that_mparticle_refuses_singly_is_seen(feed: Sending) -> None:
    feed.mparticle.events.partner_identity = "Other_Id"

    status, lines = feed.send(opened(1), opened(2, **FOREIGN), opened(3), single=True)

    assert (status, feed.routes, len(feed.taken)) == (1, ["/events"] * 3, 2)
    assert lines[-2:] == [
        "2 events were taken by mParticle, each in a request of its own.",
        "1 event is refused by mParticle: http_400, at 2.",
    ]


def test_historical_events_go_in_bulk_even_if_all_are_to_go_singly(feed: Sending) -> None:
    feed.send(opened(1), opened(2, at=NOW_MS - 31 * DAY_MS), single=True)

    assert feed.routes == ["/events", "/bulkevents/historical"]


def test_an_event_that_makes_a_bulk_request_unreadable_is_found(feed: Sending) -> None:
    feed.send(opened(2))
    (batch,) = feed.mparticle.taken(KEY)
    feed.mparticle.events.poison(batch["source_request_id"])

    status, lines = feed.send(opened(1), opened(2), opened(3), opened(4))

    assert (status, len(feed.taken)) == (1, 4)
    assert lines[-1] == "1 event is refused by mParticle: http_400, at 2."


def test_events_that_are_sent_again_arrive_once(feed: Sending) -> None:
    first = feed.send(opened(1), opened(2))
    second = feed.send(opened(2), opened(1))

    assert (first[0], second[0]) == (0, 0)
    assert (len(feed.taken), feed.mparticle.events.repeats, feed.mparticle.violations) == (2, 2, ())


def test_a_message_of_another_account_is_not_sent(feed: Sending) -> None:
    with pytest.raises(MalformedRequestError) as caught:
        feed.send(opened(1), account_id=43)

    assert str(caught.value) == "events.json: account_id: must be that of --account"
    assert feed.mparticle.requests == ()


def test_many_events_keep_below_the_rate_limit(feed: Sending) -> None:
    status, _ = feed.send(*map(opened, range(1_000)))

    assert (status, len(feed.taken), feed.mparticle.events.throttled) == (0, 1_000, 0)
    assert sum(feed.sleeps) == pytest.approx(900 / MAX_BATCHES_PER_SECOND)


def test_without_the_waits_many_events_would_be_throttled(feed: Sending) -> None:
    feed.sleeps_move_clock = False

    status, _ = feed.send(*map(opened, range(1_000)))

    assert (status, feed.mparticle.events.throttled) == (2, 1)


def test_the_environment_is_that_of_the_batches(feed: Sending) -> None:
    feed.send(opened(1))
    feed.send(opened(2), environment=Environment.PRODUCTION)

    assert [batch["environment"] for batch in feed.mparticle.taken(KEY)] == ["development", "production"]


def test_a_custom_feed_takes_identities_of_other_types(feed: Sending) -> None:
    other = {"partner_identities": {"Other_Id": "canary"}}

    status, _ = feed.send(opened(1, **other), base_url=feed.mparticle.pod_url, partner_feed=False)
    as_partner, _ = feed.send(opened(2, **other), base_url=feed.mparticle.pod_url)

    assert (status, as_partner, len(feed.taken)) == (0, 1, 1)


STOPS: list[tuple[str, Step, str]] = [
    ("401", 401, "http_401: check key, secret and pod."),
    ("403", 403, "http_403: check key, secret and pod."),
    ("404", 404, "http_404: check the base URL."),
    ("wait", {"status": 429, "retry_after": 12}, "http_429. mParticle asks to wait 12 seconds."),
    ("no-wait", {"status": 429, "retry_after": 0}, "http_429. mParticle asks to wait 0 seconds."),
    ("long-wait", {"status": 429, "retry_after": 86_400}, "http_429. mParticle asks to wait 900 seconds."),
    (
        "429-without-a-wait",
        429,
        "http_429. mParticle does not say how long to wait: begin with a minute, and double it each time.",
    ),
    ("503", {"status": 503, "retry_after": 1}, "http_503. mParticle asks to wait 1 second."),
    (
        "reset",
        "reset",
        "reset. mParticle does not say how long to wait: begin with a minute, and double it each time.",
    ),
]


@pytest.mark.parametrize(("step", "reason"), [pytest.param(*row, id=name) for name, *row in STOPS])
def test_whatever_needs_a_wait_or_a_human_stops_and_says_so(feed: Sending, step: Step, reason: str) -> None:
    feed.mparticle.script("/s2s/v2/bulkevents", [200, step])

    status, lines = feed.send(*map(opened, range(250)))

    assert (status, len(feed.mparticle.requests), len(feed.taken)) == (2, 2, 100)
    assert lines[-2:] == [
        f"100 events were sent in bulk. {PROVES_NOTHING}",
        f"Stopped, 150 events are still to be sent. {reason} {AGAIN}",
    ]
    assert "canary" not in "\n".join(lines)


def test_after_a_stop_the_same_file_sends_the_rest(feed: Sending) -> None:
    feed.mparticle.script("/s2s/v2/bulkevents", [200, "apply_then_reset"])
    events = [*map(opened, range(250))]

    stopped, _ = feed.send(*events)
    feed.clock.now += 60
    again, _ = feed.send(*events)

    assert (stopped, again) == (2, 0)
    assert (len(feed.taken), feed.mparticle.events.repeats) == (250, 200)


def test_a_wrong_secret_stops_at_the_first_request(feed: Sending) -> None:
    status, lines = feed.send(*map(opened, range(3)), credentials=FeedCredentials(KEY, "canary-wrong"), single=True)

    assert (status, len(feed.mparticle.requests), feed.taken) == (2, 1, [])
    assert lines[-1] == f"Stopped, 3 events are still to be sent. http_403: check key, secret and pod. {AGAIN}"


def test_a_redirect_is_not_followed(feed: Sending) -> None:
    with running_feed() as other:
        location = f"{other.mparticle.partner_feed_url}/bulkevents"
        feed.mparticle.script("/s2s/v2", [{"status": 307, "headers": {"Location": location}}])
        status, lines = feed.send(opened(1))

        assert other.mparticle.requests == ()
    assert (status, lines[-1]) == (
        2,
        f"Stopped, 1 event is still to be sent. http_307: check the base URL. {AGAIN}",
    )


def test_a_url_that_would_send_the_secret_in_clear_is_refused(feed: Sending) -> None:
    with pytest.raises(ConfigurationError) as caught:
        feed.send(opened(1), base_url="http://canary.example/v2")

    assert "canary" not in str(caught.value)


def test_a_wait_until_a_date_is_rounded_up(feed: Sending) -> None:
    date = formatdate(feed.clock.now + 12, usegmt=True)
    feed.mparticle.script("/s2s/v2", [{"status": 429, "retry_after": date}])
    feed.clock.now += 0.5

    _, lines = feed.send(opened(1))

    assert f"http_429. mParticle asks to wait 12 seconds. {AGAIN}" in lines[-1]


# The command line


def target_of(*options: str) -> Target:
    """Return where the command would send events with these options."""
    parser = argparse.ArgumentParser()
    add_commands(parser.add_subparsers())
    environ = {"MPARTICLE_FEED_KEY": KEY, "MPARTICLE_FEED_SECRET": f" {SECRET}\n"}
    return target_from(parser.parse_args(["feed", "send", "events.json", "--account", "42", *options]), environ)


def test_without_options_events_go_to_the_host_of_partner_feeds_in_bulk() -> None:
    assert target_of() == Target(
        credentials=FeedCredentials(KEY, SECRET),
        account_id=42,
        base_url="https://inbound.mparticle.com/s2s/v2",
        partner_feed=True,
        environment=Environment.DEVELOPMENT,
        single=False,
    )


@pytest.mark.parametrize("pod", Pod, ids=lambda pod: pod.name)
def test_with_a_pod_the_key_pair_is_that_of_a_custom_feed(pod: Pod) -> None:
    assert target_of("--pod", pod.name) == replace(target_of(), base_url=pod.value, partner_feed=False)


def test_all_events_go_singly_if_that_is_asked_for() -> None:
    assert target_of("--single") == replace(target_of(), single=True)


def test_the_key_pair_is_not_shown() -> None:
    assert "canary" not in repr(target_of())


@pytest.fixture
def arguments(feed: Sending, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("MPARTICLE_FEED_KEY", KEY)
    monkeypatch.setenv("MPARTICLE_FEED_SECRET", SECRET)
    file = tmp_path / "events.jsonl"
    file.write_text(f"{json.dumps(opened(1))}\n{json.dumps(opened(2, type='unsubscribe'))}\n")
    url = ["--url", feed.mparticle.partner_feed_url]
    return ["feed", "send", str(file), "--account", "42", "--partner", FOLDER, *url]


def test_the_command_sends_development_data_and_shows_no_secret(
    arguments: list[str], feed: Sending, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 0

    printed = capsys.readouterr()
    assert printed.out.startswith("events.jsonl: 2 events\n")
    assert "canary" not in printed.out + printed.err
    assert [batch["environment"] for batch in feed.mparticle.taken(KEY)] == ["development"] * 2


def test_production_data_need_a_second_option(arguments: list[str], feed: Sending) -> None:
    assert main([*arguments, "--environment", "production", "--yes-production"]) == 0
    assert [batch["environment"] for batch in feed.mparticle.taken(KEY)] == ["production"] * 2


@pytest.mark.parametrize(
    ("options", "text"),
    [
        pytest.param(
            ["--environment", "production"],
            "--environment production and --yes-production belong together",
            id="production",
        ),
        pytest.param(["--yes-production"], "--environment production and --yes-production belong together", id="yes"),
        pytest.param(
            ["--url", "http://canary.example/v2"],
            "base_url: must start with https:// (http:// only for this machine itself)",
            id="url",
        ),
        pytest.param(
            ["--url", "https://canary-key:canary-secret@canary.example/v2"],
            "base_url: must have no query, fragment or credentials",
            id="credentials-in-url",
        ),
    ],
)
def test_wrong_options_are_explained_and_nothing_is_sent(
    arguments: list[str], feed: Sending, capsys: pytest.CaptureFixture[str], *, options: list[str], text: str
) -> None:
    assert main([*arguments, *options]) == 2
    assert (capsys.readouterr().err, feed.mparticle.requests) == (f"Failed: {text}.\n", ())


@pytest.mark.parametrize(
    ("key", "secret", "text"),
    [
        pytest.param("", "", "set MPARTICLE_FEED_KEY and MPARTICLE_FEED_SECRET in the environment", id="neither"),
        pytest.param(KEY, "", "set MPARTICLE_FEED_SECRET in the environment", id="no-secret"),
        pytest.param(
            "canary:key",
            SECRET,
            "feed key: must have no colon, which ends the key in Basic authentication",
            id="colon",
        ),
    ],
)
def test_the_key_pair_is_taken_from_the_environment(
    arguments: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    key: str,
    secret: str,
    text: str,
) -> None:
    monkeypatch.setenv("MPARTICLE_FEED_KEY", key)
    monkeypatch.setenv("MPARTICLE_FEED_SECRET", secret)

    assert main(arguments) == 2
    assert capsys.readouterr() == ("", f"Failed: {text}.\n")


@pytest.mark.parametrize(
    ("given", "named"),
    [
        pytest.param(["--secret", SECRET], "--secret", id="option"),
        pytest.param([f"--key={KEY}"], "--key", id="option-with-value"),
        pytest.param([KEY, SECRET], "their values are not shown", id="arguments"),
        pytest.param([f"MPARTICLE_FEED_SECRET={SECRET}"], "their values are not shown", id="variable"),
        pytest.param([f"-s{SECRET}"], "their values are not shown", id="short-option"),
    ],
)
def test_a_credential_on_the_command_line_is_refused_and_not_shown(
    arguments: list[str], feed: Sending, capsys: pytest.CaptureFixture[str], *, given: list[str], named: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([*arguments, *given])

    printed = capsys.readouterr()
    assert (stopped.value.code, printed.out, feed.mparticle.requests) == (2, "", ())
    assert printed.err.endswith(f"unrecognized arguments: {named}. Credentials are taken from the environment only\n")
    assert "canary" not in printed.err


def test_a_pod_and_a_url_exclude_each_other(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([*arguments, "--pod", "EU1"])

    assert stopped.value.code == 2
    assert "not allowed with argument --url" in capsys.readouterr().err


@pytest.mark.parametrize("account", ["0", "-1", "x"])
def test_the_account_is_a_whole_number(arguments: list[str], capsys: pytest.CaptureFixture[str], account: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([*arguments, f"--account={account}"])

    assert stopped.value.code == 2
    assert "argument --account: write a whole number, 1 or more" in capsys.readouterr().err


def test_ctrl_c_ends_a_request_that_hangs(
    arguments: list[str], feed: Sending, capsys: pytest.CaptureFixture[str]
) -> None:
    feed.mparticle.script("/s2s/v2", ["hang"])
    main_thread = threading.get_ident()

    def press_once_it_hangs() -> None:
        while not feed.mparticle.requests:
            time.sleep(0.01)
        signal.pthread_kill(main_thread, signal.SIGINT)

    user = threading.Thread(target=press_once_it_hangs)
    user.start()
    status = main(arguments)
    user.join()

    assert status == 130
    assert capsys.readouterr().err == (
        "Interrupted. What was sent may have arrived. "
        "The same file may be sent again: mParticle takes no event twice.\n"
    )
