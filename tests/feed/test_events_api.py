"""The client over real connections: what is sent, and what hostile answers become."""

import base64
import json
import socket
import time
from collections.abc import Callable

import pytest

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.errors import ConfigurationError
from mparticle_firehose.feed import Batch
from mparticle_firehose.feed.answers import RateLimit
from mparticle_firehose.feed.events_api import PARTNER_FEED_URL, EventsApi, FeedCredentials, Pod
from mparticle_firehose.integration import Delivered, Outcome, Rejected, Retry, Suspend
from tests.feed.samples import CREDENTIALS, DAY_MS, MINUTE_MS, aged, api, batch, event, numbered, sent, soon
from tests.partner_api.doubles import Partner, Received, Reply, raw_server

HEAD = b"HTTP/1.1 202 Accepted\r\n"


def ids(received: Received) -> list[str]:
    return [each["source_request_id"] for each in json.loads(received.body)]


def refusing(*bad: str) -> Callable[[Received], Reply]:
    """Answer 400 to each request in which one of these batches is."""
    return lambda received: Reply(400 if {*bad} & {*ids(received)} else 202)


def test_one_batch_goes_as_an_object_with_the_feeds_credentials() -> None:
    with Partner(lambda _: Reply(202, b"")) as mparticle:
        upload = api(mparticle.url).upload_events(batch(), soon())
    (received,) = mparticle.received

    assert upload.outcome == Delivered()
    assert (received.method, received.target, json.loads(received.body)) == ("POST", "/v2/events", sent(batch()))
    assert dict(received.headers) == {
        "Host": mparticle.url.removeprefix("http://"),
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "Authorization": f"Basic {base64.b64encode(b'canary-key:canary-secret').decode()}",
        "Content-Length": str(len(received.body)),
        "Content-Type": "application/json",
        "User-Agent": "mparticle-firehose",
    }


def test_many_batches_go_as_lists() -> None:
    with Partner(lambda _: Reply(202, b"")) as mparticle:
        upload = api(mparticle.url).bulk_upload_events(numbered(150), soon())

    assert [(each.target, len(ids(each))) for each in mparticle.received] == [
        ("/v2/bulkevents", 100),
        ("/v2/bulkevents", 50),
    ]
    assert (upload.outcomes, upload.statuses) == ((Delivered(),) * 150, (202, 202))
    assert mparticle.connections == 1


def test_each_batch_has_its_own_outcome() -> None:
    batches = [*numbered(3), aged(31 * DAY_MS), *numbered(1)]
    with Partner(refusing("r-1")) as mparticle:
        upload = api(mparticle.url).bulk_upload_events(batches, soon())

    assert upload.outcomes == (
        Delivered(),
        Rejected("http_400"),
        Delivered(),
        Rejected(
            "Batch.events.0.timestamp_unixtime_ms: must be at most 30 days old, unless the batch is sent as historical"
        ),
        Delivered(),
    )
    assert upload.statuses == (400, 400, 202, 400, 202)


def test_what_is_too_large_for_a_proxy_is_halved() -> None:
    with Partner(lambda received: Reply(413 if len(ids(received)) > 1 else 202)) as mparticle:
        upload = api(mparticle.url).bulk_upload_events(numbered(4), soon())

    assert (upload.outcomes, len(upload.statuses)) == ((Delivered(),) * 4, 7)


def test_the_rate_is_that_of_the_newest_answer_which_tells_it() -> None:
    used = iter(["40", "60", None])

    def answer(_: Received) -> Reply:
        told = next(used)
        if told is None:
            return Reply(429, headers={"X-mp-rate-limit-exceeded": "feed"})
        return Reply(202, headers={"X-mp-rate-limit-percentage-used": told})

    with Partner(answer) as mparticle:
        upload = api(mparticle.url).bulk_upload_events(numbered(201), soon())

    assert (upload.rate_limit, upload.outcomes[-1]) == (RateLimit(60.0, "feed"), Retry("http_429"))


def test_after_refused_credentials_nothing_more_is_sent() -> None:
    with Partner(lambda _: Reply(403)) as mparticle:
        upload = api(mparticle.url).bulk_upload_events(numbered(250), soon())

    assert upload.outcomes == (Suspend("http_403: check key, secret and pod"),) * 250
    assert len(mparticle.received) == 1


