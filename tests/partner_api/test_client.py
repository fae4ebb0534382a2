"""Calls over real connections: what is sent, and what each answer or fault becomes."""

import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from decimal import Decimal
from typing import Any

import pytest

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.errors import IntegrationError
from mparticle_firehose.integration import (
    Answer,
    Bearer,
    Header,
    Json,
    NetworkFault,
    OAuth2,
    Outcome,
    PartnerCall,
    Query,
    Rejected,
    Retry,
    Verdict,
)
from mparticle_firehose.partner_api.client import PartnerClient
from mparticle_firehose.partner_api.retry_policy import RetryPolicy
from mparticle_firehose.partner_api.sites import Site
from mparticle_firehose.partner_api.transport import MAX_ANSWER_BYTES, MAX_CALLERS
from tests.partner_api.doubles import MOMENT, Bench, Partner, Received, Reply, raw_server

ERASURE = PartnerCall(
    path="/forget", auth=Header("X-Sample-Token", "canary-secret-key"), body=Json({"email": "canary-pii@example.com"})
)


@pytest.fixture
def partner() -> Iterator[Partner]:
    with Partner() as server:
        yield server


def ask(client: PartnerClient, call: PartnerCall = ERASURE, seconds: float = 5.0) -> Answer | Outcome:
    return client.ask(call, Deadline.after(seconds), identity="k1", correlation_id="r1 r2")


def ask_at(url: str, call: PartnerCall = ERASURE, seconds: float = 5.0) -> Answer | Outcome:
    return ask(Bench(url).client, call, seconds)


def status_of(asked: Answer | Outcome) -> int:
    assert isinstance(asked, Answer)
    return asked.status


