"""OAuth 2.0: a partner whose API and token endpoint are one server here."""

import json
import threading
import time
from collections.abc import Iterator
from urllib.parse import parse_qsl

import pytest
from botocore.exceptions import EndpointConnectionError

from mparticle_firehose.deadline import Deadline
from mparticle_firehose.integration import (
    Answer,
    Basic,
    DeploymentSecret,
    Json,
    OAuth2,
    Outcome,
    PartnerCall,
    Rejected,
    Retry,
    Suspend,
)
from mparticle_firehose.partner_api.access_tokens import AccessTokens
from mparticle_firehose.partner_api.retry_policy import RetryPolicy
from mparticle_firehose.partner_api.transport import UNSENT, OutOfTimeError, Transfer
from tests.partner_api.doubles import MOMENT, Bench, Clock, ParameterStore, Partner, Received, Reply

SECRETS = json.dumps({"client_id": "canary-client", "client_secret": "canary-client-secret"})
CLIENT_SECRET = DeploymentSecret("client_secret")


REFRESH_TOKEN = "canary-refresh-token"


def customers(refresh_token: str = REFRESH_TOKEN) -> OAuth2:
    return OAuth2.refresh_token(
        refresh_token,
        path="/oauth/token",
        client_id=DeploymentSecret("client_id"),
        client_secret=CLIENT_SECRET,
    )


def granted(token: str, **more: object) -> Reply:
    return Reply(200, json.dumps({"access_token": token, "token_type": "bearer", **more}).encode())


def refused(error: str, status: int = 400) -> Reply:
    return Reply(status, json.dumps({"error": error, "error_description": "canary-description"}).encode())


class OAuthPartner(Partner):
    """Grants ``canary-token-1``, ``-2`` ... and accepts those that are valid.

    Attributes:
        valid: tokens that the API accepts; None accepts all.
        token_replies: of the token endpoint, before it grants.
    """

    def __init__(self) -> None:
        super().__init__(self._answer)
        self.valid: set[str] | None = None
        self.token_replies: list[Reply] = []
        self.lifetime: object = 1800
        self.granting = threading.Lock()
        self.grants = 0

    @property
    def token_requests(self) -> list[Received]:
        return [each for each in self.received if each.target == "/oauth/token"]

    @property
    def tokens_used(self) -> list[str]:
        return [each.headers["Authorization"] for each in self.received if each.target != "/oauth/token"]

    def _answer(self, received: Received) -> Reply:
        if received.target != "/oauth/token":
            token = received.headers["Authorization"].removeprefix("Bearer ")
            return Reply(200 if self.valid is None or token in self.valid else 401, b'{"category":"x"}')
        with self.granting:
            if self.token_replies:
                return self.token_replies.pop(0)
            self.grants += 1
            return granted(f"canary-token-{self.grants}", expires_in=self.lifetime)


@pytest.fixture
def partner() -> Iterator[OAuthPartner]:
    with OAuthPartner() as server:
        yield server


@pytest.fixture
def bench(partner: OAuthPartner) -> Bench:
    return Bench(partner.url, ParameterStore(SECRETS))


def ask(bench: Bench, auth: OAuth2 | None = None, seconds: float = 5.0) -> Answer | Outcome:
    call = PartnerCall(path="/contacts", auth=auth or customers(), body=Json({"email": "canary-pii@example.com"}))
    return bench.client.ask(call, Deadline.after(seconds), identity="k1", correlation_id="r1")


def status_of(asked: Answer | Outcome) -> int:
    assert isinstance(asked, Answer)
    return asked.status


def bearer(*numbers: int) -> list[str]:
    return [f"Bearer canary-token-{number}" for number in numbers]


def test_a_token_is_fetched_by_a_form_and_used_by_the_call(bench: Bench, partner: OAuthPartner) -> None:
    assert status_of(ask(bench)) == 200

    token_request, call = partner.received
    assert (token_request.method, token_request.headers["Content-Type"]) == (
        "POST",
        "application/x-www-form-urlencoded",
    )
    assert dict(parse_qsl(token_request.body.decode())) == {
        "grant_type": "refresh_token",
        "refresh_token": "canary-refresh-token",
        "client_id": "canary-client",
        "client_secret": "canary-client-secret",
    }
    assert "Authorization" not in token_request.headers
    assert "Idempotency-Key" not in token_request.headers
    assert (call.target, call.headers["Authorization"]) == ("/contacts", "Bearer canary-token-1")


