import itertools
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from hypothesis import given
from hypothesis import strategies as st

from mparticle_firehose.endpoint.feed_webhook import (
    MAX_CLOCK_SKEW_SECONDS,
    MAX_FEED_BYTES,
    MAX_SECRETS,
    MIN_SECRET_LENGTH,
    secrets_in,
)
from mparticle_firehose.endpoint.http_event import HttpResponse
from mparticle_firehose.endpoint.secret_cache import MAX_OUTAGE_SECONDS, PAUSE_SECONDS
from tests.endpoint.feed_webhooks import (
    BODY,
    NEXT_SECRET,
    NOW,
    QUEUE_URL,
    REFRESH_SECONDS,
    SECRET,
    WRONG_SECRET,
    Bench,
    Source,
    digest,
    signature,
)

AT = str(int(NOW))
DIGEST = digest(BODY)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def content(answer: HttpResponse) -> Any:
    return json.loads(answer.body)


def body_of(size: int) -> bytes:
    start, end = b'{"account_id":42,"events":[{"note":"', b'"}]}'
    return start + b"x" * (size - len(start) - len(end)) + end


class TestASignedRequest:
    def test_is_one_message_on_the_queue_and_answered_with_the_number_of_events(self, bench: Bench) -> None:
        answer = bench.send()

        assert (answer.status, content(answer)) == (202, {"accepted": 1})
        ((url, entry),) = bench.sqs.sent
        assert url == QUEUE_URL
        assert entry == {
            "Id": "0",
            "MessageBody": BODY.decode(),
            "MessageAttributes": {
                "message_type": {"DataType": "String", "StringValue": "feed"},
                "account_id": {"DataType": "String", "StringValue": "42"},
            },
            "MessageGroupId": "42",
        }
        assert bench.telemetry.counts == {"FeedEventsQueued": 1}

    @pytest.mark.parametrize(
        "header",
        [
            f"t={AT},v1={DIGEST}",
            f"  t={AT},v1={DIGEST}\t",
            f"t={AT}, v1={DIGEST}",
            f"t={AT},v1={DIGEST.upper()}",
            f"t={AT},v1={'0' * 64},v1={DIGEST}",
            f"t={AT},v1={DIGEST},v1={'f' * 64}",
            f"t={AT}{f',v1={"0" * 64}' * (MAX_SECRETS - 1)},v1={DIGEST}",
        ],
        ids=["documented", "blanks", "blank", "upper-case", "second", "first", "fifth"],
    )
    def test_is_accepted_in_any_spelling_of_its_signature(self, bench: Bench, header: str) -> None:
        assert bench.status(BODY, header) == 202

    @pytest.mark.parametrize("skew", [-MAX_CLOCK_SKEW_SECONDS, -1, 1, MAX_CLOCK_SKEW_SECONDS])
    def test_may_be_five_minutes_off(self, bench: Bench, skew: int) -> None:
        at = str(int(NOW) + skew)

        assert bench.status(BODY, signature(BODY, at=at)) == 202

    def test_may_write_its_time_with_leading_zeros(self, bench: Bench) -> None:
        assert bench.status(BODY, signature(BODY, at=f"0{AT}")) == 202

    def test_may_have_a_megabyte_and_not_one_byte_more(self, bench: Bench) -> None:
        answers = [bench.send(body_of(size)) for size in (MAX_FEED_BYTES, MAX_FEED_BYTES + 1)]

        assert [answer.status for answer in answers] == [202, 413]
        assert content(answers[1]) == {"error": {"code": "too_large"}}
        assert [len(entry["MessageBody"]) for _, entry in bench.sqs.sent] == [MAX_FEED_BYTES]

    def test_that_is_sent_again_is_queued_again(self, bench: Bench) -> None:
        assert [bench.status(), bench.status()] == [202, 202]
        assert len(bench.sqs.sent) == 2


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    events=st.lists(st.dictionaries(st.text(), json_values, max_size=3), min_size=1, max_size=3),
    account_id=st.integers(1, 2**63 - 1),
    blanks=st.text(" \t\r\n", max_size=5),
    is_escaped=st.booleans(),
    indent=st.sampled_from([None, 2]),
)
def test_what_is_accepted_is_on_the_queue_byte_for_byte(
    events: list[Any], account_id: int, blanks: str, is_escaped: bool, indent: int | None
) -> None:
    bench = Bench()
    message = json.dumps({"account_id": account_id, "events": events}, ensure_ascii=is_escaped, indent=indent)
    text = f"{blanks}{message}{blanks}".replace("\ufffe", "").replace("\uffff", "").replace("Infinity", "1e999")
    body = text.encode()

    answer = bench.send(body)

    assert (answer.status, content(answer)) == (202, {"accepted": len(events)})
    assert [entry["MessageBody"].encode() for _, entry in bench.sqs.sent] == [body]


