"""What was given up is not sent later, and what it leaves behind is bounded: over real connections."""

import gc
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from urllib3.util import connection as urllib3_connection

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.integration import Answer, Json, OAuth2, Outcome, PartnerCall, Retry
from mparticle_firehose.partner_api.client import PartnerClient
from mparticle_firehose.partner_api.sites import Site
from mparticle_firehose.partner_api.transport import MAX_CALLERS, Transfer
from tests.partner_api.doubles import Bench, Partner, Received
from tests.partner_api.test_tls import certificate

TOKEN = OAuth2.client_credentials(path="/token", client_id="i", client_secret="canary-s")


@dataclass
class Resolver:
    """A name server in whose zone every name is this machine, and that takes its time for some names."""

    slow: dict[str, float] = field(default_factory=dict)
    ended: list[str] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.resolve = socket.getaddrinfo

    def __call__(self, host: str, *rest: Any, **options: Any) -> Any:
        if seconds := self.slow.get(host):
            self.released.wait(seconds)
            self.ended.append(host)
        return self.resolve("127.0.0.1", *rest, **options)


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Resolver]:
    resolving = Resolver()
    monkeypatch.setattr(socket, "getaddrinfo", resolving)
    yield resolving
    resolving.released.set()


@pytest.fixture
def partner() -> Iterator[Partner]:
    with Partner() as server:
        yield server


def named(partner: Partner, name: str) -> str:
    return partner.url.replace("127.0.0.1", name)


def ask(client: PartnerClient, path: str = "/x", seconds: float = 5.0, **fields: Any) -> Answer | Outcome:
    call = PartnerCall(path=path, body=Json({}), **fields)
    return client.ask(call, Deadline.after(seconds), identity=path, correlation_id="r1")


def status_of(asked: Answer | Outcome) -> int | Outcome:
    return asked.status if isinstance(asked, Answer) else asked


def wait_until(condition: Any) -> None:
    limit = time.monotonic() + 10
    while not condition() and time.monotonic() < limit:
        time.sleep(0.005)


def calling_threads() -> int:
    return sum(thread.name.startswith(("partner-call", "token-request")) for thread in threading.enumerate())


def transfers() -> int:
    """Return how many calls are still held in memory."""
    gc.collect()
    return sum(isinstance(each, Transfer) for each in gc.get_objects())


def targets(received: list[Received]) -> list[str]:
    return [each.target for each in received]


def test_a_join_whose_lookup_takes_too_long_is_not_sent_after_the_leave(partner: Partner, resolver: Resolver) -> None:
    resolver.slow["partner.test"] = 1.5
    client = Bench(named(partner, "partner.test")).client
    started = time.monotonic()

    join = ask(client, "/join", 0.15)
    took = time.monotonic() - started
    resolver.slow.clear()
    leave = ask(client, "/leave")
    wait_until(lambda: resolver.ended == ["partner.test"])
    later = [ask(client, "/later") for _ in range(MAX_CALLERS + 1)]

    assert (join, status_of(leave)) == (Retry("out_of_time", 0), 200)
    assert took < 1
    assert time.monotonic() - started >= 1.5
    assert {status_of(each) for each in later} == {200}
    assert targets(partner.received) == ["/leave", *["/later"] * (MAX_CALLERS + 1)]


