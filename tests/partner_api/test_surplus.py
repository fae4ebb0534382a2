"""Bytes that are no part of a call's one answer: none of them becomes the answer of another call.

What comes only when the next call has been written cannot be told from that call's answer.
"""

import json
import socket
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import pytest

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.errors import DeliveryError
from mparticle_firehose.integration import Answer, Exchange, Json, Outcome, PartnerCall, Retry
from mparticle_firehose.partner_api.client import PartnerClient
from mparticle_firehose.processors import process
from mparticle_firehose.protocol import AudienceSubscriptionRequest
from tests.conftest import ServicesDouble, load_event, parsed
from tests.partner_api.doubles import Bench
from tests.partner_api.test_tls import certificate
from tests.sample.partner.integration import INTEGRATION

type Piece = tuple[float, bytes]
"""Seconds to wait, and what is sent then."""

CALL = PartnerCall(path="/x", body=Json({}))


def final(status: int, body: bytes = b"", head: bytes = b"") -> bytes:
    return b"HTTP/1.1 %d Final\r\n%sContent-Length: %d\r\n\r\n%s" % (status, head, len(body), body)


def interim(*statuses: int) -> bytes:
    return b"".join(b"HTTP/1.1 %d Interim\r\nLink: </a>\r\n\r\n" % status for status in statuses)


class Scripted:
    """A partner that sends to each request what a script says, whatever connection the request comes over."""

    def __init__(self, *scripts: Sequence[Piece], tls: ssl.SSLContext | None = None) -> None:
        self.scripts = list(scripts)
        self.tls = tls
        self.connections = 0
        self.served: list[int] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> Self:
        self._begin(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        for each in [self._listener, *self._sockets]:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join()
        for each in [self._listener, *self._sockets]:
            each.close()

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self._listener.getsockname()[1]}"

    def _begin(self, act: Any, *arguments: object) -> None:
        self._threads.append(threading.Thread(target=act, args=arguments))
        self._threads[-1].start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._begin(self._serve, connection, self.connections)
                self.connections += 1

    def _serve(self, connection: socket.socket, number: int) -> None:
        with suppress(OSError):
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
            self._sockets.append(connection)
            while self._receives(connection):
                self.served.append(number)
                for seconds, piece in self.scripts.pop(0):
                    time.sleep(seconds)
                    connection.sendall(piece)

    @staticmethod
    def _receives(connection: socket.socket) -> bool:
        """Receive a whole request with a body; return whether there was one."""
        request = b""
        while not (head := request.partition(b"\r\n\r\n"))[2] or len(head[2]) < _length(head[0]):
            if not (received := connection.recv(65536)):
                return False
            request += received
        return True


def _length(head: bytes) -> int:
    return int(head.lower().partition(b"content-length:")[2].split()[0])