class TestNoncharactersThatSqsRefuses:
    def test_are_escaped_and_nothing_else_is(self, bench: Bench) -> None:
        text = '{ "account_id":42,"events":[{"canary-\uffff":"値\ufffe\\u00e9 1.50"}]}'

        assert bench.status(text.encode()) == 202
        ((_, entry),) = bench.sqs.sent
        assert entry["MessageBody"] == text.replace("\uffff", "\\uffff").replace("\ufffe", "\\ufffe")
        assert json.loads(entry["MessageBody"]) == json.loads(text)

    def test_must_not_make_a_body_larger_than_the_queue_takes(self, bench: Bench) -> None:
        text = f'{{"account_id":42,"events":[{{"note":"{"\uffff" * 200_000}"}}]}}'

        assert len(text.encode()) < MAX_FEED_BYTES
        assert bench.status(text.encode()) == 413
        assert bench.sqs.sent == []


class TestASignatureIsRefused:
    @pytest.mark.parametrize(
        "header",
        [
            "",
            " ",
            DIGEST,
            f"v1={DIGEST}",
            f"t={AT}",
            f"t={AT},",
            f"t={AT},v1=",
            f"t=,v1={DIGEST}",
            f"t={AT},v1={DIGEST[:-1]}",
            f"t={AT},v1={DIGEST}0",
            f"t={AT},v1={DIGEST[:-2]}",
            f"t={AT},v1={DIGEST[:-1]}g",
            f"t={AT},v1=0x{DIGEST[2:]}",
            f"t={AT},v1={DIGEST[:32]} {DIGEST[33:]}",
            f"t={AT},v1={DIGEST[:-1]}\uff11",
            f"t={AT},v1={DIGEST[:-1]}é",
            f"t={AT},v1={DIGEST[:-1]}\udcff",
            f"t={AT},v1={DIGEST}\n",
            f"t={AT},v1={DIGEST}\0",
            f"t={AT},v0={DIGEST}",
            f"t={AT},V1={DIGEST}",
            f"t={AT};v1={DIGEST}",
            f"v1={DIGEST},t={AT}",
            f"t={AT},t={AT},v1={DIGEST}",
            f"t={AT},v1={DIGEST},t={AT}",
            f"t={AT}.0,v1={DIGEST}",
            f"t=-{AT},v1={DIGEST}",
            f"t=+{AT},v1={DIGEST}",
            f"t={AT}e0,v1={DIGEST}",
            f"t={'9' * 100_000},v1={DIGEST}",
            f"t={''.join(chr(ord(digit) + 0x660 - 0x30) for digit in AT)},v1={DIGEST}",
            f"t={AT}{f',v1={DIGEST}' * (MAX_SECRETS + 1)}",
            f"t={AT}{f',v1={DIGEST}' * 100_000}",
            f"Token {SECRET}",
        ],
        ids=itertools.count(),
    )
    def test_that_is_not_well_formed_and_the_source_is_not_asked(self, bench: Bench, header: str) -> None:
        answer = bench.send(BODY, header)

        assert (answer.status, content(answer)) == (401, {"error": {"code": "signature_refused"}})
        assert answer.headers["WWW-Authenticate"] == "Signature"
        assert (bench.sqs.sent, bench.source.asked) == ([], 0)

    @pytest.mark.parametrize("skew", [-(10**9), -MAX_CLOCK_SKEW_SECONDS - 1, MAX_CLOCK_SKEW_SECONDS + 1, 10**11])
    def test_that_is_too_old_or_too_new_and_the_source_is_not_asked(self, bench: Bench, skew: int) -> None:
        at = str(int(NOW) + skew)

        assert bench.status(BODY, signature(BODY, at=at)) == 401
        assert (bench.sqs.sent, bench.source.asked) == ([], 0)

    def test_that_is_replayed_after_the_window(self, bench: Bench) -> None:
        header = signature(BODY)
        first = bench.status(BODY, header)
        bench.wall_clock.now += MAX_CLOCK_SKEW_SECONDS + 1

        assert (first, bench.status(BODY, header)) == (202, 401)

    @pytest.mark.parametrize(
        "header",
        [
            signature(BODY, WRONG_SECRET),
            signature(BODY + b" "),
            signature(BODY, at=str(int(NOW) + 1)).replace(str(int(NOW) + 1), AT),
            f"t={AT},v1={digest(b'', SECRET)}",
            f"t=0{AT},v1={DIGEST}",
            signature(BODY, SECRET[:-1]),
            signature(BODY, ""),
        ],
        ids=["other-secret", "other-body", "other-time", "no-body", "respelled-time", "shorter-secret", "no-secret"],
    )
    def test_that_was_made_of_something_else(self, bench: Bench, header: str) -> None:
        assert bench.status(BODY, header) == 401
        assert bench.sqs.sent == []

    def test_before_anything_is_said_of_the_body(self, bench: Bench) -> None:
        assert [bench.status(body, signature(body, WRONG_SECRET)) for body in (b"", b"{", b"\xff", BODY)] == [401] * 4

    def test_after_the_size_is_looked_at(self, bench: Bench) -> None:
        assert bench.status(b"x" * (MAX_FEED_BYTES + 1), "") == 413