def side_by_side(client: PartnerClient, seconds: float) -> list[Answer | Outcome]:
    """Make as many calls at a time as there can be."""
    asked: list[Answer | Outcome] = []
    threads = [threading.Thread(target=lambda: asked.append(ask(client, seconds=seconds))) for _ in range(MAX_CALLERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return asked


@contextmanager
def full_backlog() -> Iterator[str]:
    """Listen at an address, and accept nothing: further connections wait until their time is up."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def test_a_call_arrives_whole(partner: Partner) -> None:
    call = PartnerCall(
        method="PUT", path="/forget/a%2Fb", query={"dry": "no"}, auth=ERASURE.auth, body=ERASURE.body, gzip=False
    )
    ask_at(partner.url, call)

    (received,) = partner.received
    assert (received.method, received.target) == ("PUT", "/forget/a%2Fb?dry=no")
    assert json.loads(received.body) == {"email": "canary-pii@example.com"}
    headers = dict(received.headers)
    assert len(headers.pop("Idempotency-Key")) == 64
    assert headers == {
        "Host": partner.url.removeprefix("http://"),
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "Content-Length": str(len(received.body)),
        "Content-Type": "application/json",
        "Correlation-Id": "r1 r2",
        "User-Agent": "mparticle-firehose",
        "X-Sample-Token": "canary-secret-key",
    }


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_every_method_can_go_with_and_without_a_body(partner: Partner, method: str) -> None:
    client = Bench(partner.url).client

    statuses = [status_of(ask(client, PartnerCall(method=method, path="/x", body=body))) for body in (None, Json(1))]

    assert statuses == [200, 200]
    assert [(each.method, each.body) for each in partner.received] == [(method, b""), (method, b"1")]


def test_a_base_url_may_have_a_path(partner: Partner) -> None:
    ask_at(f"{partner.url}/tenant")

    assert [received.target for received in partner.received] == ["/tenant/forget"]


def test_each_site_is_called_at_its_own_address_and_by_its_own_name() -> None:
    with Partner() as first, Partner() as second:
        sites = {"eu": Site(f"{second.url}/eu", "api.eu.example.com:8443"), "us": Site(second.url)}
        client = Bench(first.url, more_sites=sites).client
        for site in (None, "", "eu", "us"):
            ask(client, PartnerCall(site=site, path="/x"))

    assert [each.target for each in first.received] == ["/x", "/x"]
    assert [(each.target, each.headers["Host"]) for each in second.received] == [
        ("/eu/x", "api.eu.example.com:8443"),
        ("/x", second.url.removeprefix("http://")),
    ]


@pytest.mark.parametrize(
    "call",
    [
        PartnerCall(site="mars", path="/x"),
        PartnerCall(
            path="/x", auth=OAuth2.refresh_token("r", path="/t", client_id="i", client_secret="s", site="mars")
        ),
    ],
    ids=["call", "token"],
)
def test_a_site_that_is_not_listed_is_not_called(partner: Partner, call: PartnerCall) -> None:
    with pytest.raises(IntegrationError, match=r"^site: a call must name one of the integration's sites$"):
        ask_at(partner.url, call)

    assert partner.received == []


@pytest.mark.parametrize("status", [200, 201, 204, 207, 302, 400, 401, 403, 404, 413, 422, 429, 500, 503, 599])
def test_an_answer_is_handed_over_whatever_its_status(partner: Partner, status: int) -> None:
    partner.answer = lambda _: Reply(status, b'{"id":"a"}', {"Retry-After": "7", "Location": "/elsewhere"})
    client = Bench(partner.url).client

    answer = ask(client)

    assert isinstance(answer, Answer)
    assert (answer.status, answer.received_at) == (status, MOMENT)
    assert answer.body == (None if status == 204 else {"id": "a"})
    assert answer.headers["retry-after"] == "7"
    assert answer.headers["location"] == "/elsewhere"
    assert len(partner.received) == 1


@pytest.mark.parametrize(
    ("content", "body"),
    [
        (b"", None),
        (b"[1]", [1]),
        (b'"text"', "text"),
        (b"not json", None),
        (b"[" * 100_000, None),
        (b"1" * 5_000, None),
        (b'{"a": "\xff"}', None),
        ('{"a": "é"}'.encode("utf-16"), {"a": "é"}),
    ],
    ids=["empty", "list", "string", "text", "deep", "huge", "latin", "utf-16"],
)
def test_a_body_is_read_if_it_is_json(partner: Partner, content: bytes, body: object) -> None:
    partner.answer = lambda _: Reply(200, content)

    answer = ask_at(partner.url)

    assert isinstance(answer, Answer)
    assert answer.body == body


def test_headers_that_come_twice_are_joined(partner: Partner) -> None:
    with raw_server(b"HTTP/1.1 200 OK\r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 0\r\n\r\n") as url:
        answer = ask_at(url)

    assert isinstance(answer, Answer)
    assert answer.headers == {"x-a": "1, 2", "content-length": "0"}


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (PartnerCall(path="/x", body=Json({"a": Decimal(1)})), "body_not_json"),  # type: ignore[dict-item]  # on purpose
        (PartnerCall(path="/x", auth=Bearer("canary-\n")), "header_not_ascii"),
        (PartnerCall(path="/x", headers={"X-A": "é"}), "header_not_ascii"),
        (PartnerCall(path="/x", query={"a": "\ud800"}), "query_not_utf8"),
        (PartnerCall(method="DELETE", path="/audiences/.."), "path_segment"),
    ],
    ids=["body", "credential", "header", "query", "path"],
)
def test_a_value_that_cannot_be_sent_is_rejected_without_a_call(
    partner: Partner, call: PartnerCall, reason: str
) -> None:
    assert ask_at(partner.url, call) == Rejected(reason)
    assert partner.connections == 0


def test_a_partner_that_is_down_is_a_fault() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    assert ask_at(f"http://127.0.0.1:{port}") == Retry("refused")


def test_a_name_that_nobody_knows_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    assert ask_at("http://partner.invalid") == Retry("dns")


def test_a_partner_that_speaks_no_tls_is_a_fault_and_gets_no_key() -> None:
    with raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as url:
        assert ask_at(url.replace("http://", "https://")) == Retry("tls")


UNUSABLE: dict[str, tuple[bytes, NetworkFault]] = {
    "closed": (b"", NetworkFault.RESET),
    "no-http": (b"I am no HTTP\r\n\r\n", NetworkFault.MALFORMED_ANSWER),
    "cut-off": (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", NetworkFault.RESET),
    "cut-off-after-the-status": (b"HTTP/1.1 200 OK\r\n", NetworkFault.RESET),
    "cut-off-in-a-header": (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Le", NetworkFault.RESET),
    "cut-off-before-the-blank-line": (b"HTTP/1.1 202 OK\r\nContent-Length: 0\r\n", NetworkFault.RESET),
    "broken-chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", NetworkFault.MALFORMED_ANSWER),
    "broken-gzip": (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
        NetworkFault.MALFORMED_ANSWER,
    ),
    "two-lengths": (b"HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\nabc", NetworkFault.MALFORMED_ANSWER),
    "many-headers": (b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 200 + b"\r\n", NetworkFault.MALFORMED_ANSWER),
    "oversized": (
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (2 * MAX_ANSWER_BYTES) + b" " * (2 * MAX_ANSWER_BYTES),
        NetworkFault.OVERSIZED_ANSWER,
    ),
}


@pytest.mark.parametrize("name", UNUSABLE)
@pytest.mark.parametrize("verdict", [Verdict.RETRY, Verdict.REJECTED])
def test_an_answer_that_cannot_be_used_is_judged_by_the_table(name: str, verdict: Verdict) -> None:
    answer, fault = UNUSABLE[name]
    outcome = {Verdict.RETRY: Retry, Verdict.REJECTED: Rejected}[verdict](fault.value)

    with raw_server(answer) as url:
        assert ask(Bench(url, policy=RetryPolicy({fault: verdict})).client) == outcome


def test_an_interim_answer_is_no_success_and_does_not_shift_the_answers_that_follow() -> None:
    def serve(listener: socket.socket, answers: list[bytes]) -> None:
        for answer in answers:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                while connection.recv(65536):
                    connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        early = b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"
        answers = [early, b"HTTP/1.1 202 OK\r\nContent-Length: 0\r\n\r\n"]
        thread = threading.Thread(target=serve, args=(listener, answers))
        thread.start()
        client = Bench(f"http://127.0.0.1:{listener.getsockname()[1]}").client

        statuses = [status_of(ask(client)), status_of(ask(client))]

        client.hang_up()
        thread.join()

    assert statuses == [103, 202]


def test_connections_are_reused(partner: Partner) -> None:
    client = Bench(partner.url).client

    for _ in range(5):
        ask(client)

    assert partner.connections == 1


def test_after_hanging_up_the_next_call_connects_anew(partner: Partner) -> None:
    client = Bench(partner.url).client

    statuses = [status_of(ask(client))]
    client.hang_up()
    statuses.append(status_of(ask(client)))

    assert (statuses, partner.connections) == ([200, 200], 2)


def test_several_threads_call_side_by_side_over_connections_that_are_kept(partner: Partner) -> None:
    together = threading.Barrier(MAX_CALLERS)

    def answer(_: Received) -> Reply:
        together.wait(5)  # breaks if fewer calls run at a time
        return Reply()

    partner.answer = answer
    client = Bench(partner.url).client
    asked = [*side_by_side(client, 5), *side_by_side(client, 5)]

    assert [status_of(each) for each in asked] == [200] * 2 * MAX_CALLERS
    assert partner.connections == MAX_CALLERS


@pytest.mark.parametrize("level", [logging.WARNING, logging.DEBUG])
def test_nothing_of_a_call_is_logged(level: int, caplog: pytest.LogCaptureFixture) -> None:
    call = PartnerCall(path="/canary-path", query={"q": "canary-query"}, auth=Query("key", "canary-key"), body=Json(1))
    caplog.set_level(level)

    with raw_server(b"HTTP/1.1 200 OK\r\nno header at all\r\nContent-Length: 0\r\n\r\n") as url:
        ask_at(url, call)

    assert "canary" not in caplog.text
    assert [record.name for record in caplog.records if record.levelno > logging.DEBUG] == []


class TestDeadline:
    """What is not over when the time is up."""

    def test_a_partner_that_hangs_costs_no_more_than_the_deadline(self, partner: Partner) -> None:
        partner.answer = lambda _: Reply(delay=30)
        started = time.monotonic()

        outcome = ask_at(partner.url, seconds=0.5)

        assert outcome == Retry("read_timeout")
        assert 0.4 < time.monotonic() - started < 10

    @pytest.mark.parametrize(
        "drops",
        [
            [b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", *[b" "] * 500],
            [b"HTTP/1.1 200 OK\r\n", *[b"X-Drop: 1\r\n"] * 500],
        ],
        ids=["body", "headers"],
    )
    def test_an_answer_that_drips_costs_no_more_than_the_deadline(self, drops: list[bytes]) -> None:
        with raw_server(*drops, pause=0.05) as url:
            client = Bench(url).client
            started = time.monotonic()
            outcome = ask(client, seconds=0.5)
            elapsed = time.monotonic() - started
            client.hang_up()

        assert outcome == Retry("read_timeout")
        assert elapsed < 10

    def test_a_call_that_was_given_up_is_no_burden_for_the_next(self, partner: Partner) -> None:
        partner.answer = lambda _: Reply(delay=30)
        client = Bench(partner.url).client

        slow = [*side_by_side(client, 0.5), *side_by_side(client, 0.5)]
        partner.answer = lambda _: Reply()

        assert slow == [Retry("read_timeout")] * 2 * MAX_CALLERS
        assert status_of(ask(client)) == 200

    def test_a_late_answer_leaves_a_connection_for_the_next_call(self, partner: Partner) -> None:
        partner.answer = lambda received: Reply(delay=0.6 if received.target == "/slow" else 0)
        client = Bench(partner.url).client

        late = ask(client, PartnerCall(path="/slow"), seconds=0.3)
        time.sleep(1)
        next_one = ask(client, PartnerCall(path="/next"))

        assert late == Retry("read_timeout")
        assert status_of(next_one) == 200
        assert partner.connections == 1

    def test_the_next_call_does_not_wait_for_a_late_answer_nor_take_it_for_its_own(self, partner: Partner) -> None:
        partner.answer = lambda received: Reply(
            body=json.dumps(received.target).encode(), delay=0.6 if received.target == "/slow" else 0
        )
        client = Bench(partner.url).client

        late = ask(client, PartnerCall(path="/slow"), seconds=0.3)
        following = [ask(client, PartnerCall(path=f"/{number}")) for number in range(3)]
        time.sleep(0.8)
        afterwards = [ask(client, PartnerCall(path=f"/{number}")) for number in range(3)]

        assert late == Retry("read_timeout")
        assert [each.body for each in [*following, *afterwards] if isinstance(each, Answer)] == ["/0", "/1", "/2"] * 2

    def test_an_answer_that_comes_too_late_even_for_that_ends_its_connection(
        self, partner: Partner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("mparticle_firehose.partner_api.client.LATE_SECONDS", 0.1)
        partner.answer = lambda received: Reply(delay=0.8 if received.target == "/slow" else 0)
        client = Bench(partner.url).client

        late = ask(client, PartnerCall(path="/slow"), seconds=0.3)
        time.sleep(0.8)
        next_one = ask(client, PartnerCall(path="/next"))

        assert late == Retry("read_timeout")
        assert status_of(next_one) == 200
        assert partner.connections == 2

    def test_answers_that_drip_for_ever_do_not_keep_later_calls_waiting(self) -> None:
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
                for behave in [drip] * MAX_CALLERS + [answer]:
                    served.append(threading.Thread(target=behave, args=[listener.accept()[0]]))
                    served[-1].start()

            accepting = threading.Thread(target=serve)
            accepting.start()
            client = Bench(f"http://127.0.0.1:{listener.getsockname()[1]}").client

            outcomes = side_by_side(client, 0.5)
            last = ask(client)

            client.hang_up()
            for thread in [accepting, *served]:
                thread.join()

        assert outcomes == [Retry("read_timeout")] * MAX_CALLERS
        assert status_of(last) == 200

    def test_a_partner_that_reads_nothing_costs_no_more_than_the_deadline(self) -> None:
        call = PartnerCall(path="/x", body=Json("x" * 15_000_000))
        with socket.create_server(("127.0.0.1", 0)) as listener:
            started = time.monotonic()
            outcome = ask_at(f"http://127.0.0.1:{listener.getsockname()[1]}", call, seconds=1.5)
            elapsed = time.monotonic() - started

        assert outcome == Retry("read_timeout")
        assert elapsed < 10

    def test_a_call_that_is_given_up_does_not_disturb_the_others(self, partner: Partner) -> None:
        has_arrived, may_be_answered = threading.Event(), threading.Event()

        def answer(_: Received) -> Reply:
            has_arrived.set()
            assert may_be_answered.wait(5)
            return Reply()

        partner.answer = answer
        with raw_server(b"HTTP/1.1 200 OK\r\n", *[b"X-Drop: 1\r\n"] * 500, pause=0.02) as dripping:
            client = Bench(partner.url, more_sites={"dripping": Site(dripping)}).client
            asked: list[Answer | Outcome] = []
            other = threading.Thread(target=lambda: asked.append(ask(client)))
            other.start()
            assert has_arrived.wait(5)

            given_up = ask(client, PartnerCall(site="dripping", path="/x"), seconds=0.5)
            may_be_answered.set()
            other.join()

        assert given_up == Retry("read_timeout")
        assert [status_of(each) for each in asked] == [200]

    def test_a_slow_upload_has_as_much_time_as_the_call(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("mparticle_firehose.partner_api.transport.CONNECT_SECONDS", 0.1)
        size = 30_000_000

        def read_late(listener: socket.socket) -> None:
            connection, _ = listener.accept()
            with connection:
                time.sleep(0.4)
                left = size
                while left > 0:
                    left -= len(connection.recv(1 << 20))
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        with socket.create_server(("127.0.0.1", 0)) as listener:
            thread = threading.Thread(target=read_late, args=(listener,))
            thread.start()
            call = PartnerCall(path="/x", body=Json("x" * size))
            answer = ask_at(f"http://127.0.0.1:{listener.getsockname()[1]}", call, seconds=30)
            thread.join()

        assert status_of(answer) == 200

    @pytest.mark.parametrize("verdict", [Verdict.REJECTED, Verdict.DELIVERED])
    def test_our_own_deadline_is_a_retry_whatever_the_policy_says(self, partner: Partner, verdict: Verdict) -> None:
        partner.answer = lambda _: Reply(delay=30)
        policy = RetryPolicy(dict.fromkeys((NetworkFault.CONNECT_TIMEOUT, NetworkFault.READ_TIMEOUT), verdict))
        client = Bench(partner.url, policy=policy).client

        assert [ask(client, seconds=seconds) for seconds in (0, 0.5)] == [
            Retry("out_of_time", 0),
            Retry("read_timeout"),
        ]


class TestOutOfTime:
    """Of what was given up before its first byte, the partner gets nothing, then or later."""

    def test_nothing_is_sent_when_there_is_no_time_left(self, partner: Partner) -> None:
        assert ask_at(partner.url, seconds=0) == Retry("out_of_time", 0)
        assert partner.connections == 0

    @pytest.mark.parametrize("scheme", ["http", "https"])
    def test_a_name_server_that_takes_too_long_leads_to_no_request_later(
        self, scheme: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        is_given_up = threading.Event()
        resolve = socket.getaddrinfo

        def slowly(host: str, *rest: Any, **options: Any) -> Any:
            assert is_given_up.wait(5)
            return resolve("127.0.0.1", *rest, **options)

        monkeypatch.setattr(socket, "getaddrinfo", slowly)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            client = Bench(f"{scheme}://partner.test:{listener.getsockname()[1]}").client

            outcome = ask(client, seconds=0.15)
            is_given_up.set()
            connection, _ = listener.accept()  # the thread that was given up comes this far
            with connection:
                received = connection.recv(65536)

        assert outcome == Retry("out_of_time", 0)
        assert received == b""

    def test_the_same_name_server_leads_to_a_request_while_there_is_time(
        self, partner: Partner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        resolve = socket.getaddrinfo

        def slowly(host: str, *rest: Any, **options: Any) -> Any:
            time.sleep(0.15)
            return resolve("127.0.0.1", *rest, **options)

        monkeypatch.setattr(socket, "getaddrinfo", slowly)

        assert status_of(ask_at(partner.url.replace("127.0.0.1", "partner.test"))) == 200

    def test_a_call_that_waits_for_a_free_thread_is_not_sent_later(self, partner: Partner) -> None:
        release = threading.Event()

        def answer(_: Received) -> Reply:
            release.wait(5)
            return Reply()

        partner.answer = answer
        client = Bench(partner.url).client
        busy = [threading.Thread(target=ask, args=(client, PartnerCall(path="/busy"))) for _ in range(MAX_CALLERS)]
        for thread in busy:
            thread.start()
        while len(partner.received) < MAX_CALLERS:
            time.sleep(0.005)

        outcome = ask(client, PartnerCall(path="/late"), seconds=0.1)
        release.set()
        for thread in busy:
            thread.join()
        last = [ask(client, PartnerCall(path="/last")) for _ in range(MAX_CALLERS)]

        assert (outcome, {status_of(each) for each in last}) == (Retry("out_of_time", 0), {200})
        assert {each.target for each in partner.received} == {"/busy", "/last"}

    @pytest.mark.parametrize("scheme", ["http", "https"])
    def test_a_connection_that_does_not_come_in_time_is_no_attempt(self, scheme: str) -> None:
        with full_backlog() as address:
            assert ask_at(f"{scheme}://{address}", seconds=0.2) == Retry("out_of_time", 0)

    def test_a_handshake_that_does_not_come_in_time_is_no_attempt(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"https://127.0.0.1:{silent.getsockname()[1]}"
            assert ask_at(url, seconds=0.2) == Retry("out_of_time", 0)

    def test_a_connection_that_does_not_come_in_any_usual_time_is_a_fault(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("mparticle_firehose.partner_api.transport.CONNECT_SECONDS", 0.2)
        with full_backlog() as address:
            assert ask_at(f"http://{address}", seconds=30) == Retry("connect_timeout")