def test_after_its_deadline_nothing_is_sent() -> None:
    with Partner() as mparticle:
        upload = api(mparticle.url).bulk_upload_events(numbered(2), Deadline.after(0))

    assert (upload.outcomes, upload.statuses) == ((Retry("out_of_time", 0),) * 2, ())
    assert mparticle.received == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    with Partner() as other, Partner(lambda _: Reply(status, headers={"Location": f"{other.url}/v2/events"})) as first:
        outcome = api(first.url).upload_events(batch(), soon()).outcome

    assert outcome == Retry(f"http_{status}: check the base URL")
    assert (len(first.received), other.received) == (1, [])


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ([HEAD, b"Content-Length: 5000000\r\n\r\n", b" " * 5_000_000], Retry("oversized_answer")),
        ([HEAD, b"Transfer-Encoding: chunked\r\n\r\n", b"nonsense\r\n"], Retry("malformed_answer")),
        ([HEAD, b"\x00\xff: \xfe\r\n: x\r\nX\r\n\r\n"], Delivered()),
        ([HEAD, b"X-mp-rate-limit-percentage-used: \xff\r\nContent-Length: 0\r\n\r\n"], Delivered()),
        ([b"HTTP/1.1 429 Slow\r\nRetry-After: \xff\xfe\r\nContent-Length: 0\r\n\r\n"], Retry("http_429")),
        ([b"HTTP/1.1 100 Continue\r\n\r\n", HEAD, b"Content-Length: 0\r\n\r\n"], Delivered()),
        ([b"nonsense\r\n\r\n"], Retry("malformed_answer")),
        ([b""], Retry("reset")),
    ],
    ids=["5 MB", "chunks", "headers", "rate", "wait", "interim", "no HTTP", "nothing"],
)
def test_a_hostile_answer_is_an_outcome(answer: list[bytes], outcome: Outcome) -> None:
    with raw_server(*answer) as url:
        assert api(url).upload_events(batch(), soon()).outcome == outcome


def test_a_dripping_answer_is_cut_off() -> None:
    with raw_server(HEAD, *[b"X: y\r\n"] * 20, pause=0.1) as url:
        started = time.monotonic()
        upload = api(url).upload_events(batch(), Deadline.after(0.3))

    assert (upload.outcome, upload.statuses) == (Retry("read_timeout"), (None,))
    assert time.monotonic() - started < 5


def test_an_mparticle_that_is_down_is_an_outcome() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    assert api(f"http://127.0.0.1:{port}").upload_events(batch(), soon()).outcome == Retry("refused")


@pytest.mark.parametrize("url", [*Pod, PARTNER_FEED_URL, "https://s2s.mparticle.com/v2/", "http://[::1]:8080/v2"])
def test_a_base_url_of_mparticle_or_this_machine_is_taken(url: str) -> None:
    assert EventsApi(url, CREDENTIALS)


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("", "must be an absolute URL"),
        ("s2s.mparticle.com/v2", "must be an absolute URL"),
        ("https://s2s.mparticle.com:port/v2", "must be an absolute URL"),
        (" https://s2s.mparticle.com/v2", "must be an absolute URL"),
        ("https://[s2s/v2", "must be an absolute URL"),
        ("ftp://s2s.mparticle.com/v2", "must start with https:// (http:// only for this machine itself)"),
        ("https://s2s.mparticle.com/v2#x", "must have no query, fragment or credentials"),
        ("https://s2s.mparticle.com/v2?", "must have no query, fragment or credentials"),
        ("https://canary:canary@s2s.mparticle.com/v2", "must have no query, fragment or credentials"),
        ("https://s2s.mparticle.com/v2/events", "must end before /events or /bulkevents"),
        ("https://s2s.mparticle.com/v2/bulkevents/historical/", "must end before /events or /bulkevents"),
    ],
)
def test_another_base_url_is_refused(url: str, rule: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        EventsApi(url, CREDENTIALS)

    assert str(caught.value) == f"base_url: {rule}"


@pytest.mark.parametrize("secret", ["", " ", "canary ", "canary\n", "can\x00ary", "canary\ud800"])
def test_a_secret_that_http_cannot_carry_is_refused(secret: str) -> None:
    for key, value in ((secret, "s"), ("k", secret)):
        with pytest.raises(ConfigurationError) as caught:
            FeedCredentials(key, value)

        assert "canary" not in str(caught.value)


def test_credentials_are_not_shown() -> None:
    assert repr(CREDENTIALS) == "FeedCredentials()"


def test_a_custom_feed_may_send_what_a_partners_may_not() -> None:
    theirs: Batch = batch(partner_identities={"theirs": "p-1"})
    with Partner(lambda _: Reply(202)) as mparticle:
        outcomes = [
            api(mparticle.url, **options).upload_events(theirs, soon()).outcome
            for options in ({}, {"partner_identity": "theirs"}, {"partner_feed": False})
        ]

    assert outcomes == [
        Rejected("Batch.partner_identities: must have the partner's own registered type only"),
        Delivered(),
        Delivered(),
    ]


def test_a_batch_that_was_spoilt_afterwards_does_not_hold_up_others() -> None:
    spoilt = event().model_copy(update={"timestamp_unixtime_ms": "canary"})
    with Partner(lambda _: Reply(202)) as mparticle:
        upload = api(mparticle.url).bulk_upload_events([batch(events=(spoilt,)), batch()], soon())

    assert upload.outcomes == (Rejected("CustomEvent.timestamp_unixtime_ms: must be a whole number"), Delivered())


def test_a_clock_that_is_a_little_fast_is_corrected_on_the_way() -> None:
    with Partner(lambda _: Reply(202)) as mparticle:
        api(mparticle.url).upload_events(aged(-MINUTE_MS), soon())

    assert json.loads(mparticle.received[0].body) == sent(aged(0))