class TestABodyIsRefused:
    @pytest.mark.parametrize(
        ("body", "problem"),
        [
            (b"", ("", "must not be empty")),
            (b"\xff", ("", "must be UTF-8 text")),
            (BODY.decode().encode("utf-16"), ("", "must be UTF-8 text")),
            (BODY.decode().encode("utf-16-le"), ("", "must be JSON")),
            (b'{"account_id":42,"events":[{"x":"\xed\xa0\x80"}]}', ("", "must be UTF-8 text")),
            (b"\x1f\x8b\x08\x00", ("", "must be UTF-8 text")),
            (b"[" * 100_000, ("", "is nested too deeply")),
            (BODY + BODY, ("", "must be one JSON value and nothing after it")),
            (b'{"events":[{}]}', ("account_id", "is required")),
            (
                b'{"account_id":"canary-account","events":[{}]}',
                ("account_id", "must be a whole number from 1 to 2**63 - 1"),
            ),
            (b'{"account_id":42,"events":[]}', ("events", "must have 1 to 1000 elements")),
            (b'{"account_id":42,"events":[{},"canary-event"]}', ("events.1", "must be an object")),
        ],
        ids=itertools.count(),
    )
    def test_with_field_and_rule(self, bench: Bench, body: bytes, problem: tuple[str, str]) -> None:
        answer = bench.send(body)

        field, rule = problem
        expected = {"error": {"code": "malformed", "problems": [{"field": field, "problem": rule}]}}
        assert (answer.status, content(answer)) == (400, expected)
        assert bench.sqs.sent == []
        assert bench.telemetry.counts == {}