class TestStuckLookups:
    """Nothing ends a thread that waits for the name server."""

    @pytest.fixture
    def client(self, partner: Partner, resolver: Resolver) -> PartnerClient:
        resolver.slow["stuck.test"] = 60
        return Bench(named(partner, "stuck.test"), more_sites={"eu": Site(partner.url)}).client

    def test_they_occupy_a_bounded_number_of_threads_and_further_calls_are_refused_at_once(
        self, client: PartnerClient, partner: Partner
    ) -> None:
        before, held, started = calling_threads(), transfers(), time.monotonic()
        asked = [ask(client, seconds=0.15) for _ in range(200)]
        elapsed = time.monotonic() - started
        left = transfers() - held

        given_up = asked.count(Retry("out_of_time", 0))  # more than the threads, if one starts late
        assert asked == [Retry("out_of_time", 0)] * given_up + [Retry("dns")] * (200 - given_up)
        assert MAX_CALLERS <= given_up < 50
        assert calling_threads() - before <= MAX_CALLERS
        assert left <= MAX_CALLERS
        assert elapsed < 15  # and not 200 times the deadline
        assert partner.received == []

    def test_calls_at_the_same_time_leave_nothing_behind_either(self, client: PartnerClient, partner: Partner) -> None:
        before, held = calling_threads(), transfers()
        asked: list[Answer | Outcome] = []
        threads = [threading.Thread(target=lambda: asked.append(ask(client, seconds=0.15))) for _ in range(200)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        del threads
        left = transfers() - held

        assert set(map(str, asked)) <= {str(Retry("out_of_time", 0)), str(Retry("dns"))}
        assert len(asked) == 200
        assert calling_threads() - before <= MAX_CALLERS
        assert left <= MAX_CALLERS
        assert partner.received == []

    def test_calls_to_another_site_are_made(self, client: PartnerClient, partner: Partner) -> None:
        wait_until(lambda: ask(client, seconds=0.05) == Retry("dns"))

        assert [status_of(ask(client, site="eu")) for _ in range(3)] == [200] * 3

    def test_calls_are_made_again_when_they_end(
        self, client: PartnerClient, partner: Partner, resolver: Resolver
    ) -> None:
        wait_until(lambda: ask(client, "/stuck", seconds=0.05) == Retry("dns"))
        refused = ask(client)
        resolver.slow.clear()
        resolver.released.set()
        wait_until(lambda: len(resolver.ended) == MAX_CALLERS)
        wait_until(lambda: isinstance(ask(client), Answer))

        assert refused == Retry("dns")
        assert set(targets(partner.received)) == {"/x"}

    def test_token_requests_are_bounded_too(
        self, partner: Partner, resolver: Resolver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("mparticle_firehose.partner_api.client.TOKEN_SECONDS", 0.02)
        resolver.slow["stuck.test"] = 60
        client = Bench(named(partner, "stuck.test")).client
        before = calling_threads()
        asked = [ask(client, auth=TOKEN, seconds=0.02) for _ in range(100)]

        assert {type(each) for each in asked} == {Retry}
        assert Retry("oauth_network_dns") in asked
        assert calling_threads() - before <= 2 * MAX_CALLERS


class TestConnectionsThatComeLate:
    """A connection, a handshake or a send that ends after the deadline carries no byte of the call."""

    @pytest.fixture(params=["http", "https"])
    def scheme(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    def test_a_connection(self, scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
        connect = urllib3_connection.create_connection

        def late(*arguments: Any, **options: Any) -> socket.socket:
            connected = connect(*arguments, **options)
            time.sleep(0.3)
            return connected

        monkeypatch.setattr(urllib3_connection, "create_connection", late)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            outcome = ask(Bench(f"{scheme}://127.0.0.1:{listener.getsockname()[1]}").client, seconds=0.15)
            connection, _ = listener.accept()
            with connection:
                received = connection.recv(65536)

        assert (outcome, received) == (Retry("out_of_time", 0), b"")

    def test_a_handshake(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        file = certificate(tmp_path, "127.0.0.1")
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        received: list[bytes] = []

        def serve(listener: socket.socket) -> None:
            connection, _ = listener.accept()
            time.sleep(0.3)
            with connection, suppress(OSError), context.wrap_socket(connection, server_side=True) as secured:
                received.append(secured.recv(65536))

        with socket.create_server(("127.0.0.1", 0)) as listener:
            thread = threading.Thread(target=serve, args=(listener,))
            thread.start()
            outcome = ask(Bench(f"https://127.0.0.1:{listener.getsockname()[1]}").client, seconds=0.15)
            thread.join()

        assert outcome == Retry("out_of_time", 0)
        assert received in ([], [b""])

    @pytest.mark.parametrize("is_slow", [True, False], ids=["slow", "control"])
    def test_a_send(self, is_slow: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        send = socket.socket.sendall

        def slowly(connected: socket.socket, *arguments: Any) -> None:
            time.sleep(0.4 if is_slow else 0)
            send(connected, *arguments)

        monkeypatch.setattr(socket.socket, "sendall", slowly)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            outcome = ask(Bench(f"http://127.0.0.1:{listener.getsockname()[1]}").client, seconds=0.15)
            connection, _ = listener.accept()
            with connection:
                time.sleep(0.5 if is_slow else 0)
                received = connection.recv(65536)

        assert outcome == Retry("read_timeout")
        assert bool(received) is not is_slow
