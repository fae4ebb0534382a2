import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from uuid import UUID

import pytest

from local.partner.faults import Step
from mparticle_firehose.deadline import Deadline
from mparticle_firehose.integration import (
    Delivered,
    Header,
    NetworkFault,
    Outcome,
    PartnerCall,
    Rejected,
    Retry,
    Suspend,
    Verdict,
)
from mparticle_firehose.partner_api.client import MAX_ANSWER_BYTES, PartnerClient
from mparticle_firehose.partner_api.retry_policy import RetryPolicy
from mparticle_firehose.protocol import EventProcessingRequest
from tests.sample.partner.integration import failures
from tests.sample.server import SamplePartner

ERASURE = PartnerCall(
    method="POST",
    path="/forget",
    auth=Header("X-Sample-Token", "canary-secret-key"),
    body={"identities": {"email": "canary-pii@example.com"}},
)


@pytest.fixture
def fake() -> Iterator[SamplePartner]:
    with SamplePartner() as partner:
        yield partner


def send(url: str, call: PartnerCall = ERASURE, seconds: float = 2.0) -> Outcome:
    return PartnerClient(url).send(call, Deadline.after(seconds))


@contextmanager
def raw_server(*answer: bytes, pause: float = 0.0) -> Iterator[str]:
    """Answer one connection with these bytes, one piece after the other, and close it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, suppress(OSError):  # a client that has heard enough hangs up
                connection.recv(65536)
                for piece in answer:
                    connection.sendall(piece)
                    time.sleep(pause)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):  # closing with something unread would reset the connection
                    pass

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


def test_a_call_carries_key_idempotency_key_and_json(fake: SamplePartner) -> None:
    assert isinstance(send(fake.url), Delivered)

    (received,) = fake.requests
    assert (received.method, received.path, received.status) == ("POST", "/forget", 202)
    assert received.headers["X-Sample-Token"] == "canary-secret-key"
    assert received.headers["Content-Type"] == "application/json"
    assert received.body == ERASURE.body


def test_a_call_names_the_requests_that_it_is_part_of(fake: SamplePartner) -> None:
    requests = [EventProcessingRequest(id=UUID(int=number)) for number in (1, 1, 2)]

    send(fake.url, ERASURE.part_of(*requests))

    (received,) = fake.requests
    assert received.headers["Correlation-Id"] == f"{UUID(int=1)} {UUID(int=2)}"


def test_the_partners_answer_comes_with_success(fake: SamplePartner) -> None:
    call = PartnerCall(
        method="POST",
        path="/segments",
        auth=Header("X-Sample-Token", "key"),
        body={"account": 4242, "audience": 1},
    )

    assert send(fake.url, call) == Delivered({"segment": "seg-4242-1"})


def test_a_repeated_call_has_the_same_idempotency_key_and_takes_effect_once(fake: SamplePartner) -> None:
    fake.script("/forget", ["apply_then_reset"])

    outcomes = [send(fake.url), send(fake.url)]

    assert outcomes[0] == Retry("reset")
    assert isinstance(outcomes[1], Delivered)
    assert len({request.headers["Idempotency-Key"] for request in fake.requests}) == 1
    assert len(fake.erasures) == 1


def test_other_work_has_another_idempotency_key() -> None:
    requests = [EventProcessingRequest(id=UUID(int=number)) for number in (1, 1, 2)]
    body = ERASURE.encoded_body()

    first, same, other = (ERASURE.part_of(request).idempotency_key(body) for request in requests)

    assert first == same != other


def test_without_an_id_the_time_tells_work_apart() -> None:
    requests = [EventProcessingRequest(timestamp_ms=time) for time in (1, 2)]

    first, other = (ERASURE.part_of(request).idempotency_key(None) for request in requests)

    assert first != other


@pytest.mark.parametrize(
    ("step", "outcome"),
    [
        (500, Retry("http_500")),
        (503, Retry("http_503")),
        ({"status": 429, "retry_after": 2}, Retry("http_429", 2.0)),
        (422, Rejected("http_422")),
        (401, Suspend("http_401")),
        (302, Retry("http_302")),
        ("reset", Retry("reset")),
    ],
    ids=str,
)
def test_what_the_partner_does_becomes_an_outcome(fake: SamplePartner, step: Step, outcome: Outcome) -> None:
    fake.script("/forget", [step])

    assert send(fake.url) == outcome
    assert len(fake.requests) == 1


def test_a_deletion_of_what_is_gone_is_done(fake: SamplePartner) -> None:
    fake.script("/segments", [404])
    call = PartnerCall(
        method="DELETE", path="/segments/gone", auth=Header("X-Sample-Token", "key"), done_statuses=frozenset({404})
    )

    assert isinstance(send(fake.url, call), Delivered)


def test_a_partner_that_hangs_costs_no_more_than_the_deadline(fake: SamplePartner) -> None:
    fake.script("/forget", ["hang"])
    started = time.monotonic()

    outcome = send(fake.url, seconds=0.1)

    assert outcome == Retry("read_timeout")
    assert 0.05 < time.monotonic() - started < 0.5


@pytest.mark.parametrize(
    "drops",
    [
        [b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n", *[b" "] * 50],
        [b"HTTP/1.1 200 OK\r\n", *[b"X-Drop: 1\r\n"] * 50],
    ],
    ids=["body", "headers"],
)
def test_an_answer_that_drips_costs_no_more_than_the_deadline(drops: list[bytes]) -> None:
    started = time.monotonic()

    with raw_server(*drops, pause=0.02) as url:
        outcome = send(url, seconds=0.1)
        elapsed = time.monotonic() - started

    assert outcome == Retry("read_timeout")
    assert elapsed < 0.5


def test_a_call_that_was_given_up_is_no_burden_for_the_next(fake: SamplePartner) -> None:
    fake.script("/forget", [{"delay": 0.3}] * 6)
    client = PartnerClient(fake.url)

    slow = [client.send(ERASURE, Deadline.after(0.05)) for _ in range(6)]
    time.sleep(0.4)

    assert slow == [Retry("read_timeout")] * 6
    assert isinstance(client.send(ERASURE, Deadline.after(2)), Delivered)


def test_items_that_the_partner_did_not_take_come_with_the_outcome(fake: SamplePartner) -> None:
    fake.script("/forget", [{"status": 207, "body": {"not_taken": [[1, 422]]}}])

    outcome = PartnerClient(fake.url, failures=failures).send(ERASURE, Deadline.after(2))

    assert isinstance(outcome, Delivered)
    assert outcome.failures == {1: Rejected("http_422")}


def test_items_that_nobody_can_tell_are_no_success(fake: SamplePartner) -> None:
    fake.script("/forget", [{"status": 207, "body": {"not_taken": "some"}}])

    assert PartnerClient(fake.url, failures=failures).send(ERASURE, Deadline.after(2)) == Retry("malformed_answer")


def test_nothing_is_sent_when_there_is_no_time_left(fake: SamplePartner) -> None:
    assert isinstance(send(fake.url, seconds=0), Retry)
    assert fake.requests == ()


def test_a_partner_that_is_down_is_a_retry() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    assert send(f"http://127.0.0.1:{port}") == Retry("refused")


def test_a_partner_without_the_right_certificate_is_a_retry_and_gets_no_key() -> None:
    with raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as url:
        outcome = send(url.replace("http://", "https://"))

    assert outcome == Retry("tls")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "reset"),
        (b"I am no HTTP\r\n\r\n", "malformed_answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", "reset"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "malformed_answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc", "malformed_answer"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (2 * MAX_ANSWER_BYTES) + b" " * (2 * MAX_ANSWER_BYTES),
            "oversized_answer",
        ),
    ],
    ids=["closed", "no-http", "cut-off", "broken-chunks", "broken-gzip", "oversized"],
)
def test_an_answer_that_cannot_be_used_is_a_retry(answer: bytes, reason: str) -> None:
    with raw_server(answer) as url:
        assert send(url) == Retry(reason)


@pytest.mark.parametrize(
    "body", [b"", b"[1]", b"not json", b'"text"', b"[" * 100_000], ids=["empty", "list", "text", "string", "deep"]
)
def test_a_success_needs_no_readable_body(body: bytes) -> None:
    with raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body) as url:
        assert send(url) == Delivered({})


def test_connections_are_reused(fake: SamplePartner) -> None:
    client = PartnerClient(fake.url)

    for _ in range(5):
        client.send(ERASURE, Deadline.after(2))

    assert fake.connections == 1


def test_a_base_url_may_have_a_path(fake: SamplePartner) -> None:
    send(f"{fake.url}/tenant")

    assert [request.path for request in fake.requests] == ["/tenant/forget"]


def test_answers_that_drip_for_ever_do_not_keep_later_calls_waiting() -> None:
    served: list[threading.Thread] = []

    def drip(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
            while True:
                connection.sendall(b"x")
                time.sleep(0.02)

    def answer(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            connection.recv(65536)

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for behave in [drip] * 6 + [answer]:
                served.append(threading.Thread(target=behave, args=[listener.accept()[0]]))
                served[-1].start()

        accepting = threading.Thread(target=serve)
        accepting.start()
        client = PartnerClient(f"http://127.0.0.1:{listener.getsockname()[1]}")

        outcomes = [client.send(ERASURE, Deadline.after(0.1)) for _ in range(6)]
        last = client.send(ERASURE, Deadline.after(2))

        client.hang_up()
        for thread in [accepting, *served]:
            thread.join()

    assert outcomes == [Retry("read_timeout")] * 6
    assert isinstance(last, Delivered)


def test_neither_key_nor_body_is_shown() -> None:
    assert "canary" not in repr(ERASURE)


@pytest.mark.parametrize("verdict", [Verdict.REJECTED, Verdict.DELIVERED])
def test_our_own_deadline_is_a_retry_whatever_the_policy_says(fake: SamplePartner, verdict: Verdict) -> None:
    policy = RetryPolicy(dict.fromkeys((NetworkFault.CONNECT_TIMEOUT, NetworkFault.READ_TIMEOUT), verdict))
    client = PartnerClient(fake.url, policy)

    assert client.send(ERASURE, Deadline.after(0)) == Retry("connect_timeout")