def refused_by_sqs(code: str, status: int) -> ClientError:
    response: Any = {
        "Error": {"Code": code, "Message": "canary-message"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(response, "SendMessageBatch")


@pytest.mark.parametrize(
    "error",
    [
        refused_by_sqs("ServiceUnavailable", 503),
        refused_by_sqs("Throttling", 400),
        refused_by_sqs("AWS.SimpleQueueService.NonExistentQueue", 400),
        refused_by_sqs("AccessDenied", 403),
        EndpointConnectionError(endpoint_url="https://canary.example"),
    ],
    ids=["fault", "throttled", "no-queue", "denied", "network"],
)
def test_what_sqs_does_not_take_is_to_come_again(bench: Bench, error: Any) -> None:
    bench.sqs.error = error
    answer = bench.send()
    bench.sqs.error = None

    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    assert content(answer) == {"error": {"code": "not_delivered"}}
    assert bench.telemetry.counts == {}
    assert bench.status() == 202


class TestTheSecrets:
    @pytest.mark.parametrize(
        "text",
        [
            SECRET,
            f"\ufeff {SECRET}\r\n",
            json.dumps([SECRET]),
            json.dumps([NEXT_SECRET, SECRET]),
            json.dumps([*[f"{WRONG_SECRET}{number}" for number in range(MAX_SECRETS - 1)], SECRET]),
        ],
        ids=["text", "blanks", "list", "two", "five"],
    )
    def test_are_a_text_or_a_list(self, text: str) -> None:
        bench = Bench(Source(text))

        assert [bench.status(), bench.status(BODY, signature(BODY, "x" * 40))] == [202, 401]

    def test_may_hold_characters_that_are_not_ascii(self) -> None:
        secret = "canary-sécret-値-" + "x" * MIN_SECRET_LENGTH

        assert Bench(Source(secret)).status(BODY, signature(BODY, secret)) == 202

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("", "the source must hold 1 to 5 secrets"),
            (" \n", "the source must hold 1 to 5 secrets"),
            ("[]", "the source must hold 1 to 5 secrets"),
            (json.dumps([SECRET] * (MAX_SECRETS + 1)), "the source must hold 1 to 5 secrets"),
            (SECRET[: MIN_SECRET_LENGTH - 1], "a secret in the source is shorter than 32 characters"),
            (json.dumps([SECRET, "canary"]), "a secret in the source is shorter than 32 characters"),
            (json.dumps([SECRET, ""]), "a secret in the source is shorter than 32 characters"),
            (f"{SECRET}\n{NEXT_SECRET}", "a secret in the source holds a blank"),
            (f"{SECRET} production", "a secret in the source holds a blank"),
            (json.dumps([f"{SECRET}\n"]), "a secret in the source holds a blank"),
            (json.dumps([f"{SECRET}\ud800"]), "a secret in the source has no UTF-8 form"),
            (
                json.dumps({"secret": SECRET}),
                "the source must hold one secret or a JSON list of secrets, and no JSON object",
            ),
            (f"[{SECRET}]", "the source starts like a JSON list and is none"),
            ("[" * 100_000, "the source starts like a JSON list and is none"),
            (json.dumps([SECRET, None]), "an element of the source's JSON list is no text"),
            (json.dumps([[SECRET]]), "an element of the source's JSON list is no text"),
        ],
        ids=itertools.count(),
    )
    def test_in_another_form_verify_nothing_and_the_reason_is_known(self, text: str, reason: str) -> None:
        bench = Bench(Source(text))

        answer = bench.send()

        assert (answer.status, answer.headers["Retry-After"]) == (503, "10")
        assert content(answer) == {"error": {"code": "feed_secret_unavailable"}}
        assert bench.webhook.secrets.problem == reason
        assert bench.sqs.sent == []

    def test_of_the_shortest_length_are_taken(self) -> None:
        assert secrets_in(SECRET[:MIN_SECRET_LENGTH]) == (SECRET[:MIN_SECRET_LENGTH].encode(),)

    def test_are_rotated_without_a_gap_by_a_sender_that_signs_with_both(self, bench: Bench) -> None:
        both = signature(BODY, NEXT_SECRET, SECRET)
        before = bench.status(BODY, both)
        bench.source.text = NEXT_SECRET
        bench.clock.now += REFRESH_SECONDS
        after = bench.status(BODY, both)

        assert (before, after, bench.status()) == (202, 202, 401)

    def test_are_rotated_without_a_gap_by_a_source_that_holds_both(self, bench: Bench) -> None:
        bench.status()
        bench.source.text = json.dumps([SECRET, NEXT_SECRET])
        bench.clock.now += REFRESH_SECONDS

        assert [bench.status(BODY, signature(BODY, secret)) for secret in (SECRET, NEXT_SECRET)] == [202, 202]

    def test_that_are_new_work_at_once(self, bench: Bench) -> None:
        bench.status()
        bench.source.text = NEXT_SECRET
        bench.clock.now += 1

        assert bench.status(BODY, signature(BODY, NEXT_SECRET)) == 202

    def test_are_not_read_for_each_wrong_signature(self, bench: Bench) -> None:
        bench.status()
        for _ in range(1_000):
            bench.clock.now += PAUSE_SECONDS / 500
            assert bench.status(BODY, signature(BODY, WRONG_SECRET)) == 401

        assert bench.source.asked == 1 + 2

    def test_outlive_an_outage_of_an_hour_and_no_more(self, bench: Bench) -> None:
        bench.status()
        bench.source.fails = True
        bench.clock.now += REFRESH_SECONDS + MAX_OUTAGE_SECONDS - 1
        within = bench.status()
        bench.clock.now += PAUSE_SECONDS

        assert (within, bench.status()) == (202, 503)
        assert (
            bench.telemetry.warnings
            == [{"event": "feed secret not refreshed", "reason": "the source answers ThrottlingException"}] * 2
        )

    def test_that_were_deleted_verify_nothing_after_the_next_refresh(self, bench: Bench) -> None:
        bench.status()
        bench.source.is_deleted = True
        bench.clock.now += REFRESH_SECONDS

        assert bench.status() == 503

    def test_are_shown_nowhere(self, bench: Bench) -> None:
        bench.status()

        assert "canary" not in repr(bench.webhook)