def test_a_client_may_show_itself_by_basic_auth(bench: Bench, partner: OAuthPartner) -> None:
    ask(bench, OAuth2(site="", path="/oauth/token", form=(("grant_type", "x"),), client=Basic("s", "k")))

    (token_request,) = partner.token_requests
    assert token_request.headers["Authorization"] == "Basic czpr"


def test_a_token_is_kept_for_its_customer_alone(bench: Bench, partner: OAuthPartner) -> None:
    for refresh_token in ("canary-a", "canary-b", "canary-a", "canary-b"):
        ask(bench, customers(refresh_token))

    assert partner.tokens_used == bearer(1, 2, 1, 2)


@pytest.mark.parametrize(
    ("lifetime", "kept_for"),
    [(1800, 1740), ("1800", 1740), (100, 90), (None, 270), ("soon", 270), (0, 270), (-5, 270), (True, 270)],
)
def test_a_token_is_renewed_before_it_expires(lifetime: object, kept_for: int) -> None:
    clock, asked = Clock(), []

    def fetch(*_: object) -> Answer:
        asked.append(clock.now)
        body = {"access_token": "canary-token", **({} if lifetime is None else {"expires_in": lifetime})}
        return Answer(status=200, body=body, received_at=MOMENT)

    tokens = AccessTokens(fetch, RetryPolicy(), Bench("http://unused").secrets, clock)
    for seconds in (0, kept_for - 1, 2):
        clock.now += seconds
        tokens.token(customers(), Transfer(Deadline.after(5)))

    assert asked == [1_000, 1_001 + kept_for]


class TestRefusedTokens:
    """HubSpot's vector H4 and Google's G4."""

    def test_a_refused_token_is_renewed_and_the_call_sent_once_more(self, bench: Bench, partner: OAuthPartner) -> None:
        partner.valid = {"canary-token-2"}

        assert status_of(ask(bench)) == 200
        assert partner.tokens_used == bearer(1, 2)
        assert len({each.headers["Idempotency-Key"] for each in partner.received[1::2]}) == 1

    def test_a_second_refusal_is_the_answer(self, bench: Bench, partner: OAuthPartner) -> None:
        partner.valid = set()
        answer = ask(bench)

        assert status_of(answer) == 401
        assert isinstance(answer, Answer)
        assert RetryPolicy().judge(answer) == Suspend("http_401")
        assert partner.tokens_used == bearer(1, 2)
        assert bench.telemetry.counts == {}

    def test_a_second_refusal_of_the_deployments_own_grant_suspends_nobody(
        self, bench: Bench, partner: OAuthPartner
    ) -> None:
        partner.valid = set()
        auth = OAuth2.client_credentials(path="/oauth/token", client_id="c", client_secret=CLIENT_SECRET)

        assert ask(bench, auth) == Retry("deployment_secret_refused")
        assert bench.telemetry.counts == {"DeploymentSecretRefused": 1}

    def test_a_token_that_was_renewed_meanwhile_is_not_dropped(self) -> None:
        replies = iter(["canary-token-1", "canary-token-2"])
        tokens = AccessTokens(
            lambda *_: Answer(status=200, body={"access_token": next(replies)}),
            RetryPolicy(),
            Bench("http://unused").secrets,
        )

        def token() -> str | Outcome:
            return tokens.token(customers(), Transfer(Deadline.after(5)))

        found = [token()]
        tokens.refuse(customers(), "canary-token-1")
        found.append(token())
        tokens.refuse(customers(), "canary-token-1")  # another thread's call had used the old one too
        found.append(token())

        assert found == ["canary-token-1", "canary-token-2", "canary-token-2"]

    def test_a_token_without_permission_is_not_renewed(self, bench: Bench, partner: OAuthPartner) -> None:
        partner.answer = lambda each: granted("canary-t") if each.target == "/oauth/token" else Reply(403)

        assert status_of(ask(bench)) == 403
        assert len(partner.received) == 2

    def test_if_no_new_token_can_be_had_the_call_waits(self, bench: Bench, partner: OAuthPartner) -> None:
        partner.valid = set()
        ask_once = threading.Event()
        answer = partner.answer

        def once(received: Received) -> Reply:
            if received.target == "/oauth/token" and ask_once.is_set():
                return Reply(503)
            ask_once.set()
            return answer(received)

        partner.answer = once

        assert ask(bench) == Retry("oauth_http_503")
        assert partner.tokens_used == bearer(1)