@pytest.fixture(params=["http", "https"])
def tls(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext | None:
    if request.param == "http":
        return None
    file = certificate(tmp_path, "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def ask(client: PartnerClient, seconds: float = 5.0) -> Answer | Outcome:
    return client.ask(CALL, Deadline.after(seconds), identity="k1", correlation_id="r1")


def status_of(asked: Answer | Outcome) -> int | str:
    return asked.status if isinstance(asked, Answer) else getattr(asked, "reason", "")


def test_the_answer_that_follows_an_interim_one_late_is_not_taken_for_the_next_calls(
    tls: ssl.SSLContext | None,
) -> None:
    scripts = [(0, interim(103)), (0.3, final(202))], [(0, final(422))]
    with Scripted(*scripts, tls=tls) as partner:
        client = Bench(partner.url).client
        first, second = ask(client), ask(client)
        time.sleep(0.4)
        partner.scripts.append([(0, final(200))])
        third = ask(client)
        client.hang_up()

    assert [status_of(each) for each in (first, second, third)] == [103, 422, 200]
    assert partner.served == [0, 1, 1]


@pytest.mark.parametrize(
    "statuses", [[100], [102], [103], [101], [100, 102, 103], [103, 102, 100], [103] * 20], ids=str
)
@pytest.mark.parametrize("pause", [0.0, 0.2], ids=["at-once", "later"])
def test_interim_answers_are_no_success_and_shift_nothing(statuses: list[int], pause: float) -> None:
    script: list[Piece] = [(0, interim(*statuses)), (pause, final(202))]
    with Scripted(script, [(0, final(422))]) as partner:
        client = Bench(partner.url).client
        asked = [status_of(ask(client)) for _ in range(2)]
        client.hang_up()

    after_continue = [status for status in statuses if status != 100]
    assert asked == [after_continue[0] if after_continue else 202, 422]
    assert partner.served == ([0, 1] if after_continue else [0, 0])


@pytest.mark.parametrize("status", [100, 102, 103])
def test_a_final_answer_that_comes_after_the_deadline_is_nobodys(status: int) -> None:
    with Scripted([(0, interim(status)), (0.6, final(202))], [(0, final(422))]) as partner:
        client = Bench(partner.url).client
        first = ask(client, 0.2)
        time.sleep(0.6)
        second = ask(client)
        client.hang_up()

    assert first == Retry("read_timeout") if status == 100 else status_of(first) == status
    assert status_of(second) == 422
    assert partner.served == ([0, 0] if status == 100 else [0, 1])  # a 100 belongs to the answer that ends it


def test_interim_answers_for_ever_cost_no_more_than_the_deadline() -> None:
    with Scripted([(0, interim(100)), *[(0.02, interim(100))] * 100], [(0, final(422))]) as partner:
        client = Bench(partner.url).client
        started = time.monotonic()
        first = ask(client, 0.3)
        elapsed = time.monotonic() - started
        second = ask(client)
        client.hang_up()

    assert first == Retry("read_timeout")
    assert elapsed < 2
    assert (status_of(second), partner.served) == (422, [0, 1])


CHUNKED = b"HTTP/1.1 202 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"

SURPLUS: Mapping[str, Sequence[Piece]] = {
    "a-second-answer": [(0, final(202) + final(500))],
    "a-second-answer-as-a-segment-later": [(0, final(202)), (0, final(500))],
    "half-a-second-answer": [(0, final(202) + final(200)[:20]), (0.1, final(200)[20:])],
    "a-large-second-answer": [(0, final(202) + final(500, b"x" * 100_000))],
    "a-second-answer-later": [(0, final(202)), (0.05, final(500))],
    "a-third-answer": [(0, final(202) + final(500)), (0.05, final(500))],
    "a-body-of-204": [(0, b"HTTP/1.1 204 No Content\r\n\r\n" + final(200))],
    "a-length-and-a-body-of-204": [(0, final(204, b'{"id":"a"}'))],
    "a-body-of-304": [(0, final(304, b'{"id":"a"}'))],
    "a-body-longer-than-its-length": [(0, final(202, b"{}") + b"  " + final(500))],
    "more-after-the-last-chunk": [(0, CHUNKED + b"\r\n" + final(500))],
    "more-after-trailers": [(0, CHUNKED + b"X-Sum: 1\r\nX-More: 2\r\n\r\n" + final(500))],
    "an-interim-answer-after-the-answer": [(0, final(202) + interim(103))],
    "blank-lines": [(0, final(202) + b"\r\n\r\n")],
}


@pytest.mark.parametrize("name", SURPLUS)
def test_a_connection_with_unread_bytes_is_not_used_again(name: str, tls: ssl.SSLContext | None) -> None:
    with Scripted(SURPLUS[name], [(0, final(422))], tls=tls) as partner:
        client = Bench(partner.url).client
        first = ask(client)
        time.sleep(0.1 if "later" in name or "third" in name else 0)  # else the next call is faster
        second = ask(client)
        client.hang_up()

    assert status_of(first) == {"a-body-of-304": 304}.get(name, 204 if "204" in name else 202)
    assert (status_of(second), partner.served) == (422, [0, 1])


CLEAN: Mapping[str, bytes] = {
    "no-body": final(202),
    "a-body": final(202, b'{"id":"a"}'),
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "204-with-a-length": final(204),
    "304": b"HTTP/1.1 304 Not Modified\r\n\r\n",
    "chunks": CHUNKED + b"\r\n",
    "trailers": CHUNKED + b"X-Sum: 1\r\nX-More: 2\r\n\r\n",
    "continue": interim(100) + final(202),
    "large": final(202, b" " * 300_000),
}


@pytest.mark.parametrize("name", CLEAN)
def test_a_connection_is_used_again_after_an_answer_that_is_whole(name: str, tls: ssl.SSLContext | None) -> None:
    with Scripted(*[[(0, CLEAN[name])]] * 3, [(0, final(422))], tls=tls) as partner:
        client = Bench(partner.url).client
        asked = [status_of(ask(client)) for _ in range(4)]
        client.hang_up()

    assert asked == [int(CLEAN[name].split(b"HTTP/1.1 ")[-1][:3])] * 3 + [422]
    assert partner.served == [0, 0, 0, 0]


class TestTwoCustomers:
    """Each gets the id of its own audience, however the partner answers the other."""

    @staticmethod
    def _create(request: AudienceSubscriptionRequest) -> Exchange[Mapping[str, str]]:
        found = yield PartnerCall(path="/lists", body=Json({"account": request.account.account_id}))
        shared = yield PartnerCall(path=f"/lists/{found.text('id')}/share", body=Json({}))
        return {"listId": str(shared.text("id"))}

    def _connect(self, client: PartnerClient, account_id: int) -> object:
        integration = replace(INTEGRATION, subscription=self._create)
        partner: Any = client
        services: Any = replace(ServicesDouble(), partner=partner, integration=integration)
        account = {"account_id": account_id, "account_settings": {"token": f"canary-{account_id}"}}
        request = parsed(AudienceSubscriptionRequest, load_event("audience_subscription_add", account=account))
        try:
            response: Any = process(request, services, Deadline.after(2))
        except DeliveryError as error:
            return str(error)
        return dict(response.audience_subscription_settings or {})

    @pytest.mark.parametrize(
        ("script", "first"),
        [
            ([(0.0, interim(103)), (0.1, final(201, b'{"id":"a"}'))], None),
            ([(0.0, final(201, b'{"id":"a"}') * 2)], {"listId": "a"}),
        ],
        ids=["interim", "twice"],
    )
    def test_none_gets_the_id_of_another(self, script: list[Piece], first: object) -> None:
        a, b = final(200, b'{"id":"a"}'), final(200, b'{"id":"b"}')
        scripts: list[list[Piece]] = [script, *([[(0.0, a * 2)]] if first else []), [(0.0, b)], [(0.0, b)]]
        with Scripted(*scripts) as partner:
            client = Bench(partner.url).client
            connected = [self._connect(client, 1), self._connect(client, 2)]
            client.hang_up()

        assert connected[0] == (first or "the partner could not be reached in time (http_103)")
        assert connected[1] == {"listId": "b"}


def test_the_json_of_an_answer_is_its_own_part_of_what_came(tls: ssl.SSLContext | None) -> None:
    script: list[Piece] = [(0, final(200, json.dumps({"id": "a"}).encode()) + final(200, b'{"id":"b"}'))]
    with Scripted(script, tls=tls) as partner:
        client = Bench(partner.url).client
        answer = ask(client)
        client.hang_up()

    assert isinstance(answer, Answer)
    assert answer.body == {"id": "a"}