class TestTokenEndpoint:
    """HubSpot's vector H5: what the token endpoint's answers mean for the call that waits."""

    @pytest.mark.parametrize(
        ("reply", "outcome"),
        [
            (refused("invalid_grant"), Suspend("oauth_invalid_grant")),
            (refused("invalid_grant", 401), Suspend("oauth_invalid_grant")),
            (Reply(503), Retry("oauth_http_503")),
            (Reply(503, headers={"Retry-After": "9"}), Retry("oauth_http_503", 9.0)),
            (Reply(429, headers={"Retry-After": "99999"}), Retry("oauth_http_429", 43_000.0)),
            (refused("invalid_grant", 429), Retry("oauth_http_429")),
            (refused("invalid_grant", 500), Retry("oauth_http_500")),
            (Reply(302, headers={"Location": "/elsewhere"}), Retry("oauth_http_302")),
            (Reply(200, b'{"token":"x"}'), Retry("oauth_no_token")),
            (Reply(200, b"<html>"), Retry("oauth_no_token")),
            (Reply(204), Retry("oauth_no_token")),
            (granted(""), Retry("oauth_no_token")),
            (granted("canary-\n"), Retry("oauth_no_token")),
            (granted("canary-é"), Retry("oauth_no_token")),
            (Reply(200, b'{"access_token":1}'), Retry("oauth_no_token")),
        ],
        ids=lambda each: f"{each.status}" if isinstance(each, Reply) else each.reason,
    )
    def test_what_an_answer_means(self, bench: Bench, partner: OAuthPartner, reply: Reply, outcome: Outcome) -> None:
        partner.token_replies = [reply]

        assert ask(bench) == outcome
        assert partner.tokens_used == []
        assert bench.telemetry.counts == {}

    @pytest.mark.parametrize(
        ("reply", "reason"),
        [
            (refused("invalid_client", 401), "oauth_invalid_client"),
            (refused("unauthorized_client"), "oauth_unauthorized_client"),
            (refused("invalid_request"), "oauth_invalid_request"),
            (refused("canary-their-own"), "oauth_refused"),
            (Reply(400, b'{"error":{"code":1}}'), "oauth_refused"),
            (Reply(403, b"<html>"), "oauth_refused"),
            (Reply(404), "oauth_refused"),
        ],
        ids=lambda each: f"{each.status}" if isinstance(each, Reply) else each,
    )
    def test_what_is_not_the_customers_fault_waits_and_somebody_is_told(
        self, bench: Bench, partner: OAuthPartner, reply: Reply, reason: str
    ) -> None:
        partner.token_replies = [reply]

        assert ask(bench) == Retry(reason)
        assert bench.telemetry.counts == {"DeploymentSecretRefused": 1}
        assert bench.telemetry.warnings == [{"event": "deployment secret refused", "reason": reason}]

    def test_an_integration_says_which_errors_are_the_customers_fault(
        self, bench: Bench, partner: OAuthPartner
    ) -> None:
        partner.token_replies = [refused("invalid_client", 401)]
        auth = OAuth2.client_credentials(path="/oauth/token", client_id="c", client_secret="canary-customers")

        assert ask(bench, auth) == Suspend("oauth_invalid_client")
        assert bench.telemetry.counts == {}

    def test_a_rotated_client_secret_is_used_by_the_next_call(self, bench: Bench, partner: OAuthPartner) -> None:
        partner.token_replies = [refused("invalid_client", 401)]
        ask(bench)
        bench.store.text = json.dumps({"client_id": "canary-client", "client_secret": "canary-rotated"})
        bench.clock.now += 5

        assert status_of(ask(bench)) == 200
        assert b"canary-rotated" in partner.token_requests[-1].body

    def test_without_the_client_secret_the_call_waits(self, bench: Bench, partner: OAuthPartner) -> None:
        bench.store.error = EndpointConnectionError(endpoint_url="x")

        assert ask(bench) == Retry("deployment_secret_unavailable")
        assert partner.received == []

    def test_a_credential_that_cannot_be_sent_is_rejected(self, bench: Bench, partner: OAuthPartner) -> None:
        assert ask(bench, customers("\ud800")) == Rejected("body_not_utf8")
        assert partner.received == []

    def test_a_token_endpoint_that_is_down_is_a_fault_of_its_own(self, partner: OAuthPartner) -> None:
        bench = Bench("http://127.0.0.1:9", ParameterStore(SECRETS))

        assert ask(bench) == Retry("oauth_network_refused")

    def test_a_valid_token_serves_on_while_the_endpoint_is_down(self) -> None:
        clock, answers, asked = Clock(), [Answer(status=200, body={"access_token": "canary-token"})], []

        def fetch(*_: object) -> Answer:
            asked.append(clock.now)
            return answers.pop() if answers else Answer(status=503)

        tokens = AccessTokens(fetch, RetryPolicy(), Bench("http://unused").secrets, clock)
        found = []
        for seconds in (0, 271, 1, 28):
            clock.now += seconds
            found.append(tokens.token(customers(), Transfer(Deadline.after(5))))

        assert found == ["canary-token", "canary-token", "canary-token", Retry("oauth_http_503")]
        assert asked == [1_000, 1_271, 1_300]


class TestTime:
    """Renewals and the deadlines of the calls that need them."""

    def test_many_calls_cause_one_token_request(self, bench: Bench, partner: OAuthPartner) -> None:
        together = threading.Barrier(6)
        partner.token_replies = [Reply(200, b'{"access_token":"canary-token-1"}', delay=0.3)]
        asked: list[Answer | Outcome] = []

        def call() -> None:
            together.wait(5)
            asked.append(ask(bench))

        threads = [threading.Thread(target=call) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert [status_of(each) for each in asked] == [200] * 6
        assert len(partner.token_requests) == 1

    def test_a_slow_token_endpoint_costs_no_more_than_the_deadline_and_serves_the_next_call(
        self, bench: Bench, partner: OAuthPartner
    ) -> None:
        partner.token_replies = [Reply(200, b'{"access_token":"canary-token-1"}', delay=1.5)]

        assert ask(bench, seconds=0.5) == Retry("oauth_timeout")
        assert ask(bench, seconds=0.1) == Retry("oauth_timeout")
        assert status_of(ask(bench)) == 200
        assert len(partner.token_requests) == 1
        assert partner.tokens_used == bearer(1)

    def test_a_token_endpoint_that_hangs_is_given_up(
        self, bench: Bench, partner: OAuthPartner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("mparticle_firehose.partner_api.client.TOKEN_SECONDS", 0.7)
        partner.token_replies = [Reply(delay=30)]

        assert ask(bench, seconds=0.5) == Retry("oauth_timeout")
        time.sleep(0.5)
        assert status_of(ask(bench)) == 200

    def test_the_deadline_may_pass_between_refusal_and_renewal(self, bench: Bench, partner: OAuthPartner) -> None:
        partner.valid = set()
        ask(bench)  # keeps a token that is refused
        partner.token_replies = [Reply(delay=30)]

        assert ask(bench, seconds=0.7) == Retry("oauth_timeout")

    def test_if_the_first_call_had_no_time_to_ask_the_next_one_asks(self) -> None:
        is_waiting = threading.Event()
        asked: list[str] = []

        def fetch(_: PartnerCall, transfer: Transfer) -> Answer:
            if not asked:
                asked.append("first")
                assert is_waiting.wait(5)
                time.sleep(0.05)
                raise OutOfTimeError
            asked.append("second")
            return Answer(status=200, body={"access_token": "canary-token"})

        tokens = AccessTokens(fetch, RetryPolicy(), Bench("http://unused").secrets)
        failed: list[type[BaseException]] = []

        def first() -> None:
            try:
                tokens.token(customers(), Transfer(Deadline.after(5)))
            except OutOfTimeError as error:
                failed.append(type(error))

        thread = threading.Thread(target=first)
        thread.start()
        while not asked:
            time.sleep(0.005)
        is_waiting.set()
        found = tokens.token(customers(), Transfer(Deadline.after(5)))
        thread.join()

        assert (found, asked, failed) == ("canary-token", ["first", "second"], [OutOfTimeError])

    def test_without_time_nobody_is_asked(self, bench: Bench, partner: OAuthPartner) -> None:
        assert ask(bench, seconds=0) == UNSENT
        assert partner.connections == 0


def test_what_is_forgotten_is_fetched_again(bench: Bench, partner: OAuthPartner) -> None:
    ask(bench)
    bench.client.forget()
    ask(bench)

    assert partner.tokens_used == bearer(1, 2)


def test_nothing_shows_tokens_or_what_they_were_granted_for() -> None:
    tokens = AccessTokens(
        lambda *_: Answer(status=200, body={"access_token": "canary-token"}),
        RetryPolicy(),
        Bench("http://unused").secrets,
    )
    tokens.token(customers(), Transfer(Deadline.after(5)))

    assert "canary" not in repr(vars(tokens))
